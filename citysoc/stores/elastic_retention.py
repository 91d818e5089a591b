"""What this cluster can do, and the removal of old events."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citysoc.errors import StoreError
from citysoc.stores.elastic_mapping import TIME
from citysoc.stores.elastic_query import microseconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from citysoc.stores.elastic_client import Cluster

_DAY = re.compile(r"-events-([0-9]{4})\.([0-9]{2})\.([0-9]{2})$")


@dataclass(frozen=True, slots=True)
class Abilities:
    """What was found by asking, never taken for granted.

    Args:
        version: the server's.
        lifecycles: whether index lifecycle management answers.
    """

    version: str
    lifecycles: bool


def probe(cluster: Cluster) -> Abilities:
    """Ask a cluster what it is and what it can do.

    Raises:
        StoreError: it does not answer, or is older than 9.
    """
    from citysoc.i18n import _

    facts = cluster.ask("GET", "/", seconds=10)
    version = str(facts.get("version", {}).get("number", "?"))
    if not version.split(".", 1)[0].isdecimal() or int(version.split(".", 1)[0]) < 9:
        raise StoreError(
            _("The cluster runs Elasticsearch {version}; 9 or newer is needed.").format(version=version),
            where=cluster.place,
        )
    return Abilities(version, _answers(cluster, "/_ilm/policy"))


def _answers(cluster: Cluster, path: str) -> bool:
    try:
        cluster.ask("GET", path, missing={})
    except StoreError as error:
        if error.transient:
            raise
        return False  # no such part (400, 405), or not for us (403)
    return True


def lifecycle(cluster: Cluster, name: str, days: int) -> None:
    """Have the cluster itself delete an index some days after it was made; a net below our own job."""
    policy = {"policy": {"phases": {"delete": {"min_age": f"{days}d", "actions": {"delete": {}}}}}}
    cluster.ask("PUT", f"/_ilm/policy/{name}", policy)


def retain(
    cluster: Cluster, prefix: str, before: dt.datetime, matching: Mapping[str, Any] | None = None
) -> int:
    """Remove events older than a moment; return how many.

    Args:
        cluster: where.
        prefix: how our indices' names begin.
        before: the moment.
        matching: a search body's ``query`` and ``runtime_mappings``: only these; None for all.

    Indices of which every event is older go whole. An index may hold other days too: those of a year whose clock was
    wrong lie in its first day. So nothing is taken from a name alone.
    """
    removed = 0
    pattern = f"{prefix}-events-*"
    old: dict[str, Any] = {"query": {"range": {TIME: {"lt": microseconds(before)}}}}
    if matching:
        old = {**matching, "query": {"bool": {"filter": [old["query"], matching["query"]]}}}
    cluster.ask("POST", f"/{pattern}/_refresh", ignore_unavailable="true")
    for name in sorted(
        cluster.ask("GET", f"/{pattern}/_settings", missing={}, filter_path="*.settings.index.uuid")
    ):
        match = _DAY.search(name)
        if match is None or dt.date(*map(int, match.groups())) > before.date():
            continue
        total = cluster.ask("GET", f"/{name}/_count")["count"]
        found = cluster.ask("POST", f"/{name}/_search", {**old, "size": 0, "track_total_hits": True})
        gone = found["hits"]["total"]["value"]
        if gone == total:
            cluster.ask("DELETE", f"/{name}", missing={})
        elif gone:
            answer = cluster.ask(
                "POST",
                f"/{name}/_delete_by_query",
                old,
                seconds=3600,
                conflicts="proceed",
                refresh="true",
            )
            gone = answer["deleted"]
        removed += gone
    return removed


def fitting(cluster: Cluster, prefix: str, max_bytes: int) -> dt.datetime | None:
    """Return from which day on events may stay so that our indices fit into so many bytes; None where they fit."""
    stats = cluster.ask("GET", f"/{prefix}-events-*/_stats/store", ignore_unavailable="true")
    total = 0
    for name, facts in sorted(stats.get("indices", {}).items(), reverse=True):
        match = _DAY.search(name)
        if match is None:
            continue
        total += facts["total"]["store"]["size_in_bytes"]
        if total > max_bytes:
            year, month, day = map(int, match.groups())
            return dt.datetime(year, month, day, tzinfo=dt.UTC) + dt.timedelta(days=1)
    return None
