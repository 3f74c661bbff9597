"""Logs: one JSON object a line. An exception is its type and where it rose, never its text: that may quote a secret."""

import json
import logging
import sys
import threading
import time
import traceback
from collections import deque
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from multiprocessing.util import Finalize
from types import TracebackType
from typing import Any, Final, TextIO

from django.core.signals import got_request_exception
from django.http import HttpRequest

from identity.primitives.imports import absent

with absent("rich", "greenlet", "better_exceptions"):  # 4 MB for coloured tracebacks, where they are installed.
    import structlog
    from structlog.typing import EventDict, WrappedLogger

_ACCESS: Final = "stepward.access"
_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


class Output(logging.StreamHandler[TextIO]):
    """Standard output, for the records of `logging`, and for lines that are written already and can wait a moment.

    A write gives Python's interpreter lock away, and the threads of a busy process queue to have it back: for each
    request that took a quarter of its processor time. So lines wait for each other, at most `LONGEST` seconds; a record
    is written at once, after the lines before it. A process that is killed loses what waits, one that ends does not.
    """

    LONGEST: Final = 0.05
    current: "Output | None" = None

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: deque[str] = deque()
        self._some = threading.Event()
        self._writer: threading.Thread | None = None
        # Granian's processes are multiprocessing's, which end without what `atexit` was told.
        Finalize(None, self._write_waiting, exitpriority=0)
        Output.current = self

    def write(self, line: str) -> None:
        """Have one line written, whole and in its turn."""
        self._lines.append(line)
        if not self._some.is_set():
            self._some.set()
            if self._writer is None:
                self._begin()

    def flush(self) -> None:
        """Write what waits. `logging` calls it after each record and at the end of the process."""
        self.acquire()
        try:
            waiting = [self._lines.popleft() for _ in range(len(self._lines))]
            if waiting:
                self.stream.write("".join(f"{line}{self.terminator}" for line in waiting))
            super().flush()
        finally:
            self.release()

    def emit(self, record: logging.LogRecord) -> None:
        events: list[dict[str, str]] | None = getattr(record, "facts", None)
        if events is not None:  # Of the audit trail, which the database keeps: their lines can wait too.
            stamp = f"{datetime.now(UTC).isoformat()[:-6]}Z"
            for facts in events:
                self.write(json.dumps({**facts, "level": "info", "logger": record.name, "timestamp": stamp}))
            return
        if self._lines:
            self.flush()
        super().emit(record)

    def _begin(self) -> None:
        self.acquire()
        try:
            if self._writer is None:
                self._writer = threading.Thread(target=self._write_on, name="log", daemon=True)
                self._writer.start()
        finally:
            self.release()

    def _write_on(self) -> None:
        while True:
            self._some.wait()
            time.sleep(self.LONGEST)
            self._some.clear()  # First: a line that comes now is written now, or asks again.
            self._write_waiting()

    def _write_waiting(self) -> None:
        with suppress(OSError, ValueError):  # Nobody reads any more, and there is nowhere to say so.
            self.flush()


def request(method: str, route: str, status: int, seconds: float, address: str, trace_id: str) -> None:
    """The access log's line. It is most of all lines, and by way of structlog and logging it took 130 µs."""
    output = Output.current
    if output is None or not _access.isEnabledFor(logging.INFO):
        return
    output.write(
        f'{{"method": "{method}", "route": {_quoted_route(route)}, "status": {status}, "ms": {seconds * 1000:.1f}, '
        f'"address": {quoted(address)}, "event": "request", "trace_id": "{trace_id}", "level": "info", '
        f'"logger": "{_ACCESS}", "timestamp": "{datetime.now(UTC).isoformat()[:-6]}Z"}}'
    )


_access = logging.getLogger(_ACCESS)
_quoted_route = lru_cache(quoted)  # As many as there are routes.


def where_it_rose(exception: BaseException | None) -> str:
    """`Type at file:line in function < …`, innermost first."""
    if exception is None:
        return ""
    frames = traceback.extract_tb(exception.__traceback__)[-8:]
    places = " < ".join(
        f"{frame.filename.rpartition('/site-packages/')[2]}:{frame.lineno} {frame.name}" for frame in frames[::-1]
    )
    return f"{type(exception).__name__} at {places}"


def _exceptions_without_text(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    information = event.pop("exc_info", None)
    if isinstance(information, tuple):
        information = information[1]
    if isinstance(information, BaseException):
        event["exception"] = where_it_rose(information)
    return event


def formatter() -> logging.Formatter:
    """What the logging configuration names: structlog and the standard library's records alike."""
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    got_request_exception.connect(_log_server_error, dispatch_uid="stepward")
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_SHARED,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _exceptions_without_text,
            structlog.processors.JSONRenderer(),
        ],
    )


def _log_server_error(sender: object, request: HttpRequest | None = None, **_kwargs: object) -> None:
    information: tuple[type[BaseException] | None, BaseException | None, TracebackType | None] = sys.exc_info()
    match = request.resolver_match if request is not None else None
    structlog.get_logger("stepward.error").error(
        "unhandled", route=match.route if match else "-", exception=where_it_rose(information[1])
    )
