"""Masks: enough of an address for its owner to know it, too little for anybody else (the contract's section 2.1)."""


def mask_email(address: str) -> str:
    """`m.m…s@gmail.com` as `m***…s@g****.com`: length kept, the ends of the local part, the first of the first label.

    What follows the first label is kept only in its last label; labels between are starred as well.
    """
    local, _, domain = address.rpartition("@")
    labels = domain.split(".")
    return (
        f"{_ends(local)}@{'.'.join([_first(labels[0]), *(_stars(label) for label in labels[1:-1]), *labels[1:][-1:]])}"
    )


def mask_phone(number: str, country_code: str) -> str:
    """`+33612345678` as `+33*******78`: the country code and the last two digits."""
    prefix = f"+{country_code}"
    rest = number.removeprefix(prefix)
    return f"{prefix}{'*' * max(len(rest) - 2, 0)}{rest[-2:]}"


def _ends(text: str) -> str:
    return text[:1] + "*" * (len(text) - 2) + text[-1:] if len(text) > 2 else text[:1] + "*" * (len(text) - 1)


def _first(text: str) -> str:
    return text[:1] + "*" * (len(text) - 1)


def _stars(text: str) -> str:
    return "*" * len(text)
