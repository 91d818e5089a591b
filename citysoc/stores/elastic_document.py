"""Events as documents of Elasticsearch, and back."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.ecs.fields import FIELDS
from citysoc.ecs.schema import from_row
from citysoc.stores.elastic_mapping import INDEX
from citysoc.stores.query import fold

if TYPE_CHECKING:
    from collections.abc import Mapping

    from citysoc.flow import Event

_DATES = frozenset(name for name, field in FIELDS.items() if field.type == "date")


@dataclass(frozen=True, slots=True)
class Document:
    """One event as it is sent.

    Args:
        index: the index of its day.
        id: its ``_id``.
        source: its JSON.
    """

    index: str
    id: str
    source: bytes

    @property
    def lines(self) -> bytes:
        """The two lines of a bulk request."""
        head = orjson.dumps({"create": {"_index": self.index, "_id": self.id}})
        return b"%b\n%b\n" % (head, self.source)


def document(lines: bytes) -> Document:
    """Return the document of two lines of a bulk request."""
    head, _newline, source = lines.partition(b"\n")
    create = orjson.loads(head)["create"]
    return Document(create["_index"], create["_id"], source.removesuffix(b"\n"))


def arrival(document: Document, *, quarantined: bool) -> tuple[str, str] | None:
    """Return the stream and the hour of arrival under which a document was counted; None where it was not.

    Args:
        document: one of a commit.
        quarantined: whether quarantined records are asked for as well.
    """
    row = orjson.loads(document.source)
    stream, arrived = row.get("citysoc.source"), row.get("event.ingested")
    if stream is None or arrived is None or ("citysoc.unparsed" in row and not quarantined):
        return None
    return stream, f"{dt.datetime.fromisoformat(arrived):%Y-%m-%dT%H:00:00.000000Z}"


def to_event(source: Mapping[str, Any]) -> Event:
    """Return a document's source as the event it was made of."""
    row = {name: value for name, value in source.items() if name != INDEX}
    for name in _DATES:
        if isinstance(value := row.get(name), str):
            row[name] = dt.datetime.fromisoformat(value)
    return from_row(row)


def refused(document: Document, reason: str, *, with_original: bool) -> Document:
    """Return the quarantined record in the place of a document that the cluster refused.

    Args:
        document: what was refused.
        reason: the cluster's word.
        with_original: whether to keep ``event.original``; not where that was what was refused.
    """
    row = orjson.loads(document.source)
    kept: dict[str, Any] = {
        name: row[name]
        for name in ("@timestamp", "event.id", "event.ingested", "agency.id", "agency.name", "citysoc.source")
        if name in row
    }
    own: dict[str, Any] = {**row[INDEX], "odd": ["event.original"]}
    own.pop("extra", None)
    own.pop("folded", None)
    original = row.get("event.original")
    if original is not None:
        kept["event.original"] = original if with_original else original[:1000]
        own["folded"] = {"event.original": [fold(kept["event.original"])]}
    kept["citysoc.unparsed"] = "store.refused"
    kept["citysoc.unparsed_detail"] = reason[:1000]
    return Document(document.index, document.id, orjson.dumps({**kept, INDEX: own}))
