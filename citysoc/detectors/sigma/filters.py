"""A filter as a plan, and what it adds to a rule: its condition, joined to the rule's own by ``and``.

A filter keeps what its condition holds for; to leave accounts out, it says ``condition: not selection``. Ours have an
owner, a reason, an end (``expires``) and, if they are to work there only, agencies (``agency``).
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

from citysoc import clock
from citysoc.detectors.sigma.correlation import kept
from citysoc.detectors.sigma.nodes import DEFAULT_ZONE, Node, in_zone, node_of, simplify
from citysoc.detectors.sigma.parse import parse
from citysoc.detectors.sigma.selections import NO_PLACEHOLDERS, condition, tested
from citysoc.detectors.text import fold
from citysoc.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_OWN = frozenset({"owner", "reason", "expires", "agency", "title_vi", "note_vi"})
_SOURCE = ("product", "category", "service")


def compile_filter(
    document: Mapping[str, Any],
    placeholders: Mapping[str, Sequence[str]] = NO_PLACEHOLDERS,
    timezone: str = DEFAULT_ZONE,
) -> dict[str, Any]:
    """Return what a filter says, checked; the rules are still names.

    Raises:
        RuleError: it cannot be honoured.
    """
    body = document["filter"]
    source = document.get("logsource")
    if not isinstance(body, dict) or not isinstance(source, dict):
        raise RuleError("a filter has a `logsource` and, under `filter`, rules, selections and a condition")
    rules = body.get("rules")
    if rules == [] or (isinstance(rules, str) and rules.lower() == "any"):
        rules = "any"
    elif isinstance(rules, str):
        rules = [rules]
    if rules != "any" and (not isinstance(rules, list) or not all(isinstance(name, str) for name in rules)):
        raise RuleError("a filter names its `rules`: a list of ids or names, or `any`")
    plan: dict[str, Any] = kept(
        {
            "kind": "filter",
            "rules": rules,
            "logsource": [_text(source.get(name)) for name in _SOURCE],
            "detection": {str(name): item for name, item in body.items() if name != "rules"},
            "placeholders": _used(document, placeholders),
            "timezone": timezone,
            **_own(document.get("citysoc")),
        }
    )
    test_for(plan, plan["logsource"])  # refuses what cannot be honoured
    notes = []
    if not isinstance(condition := body.get("condition"), str) or not re.search(
        r"\bnot\b", condition, re.IGNORECASE
    ):
        notes.append("the condition has no `not`, so the filter keeps only what it selects")
    notes += [f"the filter has no {name}" for name, value in _said(plan) if not value]
    return {**plan, "status": "degraded" if notes else "ok", "reason": "; ".join(notes)}


def _used(document: Mapping[str, Any], placeholders: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the placeholders that a filter names: it is compiled again for each logsource of the rules it is for."""
    text = str(document.get("filter"))
    return {name: list(values) for name, values in placeholders.items() if f"%{name}%" in text}


def _said(plan: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return (("owner", plan["owner"]), ("reason", plan["given"]), ("expires", plan["expires"]))


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _own(own: Any) -> dict[str, Any]:
    own = {} if own is None else own
    if not isinstance(own, dict) or not set(own) <= _OWN:
        raise RuleError(f"`citysoc:` of a filter may hold {', '.join(sorted(_OWN))}, nothing else")
    expires = own.get("expires", "")
    if isinstance(expires, dt.date):
        expires = expires.isoformat()[:10]
    try:
        expires = dt.date.fromisoformat(expires).isoformat() if expires else ""
    except (TypeError, ValueError):
        raise RuleError("`citysoc: expires` is a day, like 2027-03-31") from None
    agency = own.get("agency", [])
    agencies = agency if isinstance(agency, list) else [agency]
    if not all(isinstance(own.get(name, ""), str) for name in _OWN - {"expires", "agency"}) or not all(
        isinstance(one, str) for one in agencies
    ):
        raise RuleError("`owner` and `reason` are texts, `agency` an id or a list of ids")
    return {
        "owner": own.get("owner", ""),
        "given": own.get("reason", ""),
        "expires": expires,
        "agency": agencies,
        "title_vi": own.get("title_vi", ""),
        "note_vi": own.get("note_vi", ""),
    }


def is_expired(plan: Mapping[str, Any]) -> bool:
    """Return whether a filter's last day, in Huế, has passed: it only works on events of before."""
    return bool(plan["expires"]) and end_of(plan["expires"]) <= clock.now()


def end_of(day: str) -> dt.datetime:
    """Return when the last day of a filter ends, in Huế."""
    return dt.datetime.combine(dt.date.fromisoformat(day), dt.time(), clock.HUE) + dt.timedelta(days=1)


def fits(plan: Mapping[str, Any], logsource: Sequence[str | None]) -> bool:
    """Return whether a rule's logsource lies within the filter's."""
    return all(
        wanted is None or wanted == has for wanted, has in zip(plan["logsource"], logsource, strict=True)
    )


def test_for(plan: Mapping[str, Any], logsource: Sequence[str | None]) -> Node:
    """Return a filter's condition with the names that the fields of a logsource have.

    Raises:
        RuleError: it cannot be honoured.
    """
    source = {name: value for name, value in zip(_SOURCE, logsource, strict=True) if value is not None}
    document = {"title": "filter", "logsource": source, "detection": plan["detection"]}
    return in_zone(condition(parse(document), [], plan["placeholders"]), plan["timezone"])


def joined(plan: Mapping[str, Any], logsource: Sequence[str | None]) -> Node:
    """Return what a filter adds to a rule of some logsource: its condition, where and while it works.

    A filter works on events of its agencies, and up to the end of its last day *as events tell the time*: so an event is
    judged alike whenever it is read, also after a restart, and nobody has to load the rules again at midnight.

    Raises:
        RuleError: it cannot be honoured.
    """
    ways = [test_for(plan, logsource)]
    if plan["agency"]:
        ways.append(["not", ["text", "is", False, "agency.id", [fold(name) for name in plan["agency"]]]])
    if plan["expires"]:
        ways.append(_after(plan["expires"]))
    return ["any", ways] if len(ways) > 1 else ways[0]


def _after(day: str) -> Node:
    """Return the test whether an event is of a later day in Huế."""
    year, month, number = map(int, day.split("-"))

    def part(name: str, operator: str, bound: int) -> Node:
        return ["part", "@timestamp", name, operator, bound, DEFAULT_ZONE]

    same_year, same_month = part("year", "eq", year), part("month", "eq", month)
    return [
        "any",
        [
            part("year", "gt", year),
            ["all", [same_year, part("month", "gt", month)]],
            ["all", [same_year, same_month, part("day", "gt", number)]],
        ],
    ]


def filtered(rule: Mapping[str, Any], filters: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a rule's plan with filters joined to its test."""
    whole = simplify(["all", [node_of(rule), *(joined(one, rule["logsource"]) for one in filters)]])
    return {**rule, **tested(whole)}
