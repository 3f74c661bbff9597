"""Which gateway takes a message, and what it says when it does not."""

from collections.abc import Mapping
from typing import Any

from mfa.models.authenticator import Kind
from mfa.models.delivery import Delivery


class Refused(Exception):
    """A gateway did not take a message. `reason` is a short name without any text of the gateway's own, which may
    quote the recipient or the message; `for_good`: another attempt would end the same."""

    def __init__(self, reason: str, *, for_good: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason[:64]
        self.for_good = for_good


def send(delivery: Delivery, facts: Mapping[str, Any]) -> None:
    """Hand one message to its gateway; returns when the gateway has it, raises Refused when it will not."""
    from mfa.delivery import email, messages, sms

    if delivery.kind == Kind.EMAIL:
        email.send(messages.email(delivery.template, delivery.language, facts), delivery.destination, delivery.pk)
    else:
        sms.send(messages.sms(delivery.template, delivery.language, facts), delivery.destination)
