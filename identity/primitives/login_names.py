"""Login names: one canonical form for each account, whatever the person typed."""

import unicodedata

MAXIMUM_LENGTH = 64


def normalise(typed: str) -> str:
    """The form under which names are compared and counted: NFKC, case folded, outer blanks removed.

    PRECIS (RFC 8265, UsernameCaseMapped) is the model. Applied until nothing changes, so that the
    form of a form is itself.
    """
    text = typed
    for _ in range(4):
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()
        if folded == text:
            break
        text = folded
    return text


def is_acceptable(typed: str) -> bool:
    """Whether `typed` can be an account's name: 1 to 64 characters, none of them a control character."""
    if not 0 < len(typed) <= MAXIMUM_LENGTH or not normalise(typed):
        return False
    return not any(unicodedata.category(character) in ("Cc", "Cs", "Co", "Cn") for character in typed)
