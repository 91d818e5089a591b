"""Reading events in a total order: a point in time, then page after page behind the last event seen."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from citysoc.ecs.fields import EXTRA, FIELDS
from citysoc.errors import StoreError
from citysoc.stores.elastic_document import to_event
from citysoc.stores.elastic_mapping import INDEX, TIME
from citysoc.stores.elastic_query import microseconds

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping, Sequence

    from citysoc.flow import Event
    from citysoc.stores.elastic_client import Cluster

PAGE = 1000
_KEEP = "2m"


def read(
    cluster: Cluster,
    indices: str,
    query: Mapping[str, Any],
    runtime: Mapping[str, Any],
    *,
    fields: Sequence[str] = (),
    sort: Sequence[Mapping[str, Any]],
    limit: int | None,
) -> Iterator[Event]:
    """Yield matching events in an order, as they were when reading began.

    Args:
        cluster: whom to ask.
        indices: of which indices.
        query: the condition.
        runtime: the runtime fields that it needs.
        fields: only these, ``@timestamp`` and ``event.id``; all when empty.
        sort: the order, a total one.
        limit: at most so many.
    """
    body: dict[str, Any] = {
        "query": query,
        "sort": list(sort),
        "track_total_hits": False,
        "_source": _source(fields),
    }
    if runtime:
        body["runtime_mappings"] = runtime
    wanted = {"@timestamp", "event.id", *fields} if fields else None
    with point_in_time(cluster, indices) as body["pit"]:
        left = limit
        while left is None or left > 0:
            body["size"] = PAGE if left is None else min(PAGE, left)
            answer = cluster.ask("POST", "/_search", body)
            hits = answer["hits"]["hits"]
            for hit in hits:
                event = to_event(hit["_source"])
                yield event if wanted is None else {k: v for k, v in event.items() if k in wanted}
            if len(hits) < body["size"]:
                return
            left = None if left is None else left - len(hits)
            body["search_after"] = hits[-1]["sort"]
            body["pit"]["id"] = answer["pit_id"]


def by_time(*, newest_first: bool) -> list[dict[str, Any]]:
    """Return the order by time, then ``event.id``."""
    direction = "desc" if newest_first else "asc"
    return [{TIME: {"order": direction}}, {"event.id": {"order": direction}}]


def behind(after: tuple[dt.datetime, str], *, newest_first: bool) -> dict[str, Any]:
    """Return the condition for events behind the one with a time and an id, in an order."""
    than = "lt" if newest_first else "gt"
    moment = microseconds(after[0])
    same = [{"term": {TIME: moment}}, {"range": {"event.id": {than: after[1]}}}]
    return {
        "bool": {
            "should": [{"range": {TIME: {than: moment}}}, {"bool": {"filter": same}}],
            "minimum_should_match": 1,
        }
    }


def _source(fields: Sequence[str]) -> Any:
    if not fields:
        return {"excludes": [INDEX]}
    return sorted({"@timestamp", "event.id", *(name if name in FIELDS else EXTRA for name in fields)})


@contextlib.contextmanager
def point_in_time(cluster: Cluster, indices: str) -> Iterator[dict[str, str]]:
    """Open a point in time inside the block: what is asked of it is asked of one version of the indices."""
    opened = cluster.ask(
        "POST",
        f"/{indices}/_pit",
        keep_alive=_KEEP,
        ignore_unavailable="true",
        allow_partial_search_results="true",
    )
    point = {"id": opened["id"], "keep_alive": _KEEP}
    try:
        yield point
    finally:
        with contextlib.suppress(StoreError):  # it ends by itself as well
            cluster.ask("DELETE", "/_pit", {"id": point["id"]}, missing={})
