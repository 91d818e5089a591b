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
    _count(changes, ((one.rule, one.timestamp) for one in changes.findings), staged, now)
    if staged:
        changes.findings[:] = [finding for finding in changes.findings if finding.rule not in staged]


def silent(changes: Changes, hits: Iterable[tuple[str, str, dt.datetime]], *, now: dt.datetime) -> None:
    """Count what rules found that only feeds correlations.

    Args:
        changes: what the commit changes.
        hits: rule, event id and event time.
        now: the present.
    """
    _count(changes, ((rule, moment) for rule, _event, moment in hits), (), now)


def _count(
    changes: Changes,
    hits: Iterable[tuple[str, dt.datetime]],
    staged: Collection[str],
    now: dt.datetime,
) -> None:
    # By hour first, which is quick to tell; a day in Huế begins on the hour.
    hours: dict[tuple[str, int], tuple[int, dt.datetime]] = {}
    for rule, moment in hits:
        key = (rule, int(moment.timestamp()) // 3600)
        number, last = hours.get(key, (0, moment))
        hours[key] = (number + 1, max(last, moment))
    for (rule, _hour), (number, last) in hours.items():
        name, at = day_of(last, now)
        day = changes.rules.setdefault((rule, name), RuleDay())
        day.hits += number
        day.staged += number if rule in staged else 0
        day.last_hit = max(day.last_hit, at)


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
