"""The first groups by their count as the server orders and cuts them, and whether that is certain to be right.

Each shard counts all of its values and sends the most frequent ones. A value that a shard did not send has there at
most the count of the last one it did send; the server tells the sum of those as its error. From that it follows
which groups can be among the first; where those are few, they are asked for by name, and then their figures are exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citysoc.ecs.fields import FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from citysoc.stores.local_groups import Grouping

_MARGIN = 500
"""So many groups more than wanted come, so that a close race can be decided."""
_LARGEST = 10_000
_SHARD_FACTOR = 3


@dataclass(frozen=True, slots=True)
class Candidates:
    """Groups of which the first ones are certainly the first of all.

    Args:
        keys: of them.
        buckets: as the server counted them.
        exact: whether it counted them exactly.
    """

    keys: tuple[Any, ...]
    buckets: tuple[Mapping[str, Any], ...]
    exact: bool


@dataclass(frozen=True, slots=True)
class Cut:
    """The first groups by one field.

    Args:
        field: of the index.
        limit: how many are wanted.
        server_order: whether groups of equal counts come in our order from the server.
    """

    field: str
    limit: int
    server_order: bool

    def most(self) -> dict[str, Any]:
        """Return what asks for the most frequent groups, and for that of events without the field."""
        size = self.limit + _MARGIN
        # The order is by the value where counts are equal.
        terms = {"size": size, "shard_size": size * _SHARD_FACTOR, "order": {"_count": "desc"}}
        return self._both(terms, {})

    def named(self, candidates: Candidates, metrics: Mapping[str, Any]) -> dict[str, Any]:
        """Return what asks for the figures of the candidates."""
        size = max(len(candidates.keys), 1)
        terms = {"size": size, "shard_size": size, "include": list(candidates.keys)}
        return self._both(terms, {"aggs": dict(metrics)} if metrics else {})

    def _both(self, terms: dict[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
        return {
            "groups": {"terms": {"field": self.field, **terms}, **inner},
            "none": {"missing": {"field": self.field}, **inner},
        }

    def candidates(self, found: Mapping[str, Any] | None) -> Candidates | None:
        """Return which groups can be among the first, None where others could be; the None group always can.

        Args:
            found: the answer to ``most``.
        """
        if not found:
            return Candidates((), (), exact=True)
        groups = found["groups"]
        buckets = tuple(groups["buckets"])
        error, other = groups["doc_count_error_upper_bound"], groups["sum_other_doc_count"]
        if not (error or other):
            return _of(buckets, exact=True)
        if error < 0 or len(buckets) < self.limit:
            return None
        if not error and self.server_order:
            return _of(buckets[: self.limit], exact=True)
        least = buckets[self.limit - 1]["doc_count"]
        if least <= buckets[-1]["doc_count"] + error:
            return None
        return _of([one for one in buckets if one["doc_count"] + error >= least], exact=not error)


def _of(buckets: Any, *, exact: bool) -> Candidates:
    return Candidates(tuple(bucket["key"] for bucket in buckets), tuple(buckets), exact)


def with_none(found: Mapping[str, Any] | None, buckets: Any) -> list[Mapping[str, Any]]:
    """Return groups and that of events without the field, which has the key None."""
    none = found["none"] if found else {"doc_count": 0}
    return [*buckets, *([{**none, "key": None}] if none["doc_count"] else [])]


def cut_by_server(grouping: Grouping, field: str, limit: int | None) -> Cut | None:
    """Return how the server can cut a grouping by a field of the index; None where it cannot."""
    if limit is None or limit > _LARGEST or len(grouping.by) != 1 or grouping.interval_seconds:
        return None
    if grouping.metrics[0].kind != "count":
        return None
    name = grouping.by[0]
    as_text = (
        name in FIELDS and FIELDS[name].type == "ip"
    )  # ordered by their letters here, by their number there
    return Cut(field, limit, server_order=not as_text)
