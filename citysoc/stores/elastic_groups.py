"""Groups and metrics on Elasticsearch, every one exactly.

Where only the first groups are wanted the server orders and cuts, as far as that is certain to be right; otherwise
they come page after page of a composite aggregation, and only those that can be among the first are kept.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import ipaddress
from typing import TYPE_CHECKING, Any

from citysoc.ecs.fields import FIELDS
from citysoc.stores import elastic_scripts as scripts
from citysoc.stores.elastic_cut import cut_by_server, with_none
from citysoc.stores.elastic_mapping import MICROSECONDS
from citysoc.stores.elastic_scan import point_in_time
from citysoc.stores.local_groups import Grouping, metric_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from citysoc.stores.base import Metric
    from citysoc.stores.elastic_client import Cluster
    from citysoc.stores.elastic_cut import Cut

_PAGE = 10_000
"""So many groups come at a time; the server goes through all events for each page."""
_METRICS_PAGE = 2000
_EXACT_CARDINALITY = 40_000
"""The cluster counts distinct values exactly up to here, beyond with an error below one percent."""
_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001  local time without its zone
_MONDAY_US = 4 * 86_400 * 1_000_000
_TIME = "citysoc_t"


def aggregate(
    cluster: Cluster,
    indices: str,
    query: Mapping[str, Any],
    runtime: Mapping[str, Any],
    grouping: Grouping,
    *,
    limit: int | None = None,
) -> list[Mapping[str, Any]]:
    """Return one row a group, the first ``limit`` of them, in the order that ``EventStore.aggregate`` promises.

    However many groups there are, no more than some thousands beyond the limit are here at a time.
    """
    fields = dict(runtime)
    sources = _sources(grouping, fields)
    metrics = {f"m{n}": _metric(metric, n, fields) for n, metric in enumerate(grouping.metrics)}
    wanted = {name: one for name, one in metrics.items() if one}
    body: dict[str, Any] = {"size": 0, "track_total_hits": False, "query": query, "runtime_mappings": fields}
    if limit == 0:
        return []
    if not sources:
        body |= {"aggs": wanted, "track_total_hits": True}
        answer = cluster.ask("POST", f"/{indices}/_search", body, ignore_unavailable="true")
        whole = {"doc_count": answer["hits"]["total"]["value"], **answer.get("aggregations", {})}
        return [_figures(whole, grouping)]
    with point_in_time(cluster, indices) as body["pit"]:
        asked = _Asked(cluster, body, grouping, wanted)
        cut = cut_by_server(grouping, next(iter(sources[0].values()))["terms"]["field"], limit)
        rows = asked.cut(cut) if cut else None
        return _ordered(asked.paged(sources, limit) if rows is None else rows, grouping)[:limit]


@dataclasses.dataclass(frozen=True, slots=True)
class _Asked:
    """A grouping at one moment.

    Args:
        cluster: whom to ask.
        body: the request without aggregations.
        grouping: what is wanted.
        metrics: of each group.
    """

    cluster: Cluster
    body: dict[str, Any]
    grouping: Grouping
    metrics: Mapping[str, Any]

    def cut(self, cut: Cut) -> list[Mapping[str, Any]] | None:
        """Return rows among which are the first ones; None where that is not certain."""
        found = self._answer(cut.most())
        candidates = cut.candidates(found)
        if candidates is None:
            return None
        buckets: Sequence[Mapping[str, Any]] = candidates.buckets
        if self.metrics or not candidates.exact:
            found = self._answer(cut.named(candidates, self.metrics))
            buckets = found["groups"]["buckets"] if found else ()
        return [self._row({"g0": bucket["key"]}, bucket) for bucket in with_none(found, buckets)]

    def paged(self, sources: Sequence[Mapping[str, Any]], limit: int | None) -> list[Mapping[str, Any]]:
        """Return all rows, without those that cannot be among the first."""
        rows: list[Mapping[str, Any]] = []
        for page in self._pages(sources):
            rows += [self._row(bucket["key"], bucket) for bucket in page]
            if limit is None or len(rows) <= limit:
                continue
            rows = _ordered(rows, self.grouping)[:limit]
            # Intervals come in their order: once there are enough rows of earlier ones, no later one counts.
            last = page[-1]["key"].get("t")
            if last is not None and rows[-1]["time"] != _local(last, self.grouping):
                return rows
        return rows

    def _pages(self, sources: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[Mapping[str, Any]]]:
        size = _METRICS_PAGE if self.metrics else _PAGE
        composite: dict[str, Any] = {"size": size, "sources": list(sources)}
        inner = {"aggs": dict(self.metrics)} if self.metrics else {}
        while True:
            found = self._answer({"groups": {"composite": composite, **inner}})
            page = found["groups"] if found else {"buckets": []}
            if page["buckets"]:
                yield page["buckets"]
            if "after_key" not in page:
                return
            composite["after"] = page["after_key"]

    def _answer(self, aggregations: Mapping[str, Any]) -> Any:
        """Return the aggregations of an answer; None where there is no index at all."""
        answer = self.cluster.ask("POST", "/_search", {**self.body, "aggs": aggregations})
        self.body["pit"]["id"] = answer["pit_id"]
        return answer.get("aggregations")

    def _row(self, key: Mapping[str, Any], bucket: Mapping[str, Any]) -> dict[str, Any]:
        return {**_keys(key, self.grouping), **_figures(bucket, self.grouping)}


def _sources(grouping: Grouping, fields: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if grouping.interval_seconds:
        fields[_TIME] = scripts.bucket(grouping.timezone.key, grouping.interval_seconds, _MONDAY_US)
        found.append({"t": {"terms": {"field": _TIME}}})
    for number, name in enumerate(grouping.by):
        field = _values(name, f"citysoc_g{number}", fields)
        wanted: dict[str, Any] = {"field": field, "missing_bucket": True}
        found.append({f"g{number}": {"terms": wanted}})
    return found


def _values(name: str, runtime: str, fields: dict[str, Any]) -> str:
    """Return the field of the index that has the values of ours as they are; maybe one made for the query."""
    made = scripts.texts(name)
    if made is not None:
        fields[runtime] = made
        return runtime
    return f"{MICROSECONDS}.{name}" if FIELDS[name].type == "date" else name


def _metric(metric: Metric, number: int, fields: dict[str, Any]) -> dict[str, Any] | None:
    if metric.kind == "count":
        return None
    made = f"citysoc_m{number}"
    if metric.kind == "cardinality":
        field = _values(metric.field, made, fields)
        return {"cardinality": {"field": field, "precision_threshold": _EXACT_CARDINALITY}}
    kind = FIELDS[metric.field].type if metric.field in FIELDS else ""
    if kind in ("keyword", "text", "ip", "boolean"):  # the smallest and the largest as text
        field = _texts(metric.field, kind, made, fields)
        order = "asc" if metric.kind == "min" else "desc"
        return {"terms": {"field": field, "size": 1, "order": {"_key": order}}}
    field = _numbers(metric.field, kind, made, fields)
    if metric.kind.startswith("p"):
        wanted = {"field": field, "percent": int(metric.kind[1:])}
        return {"scripted_metric": {**scripts.NEAREST_RANK, "params": wanted}}
    return {"stats": {"field": field}}


def _texts(name: str, kind: str, made: str, fields: dict[str, Any]) -> str:
    if kind in ("ip", "boolean"):
        fields[made] = scripts.written(name)
        return made
    return _values(name, made, fields)


def _numbers(name: str, kind: str, made: str, fields: dict[str, Any]) -> str:
    if not kind:
        fields[made] = scripts.numbers(name)
        return made
    return f"{MICROSECONDS}.{name}" if kind == "date" else name


def _keys(key: Mapping[str, Any], grouping: Grouping) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if grouping.interval_seconds:
        found["time"] = _local(key["t"], grouping)
    for number, name in enumerate(grouping.by):
        found[name] = _value(name, key[f"g{number}"])
    return found


def _local(microseconds: int, grouping: Grouping) -> dt.datetime:
    """Return the start of an interval, which the cluster gives as local time."""
    return (_EPOCH + dt.timedelta(microseconds=microseconds)).replace(tzinfo=grouping.timezone)


def _value(name: str, value: Any) -> Any:
    """Return a group's value as the store keeps it."""
    kind = FIELDS[name].type if name in FIELDS else ""
    if value is None or not kind:
        return value
    if kind == "ip":
        return str(ipaddress.ip_address(value))
    if kind == "boolean":
        return value in (True, 1, "true")
    return _moment(value) if kind == "date" else value


