"""The one contract of every verifier: a right code is accepted once; anything else is refused, and counted.

Codes are taken where their owners take them: from a phone's own computation, from a mail server, from an SMS gateway,
from the list that was shown once.
"""

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import pytest
from django.core import mail
from django.db import connection
from pytest_django import Settings

from identity.models import Client, User
from mfa import secret_store
from mfa.delivery import outbox
from mfa.flows import challenge, recovery, requests
from mfa.flows.second_step import Action, SecondStep, second_step
from mfa.models import AuthenticationRequest, Authenticator, Challenge, RecoveryCodeSet
from mfa.models.authenticator import Kind
from mfa.models.challenge import ChallengeMode
from mfa.outcomes import Finding, Match
from mfa.primitives.recovery_codes import ALPHABET
from mfa.primitives.totp import canonical_code
from mfa.verifiers import delivered_code, recovery_code, totp
from tests.support.ceremony import NOON, ORIGIN, a_client, a_user, by_email, by_sms
from tests.support.gateways import SmsGateway, sms_gateway
from tests.support.soft_authenticator import SoftAuthenticator


@dataclass
class Holder:
    """A person with one right code, and a request that waits for it."""

    client: Client
    user: User
    authenticator: Authenticator
    request_id: str
    request: AuthenticationRequest
    code: str
    find: Callable[[object, datetime], Match | None]
    counted: Authenticator | RecoveryCodeSet

    def accepts(self, code: str, now: datetime = NOON) -> bool:
        """Whether the whole flow takes the code, as a client sends it."""
        from mfa.flows import answers

        factor = answers.factor_id(self.authenticator, ChallengeMode.OTP)
        step = SecondStep(self.client, self.request_id, "", Action.AUTHENTICATE_OTP, str(factor), code, ORIGIN)
        return Finding.SUCCESS in second_step(step, now).findings

    def begin_again(self) -> None:
        """Another passed password step of the same person."""
        self.request_id, self.request = a_live_request(self.user, self.client)

    def wrong(self) -> str:
        """A code of the right form that is not the right one."""
        last = self.code[-1]
        others = ALPHABET if len(self.code) > 6 else "0123456789"
        return self.code[:-1] + next(character for character in others if character != last)

    def failures(self) -> int:
        """The count that protects the account."""
        self.counted.refresh_from_db()
        return self.counted.failures


def a_live_request(user: User, client: Client) -> tuple[str, AuthenticationRequest]:
    return requests.open_request(
        user, client, typed_name=user.username, scopes=[], findings=[], origin=ORIGIN, now=NOON
    )


@pytest.fixture
def gateway(settings: Settings) -> Iterator[SmsGateway]:
    with sms_gateway() as server:
        settings.REDIS_URL, settings.SMS_URL = "", server.url
        yield server


def with_app(user: User, client: Client, _gateway: SmsGateway) -> Holder:
    app = Authenticator(user=user, kind=Kind.APP, created_at=NOON, confirmed_at=NOON)
    secret = user.username.encode().ljust(20, b"!")
    app.sealed_secret = secret_store.seal_for(user, secret, table="mfa_authenticator", row=str(app.pk), purpose="totp")
    app.save()
    code = SoftAuthenticator(secret, "Stepward", user.username).code(NOON.timestamp())
    request_id, request = a_live_request(user, client)

    def find(submitted: object, now: datetime) -> Match | None:
        # As the flow does: form first, and the row as it stands now.
        canonical = canonical_code(submitted)
        return totp.find(Authenticator.objects.get(pk=app.pk), canonical, now) if canonical else None

    return Holder(client, user, app, request_id, request, code, find, app)


def with_mailbox(user: User, client: Client, _gateway: SmsGateway) -> Holder:
    return _with_delivered(user, client, by_email(user), lambda: str(mail.outbox[-1].body))


def with_mobile(user: User, client: Client, gateway: SmsGateway) -> Holder:
    return _with_delivered(user, client, by_sms(user, f"+336{user.pk:08}"), lambda: gateway.received[-1][1])


def _with_delivered(user: User, client: Client, authenticator: Authenticator, received: Callable[[], str]) -> Holder:
    request_id, request = a_live_request(user, client)
    challenge.send_code(request, authenticator, ORIGIN, NOON)
    if connection.in_atomic_block:  # Nothing is sent before a commit, and this test's transaction never commits.
        outbox.hand_over(Challenge.objects.get(request=request).pk, NOON)
    code = re.search(r"\b\d{6}\b", received())
    assert code
    return Holder(
        client, user, authenticator, request_id, request, code[0],
        lambda text, now: delivered_code.find(request, authenticator, text, now), authenticator,
    )  # fmt: skip


