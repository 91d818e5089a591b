"""The correlations at work: who builds upon whom, and in which order they are looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from citysoc.detectors.correlate.windows import Windows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Key: TypeAlias = "tuple[Any, ...]"
"""A group: the correlation's number, its scope, and the values of its group-by fields."""

Names: TypeAlias = "tuple[str, ...]"
"""The values of a group's fields."""

ANOMALY_SECONDS = 27 * 3600
"""What an anomaly may meet is remembered for so long: the hour it is about, and the 26 that are scored again for late data
(``detectors.anomaly.run.LATE``)."""

CITY = "*"
"""The scope of correlations across agencies; all others have an agency's id."""


class Parent(NamedTuple):
    """A correlation that builds upon another.

    Args:
        number: its place.
        slot: the other's place in it.
        takes: what it takes from the other as value: ``metric``, places in its group, or nothing.
        places: where the values of its own group are in the other's.
        alone: a group of it is made of one group of the other and nothing else, so that no two entries are of one time.
    """

    number: int
    slot: int
    takes: str
    places: tuple[int, ...]
    alone: bool


@dataclass(slots=True)
class Correlation:
    """A correlation at work.

    Args:
        number: its place.
        id: the rule's id.
        plan: what it asks for.
        windows: its windows.
        level: 0 over rules alone, 1 over correlations of level 0, and so on.
        single: every entry counts for itself, whatever rule it comes from.
        chained: it builds upon other correlations.
        across: it works across agencies.
        quiet: its findings are only for those that build upon it.
        marked: ids of its entries have behind them of what correlation and group below they are.
        keeps: microseconds; beside what windows may reach, entries are kept for so long, for anomalies are late.
        parents: those.
    """

    number: int
    id: str
    plan: Mapping[str, Any]
    windows: Windows
    level: int
    single: bool
    chained: bool
    across: bool
    quiet: bool
    marked: bool
    keeps: int
    parents: list[Parent]


def arranged(plans: Sequence[Mapping[str, Any]]) -> list[Correlation]:
    """Return correlations with their levels and the ties between them; they are ordered by id."""
    ordered = sorted(plans, key=lambda plan: str(plan["id"]))
    numbers = {str(plan["id"]): number for number, plan in enumerate(ordered)}
    levels: dict[str, int] = {}

    def level(plan: Mapping[str, Any]) -> int:
        name = str(plan["id"])
        if name not in levels:
            below = [ordered[numbers[c["correlation"]]] for c in plan["children"]]
            levels[name] = 1 + max((level(child) for child in below), default=-1)
        return levels[name]

    found = [
        Correlation(
            number=number,
            id=str(plan["id"]),
            plan=plan,
            windows=Windows(plan),
            level=level(plan),
            single=not str(plan["type"]).startswith("temporal"),
            chained=bool(plan["children"]),
            across=bool(plan["across_agencies"]),
            quiet=bool(plan["quiet"]),
            marked=False,
            keeps=ANOMALY_SECONDS * 1_000_000 if plan.get("is_late") else 0,
            parents=[],
        )
        for number, plan in enumerate(ordered)
    ]
    for one in found:
        for child in one.plan["children"]:
            below = found[numbers[child["correlation"]]]
            places = tuple(child["places"])
            alone = (
                len(one.plan["children"]) + len(one.plan["feeds"]) == 1
                and one.across == below.across
                and not one.windows.absences
                and not below.windows.absences
                and {*places} == {*range(len(below.plan["group_by"]))}
            )
            one.marked = one.marked or not alone
            below.parents.append(Parent(one.number, child["slot"], child["takes"], places, alone))
    return found
