"""The log: one line per event, as JSON for machines or as readable text, and what libraries have to say.

Owns the form only. Event fields are ids and outcomes by type; free text is bounded and loses every character that
could start a new line, colour a terminal or turn the reading direction.
"""

import logging
import traceback
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, Literal, TextIO

import orjson
import structlog

from sidecar import events
from sidecar.events import (
    CallDecided,
    Event,
    FormerCredentials,
    PoolsCounted,
    PushChannel,
    RequestServed,
    StoreFault,
    UnexpectedError,
    UpstreamCalled,
)

Log = structlog.typing.FilteringBoundLogger
_LEVELS: Mapping[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
_TEXT_LIMIT = 500
_SERVER_FAULT = 500


def open_log(form: Literal["json", "console"], level: str, stream: TextIO) -> Log:
    """A logger of its own: structlog's global configuration is neither used nor changed."""
    render: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(serializer=lambda document, **_: orjson.dumps(document, default=str).decode())
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=24)
    )
    logger: Log = structlog.wrap_logger(
        structlog.PrintLogger(stream),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("iso", utc=True),
            _clean,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
    )
    return logger


@dataclass(frozen=True, slots=True)
class EventLog:
    """Writes each event once. Lines of the audit trail say `audit: true`."""

    log: Log

    def __call__(self, event: Event) -> None:
        members = {field.name: getattr(event, field.name) for field in fields(event)}
        said = {name: value for name, value in members.items() if value not in ("", ())}
        for name, variable in (("reference", events.reference), ("sign_in", events.sign_in)):
            if known := variable.get():
                said[name] = known
        if event.audit:
            said["audit"] = True
        self.log.log(_level(event), event.name, **said)


def _level(event: Event) -> int:
    if isinstance(event, UnexpectedError):
        return logging.ERROR
    if isinstance(event, StoreFault) or (isinstance(event, UpstreamCalled) and event.outcome not in {"ok", "refused"}):
        return logging.WARNING
    if isinstance(event, PoolsCounted | PushChannel):
        return logging.WARNING if isinstance(event, PushChannel) and not event.up else logging.DEBUG
    if isinstance(event, FormerCredentials):
        return logging.INFO if event.what == "client" else logging.WARNING
    if isinstance(event, RequestServed):
        if event.listener == "ops":
            return logging.DEBUG
        return logging.WARNING if event.status >= _SERVER_FAULT else logging.INFO
    if isinstance(event, CallDecided) and event.outcome in {"allowed", "passed", "preflight", "relayed"}:
        return logging.DEBUG  # one a request; Envoy's access log has them with client and user
    return logging.INFO


class _LibraryHandler(logging.Handler):
    """What libraries log, without values: their messages may quote a request line or a URL with a password."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        said: dict[str, Any] = {"library": record.name, "message": str(record.msg)}
        if record.args is None or record.args == ():
            said.pop("message")  # already filled in, so nobody knows with what
            said["where"] = f"{record.filename}:{record.lineno}"
        if record.exc_info and record.exc_info[1] is not None:
            failure = record.exc_info[1]
            found = traceback.extract_tb(failure.__traceback__)
            said["kind"] = type(failure).__name__
            said["frames"] = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in found]
        self._log.log(record.levelno, "library_message", **said)


@contextmanager
def library_logs(log: Log) -> Iterator[None]:
    """Send the standard library's root logger here for as long as this lasts."""
    root, handler = logging.getLogger(), _LibraryHandler(log)
    before = root.handlers[:]
    root.handlers[:] = [handler]
    try:
        yield
    finally:
        root.handlers[:] = before


def _clean(_logger: object, _method: str, said: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Last before rendering, and in the order in which people read."""
    first: dict[str, Any] = {name: said.pop(name) for name in ("timestamp", "level", "event") if name in said}
    return {name: _plain(value) for name, value in {**first, **said}.items()}


def _plain(value: object) -> object:
    if isinstance(value, str):
        return "".join(
            char if char.isprintable() else char.encode("unicode_escape").decode() for char in value[:_TEXT_LIMIT]
        )
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return round(value, 6) if isinstance(value, float) else value  # microseconds
