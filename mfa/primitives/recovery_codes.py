"""How recovery codes are made and how typed ones are read. Look-up secrets of NIST SP 800-63B-4, 3.1.2."""

import secrets
from typing import Final

ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Thirty characters, none of which is taken for another on paper: no 0 and O, no 1, I and L, no U beside V."""

LENGTH: Final = 16
"""Characters, of log2(30) bits each: 78 bits a code, where 64 are asked for."""

_GROUP: Final = 4
_LONGEST_TYPED: Final = 64
# Hyphens, as word processors and telephones write them.
_IGNORED: Final = str.maketrans(dict.fromkeys(" \t\r\n\u00a0-\u2010\u2011\u2012\u2013\u2014\u2212"))


def new_code() -> str:
    """A code in its canonical form, each as likely as any other."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def shown(code: str) -> str:
    """The canonical `23456789ABCDEFGH` as people read it: `2345-6789-ABCD-EFGH`."""
    return "-".join(code[start : start + _GROUP] for start in range(0, len(code), _GROUP))


def canonical(text: object) -> str | None:
    """The canonical form of a typed code, or None for what is no code. Case, blanks and hyphens do not matter."""
    if not isinstance(text, str) or len(text) > _LONGEST_TYPED:
        return None
    code = text.translate(_IGNORED)
    if len(code) != LENGTH or not code.isascii() or not set(code.upper()) <= set(ALPHABET):
        return None
    return code.upper()
