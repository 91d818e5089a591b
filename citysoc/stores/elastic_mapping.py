"""Elasticsearch's mapping and templates, generated from the field dictionary.

A keyword is kept twice: as it is (``user.name``: to group, to show) and folded (``user.name.folded``: to ask).
The server folds by a normalizer; a value that it would fold otherwise than ``query.fold``, or that is too long
to index, is named in ``citysoc.index.odd`` and lies folded by us in the unindexed ``citysoc.index.folded``,
where a script looks at it. So both stores compare text alike, to the last letter.
"""

from __future__ import annotations

import re
from typing import Any

from citysoc.ecs.fields import EXTRA, FIELDS, VERSION
from citysoc.stores.query import TEXT_FIELDS

TEMPLATE_VERSION = 1

MAX_INDEXED = 8191
"""A keyword of so many bytes is indexed whatever its letters are: Lucene takes at most 32,766 bytes."""

INDEX = "citysoc.index"
MICROSECONDS = f"{INDEX}.us"
EXTRAS = f"{INDEX}.extra"
ODD = f"{INDEX}.odd"
COMMIT = f"{INDEX}.commit"
FOLDED = f"{INDEX}.folded"
TIME = f"{MICROSECONDS}.@timestamp"
SEPARATOR = "\x1f"

_EXACT = frozenset(
    (
        *("event.id", "agency.id", "event.module", "event.dataset", "event.category", "event.kind"),
        *("citysoc.source", "citysoc.unparsed", "citysoc.class", "citysoc.threat", "rule.id"),
    )
)
"""Keywords that are also indexed as they are: asked exactly, by us or by other tools."""

# Letters that Java and we put into lower case alike and that are composed (NFC) in any order. Tests ask the server.
_SAFE = (
    "\x01-\x7f\xa0-\u012f\u0131-\u024f\u0391-\u03a1\u03a3-\u03ce\u0400-\u0481\u048a-\u04ff\u1e00-\u1e99"
    "\u1e9b-\u1eff\u2010-\u2027\u2030-\u205e\u20a0-\u20bf\u2190-\u2211\u3001-\u3029\u3041-\u3096\u309b-\u30ff"
    "\u4e00-\u9fff\uac00-\ud7a3\uff0c-\uff20\U0001f300-\U0001faff"
)
UNSAFE = re.compile(f"[^{_SAFE}]")


def folds_alike(text: str) -> bool:
    """Return whether the server's normalizer gives what ``query.fold`` gives, and can index it."""
    if len(text) * 4 > MAX_INDEXED and len(text.encode()) > MAX_INDEXED:
        return False
    return "\0" not in text if text.isascii() else not UNSAFE.search(text)


def extra_key(name: str) -> str:
    """Return a vendor's field name so that folding leaves it as it is: ``Target`` becomes ``^54;arget``."""
    return "".join(c if c in _PLAIN else f"^{ord(c):x};" for c in name)


_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789._-/ ")


def mapping() -> dict[str, Any]:
    """Return the mapping of the events' indices."""
    properties: dict[str, Any] = {}
    for name, field in FIELDS.items():
        properties[name] = _field(name, field.type)
        if field.type == "date":
            properties[f"{MICROSECONDS}.{name}"] = {"type": "long"}
    properties[EXTRA] = {"type": "keyword", "index": False, "doc_values": False}
    properties[EXTRAS] = _keyword(exact=False)
    properties[COMMIT] = {"type": "long"}
    properties[ODD] = {"type": "keyword"}
    properties[FOLDED] = {"type": "object", "enabled": False}
    return {
        "dynamic": False,
        "_meta": {"ecs": VERSION, "version": TEMPLATE_VERSION},
        "date_detection": False,
        "properties": properties,
    }


def _field(name: str, kind: str) -> dict[str, Any]:
    if name in TEXT_FIELDS:
        return {
            "type": "keyword",
            "normalizer": "citysoc_folded",
            "doc_values": False,
            "ignore_above": MAX_INDEXED,
        }
    if kind == "keyword":
        return _keyword(exact=name in _EXACT)
    if kind == "date":
        return {"type": "date", "format": "strict_date_optional_time"}
    return {"type": "double" if kind == "float" else kind}


def _keyword(*, exact: bool) -> dict[str, Any]:
    folded = {
        "type": "keyword",
        "normalizer": "citysoc_folded",
        "doc_values": False,
        "ignore_above": MAX_INDEXED,
    }
    found: dict[str, Any] = {"type": "keyword", "ignore_above": MAX_INDEXED, "fields": {"folded": folded}}
    return found if exact else {**found, "index": False}


def settings(*, shards: int, replicas: int | None, refresh_seconds: int) -> dict[str, Any]:
    """Return the settings of the events' indices.

    Args:
        shards: primary shards of one day.
        replicas: copies; None: one where there is a second node, else none.
        refresh_seconds: how soon events can be found while more come in.
    """
    copies = {"auto_expand_replicas": "0-1"} if replicas is None else {"number_of_replicas": replicas}
    return {
        "index": {
            "number_of_shards": shards,
            **copies,
            "codec": "best_compression",
            "refresh_interval": f"{refresh_seconds}s",
            "mapping": {"total_fields": {"limit": 2000}},
            "max_result_window": 10_000,
        },
        "analysis": {"normalizer": {"citysoc_folded": {"type": "custom", "filter": ["lowercase"]}}},
    }


def events_template(
    prefix: str, index_settings: dict[str, Any], *, policy: str | None = None
) -> dict[str, Any]:
    """Return the index template of the events: one index a day of event time, one alias for all.

    Args:
        prefix: the beginning of all our names.
        index_settings: what ``settings`` gives.
        policy: the lifecycle policy, where the server has lifecycles.
    """
    own = dict(index_settings)
    if policy:
        own["index"] = {**own["index"], "lifecycle": {"name": policy}}
    return {
        "index_patterns": [f"{prefix}-events-*"],
        "priority": 500,
        "version": TEMPLATE_VERSION,
        "template": {"settings": own, "mappings": mapping(), "aliases": {f"{prefix}-events": {}}},
        "_meta": {"description": "Events of citysoc, one index a day of event time."},
    }
