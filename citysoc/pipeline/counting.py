"""Count what rules found, day by day, and let what staged rules found count only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.state.ruledays import RuleDay, day_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterable

    from citysoc.state.progress import Changes


def findings(changes: Changes, *, staged: Collection[str], now: dt.datetime) -> None:
    """Count the findings of a commit; those of staged rules are taken out of it.

    Args:
        changes: what the commit changes.
        staged: ids of staged rules.
        now: the present.
    """
    for finding in changes.findings:
        day = _hit(changes, finding.rule, finding.last or finding.timestamp, now, finding.count)
        day.staged += finding.count * (finding.rule in staged)
    if staged:
        changes.findings[:] = [finding for finding in changes.findings if finding.rule not in staged]


def silent(changes: Changes, hits: Iterable[tuple[str, str, dt.datetime]], *, now: dt.datetime) -> None:
    """Count what rules found that only feeds correlations.

    Args:
        changes: what the commit changes.
        hits: rule, event id and event time.
        now: the present.
    """
    for rule, _event, moment in hits:
        _hit(changes, rule, moment, now)


def _hit(changes: Changes, rule: str, moment: dt.datetime, now: dt.datetime, number: int = 1) -> RuleDay:
    name, at = day_of(moment, now)
    day = changes.rules.setdefault((rule, name), RuleDay())
    day.hits += number
    day.last_hit = max(day.last_hit, at)
    return day


def costs(changes: Changes, taken: Iterable[tuple[str, int, int]], *, now: dt.datetime) -> None:
    """Note what rules cost on sampled events, under the day on which it was measured.

    Args:
        changes: what the commit changes.
        taken: rule, how often it was measured, nanoseconds.
        now: the present.
    """
    name, _at = day_of(now, now)
    for rule, tried, spent in taken:
        day = changes.rules.setdefault((rule, name), RuleDay())
        day.tried += tried
        day.cost_ns += spent
