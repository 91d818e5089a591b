"""The difference between the alerts of two databases, rule by rule.

An alert is the same in both where rule, agency and key agree and the times touch; else it is new, or gone.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from citysoc.alerts.silence import RULE as SILENCE
from citysoc.state.values import stamp

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from citysoc.state import State
    from citysoc.stores.base import Question

_BEFORE = "before"
_AGAIN = (
    "SELECT 1 FROM {other}.alerts other WHERE other.key = own.key"
    " AND other.last_seen >= own.first_seen AND other.first_seen <= own.last_seen"
)


@dataclass(slots=True)
class Row:
    """The difference of one rule.

    Args:
        hits_before: findings of the first set; those of staged rules count here, too.
        hits_after: of the second.
        before: alerts of the first set.
        after: of the second.
        new: alerts that only the second has.
        gone: alerts that only the first has.
        agencies: agency to (new, gone).
        new_samples: event ids, the first of some new alerts.
        gone_samples: the same of alerts that are gone.
    """

    hits_before: int = 0
    hits_after: int = 0
    before: int = 0
    after: int = 0
    new: int = 0
    gone: int = 0
    agencies: dict[str, tuple[int, int]] = field(default_factory=dict)
    new_samples: list[str] = field(default_factory=list)
    gone_samples: list[str] = field(default_factory=list)

    @property
    def same(self) -> int:
        """Alerts of the second set that the first has, too."""
        return self.after - self.new


@dataclass(frozen=True, slots=True)
class Recorded:
    """Which alerts of a state database are compared with: those that really were made.

    Args:
        question: the span, and the agency if only one.
        rules: only these; all, where none is named.
    """

    question: Question
    rules: Collection[str] = ()


@contextmanager
def _both(after: State, before: Path) -> Iterator[State]:
    name = quote(str(before.absolute()))  # which leaves no quotation mark
    after.rows(f"ATTACH DATABASE 'file:{name}?mode=ro' AS {_BEFORE}")
    try:
        yield after
    finally:
        after.rows(f"DETACH DATABASE {_BEFORE}")


def difference(after: State, before: Path, recorded: Recorded | None, samples: int) -> dict[str, Row]:
    """Return rule to what its alerts are on both sides.

    Args:
        after: the second side's database.
        before: the first side's.
        recorded: which of its alerts count, where it is the real one; None for all.
        samples: so many sample events a rule.
    """
    rows: dict[str, Row] = {}
    where, bound = _recorded(recorded)
    with _both(after, before) as state:
        for own, other, condition, values in (
            ("main", _BEFORE, "1", {}),
            (_BEFORE, "main", where, bound),
        ):
            again = _AGAIN.format(other=other)
            sql = (
                f"SELECT rule, agency, count(*) AS number, sum(count) AS hits,"  # noqa: S608  our own words
                f" sum(NOT EXISTS ({again})) AS alone FROM {own}.alerts own WHERE {condition} GROUP BY rule, agency"
            )
            for row in state.rows(sql, values):
                found = rows.setdefault(row["rule"], Row())
                new, gone = found.agencies.get(row["agency"], (0, 0))
                if own == "main":
                    found.after += row["number"]
                    found.new += row["alone"]
                    new += row["alone"]
                else:
                    found.before += row["number"]
                    found.gone += row["alone"]
                    found.hits_before += row["hits"] if recorded else 0
                    gone += row["alone"]
                if new or gone:
                    found.agencies[row["agency"]] = (new, gone)
            if samples:
                _sample(
                    state, rows, own=own, again=again, where=condition, bound={**values, "limit": samples}
                )
    return rows


def _recorded(recorded: Recorded | None) -> tuple[str, dict[str, Any]]:
    """Return which alerts of the state database are compared with."""
    if recorded is None:
        return "1", {}
    span, rules = recorded.question, recorded.rules
    since = stamp(span.since) if span.since else ""
    until = stamp(span.until) if span.until else "9999"
    where = "rule <> :silence AND last_seen >= :since AND first_seen < :until"
    bound: dict[str, Any] = {"silence": SILENCE, "since": since, "until": until}
    if span.agency:
        where += " AND agency = :agency"
        bound["agency"] = span.agency
    if rules:
        where += f" AND rule IN ({','.join(f':rule{place}' for place in range(len(rules)))})"
        bound |= {f"rule{place}": rule for place, rule in enumerate(sorted(rules))}
    return where, bound


def _sample(
    state: State, rows: Mapping[str, Row], *, own: str, again: str, where: str, bound: Mapping[str, Any]
) -> None:
    sql = (
        "SELECT rule, sample FROM (SELECT rule, json_extract(samples, '$[0]') AS sample,"  # noqa: S608  as above
        " row_number() OVER (PARTITION BY rule ORDER BY first_seen, id) AS place"
        f" FROM {own}.alerts own WHERE {where} AND NOT EXISTS ({again})) WHERE place <= :limit"
    )
    for row in state.rows(sql, dict(bound)):
        found = rows[row["rule"]]
        (found.new_samples if own == "main" else found.gone_samples).append(row["sample"])
