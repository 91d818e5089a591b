"""Structured logs of the running service: keys as ``noun.verb``, facts as fields, on stderr.

structlog, and all that it brings along, is loaded when the first event is written: most commands write none, and begin
a tenth of a second sooner without it.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import Any, TextIO

_LEVELS = {"debug": 0, "info": 1, "warning": 2, "error": 3}


@dataclass(frozen=True, slots=True)
class _Way:
    """How log events are written.

    Args:
        level: the lowest level that is written, as in ``_LEVELS``.
        json: one JSON object a line instead of text for people.
        stream: where to.
    """

    level: int
    json: bool
    stream: TextIO


class Logger:
    """Writes the log events of one room.

    Args:
        room: ``collectors.files``, ``notify.webhook``.
    """

    __slots__ = ("_room",)

    def __init__(self, room: str) -> None:
        self._room = room

    def debug(self, event: str, **facts: Any) -> None:
        """Write what only helps to find a mistake."""
        self._write("debug", event, facts)

    def info(self, event: str, **facts: Any) -> None:
        """Write what is as it should be."""
        self._write("info", event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        """Write what someone should look at."""
        self._write("warning", event, facts)

    def error(self, event: str, **facts: Any) -> None:
        """Write what went wrong."""
        self._write("error", event, facts)

    def exception(self, event: str, **facts: Any) -> None:
        """Write what went wrong, with the exception that is being handled."""
        self._write("error", event, {**facts, "exc_info": True})

    def _write(self, level: str, event: str, facts: dict[str, Any]) -> None:
        if _LEVELS[level] >= _way.level:
            getattr(_structlog(_way), level)(event, room=self._room, **facts)


def configure(*, level: str, json: bool = False) -> None:
    """Send log events to stderr.

    Args:
        level: the lowest level that is written: debug, info, warning or error; anything else means warning.
        json: one JSON object a line instead of text for people.
    """
    global _way  # noqa: PLW0603  one way out for the whole process
    _way = _way_of(level, json=json)


def logger(room: str) -> Logger:
    """Return the logger of a room (``collectors.files``, ``notify.webhook``)."""
    return Logger(room)


def _way_of(level: str, *, json: bool = False) -> _Way:
    return _Way(_LEVELS.get(level.lower(), _LEVELS["warning"]), json, sys.stderr)


def _structlog(way: _Way) -> Any:
    """Return what writes events that way."""
    import structlog

    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if way.json
        else structlog.dev.ConsoleRenderer(
            colors=way.stream.isatty(),
            # Never the local variables: they hold log lines, which are not ours to show.
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    return structlog.wrap_logger(
        structlog.PrintLogger(way.stream),
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([structlog.processors.format_exc_info] if way.json else []),
            renderer,
        ],
    )


# A worker process and a library user get the same quiet default: warnings and errors, on stderr.
_way = _way_of(os.environ.get("CITYSOC_LOG_LEVEL", "warning"))
