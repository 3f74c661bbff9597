"""Plays the client of the whole flow against a server of its own, step by step, and stops at the first surprise.

`python -m demo.play [--once]`: `--once` (or DEMO_ONCE=1) ends after the flow; otherwise the server goes on serving.
Exit status 0 when every step went as the contract says, 1 otherwise.
"""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from demo import terminal
from demo.client import Client, Surprise
from demo.server import CLIENT_ID, Demo, DidNotStart, free_port
from tests.support.soft_authenticator import SoftAuthenticator

ENROLMENT_REQUIRED = 268435457
AUTHENTICATION_REQUIRED = 134217729
WRONG_CODE = 524289


def main(arguments: list[str]) -> int:
    """Prepare, play, keep serving; returns the exit status."""
    once = "--once" in arguments or os.environ.get("DEMO_ONCE", "") not in ("", "0")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        with running_demo() as demo:
            Flow(demo).play()
            return 0 if once else keep_serving(demo)
    except (DidNotStart, Surprise) as problem:
        terminal.bad(str(problem))
        return 1
    except KeyboardInterrupt:
        print("\nStopped.")
        return 0


@contextmanager
def running_demo() -> Iterator[Demo]:
    """A demo whose server answers; whatever goes wrong while it runs comes with the end of the server's log."""
    demo = Demo(chosen_port(os.environ.get("PORT") or "5000"))
    begun = time.monotonic()
    where = os.path.relpath(demo.folder)
    print(f"Making a demo database in {where}/ and starting the server at {demo.url} …", flush=True)
    try:
        demo.prepare()
        demo.start()
        terminal.good(f"it answers after {time.monotonic() - begun:.1f} s")
        yield demo
    except (Surprise, LookupError, ValueError, OSError) as problem:
        # An answer without the member that the contract names, or no answer at all, is a surprise as well.
        reason = str(problem) if isinstance(problem, Surprise) else repr(problem)
        raise Surprise(f"{reason}\n{demo.log_tail()}") from problem
    finally:
        demo.stop()


def chosen_port(named: str) -> int:
    """The port that PORT names, or the next free one, which is said; raises DidNotStart."""
    if not named.isdecimal() or not 1 <= int(named) <= 65535:
        raise DidNotStart("PORT is not a port. Set it between 1 and 65535.")
    port = free_port(int(named))
    if port != int(named):
        print(f"Port {named} is taken; the demo uses {port}.")
    return port


