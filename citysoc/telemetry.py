"""Structured logs of the running service: keys as ``noun.verb``, facts as fields, on stderr."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

import structlog


def configure(*, level: str, json: bool = False) -> None:
    """Send log events to stderr.

    Args:
        level: the lowest level that is written: debug, info, warning or error.
        json: one JSON object a line instead of text for people.
    """
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            # Never the local variables: they hold log lines, which are not ours to show.
            exception_formatter=structlog.dev.plain_traceback,
        )
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([structlog.processors.format_exc_info] if json else []),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def logger(room: str) -> Any:
    """Return the logger of a room (``collectors.files``, ``notify.webhook``)."""
    return structlog.get_logger(room=room)


# A worker process and a library user get the same quiet default: warnings and errors, on stderr.
configure(level=os.environ.get("CITYSOC_LOG_LEVEL", "warning"))
