"""How a rule's findings become alerts, and its words in Vietnamese: the rule's own ``citysoc:`` attribute."""

from __future__ import annotations

from typing import Any

from citysoc.detectors.text import compose
from citysoc.errors import RuleError

_OWN = frozenset({"entity", "folded", "group_by", "window_seconds", "title_vi", "note", "note_vi"})
_ENTITIES = {"host": "host.name", "user": "user.name", "ip": "source.ip"}
_MAX_WINDOW_SECONDS = 31 * 86400
_DEFAULT_WINDOW_SECONDS = 3600


def alerting(own: Any) -> dict[str, Any]:
    """Return what the rule's own ``citysoc:`` attribute says: how its findings become alerts, and its words."""
    own = {} if own is None else own
    if not isinstance(own, dict) or not set(own) <= _OWN:
        raise RuleError(f"`citysoc:` may hold {', '.join(sorted(_OWN))}, nothing else")
    for name in ("entity", "title_vi", "note", "note_vi"):
        if not isinstance(own.get(name, ""), str):
            raise RuleError(f"`citysoc: {name}` is a text")
    if not isinstance(own.get("folded", False), bool):
        raise RuleError("`citysoc: folded` is true or false")
    group_by = own.get("group_by", [])
    if not isinstance(group_by, list) or not all(isinstance(name, str) for name in group_by):
        raise RuleError("`citysoc: group_by` is a list of field names")
    window = own.get("window_seconds", _DEFAULT_WINDOW_SECONDS)
    if not isinstance(window, int) or isinstance(window, bool) or not 0 < window <= _MAX_WINDOW_SECONDS:
        raise RuleError("`citysoc: window_seconds` is a whole number of seconds, at most 31 days")
    entity = own.get("entity", "")
    return {
        "entity": _ENTITIES.get(entity, entity),
        "group_by": list(group_by),
        "window_seconds": window,
        "title_vi": compose(own.get("title_vi", "")),
        "note": compose(own.get("note", "")),
        "note_vi": compose(own.get("note_vi", "")),
    }