def _moment(microseconds: float) -> dt.datetime:
    return (_EPOCH + dt.timedelta(microseconds=int(microseconds))).replace(tzinfo=dt.UTC)


def _figures(bucket: Mapping[str, Any], grouping: Grouping) -> dict[str, Any]:
    return {
        metric_name(metric): bucket["doc_count"]
        if metric.kind == "count"
        else _figure(metric, bucket.get(f"m{n}"))
        for n, metric in enumerate(grouping.metrics)
    }


def _figure(metric: Metric, found: Mapping[str, Any] | None) -> Any:
    if metric.kind == "cardinality":
        return found["value"] if found else 0
    if not found:
        return None
    kind = FIELDS[metric.field].type if metric.field in FIELDS else ""
    if "buckets" in found:
        value = (
            found["buckets"][0].get("key_as_string", found["buckets"][0]["key"]) if found["buckets"] else None
        )
        return value == "true" if kind == "boolean" and value is not None else value
    value = found["value"] if "value" in found else found[metric.kind] if found["count"] else None
    if value is None:
        return None
    if kind == "date":
        return _moment(value)
    return int(value) if kind == "long" and metric.kind != "avg" else float(value)


def _ordered(rows: Iterable[Mapping[str, Any]], grouping: Grouping) -> list[Mapping[str, Any]]:
    """Return rows by time, then by the first metric downwards, then by the group; nothing comes last."""
    first = metric_name(grouping.metrics[0])
    rows = sorted(
        rows,
        key=lambda row: [(row[name] is None, 0 if row[name] is None else row[name]) for name in grouping.by],
    )
    # A stable sort turned round keeps ties in their order.
    rows.sort(key=lambda row: (row[first] is not None, 0 if row[first] is None else row[first]), reverse=True)
    if grouping.interval_seconds:
        rows.sort(key=lambda row: row["time"].replace(tzinfo=None))
    return rows
