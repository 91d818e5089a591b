"""Orders by fields on Elasticsearch: what to sort by, and the condition for what lies behind an event."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from citysoc.ecs.fields import FIELDS
from citysoc.stores import elastic_scripts as scripts
from citysoc.stores.elastic_mapping import MICROSECONDS
from citysoc.stores.elastic_query import microseconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.stores.order import Sort


def sorting(sorts: Sequence[Sort], runtime: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the sort of a search; fields made for it are added to ``runtime``."""
    return [
        {
            _field(sort, number, runtime): {
                "order": "desc" if sort.descending else "asc",
                "mode": "max" if sort.descending else "min",
                "missing": "_last",
            }
        }
        for number, sort in enumerate(sorts)
    ]


def behind(sorts: Sequence[Sort], place: Sequence[Any], runtime: dict[str, Any]) -> dict[str, Any]:
    """Return the condition for events behind the one with these values."""
    alternatives: list[dict[str, Any]] = []
    same: list[dict[str, Any]] = []
    for number, (sort, value) in enumerate(zip(sorts, place, strict=True)):
        field = _field(sort, number, runtime)
        there = {"exists": {"field": field}}
        if value is None:  # nothing comes behind nothing
            same = [*same, _none(there)]
            continue
        edge = microseconds(value) if isinstance(value, dt.datetime) else value
        nearer, upto = ("gt", "gte") if sort.descending else ("lt", "lte")
        # The largest value is smaller than the edge where none reaches it; an event without any comes last.
        alternatives.append({"bool": {"filter": same, "must_not": [{"range": {field: {upto: edge}}}]}})
        exactly = {"range": {field: {"gte": edge, "lte": edge}}}
        same = [*same, exactly, _none({"range": {field: {nearer: edge}}})]
    return {"bool": {"should": alternatives, "minimum_should_match": 1}}


def _none(condition: dict[str, Any]) -> dict[str, Any]:
    return {"bool": {"must_not": [condition]}}


def _field(sort: Sort, number: int, runtime: dict[str, Any]) -> str:
    made = scripts.texts(sort.field)
    if made is not None:
        name = f"citysoc_s{number}"
        runtime[name] = made
        return name
    return f"{MICROSECONDS}.{sort.field}" if FIELDS[sort.field].type == "date" else sort.field
