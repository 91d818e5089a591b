"""stub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.flow import Unparsed
from citysoc.parsers.base import Context, Parser

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.flow import Event


def _parse(lines: Sequence[str], context: Context) -> list[Event | Unparsed]:
    del context
    return [
        {"message": line, "event.module": "syslog", "event.dataset": "syslog.message"}
        if line
        else Unparsed("syslog.empty", "The record is empty.")
        for line in lines
    ]


PARSER = Parser("syslog", "Syslog of RFC 3164 and RFC 5424.", "lines", lambda _head, _name: 10, _parse)
