"""What Winlogbeat says of an event beside its data: where each name of it goes, and how it is read."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from citysoc.ecs.fields import FIELDS
from citysoc.parsers import ndjson
from citysoc.parsers.windows_shapes import NOWHERE, number_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from citysoc.flow import Event

_RESERVED = ("agency.", "citysoc.", "ndjson.", "log.file.path", "log.offset")
_RESERVED_NAMES = frozenset({"event.id", "event.ingested", "event.original"})
KEYWORDS = {"audit failure": "0x8010000000000000", "audit success": "0x8020000000000000"}
_LEVELS = {"critical": 1, "error": 2, "warning": 3, "information": 4, "verbose": 5}


def keywords(value: Any) -> Any:
    """Return keywords, which Winlogbeat has in words, with those of the event log besides: rules ask for those."""
    words = value if isinstance(value, list) else [value]
    numbers = [KEYWORDS[w.lower()] for w in words if isinstance(w, str) and w.lower() in KEYWORDS]
    return [*words, *numbers] if numbers else value


def copy_level(event: Event, target: str, value: Any) -> None:
    """Give a level that is a word also as the event log has it."""
    if isinstance(value, str) and value.lower() in _LEVELS:
        event.setdefault(target, _LEVELS[value.lower()])


def target_of(name: str) -> str | None:
    """Return what a name of the head is in the event; nowhere for times, None where the record must be read as any."""
    if name == "ecs.version":  # only the runner says that
        return f"ndjson.{name}"
    if not name or name.startswith(_RESERVED) or name in _RESERVED_NAMES:
        return None
    field = FIELDS.get(name)
    if name in {"@timestamp", "event.created"}:  # of these nothing is asked by kind
        return NOWHERE
    return None if field is not None and field.type == "date" else name


def head_reader(name: str) -> tuple[str, type | None, Callable[[Any], Any]] | None:
    """Return what reads a field of the head; None where its values are kept as they are."""
    target = target_of(name)
    if not target:
        return None
    if name == "winlog.keywords":
        return name, None, keywords
    fit = functools.partial(ndjson.fitted, name)
    if name == "winlog.record_id":
        return name, int, lambda value: number_of(fit(value))
    field = FIELDS.get(name)
    if field is None:
        return None
    return target, list if field.array else str, fit
