"""Misuse, as exceptions. A refusal is a result; these are not."""


class InvalidParameters(Exception):
    """The request's parameters cannot be read; `detail` says why and quotes nothing of what was sent."""

    def __init__(self, detail: str, *, status: int = 400) -> None:
        super().__init__(detail)
        self.detail = detail
        self.status = status


class Overloaded(Exception):
    """More callers wait for a password hash than may; `retry_after` in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__("the password hash queue is full")
        self.retry_after = retry_after


class OutdatedClient(Exception):
    """The client was kept from an earlier request, and clients or their rules have changed: nothing was done."""