def with_recovery_codes(user: User, client: Client, gateway: SmsGateway) -> Holder:
    codes = recovery.make_codes(user, NOON, ORIGIN)
    holder = with_app(user, client, gateway)
    holder.code = codes[3]
    holder.find = lambda text, now: recovery_code.find(user, text, now)
    holder.counted = RecoveryCodeSet.objects.get(user=user)
    return holder


MAKERS = {"app": with_app, "e-mail": with_mailbox, "sms": with_mobile, "recovery code": with_recovery_codes}


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest, gateway: SmsGateway) -> Callable[[], Holder]:
    """`make()`: a new person who holds one right code of this kind."""

    def made() -> Holder:
        return MAKERS[request.param](a_user(all_clients=True), a_client(), gateway)

    return made


@pytest.mark.django_db
def test_a_right_code_is_accepted_once(make: Callable[[], Holder]) -> None:
    holder = make()
    assert holder.accepts(holder.code)
    assert not holder.accepts(holder.code), "the request gave its tokens"
    holder.begin_again()
    assert not holder.accepts(holder.code), "the code is spent, whatever the request"


@pytest.mark.django_db
def test_a_match_is_spent_once(make: Callable[[], Holder]) -> None:
    holder = make()
    first, second = holder.find(holder.code, NOON), holder.find(holder.code, NOON)
    assert first
    assert second
    assert first.spend(NOON)
    assert not second.spend(NOON)
    assert holder.find(holder.code, NOON) is None


@pytest.mark.django_db
def test_another_persons_code_is_refused(make: Callable[[], Holder]) -> None:
    holder, other = make(), make()
    assert holder.code != other.code
    assert not holder.accepts(other.code)
    assert other.accepts(other.code), "and it stays good for its owner"
    assert holder.accepts(holder.code)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "blanks around": lambda code: f" {code} ",
    "a sign": lambda code: f"+{code}",
    "an underscore": lambda code: f"{code[:3]}_{code[3:]}",
    "full-width": lambda code: "".join(chr(ord(each) + 0xFEE0) if each != "-" else each for each in code),
    "Arabic-Indic": lambda code: re.sub(r"\d", lambda digit: chr(0x660 + int(digit[0])), code),
    "empty": lambda _code: "",
    "10,000 characters": lambda code: code.ljust(10_000, "0"),
    "a leading zero": lambda code: f"0{code}",
    "one too few": lambda code: code[:-1],
    "a zero byte": lambda code: f"{code}\x00",
    "a line break": lambda code: f"{code}\n",
    "exponent": lambda code: f"{code}e0",
}
# Recovery codes are copied from paper: blanks, breaks and hyphens are part of how people write them.
TOLERATED = {"recovery code": {"blanks around", "a line break"}}


@pytest.mark.django_db
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_hostile_spelling_is_refused_and_the_right_one_is_still_good(
    make: Callable[[], Holder], spelling: str, request: pytest.FixtureRequest
) -> None:
    holder = make()
    spelled = SPELLINGS[spelling](holder.code)
    assert spelled != holder.code
    if spelling in TOLERATED.get(request.node.callspec.params["make"], ()):
        assert holder.accepts(spelled)
        return
    assert holder.find(spelled, NOON) is None
    assert not holder.accepts(spelled)
    assert holder.accepts(holder.code)


@pytest.mark.django_db
def test_what_is_no_text_is_refused(make: Callable[[], Holder]) -> None:
    holder = make()
    for thing in (None, 7, 123456, 1.5, True, [holder.code], {"code": holder.code}, holder.code.encode()):
        assert holder.find(thing, NOON) is None
    assert holder.find(holder.code, NOON)


@pytest.mark.django_db
def test_each_wrong_code_is_counted_and_the_right_one_ends_the_count(make: Callable[[], Holder]) -> None:
    holder = make()
    assert holder.failures() == 0
    for number in (1, 2, 3):
        assert not holder.accepts(holder.wrong())
        assert holder.failures() == number
    assert holder.accepts(holder.code)
    assert holder.failures() == 0


@pytest.mark.django_db
def test_after_five_wrong_codes_the_right_one_is_not_looked_at(make: Callable[[], Holder]) -> None:
    holder = make()
    for _ in range(5):
        assert not holder.accepts(holder.wrong())
    holder.begin_again()
    assert not holder.accepts(holder.code)
    assert holder.failures() == 5, "and a try while it rests is not counted"


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_wins(make: Callable[[], Holder]) -> None:
    holder = make()
    matches = [match for match in (holder.find(holder.code, NOON) for _ in range(6)) if match]
    assert len(matches) == 6
    together, won = threading.Barrier(6), []

    def spend(match: Match) -> None:
        together.wait()
        try:
            won.append(match.spend(NOON))
        finally:
            connection.close()

    threads = [threading.Thread(target=spend, args=(match,)) for match in matches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [False] * 5 + [True]
