"""Logs: one structured line a fact, for people in development and for machines in production."""

import asyncio
import atexit
import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final, Literal

import orjson
import structlog

REQUEST_ID: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)  # of the exchange that is going on
FLUSH_S = 0.1


def configure_logs(*, level: str, style: Literal["console", "json"]) -> None:
    """Send every log line, the libraries' too, to standard error in one form."""
    shared: list[Any] = [
        with_request_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderers: list[Any] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
        if style == "json"
        else [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(),
                exception_formatter=structlog.dev.plain_traceback,  # the rich one prints local variables: tokens, texts
            )
        ]
    )
    request_lines.style = style
    numeric_level = logging.getLevelNamesMapping()[level.upper()]
    request_lines.is_on = numeric_level <= logging.INFO
    structlog.configure(
        processors=[*shared, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(numeric_level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers]
    )
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=max(numeric_level, logging.WARNING), force=True)


def with_request_id(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Add the id of the exchange to a line."""
    if (request_id := REQUEST_ID.get()) is not None:
        event.setdefault("request_id", request_id)
    return event


class RequestLines:
    """One line for each request, in the form of all others.

    It is the one line that is written thousands of times a second: it is put together by hand, and lines are written a few at a
    time. `is_on` from when the logs are configured.
    """

    def __init__(self) -> None:
        self.is_on = False
        self.style: Literal["console", "json"] = "console"
        self._lines: list[bytes] = []
        atexit.register(self.flush)

    def add(self, *, method: str, path: str, status: int, seconds: float, statements: int) -> None:
        """Tell of a request."""
        if not self.is_on:
            return
        facts: dict[str, Any] = {
            "method": method,
            "path": path,
            "status": status,
            "ms": round(seconds * 1000, 1),
            "statements": statements,
            "event": "request",
            "request_id": REQUEST_ID.get(),
            "level": "info",
            "timestamp": datetime.now(UTC),
        }
        if not self._lines:
            asyncio.get_running_loop().call_later(FLUSH_S, self.flush)
        self._lines.append(in_json(facts) if self.style == "json" else for_people(facts))

    def flush(self) -> None:
        """Write what is waiting."""
        lines, self._lines = self._lines, []
        if lines:
            sys.stderr.write(b"".join(lines).decode())
            sys.stderr.flush()


def in_json(facts: dict[str, Any]) -> bytes:
    """Return a line for machines."""
    return orjson.dumps(facts, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)


def for_people(facts: dict[str, Any]) -> bytes:
    """Return a line for people: what happened, then the facts by name."""
    told = {name: value for name, value in sorted(facts.items()) if name not in {"event", "level", "timestamp"}}
    shown = " ".join(f"{name}={value if isinstance(value, int | float) else bare(value)}" for name, value in told.items())
    at = orjson.dumps(facts["timestamp"], option=orjson.OPT_UTC_Z).decode().strip('"')
    return f"{at} [info     ] {facts['event']:<30} {shown}\n".encode()


def bare(value: Any) -> str:
    """Return a text as it is where it is plain, else quoted."""
    text = str(value)
    return text if text.isascii() and text.isprintable() and " " not in text else orjson.dumps(text).decode()


request_lines: Final = RequestLines()
