"""Tie correlations and filters to the rules they name, across files: by id, or by name.

Also learns what a correlation's fields are called in the events of each of its rules, so that events can be
cut down to what correlations need right where they are matched.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.detectors.sigma import anomalous, mapping
from citysoc.detectors.sigma.nodes import node_of
from citysoc.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(slots=True)
class Linked:
    """What is in use, and what is to be said of rules besides what their own documents gave.

    Args:
        rules: plans of rules that look at logs, filters joined to them.
        of_anomalies: the same of rules that look at anomalies.
        correlations: plans of correlations, ready for the correlator.
        refused: place of a plan to why it is refused.
        noted: place of a plan to what is worth a warning.
        off: place of a plan to why it is not in use, which is nobody's mistake.
    """

    rules: list[dict[str, Any]] = field(default_factory=list)
    of_anomalies: list[dict[str, Any]] = field(default_factory=list)
    correlations: list[dict[str, Any]] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    noted: dict[int, list[str]] = field(default_factory=dict)
    off: dict[int, str] = field(default_factory=dict)


def link(plans: Sequence[Mapping[str, Any]], usable: Sequence[bool], wanted: Sequence[bool]) -> Linked:
    """Return what is in use of some plans.

    Args:
        plans: of rules, correlations and filters, from all files.
        usable: which of them may be evaluated: not refused, not disabled.
        wanted: which of them shall be: usable, and of the level asked for.
    """
    return _Link(plans, usable, wanted).linked()


class _Link:
    def __init__(
        self, plans: Sequence[Mapping[str, Any]], usable: Sequence[bool], wanted: Sequence[bool]
    ) -> None:
        self.plans = plans
        self.usable = usable
        self.wanted = wanted
        self.found = Linked()
        self.names: dict[str, list[int]] = {}
        for place, plan in enumerate(plans):
            for name in dict.fromkeys((str(plan["id"]), str(plan.get("name", "")))):
                if name:
                    self.names.setdefault(name, []).append(place)
        self.ready: dict[int, dict[str, Any]] = {}
        self.under_way: set[int] = set()
        self.needed: dict[int, bool] = {}

    def linked(self) -> Linked:
        filters = self._filters()
        for place, plan in enumerate(self.plans):
            if plan["kind"] == "correlation" and self.usable[place] and plan["status"] != "refused":
                try:
                    self._correlation(place)
                except RuleError as error:
                    self.found.refused[place] = error.message
                except _OffError as off:
                    self.found.off[place] = str(off)
        in_use = self._in_use()
        self.found.correlations = [self._finished(place, in_use) for place in sorted(in_use)]
        fed = {feed["place"] for place in in_use for feed in self.ready[place]["feeds"]}
        for place, plan in enumerate(self.plans):
            if plan["kind"] == "rule" and (self.wanted[place] or (place in fed and self.usable[place])):
                kind = self.found.of_anomalies if anomalous.is_about(plan) else self.found.rules
                kind.append(self._filtered(place, filters))
        return self.found

    def _in_use(self) -> set[int]:
        """Return the correlations that are wanted, and those below them."""
        stack = [place for place in self.ready if self.wanted[place]]
        in_use: set[int] = set()
        while stack:
            place = stack.pop()
            if place not in in_use:
                in_use.add(place)
                stack += [child["place"] for child in self.ready[place]["children"]]
        return in_use

    def _finished(self, place: int, in_use: set[int]) -> dict[str, Any]:
        """Return a correlation's plan as the correlator takes it."""
        plan = {**self.ready[place]}
        parents = [
            above for above in in_use if any(c["place"] == place for c in self.ready[above]["children"])
        ]
        plan["quiet"] = not self.wanted[place] or (
            bool(parents) and not any(self.ready[above]["generate"] for above in parents)
        )
        plan["children"] = [{k: v for k, v in child.items() if k != "place"} for child in plan["children"]]
        plan["feeds"] = [
            {
                **{k: v for k, v in feed.items() if k != "place"},
                "quiet": not plan["generate"] or not self.wanted[feed["place"]],
            }
            for feed in plan["feeds"]
        ]
        return plan

    # -- correlations ------------------------------------------------------------------------------------------

    def _resolve(self, name: str) -> int:
        places = self.names.get(name, [])
        rules = [place for place in places if self.plans[place]["kind"] != "filter"]
        if not rules:
            meant = anomalous.alike(name, self.names)
            raise RuleError(
                f"there is no rule {name!r} in the files that were read"
                + (f"; did you mean {meant!r}?" if meant else "")
            )
        good = [place for place in rules if self.usable[place]]
        if len(good) > 1:
            raise RuleError(f"several rules are called {name!r}; name the id")
        return good[0] if good else rules[0]

    def _correlation(self, place: int) -> dict[str, Any]:
        if place in self.ready:
            return self.ready[place]
        plan = self.plans[place]
        if place in self.under_way:
            raise RuleError("the correlation builds upon itself")
        self.under_way.add(place)
        try:
            feeds: list[dict[str, Any]] = []
            children: list[dict[str, Any]] = []
            for slot, name in enumerate(plan["rules"]):
                below = self._resolve(name)
                self._check_usable(name, below)
                if self.plans[below]["kind"] == "correlation":
                    children.append(self._child(plan, slot, name, below))
                else:
                    feeds.append(self._feed(plan, slot, name, below))
        finally:
            self.under_way.discard(place)
        ready = {
            name: plan[name]
            for name in (
                *("id", "title", "level", "tags", "type", "span", "rules", "group_by", "fields", "compare"),
                *("clauses", "percentile", "across_agencies", "generate", "entity", "window_seconds"),
                *("title_vi",),
            )
        }
        ready |= {"feeds": feeds, "children": children}
        self._await_anomalies(ready)
        ready["fingerprint"] = self._fingerprint(ready)
        self.ready[place] = ready
        return ready

    def _fingerprint(self, ready: Mapping[str, Any]) -> str:
        """Return what another means that what is remembered would be of another correlation.

        That is so too where a rule below it, or below that, asks for something else now. Filters are left out: they come
        and go, and what they keep out ages by itself.
        """
        said = [
            ready[name]
            for name in (
                *("id", "type", "span", "group_by", "fields", "across_agencies", "compare", "clauses"),
                "percentile",
            )
        ]
        for feed in ready["feeds"]:
            below = self.plans[feed["place"]]
            said.append([feed["rule"], feed["slot"], feed["group"], feed["value"]])
            said.append([below.get("sees"), node_of(below) if "test" in below else None])
        for child in ready["children"]:
            below = self.ready[child["place"]]
            said.append([below["fingerprint"], child["slot"], child["takes"], child["places"]])
        content = orjson.dumps(said, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
        return hashlib.blake2b(content, digest_size=6).hexdigest()

    def _await_anomalies(self, ready: dict[str, Any]) -> None:
        """Note what it means for a correlation that anomalies are below it: they are late, and write names short.

        Raises:
            RuleError: it asks for the absence of one, which is never certain.
        """
        late = {feed["slot"] for feed in ready["feeds"] if anomalous.is_about(self.plans[feed["place"]])}
        late |= {child["slot"] for child in ready["children"] if self.ready[child["place"]]["is_late"]}
        ready["is_late"] = bool(late)
        for _pos, neg in ready["clauses"] or ():
            if unsure := late.intersection(neg):
                name = ready["rules"][min(unsure)]
                raise RuleError(
                    f"the absence of {name!r} is never certain: hours are scored afterwards, and again for late data"
                )
        for feed in ready["feeds"]:
            if anomalous.is_about(self.plans[feed["place"]]):
                self._shorten(ready, [anomalous.shortened(names[0]) for names in feed["group"]])

    def _shorten(self, ready: dict[str, Any], how: Sequence[str]) -> None:
        """Have names in the groups of a correlation, and of those below it, written as anomalies write them."""
        if not any(how):
            return
        for feed in ready["feeds"]:
            feed["short"] = [one or other for one, other in zip(how, feed["short"], strict=True)]
        for child in ready["children"]:
            below = self.ready[child["place"]]
            own = [""] * len(below["group_by"])
            for place, one in zip(child["places"], how, strict=True):
                own[place] = one
            self._shorten(below, own)

    def _check_usable(self, name: str, place: int) -> None:
        below = self.plans[place]
        if below["status"] == "refused" or place in self.found.refused:
            raise RuleError(f"the rule {name!r} below it is refused")
        if not self.usable[place]:
            raise _OffError(f"the rule {name!r} below it is disabled")

    def _feed(self, plan: Mapping[str, Any], slot: int, name: str, place: int) -> dict[str, Any]:
        below = self.plans[place]

        def names(wanted: str) -> list[str]:
            own = plan["aliases"].get(wanted, {}).get(name, wanted)
            return list(_names_in_events(own, *below["logsource"]))

        return {
            "rule": below["id"],
            "slot": slot,
            "group": [names(wanted) for wanted in plan["group_by"]],
            "value": [names(wanted) for wanted in plan["fields"]],
            "short": [""] * len(plan["group_by"]),
            "place": place,
        }

    def _child(self, plan: Mapping[str, Any], slot: int, name: str, place: int) -> dict[str, Any]:
        below = self._correlation(place)
        if below["across_agencies"] and not plan["across_agencies"]:
            raise RuleError(f"{name!r} below it works across agencies, so this one must too")

        def spot(wanted: str) -> int:
            own = plan["aliases"].get(wanted, {}).get(name, wanted)
            if own not in below["group_by"]:
                raise RuleError(
                    f"{name!r} below it is not grouped by {own!r}, so its findings have no such field"
                )
            return int(below["group_by"].index(own))

        takes = ""
        if plan["fields"]:
            is_metric = plan["fields"] in (["sigma_metric"], [below["type"]])
            if not is_metric and plan["type"] != "value_count":
                raise RuleError(f"of {name!r} below it, only its measure ({below['type']}) is a number")
            takes = "metric" if is_metric else ",".join(str(spot(wanted)) for wanted in plan["fields"])
        return {
            "correlation": below["id"],
            "slot": slot,
            "takes": takes,
            "places": [spot(wanted) for wanted in plan["group_by"]],
            "place": place,
        }

    # -- filters -----------------------------------------------------------------------------------------------

    def _filters(self) -> dict[int, list[Mapping[str, Any]]]:
        """Return the filters of each rule, by the rule's place."""
        found: dict[int, list[Mapping[str, Any]]] = {}
        for place, plan in enumerate(self.plans):
            if plan["kind"] != "filter" or plan["status"] == "refused" or not self.usable[place]:
                continue
            from citysoc.detectors.sigma.filters import fits, is_expired  # they need more of us than rules do

            if is_expired(plan):
                self.found.off[place] = (
                    f"expired: its last day was {plan['expires']}; it works on events up to then only"
                )
            for target in self._targets(place, plan):
                if fits(plan, self.plans[target]["logsource"]):
                    found.setdefault(target, []).append(plan)
                elif plan["rules"] != "any":
                    self._note(place, f"its logsource is not that of {self.plans[target]['id']}")
        return found

    def _targets(self, place: int, plan: Mapping[str, Any]) -> Iterator[int]:
        def honoured(target: int) -> bool:
            plan = self.plans[target]
            return bool(plan["kind"] == "rule" and plan["status"] != "refused")

        if plan["rules"] == "any":
            yield from filter(honoured, range(len(self.plans)))
            return
        for name in plan["rules"]:
            targets = self.names.get(name, [])
            if any(self.plans[target]["kind"] == "correlation" for target in targets):
                self._note(place, f"{name!r} is a correlation: filter the rules below it instead")
            elif not targets:
                self._note(place, f"there is no rule {name!r}")
            yield from filter(honoured, targets)

    def _note(self, place: int, text: str) -> None:
        self.found.noted.setdefault(place, []).append(text)

    def _filtered(self, place: int, filters: Mapping[int, list[Mapping[str, Any]]]) -> dict[str, Any]:
        plan = dict(self.plans[place])
        if place not in filters:
            return plan
        from citysoc.detectors.sigma.filters import filtered

        return filtered(plan, filters[place])


class _OffError(Exception):
    """A correlation stands upon a rule that is switched off on purpose."""


@functools.cache
def _names_in_events(
    name: str, product: str | None, category: str | None, service: str | None
) -> tuple[str, ...]:
    """Return what a field of a rule of some logsource is called in events; the first that is there counts."""
    if mapping.is_ours(name):
        return (name,)
    from citysoc.detectors.sigma.nodes import field_of
    from citysoc.detectors.sigma.parse import parse
    from citysoc.detectors.sigma.selections import condition

    parts = {"product": product, "category": category, "service": service}
    source = {part: value for part, value in parts.items() if value is not None}
    detection = {"selection": {f"{name}|exists": True}, "condition": "selection"}
    node = condition(parse({"title": "field", "logsource": source, "detection": detection}), [], {})
    found: list[str] = []
    stack = [node]
    while stack:
        one = stack.pop(0)
        if one[0] in {"all", "any"}:
            stack += one[1]
        elif one[0] == "not":
            stack.append(one[1])
        else:
            found.append(field_of(one))
    return tuple(dict.fromkeys(found)) or (name,)
