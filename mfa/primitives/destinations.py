"""Where a code may be sent: one canonical spelling for each e-mail address and mobile number."""

import re
from typing import Final

_LONGEST_EMAIL: Final = 254  # RFC 5321, 4.5.3.1.3, less the angle brackets.
_LONGEST_LOCAL_PART: Final = 64  # RFC 5321, 4.5.3.1.1.
_LONGEST_NUMBER: Final = 32  # As typed; E.164 itself ends at 15 digits.

_LOCAL_PART: Final = re.compile(r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def canonical_email(text: object) -> str | None:
    """The address in lower case, its domain in ASCII (RFC 5891), or None for what is no address.

    Quoted local parts, comments, routes, control characters and local parts outside ASCII are refused: few mailboxes
    have them, and every one of them has been used to smuggle a second recipient into a message.
    """
    if not isinstance(text, str) or len(text) > _LONGEST_EMAIL:
        return None
    local, _, domain = text.strip(" ").lower().rpartition("@")
    domain = _ascii_domain(domain)
    if len(local) > _LONGEST_LOCAL_PART or not _LOCAL_PART.fullmatch(local):
        return None
    labels = domain.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or (len(labels) < 2 and domain != "localhost"):
        return None
    address = f"{local}@{domain}"
    return address if len(address) <= _LONGEST_EMAIL else None


def canonical_phone(text: object) -> str | None:
    """The number as E.164, such as `+33612345678`, or None for what is no number.

    It must be written with its country code. Numbers that bill their caller are refused: whoever earns on them would
    let us pay for each code.
    """
    import phonenumbers
    from phonenumbers import PhoneNumberType

    if not isinstance(text, str) or len(text) > _LONGEST_NUMBER or not text.isascii():
        return None
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return None
    billed = (PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST)
    if number.extension or not phonenumbers.is_possible_number(number) or phonenumbers.number_type(number) in billed:
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def country_code(number: str) -> str:
    """`33` for the canonical `+33612345678`: the part that a mask leaves readable."""
    import phonenumbers

    return str(phonenumbers.parse(number, None).country_code)


def _ascii_domain(domain: str) -> str:
    try:
        return domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return ""