class Flow:
    """Ada signs in twice and stays signed in: the issue's own story, in the contract's own calls."""

    def __init__(self, demo: Demo) -> None:
        self.client = Client(demo.url, f"http://127.0.0.1:{demo.port}")
        self.password = demo.passwords["ada"]
        self.code = ""

    def play(self) -> None:
        request_id = self.first_password_step()
        phone = self.enrol(request_id)
        self.redeem(request_id)
        refresh_token = self.second_sign_in(phone)
        self.refresh(refresh_token)
        print()
        terminal.good(terminal.paint("The whole flow went as the contract says.", "1;32"))

    def first_password_step(self) -> str:
        terminal.title(1, "Ada gives her password")
        terminal.explain("It is right, but the policy wants a second factor and she has none: she may enrol one.")
        answer = self.client.token(400, grant_type="VGAuthenticator", Username="ada", Password=self.password)
        expect_status(answer, ENROLMENT_REQUIRED)
        return str(answer["VGResponse"]["RequestId"])

    def enrol(self, request_id: str) -> SoftAuthenticator:
        path = "/api/MFAEnrollment/EnrollUserToMicrosoftAuthenticatorBy"
        terminal.title(2, "Her client fetches the QR code")
        terminal.explain("A picture, drawn by the server; it holds a secret that was made for her just now.")
        picture = self.client.get(200, f"{path}Image", requestId=request_id)
        terminal.draw_qr(picture)
        phone = SoftAuthenticator.scan(picture)
        terminal.good(f"decoded as a camera does: {phone.uri}")

        terminal.title(3, "The same picture as bytes in JSON, for clients that cannot fetch images")
        same = self.client.get_bytes(f"{path}Bytes", requestId=request_id)
        expect(SoftAuthenticator.scan(same) == phone, "both hold the same secret: a reload breaks no scan")

        terminal.title(4, "She mistypes the code")
        terminal.explain("Status 5, InvalidOTP: nothing is confirmed, and the try is counted.")
        answer = self.client.validate(400, request_id, phone.wrong_code())
        expect(answer["Status"] == 5, "refused")

        terminal.title(5, "She types the code that her phone shows")
        self.code = phone.code()
        terminal.explain(f"The phone computes {self.code} from the secret and the time alone (RFC 6238).")
        answer = self.client.validate(200, request_id, self.code)
        expect(answer["Status"] == 3, "the authenticator is hers")
        return phone

    def redeem(self, request_id: str) -> None:
        terminal.title(6, "Her client redeems the request for tokens")
        terminal.explain("Password and second factor have both been proved under this id; it gives tokens once.")
        answer = self.client.token(200, grant_type="VGAuthenticator", AuthenticationRequestId=request_id)
        self.verify(answer["access_token"])

    def verify(self, access_token: str) -> None:
        terminal.title(7, "A resource server verifies the access token")
        terminal.explain("With the public keys of the JWKS alone, without asking the sign-in server.")
        claims = self.client.verified_claims(access_token)
        shown = ", ".join(f"{name}={claims.get(name)}" for name in ("sub", "client_id", "scope", "amr", "acr"))
        terminal.good(f"signature, issuer and expiry hold: {shown}")
        expect(claims["client_id"] == CLIENT_ID and "mfa" in claims["amr"], "it says that two factors were used")

    def second_sign_in(self, phone: SoftAuthenticator) -> str:
        terminal.title(8, "The next day: password again")
        terminal.explain("Now she has a factor, so the answer offers it instead of an enrolment.")
        answer = self.client.token(
            400,
            grant_type="VGAuthenticator",
            scope="openid offline_access",
            Username="ada",
            Password=self.password,
        )
        expect_status(answer, AUTHENTICATION_REQUIRED)
        response = answer["VGResponse"]
        proof = {
            "grant_type": "VGAuthenticator",
            "AuthenticationRequestId": response["RequestId"],
            "MFAAvailableId": response["AuthenticationResponse"]["MFAAvailables"][0]["Id"],
            "MFAAction": "AuthenticateOTP",
        }

        terminal.title(9, "Someone looked over her shoulder and replays the code of step 5")
        terminal.explain("A code is accepted once (RFC 6238, 5.2), whatever it was used for.")
        answer = self.client.token(400, **proof, MFASecureCode=self.code)
        expect_status(answer, WRONG_CODE)

        terminal.title(10, "She gives a fresh code")
        answer = self.client.token(200, **proof, MFASecureCode=phone.next_code())
        expect("access_token" in answer, "signed in")
        return str(answer["refresh_token"])

    def refresh(self, refresh_token: str) -> None:
        terminal.title(11, "Her client refreshes the tokens")
        terminal.explain("Each refresh token serves once; a new one comes with the answer.")
        answer = self.client.token(200, grant_type="refresh_token", refresh_token=refresh_token)
        expect(answer["refresh_token"] != refresh_token, "rotated")

        terminal.title(12, "The spent refresh token comes again")
        terminal.explain("Either a thief or the owner holds a copy: the whole family ends.")
        answer = self.client.token(400, grant_type="refresh_token", refresh_token=refresh_token)
        expect(answer["error"] == "invalid_grant", "refused")


def expect(holds: bool, what: str) -> None:
    """Say what holds, or end the demo."""
    if not holds:
        raise Surprise(f"This should hold and does not: {what}")
    terminal.good(what)


def expect_status(answer: dict[str, Any], status: int) -> None:
    found = answer["VGResponse"]["AuthenticationState"]["Status"]
    expect(found == status, f"Status {status}: {answer['error_description']}")


def invite(demo: Demo) -> None:
    """Tell a person where to go on, with a QR code of their own to scan."""
    client = Client(demo.url, f"http://127.0.0.1:{demo.port}", quiet=True)
    password = demo.passwords["you"]
    answer = client.token(400, grant_type="VGAuthenticator", Username="you", Password=password)
    request = answer["VGResponse"]["AuthenticationResponse"]["AuthenticationEnrollmentRequest"]
    picture = client.get(
        200,
        "/api/MFAEnrollment/EnrollUserToMicrosoftAuthenticatorByImage",
        requestId=str(answer["VGResponse"]["RequestId"]),
    )
    link = demo.run("manage.py", "bootstrap_admin").strip()
    print(f"\n{terminal.paint('Your turn', '1')}: scan this with an authenticator app within ten minutes,")
    terminal.draw_qr(picture)
    print(f"  and type its code at {terminal.paint(request['EnrollmentUrl'], '4')}")
    print(f"  Your account   {demo.url}/account/   user name you, password {password}")
    print(f"  The API        {demo.url}/api/docs/")
    print(f"  The panel      {demo.url}/admin/   the first administrator sets a password and enrols here, once:")
    for line in link.splitlines():
        print(f"                 {line}")
    print("  With curl      README.md, 'The flow in five lines'")
    print(f"  The log        {os.path.relpath(demo.folder)}/server.log\n  Ctrl-C ends it.", flush=True)


def keep_serving(demo: Demo) -> int:
    """Until Ctrl-C; a server that ends by itself is an error."""
    invite(demo)
    demo.wait()
    terminal.bad(f"The server ended by itself:\n{demo.log_tail()}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
