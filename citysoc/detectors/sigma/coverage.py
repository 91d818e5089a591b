"""What the rules cover: techniques of ATT&CK by state of their rules, and which events are read by which rules."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from citysoc.detectors.sigma.detector import SigmaDetector
from citysoc.ecs.fields import FIELDS
from citysoc.i18n import language

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from citysoc.detectors.sigma.validate import Check

_TECHNIQUE = re.compile(r"attack\.(t\d{4}(?:\.\d{3})?)", re.IGNORECASE)
_TACTIC = re.compile(r"attack\.([a-z][a-z-]*)")
_PARTS = ("product", "category", "service")
SOURCE = ("event.module", "event.dataset")
STATES = ("active", "staged", "disabled", "refused")
LAYER_VERSION = "4.5"
_COLOURS = ["#ffffffff", "#8ec843ff"]
_MAX_COMMENT = 20


@dataclass(slots=True)
class Covered:
    """One technique or tactic.

    Args:
        states: how many rules in each of ``STATES``.
        tactics: those that rules name beside a technique.
        titles: of the active and staged rules.
    """

    states: Counter[str] = field(default_factory=Counter)
    tactics: set[str] = field(default_factory=set)
    titles: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Source:
    """One kind of events.

    Args:
        module: ``event.module``.
        dataset: ``event.dataset``.
        events: how many there are.
        rules: how many rules in use see some of them.
    """

    module: str
    dataset: str
    events: int
    rules: int


@dataclass(frozen=True, slots=True)
class Unseen:
    """A log source of rules of which no event came.

    Args:
        logsource: as the rules write it: product, category, service.
        rules: titles of the rules in use.
    """

    logsource: Mapping[str, str]
    rules: tuple[str, ...]


def told(title: str, title_vi: str) -> str:
    """Return a rule's title in the language of the house."""
    return (language() == "vi" and title_vi) or title


def state_of(check: Check) -> str:
    """Return the state of a rule for these figures."""
    if check.status == "refused":
        return "refused"
    return check.state if check.in_use or check.state == "disabled" else "disabled"


def attack(checks: Iterable[Check]) -> tuple[dict[str, Covered], dict[str, Covered]]:
    """Return technique (``T1059.001``) and tactic (``execution``) to what covers it, both ordered by name."""
    techniques: dict[str, Covered] = {}
    tactics: dict[str, Covered] = {}
    for check in checks:
        if check.kind == "filter":
            continue
        named = [found[1].upper() for tag in check.tags if (found := _TECHNIQUE.fullmatch(tag))]
        own = [found[1] for tag in check.tags if (found := _TACTIC.fullmatch(tag.lower()))]
        state = state_of(check)
        for table, names in ((techniques, named), (tactics, own)):
            for name in dict.fromkeys(names):
                one = table.setdefault(name, Covered())
                one.states[state] += 1
                one.tactics.update(own)
                if state in {"active", "staged"}:
                    one.titles.append(told(check.title, check.title_vi))
    return dict(sorted(techniques.items())), dict(sorted(tactics.items()))


def layer(techniques: Mapping[str, Covered], *, name: str) -> dict[str, Any]:
    """Return a layer for the ATT&CK Navigator (its format 4.5): the score of a technique is its active rules."""
    highest = max((one.states["active"] for one in techniques.values()), default=0)
    return {
        "name": name,
        "versions": {"layer": LAYER_VERSION},
        "domain": "enterprise-attack",
        "description": "score: active rules; metadata: rules by state",
        "sorting": 3,
        "hideDisabled": False,
        "gradient": {"colors": _COLOURS, "minValue": 0, "maxValue": max(highest, 1)},
        "techniques": [
            {
                "techniqueID": technique,
                "score": one.states["active"],
                "enabled": True,
                "showSubtechniques": "." in technique,
                "comment": "\n".join(one.titles[:_MAX_COMMENT]),
                "metadata": [
                    {"name": state, "value": str(one.states[state])} for state in STATES if one.states[state]
                ],
            }
            for technique, one in techniques.items()
        ],
    }


def sights(plans: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Return rules together that see the same events."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for plan in plans:
        found.setdefault(repr(plan["sees"]), []).append(plan)
    return found


def questions(plans: Iterable[Mapping[str, Any]], *, most: int) -> list[tuple[str, ...]]:
    """Return sets of fields to group stored events by, so that each sight finds all of its fields in one of them.

    Args:
        plans: of rules.
        most: a store groups by so many fields; a sight with more of them finds no set.

    Fields outside the dictionary cannot be grouped by: what they say is known of sampled events only.
    """
    found: list[set[str]] = []
    needed = {frozenset(_fields(plan) & FIELDS.keys()) for plan in plans}
    for names in sorted(needed, key=lambda one: (-len(one), sorted(one))):
        whole = set(SOURCE) | names
        if len(whole) > most or any(whole <= other for other in found):
            continue
        place = next((other for other in found if len(other | whole) <= most), None)
        if place is None:
            found.append(whole)
        else:
            place |= whole
    return [(*SOURCE, *sorted(names - set(SOURCE))) for names in found]


def _fields(plan: Mapping[str, Any]) -> set[str]:
    return {name for part in plan["sees"] for alternative in part for name in alternative}


def sources(
    plans: Sequence[Mapping[str, Any]],
    counts: Iterable[Mapping[str, Any]],
    events: Iterable[Mapping[str, Any]],
) -> tuple[list[Source], list[Unseen]]:
    """Return the kinds of events with the rules that see them, and the log sources of rules that saw none.

    Args:
        plans: of the rules in use.
        counts: of stored events: ``SOURCE`` and ``count``.
        events: what stored events have in the fields of each set of ``questions``, and sampled whole events.
    """
    whole = sights(plans)
    watchers = {key: SigmaDetector([{**own[0], "codes": None}]) for key, own in whole.items()}
    seen: set[str] = set()
    readers: dict[tuple[str, str], set[str]] = {}
    for row in events:
        event = {name: value for name, value in row.items() if name != "count" and value is not None}
        found = {key for key, watcher in watchers.items() if watcher.sees(event)}
        readers.setdefault(_place(row), set()).update(found)
        seen |= found
    kinds = [
        Source(*_place(row), int(row["count"]), sum(len(whole[key]) for key in readers.get(_place(row), ())))
        for row in sorted(counts, key=lambda row: (-int(row["count"]), _place(row)))
    ]
    return kinds, _unseen(own for key, own in whole.items() if key not in seen)


def _place(row: Mapping[str, Any]) -> tuple[str, str]:
    module, dataset = (str(row.get(name) or "") for name in SOURCE)
    return module, dataset


def _unseen(sights: Iterable[Sequence[Mapping[str, Any]]]) -> list[Unseen]:
    found: dict[tuple[str, ...], list[str]] = {}
    for plans in sights:
        for plan in plans:
            found.setdefault(tuple(part or "" for part in plan["logsource"]), []).append(
                told(str(plan["title"]), str(plan.get("title_vi") or ""))
            )
    return [
        Unseen({name: part for name, part in zip(_PARTS, place, strict=True) if part}, tuple(sorted(titles)))
        for place, titles in sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    ]
