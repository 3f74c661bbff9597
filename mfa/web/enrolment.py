"""The hosted enrolment page: one ceremony at three addresses, which differ in where its id is kept and how it ends."""

import base64
from dataclasses import dataclass
from typing import Any, Final

from django.conf import settings
from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from identity.primitives import masking
from mfa import conf
from mfa.api.visualguard.token_view import origin_of
from mfa.flows import enrolment
from mfa.models import AuthenticationRequest, Authenticator, Enrolment
from mfa.models.authenticator import EnrolmentState, Kind
from mfa.outcomes import EnrolmentRefusal
from mfa.primitives import destinations, qr_code, totp
from mfa.primitives.provisioning_uri import provisioning_uri
from mfa.verifiers.totp import enrolment_secret
from mfa.web import forms, pages, wording

HELD: Final = "enrolment"
_PICTURE: Final = 480
_NAMES: Final = {Kind.APP: "app", Kind.EMAIL: "email", Kind.SMS: "sms"}
# An app first: it works without a network, and no provider stands between.
_ORDER: Final = (Kind.APP, Kind.EMAIL, Kind.SMS)


@dataclass(frozen=True, slots=True)
class _Ceremony:
    """One visit: the request that the id names, and `ends`, which says where the person goes on."""

    request: HttpRequest
    found: AuthenticationRequest
    ends: str

    def page(self, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
        about = {"found": self.found, "ends": self.ends, **context}
        return pages.page(self.request, f"enrol/{template}", about, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def by_address(request: HttpRequest, request_id: str) -> HttpResponseBase:
    """`/mfa/enroll/{requestId}`: where a client sends its user."""
    return _hold_ceremony(request, request_id, "application")


@require_http_methods(["GET", "HEAD", "POST"])
def while_signing_in(request: HttpRequest) -> HttpResponseBase:
    """The first enrolment of who signs in to these very pages."""
    facts = pages.held(request, "sign_in")
    return _hold_ceremony(request, facts["id"], "sign_in") if facts else HttpResponseRedirect(settings.LOGIN_URL)


@require_http_methods(["GET", "HEAD", "POST"])
@pages.signed_in
def while_signed_in(request: HttpRequest) -> HttpResponseBase:
    """One more device, for who has just shown a second factor."""
    facts = pages.held(request, HELD)
    return _hold_ceremony(request, facts["id"], "devices") if facts else HttpResponseRedirect(pages.HOME)


def _hold_ceremony(request: HttpRequest, request_id: str, ends: str) -> HttpResponseBase:
    found = enrolment.find(request_id, timezone.now())
    if isinstance(found, EnrolmentRefusal):
        unknown = found == EnrolmentRefusal.NO_SUCH_REQUEST
        text = _("This address is not known here. Begin again where you came from.")
        if not unknown:
            text = _("The time to set this up has run out, or your sign-in was ended. Begin again where you came from.")
        return pages.over(request, _("This page is over"), text, status=404 if unknown else 410)
    if ends == "devices" and found.user_id != pages.person(request).pk:
        return pages.over(request, _("This page is over"), _("It belongs to another account."))
    ceremony = _Ceremony(request, found, ends)
    if found.enrolment_confirmed_at is not None:
        return _confirmed_before(ceremony)
    kinds = [kind for kind in _ORDER if enrolment.why_not(found, kind) is None and not _is_held(found, kind)]
    if not kinds:
        refusal = enrolment.why_not(found, Kind.APP) or EnrolmentRefusal.TOO_MANY
        return pages.over(request, _("Nothing to set up here"), wording.of_enrolment(refusal), status=403)
    kind = next((each for each in kinds if _NAMES[each] == request.GET.get("by")), kinds[0])
    if request.method == "POST" and "send" in request.POST:
        return _send(ceremony, kind, kinds)
    if request.method == "POST":
        return _confirm(ceremony, kind, kinds)
    return _show(ceremony, kind, kinds)


def _show(
    ceremony: _Ceremony, kind: Kind, kinds: list[Kind], form: Form | None = None, *, status: int = 200
) -> HttpResponseBase:
    """The page of one way, with the other ways beside it."""
    context: dict[str, Any] = {
        "kind": _NAMES[kind],
        "ways": [{"name": _NAMES[each], "title": wording.KINDS[each], "is_this": each == kind} for each in kinds],
    }
    if kind == Kind.APP:
        begun = enrolment.begin_app(ceremony.found, origin_of(ceremony.request), timezone.now())
        if isinstance(begun, EnrolmentRefusal):
            return pages.over(ceremony.request, _("This page is over"), wording.of_enrolment(begun))
        return ceremony.page("app", context | _of_app(begun) | {"form": form or forms.CodeForm()}, status=status)
    own, pending = _own_destination(ceremony.found, kind), _pending(ceremony.found, kind)
    asks_code = pending is not None and "other" not in ceremony.request.GET
    context |= {
        "own": _masked(own, kind) if own else "",
        "sent_to": _masked(pending.destination, kind) if pending and asks_code else "",
        "seconds": int(conf.otp_lifetime().total_seconds()),
    }
    blank = forms.CodeForm() if asks_code else _destination_form(kind)()
    return ceremony.page("delivered", context | {"form": form or blank}, status=status)


def _of_app(begun: Enrolment) -> dict[str, Any]:
    """What an app is given: a picture, the key to type, and a link for the telephone that shows this very page."""
    secret = enrolment_secret(begun)
    uri = provisioning_uri(secret, issuer=conf.issuer(), account=begun.request.user.username)
    picture, key = base64.b64encode(qr_code.png(uri, _PICTURE)).decode("ascii"), totp.base32(secret)
    return {
        "picture": f"data:image/png;base64,{picture}",
        "groups": [key[at : at + 4] for at in range(0, len(key), 4)],
        "uri": uri,
    }


def _send(ceremony: _Ceremony, kind: Kind, kinds: list[Kind]) -> HttpResponseBase:
    """Send a code to the account's own address or number, or to the one that was typed where none is recorded."""
    form, destination = None, _own_destination(ceremony.found, kind)
    if not destination:
        form = _destination_form(kind)(ceremony.request.POST)
        if not form.is_valid():
            return _show(ceremony, kind, kinds, form, status=400)
        destination = form.cleaned_data["destination"]
    begun = enrolment.begin_delivered(ceremony.found, kind, destination, origin_of(ceremony.request), timezone.now())
    if isinstance(begun, EnrolmentRefusal) and form is not None:
        form.add_error("destination", wording.of_enrolment(begun))
        return _show(ceremony, kind, kinds, form, status=400)
    if isinstance(begun, EnrolmentRefusal):
        messages.error(ceremony.request, wording.of_enrolment(begun))
    return HttpResponseRedirect(f"?by={_NAMES[kind]}")


def _confirm(ceremony: _Ceremony, kind: Kind, kinds: list[Kind]) -> HttpResponseBase:
    form = forms.CodeForm(ceremony.request.POST)
    if not form.is_valid():
        return _show(ceremony, kind, kinds, form, status=400)
    outcome = enrolment.confirm(
        ceremony.found, kind, form.cleaned_data["code"], origin_of(ceremony.request), timezone.now()
    )
    if isinstance(outcome, Authenticator):
        return _done(ceremony)
    if outcome == EnrolmentRefusal.WRONG_CODE and _pending(ceremony.found, kind) is not None:
        form.add_error("code", wording.of_enrolment(outcome))
        return _show(ceremony, kind, kinds, form, status=400)
    if outcome in (EnrolmentRefusal.WRONG_CODE, EnrolmentRefusal.ENDED) and kind == Kind.APP:
        text = _("Too many wrong codes. Here is a new key: delete the entry in your app, then scan again.")
        messages.error(ceremony.request, text)
    elif outcome == EnrolmentRefusal.DESTINATION_NOT_OWN:
        messages.error(ceremony.request, wording.of_enrolment(outcome))
    elif outcome != EnrolmentRefusal.ALREADY_CONFIRMED:
        messages.error(ceremony.request, wording.of_enrolment(EnrolmentRefusal.ENDED))
    return HttpResponseRedirect(f"?by={_NAMES[kind]}")


def _done(ceremony: _Ceremony) -> HttpResponseBase:
    """Confirmed. The recovery codes stand in this one answer and are kept nowhere in clear."""
    codes = enrolment.take_recovery_codes(ceremony.found, origin_of(ceremony.request), timezone.now())
    context: dict[str, Any] = {} if isinstance(codes, EnrolmentRefusal) else {"codes": codes}
    return ceremony.page("done", context)


def _confirmed_before(ceremony: _Ceremony) -> HttpResponseBase:
    """The address after its enrolment: it shows no secret any more, and the recovery codes only if nobody took them."""
    if ceremony.request.method == "POST" and "codes" in ceremony.request.POST:
        return _done(ceremony)
    return ceremony.page("done", {"codes_due": ceremony.found.recovery_codes_due})


def _pending(found: AuthenticationRequest, kind: Kind) -> Enrolment | None:
    return found.enrolments.filter(kind=kind, state=EnrolmentState.PENDING, expires_at__gt=timezone.now()).first()


def _is_held(found: AuthenticationRequest, kind: Kind) -> bool:
    """Whether the account's one address or number of this kind is an authenticator already."""
    held = found.user.authenticators.filter(kind=kind)
    return kind != Kind.APP and bool(_own_destination(found, kind)) and held.exists()


def _own_destination(found: AuthenticationRequest, kind: Kind) -> str:
    return found.user.email if kind == Kind.EMAIL else found.user.mobile_phone


def _masked(destination: str, kind: Kind) -> str:
    if kind == Kind.EMAIL:
        return masking.mask_email(destination)
    number = destinations.canonical_phone(destination)
    return masking.mask_phone(number, destinations.country_code(number)) if number else "…"


def _destination_form(kind: Kind) -> type[Form]:
    return forms.EmailForm if kind == Kind.EMAIL else forms.PhoneForm
