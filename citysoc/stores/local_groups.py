"""Groups and metrics of the local store's ``aggregate``, as SQL."""

from __future__ import annotations

import decimal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from citysoc.ecs.fields import EXTRA, FIELDS
from citysoc.errors import UsageError
from citysoc.i18n import _
from citysoc.stores.query_fields import check_field
from citysoc.stores.query_sql import Parameters, extra_values, quote
from citysoc.stores.query_values import NUMBER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

    from citysoc.stores.base import Metric

MAX_GROUP_FIELDS = 8
_YEAR = 366 * 86_400
_NUMERIC = ("long", "float")
_PERCENTILES = {"p50": "0.5", "p90": "0.9", "p95": "0.95", "p99": "0.99"}
_OF_NUMBERS = ("sum", "avg", *_PERCENTILES)


@dataclass(frozen=True, slots=True)
class Grouping:
    """What to group by and what to compute, checked."""

    by: tuple[str, ...]
    metrics: tuple[Metric, ...]
    interval_seconds: int | None
    timezone: ZoneInfo

    @property
    def columns(self) -> set[str]:
        """The stored columns that are read."""
        names = {*self.by, *(metric.field for metric in self.metrics if metric.field)}
        return {name if name in FIELDS else EXTRA for name in names}

    def statement(self, source: str, where: str, bind: Parameters, limit: int | None) -> str:
        """Return the SQL; its columns are the time, the groups, the metrics."""
        inner = [f"{self._time(bind)} AS t"] if self.interval_seconds else []
        inner += [f"{_group(name, bind)} AS g{n}" for n, name in enumerate(self.by)]
        inner += [f"{_measured(metric, bind)} AS v{n}" for n, metric in enumerate(self.metrics)]
        rows = f"(SELECT {', '.join(inner)} FROM {source} WHERE {where})"  # noqa: S608  names are quoted, values bound
        for n, name in enumerate(self.by):
            if _is_list(name):  # one UNNEST a level: side by side they would walk in step
                rows = f"(SELECT * REPLACE (unnest(g{n}) AS g{n}) FROM {rows})"  # noqa: S608  no values
        keys = (["t"] if self.interval_seconds else []) + [f"g{n}" for n in range(len(self.by))]
        results = [f"{_computed(metric, f'v{n}')} AS m{n}" for n, metric in enumerate(self.metrics)]
        text = f"SELECT {', '.join(keys + results)} FROM {rows}"  # noqa: S608  no values
        if keys:
            first = ["t ASC"] if self.interval_seconds else []
            order = [*first, "m0 DESC NULLS LAST", *(f"g{n} ASC NULLS LAST" for n in range(len(self.by)))]
            text += f" GROUP BY {', '.join(keys)} ORDER BY {', '.join(order)}"
        return text if limit is None else f"{text} LIMIT {bind(limit)}"

    def rows(self, batches: Iterable[pa.RecordBatch]) -> list[Mapping[str, Any]]:
        """Return the result's rows by their own names."""
        names = (["time"] if self.interval_seconds else []) + [*self.by, *map(metric_name, self.metrics)]
        return [
            {name: self._value(name, value) for name, value in zip(names, row.values(), strict=True)}
            for batch in batches
            for row in batch.to_pylist()
        ]

    def empty(self) -> list[Mapping[str, Any]]:
        """Return what nothing at all gives: no groups; without grouping one row of zeros."""
        if self.by or self.interval_seconds:
            return []
        return [{metric_name(m): 0 if m.kind in ("count", "cardinality") else None for m in self.metrics}]

    def _time(self, bind: Parameters) -> str:
        # The origin is a Monday, so that weeks begin on one.
        zone, seconds = bind(self.timezone.key), bind(self.interval_seconds)
        return f"time_bucket(to_seconds({seconds}), timezone({zone}, \"@timestamp\"), TIMESTAMP '1970-01-05')"

    def _value(self, name: str, value: Any) -> Any:
        if name == "time":
            return value.replace(tzinfo=self.timezone)
        if isinstance(value, decimal.Decimal):
            return int(value)
        return value


def groups(
    by: Sequence[str], metrics: Sequence[Metric], interval_seconds: int | None, timezone: str
) -> Grouping:
    """Return the grouping, if it makes sense.

    Raises:
        UsageError: a field is unknown or does not fit its metric; too many fields; no such zone.
    """
    if len(by) > MAX_GROUP_FIELDS:
        raise UsageError(_("At most {limit} fields can be grouped by.").format(limit=MAX_GROUP_FIELDS))
    if interval_seconds is not None and not 0 < interval_seconds <= _YEAR:
        raise UsageError(_("An interval is between one second and 366 days."))
    for name in by:
        check_field(name)
    for metric in metrics:
        _check_metric(metric)
    if not metrics:
        raise UsageError(_("At least one metric is needed."))
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageError(_("{timezone!r} is no time zone.").format(timezone=timezone)) from error
    return Grouping(tuple(by), tuple(metrics), interval_seconds, zone)


def metric_name(metric: Metric) -> str:
    """Return ``count`` or ``kind:field``."""
    return metric.kind if metric.kind == "count" else f"{metric.kind}:{metric.field}"


def _check_metric(metric: Metric) -> None:
    if metric.kind == "count":
        return
    if not metric.field:
        raise UsageError(
            _("{kind} needs a field.").format(kind=metric.kind),
            hint=_("Write for example {kind}:source.bytes.").format(kind=metric.kind),
        )
    check_field(metric.field)
    if metric.kind in _OF_NUMBERS and metric.field in FIELDS and FIELDS[metric.field].type not in _NUMERIC:
        raise UsageError(
            _("{field} holds no numbers.").format(field=metric.field), hint=_("Use count or cardinality.")
        )


def _is_list(name: str) -> bool:
    return name not in FIELDS or FIELDS[name].array


def _group(name: str, bind: Parameters) -> str:
    if not _is_list(name):
        return quote(name)
    values = quote(name) if name in FIELDS else extra_values(name, bind)
    distinct = f"list_distinct({values})"
    return f"CASE WHEN len({distinct}) > 0 THEN {distinct} ELSE [NULL] END"


def _measured(metric: Metric, bind: Parameters) -> str:
    """Return what of one event the metric needs: its value, or the list of its values."""
    if metric.kind == "count":
        return "1"
    if metric.field in FIELDS:
        return quote(metric.field)
    values = extra_values(metric.field, bind)
    if metric.kind == "cardinality":
        return values
    number = bind(f"^({NUMBER.pattern})$")
    return (
        f"list_transform({values}, lambda x:"
        f" CASE WHEN regexp_full_match(x, {number}) THEN TRY_CAST(x AS DOUBLE) END)"
    )


def _computed(metric: Metric, value: str) -> str:
    if metric.kind == "count":
        return "count(*)"
    if (part := _PERCENTILES.get(metric.kind)) is not None:
        if _is_list(metric.field):
            return f"list_aggregate(flatten(list({value})), 'quantile_disc', {part})"
        return f"quantile_disc({value}, {part})"
    if not _is_list(metric.field):
        return f"count(DISTINCT {value})" if metric.kind == "cardinality" else f"{metric.kind}({value})"
    return {
        "cardinality": f"coalesce(len(list_distinct(flatten(list({value})))), 0)",
        "sum": f"sum(list_sum({value}))",
        "avg": f"sum(list_sum({value})) / sum(list_count({value}))",
        "min": f"min(list_min({value}))",
        "max": f"max(list_max({value}))",
    }[metric.kind]
