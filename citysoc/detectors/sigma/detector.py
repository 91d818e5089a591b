"""The detector: every event is shown to the rules whose logsource it belongs to, and to no other."""

from __future__ import annotations

import datetime as dt
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from citysoc.clock import UTC
from citysoc.detectors.sigma.databases import Databases
from citysoc.detectors.sigma.field import Memory
from citysoc.detectors.sigma.index import Index, kept_plan, places
from citysoc.detectors.sigma.kinds import Sight, by_runner, matches
from citysoc.detectors.sigma.match import View, moment_of, predicate, teller, with_plain_names
from citysoc.detectors.sigma.nodes import fields_of
from citysoc.flow import UNKNOWN_AGENCY, Finding

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from citysoc.detectors.sigma.index import Candidates
    from citysoc.detectors.sigma.kinds import Group, Kind, Origin
    from citysoc.detectors.sigma.match import Predicate, Teller
    from citysoc.flow import Event

_Parts: TypeAlias = "Sequence[Sequence[Mapping[str, Sequence[str]]]]"
MAX_ROUTES = 8192
_MAX_SIGHTS = 4096
_LOGSOURCE = frozenset(
    {"citysoc.logsource.category", "citysoc.logsource.product", "citysoc.logsource.service"}
)
"""Given by a source's configuration and by parsers of anything, never to Windows events."""
_ENTITIES = ("host.name", "user.name", "source.ip")
_KINDS = {
    **dict.fromkeys(("host.name", "observer.name", "log.syslog.hostname"), "host"),
    **dict.fromkeys(("source.ip", "destination.ip", "client.ip", "server.ip", "host.ip"), "ip"),
    **dict.fromkeys(("user.name", "user.target.name"), "user"),
    "url.domain": "domain",
}
"""What a field names, so that a machine is one entity whether it is the source or the destination."""
_NEVER = dt.datetime(1970, 1, 1, tzinfo=UTC)


class Rule:
    """A rule that can be matched: its plan, and its predicate, made when it is first asked for.

    Args:
        plan: what ``plan.compile_document`` made of it.
    """

    __slots__ = ("_asks", "_tell", "_test", "codes", "entity", "group_by", "plan", "tags")

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self.plan = plan
        codes = plan["codes"]
        self.codes: frozenset[str] | None = None if codes is None else frozenset(codes)
        self.entity: tuple[str, ...] = (plan["entity"],) if plan["entity"] else _ENTITIES
        self.group_by: tuple[str, ...] = tuple(plan["group_by"])
        self.tags: tuple[str, ...] = tuple(plan["tags"])
        self._asks: frozenset[str] | None = None
        self._test: Predicate | None = None
        self._tell: Teller | None = None

    def asks(self) -> frozenset[str]:
        """Return the fields that a finding of it takes; the empty name stands for all that an event says."""
        if self._asks is None:
            self._asks = frozenset({*fields_of(self.plan["test"]), *self.entity, *self.group_by})
        return self._asks

    def matches(self, view: View) -> bool:
        """Return whether an event matches."""
        test = self._test
        if test is None:
            test = self._test = predicate(self.plan["test"])
        return test(view)

    def matched(self, view: View) -> dict[str, Any]:
        """Return field to value of what made an event match."""
        tell = self._tell
        if tell is None:
            tell = self._tell = teller(self.plan["test"])
        found: dict[str, Any] = {}
        tell(view, found)
        return found


class Route:
    """The rules that see the same events, and the index of them."""

    __slots__ = ("index", "rules")

    def __init__(self, rules: Sequence[Rule], memory: Memory, store: Databases) -> None:
        self.rules = rules
        plan = kept_plan([rule.plan["test"] for rule in rules], store)
        self.index = Index(plan, memory, store=store)


class SigmaDetector:
    """Matches events against rules; keeps nothing between events but what it learned of routes.

    Args:
        plans: compiled rules; JSON-able, so that a worker process can be given them.
        cache_dir: where pattern databases are kept; None keeps none.
    """

    def __init__(self, plans: Sequence[Mapping[str, Any]], cache_dir: Path | None = None) -> None:
        self.plans = tuple(sorted(plans, key=lambda plan: str(plan["id"])))
        self._cache_dir = cache_dir
        self._store = Databases(cache_dir and cache_dir / "sigma" / "databases")
        self._rules = tuple(Rule(plan) for plan in self.plans)
        self._memory = Memory()
        self._fields = tuple(
            sorted(
                {"event.code"}
                | {name for plan in self.plans for part in plan["sees"] for other in part for name in other}
            )
        )
        self._routes: dict[tuple[Any, ...], Route | Literal[False]] = {}
        self._shared: dict[int, Route] = {}
        self._sights: list[tuple[_Parts, int]] = []
        self._sights_of: dict[Kind, Sight | Literal[False]] = {}
        self._coded: dict[str, int] = {}
        self._uncoded = 0
        self._prepare_routes()

    def _prepare_routes(self) -> None:
        """Gather the rules that see the same events, and those that ask for the same event codes."""
        sights: dict[str, tuple[_Parts, int]] = {}
        for place, rule in enumerate(self._rules):
            bit = 1 << place
            parts = rule.plan["sees"]
            key = repr(parts)
            sights[key] = (parts, sights.get(key, (parts, 0))[1] | bit)
            if rule.codes is None:
                self._uncoded |= bit
            for code in rule.codes or ():
                self._coded[code] = self._coded.get(code, 0) | bit
        self._sights = list(sights.values())

    def __reduce__(self) -> tuple[type[SigmaDetector], tuple[Any, ...]]:
        """Travel to another process as plans; predicates are made anew there."""
        return SigmaDetector, (self.plans, self._cache_dir)

    @property
    def rules(self) -> int:
        """The number of rules."""
        return len(self._rules)

    def detect(self, events: Sequence[Event]) -> list[Finding]:
        """Return the findings of a batch, ordered by event, then rule id. Never raises."""
        return [finding for _number, own in self.numbered(events) for finding in own]

    def numbered(self, events: Sequence[Event]) -> list[tuple[int, list[Finding]]]:
        """Return the findings of each event that has any, with its number, in order."""
        groups: dict[int, tuple[Route, list[int]]] = {}
        for number, route in enumerate(self._routes_of(events)):
            if route:
                groups.setdefault(id(route), (route, []))[1].append(number)
        found: list[tuple[int, list[Finding]]] = []
        for route, numbers in groups.values():
            plain = [with_plain_names(events[number]) for number in numbers]
            for number, event, candidates in zip(numbers, plain, route.index.candidates(plain), strict=True):
                if candidates and (own := _findings(route, candidates, event)):
                    found.append((number, own))
        found.sort(key=itemgetter(0))
        return found

    def of_kinds(
        self, groups: Sequence[Group], origin: Origin
    ) -> tuple[list[tuple[int, list[Finding]]], list[int]]:
        """Return the findings of records that are not events yet, and the numbers of those that must be made so.

        Args:
            groups: the records by their kinds.
            origin: where they come from.
        """
        found: list[tuple[int, list[Finding]]] = []
        whole: list[int] = []
        for group in groups:
            kind = group.kind
            sight = self._sights_of.get(kind)
            if sight is None:
                sight = self._sight(kind)
            if not sight:
                whole += group.numbers if sight is None else ()
                continue
            matched, left = matches(sight, group, origin)
            whole += [group.numbers[place] for place in left]
            for place, view, rules in matched:
                number = group.numbers[place]
                told = _Told(
                    origin.agency or UNKNOWN_AGENCY,
                    origin.event_id(number),
                    origin.moment(kind, group.rows[place]),
                    origin.path,
                    origin.offset(number),
                )
                found.append((number, [_finding(rule, view, told) for rule in rules]))
        return found, whole

    def _sight(self, kind: Kind) -> Sight | Literal[False] | None:
        """Return what judges records of a kind; False where no rule sees them, None where their events must be made."""
        names = self._fields
        if not kind.names.isdisjoint(names) or any(map(by_runner, {*names} - _LOGSOURCE)):
            return None
        (route,) = self._routes_of([kind.same])
        sight: Sight | Literal[False] = Sight(kind, route) if route else False
        if len(self._sights_of) >= _MAX_SIGHTS:
            self._sights_of.clear()
        self._sights_of[kind] = sight
        return sight

    def sees(self, event: Event) -> bool:
        """Return whether any rule sees an event."""
        return bool(self._routes_of([event])[0])

    def tried(self, event: Event) -> tuple[list[Rule], View]:
        """Return the rules that the search finds for an event, and the event as they look at it."""
        plain = with_plain_names(event)
        (route,) = self._routes_of([event])
        candidates = route.index.candidates([plain])[0] if route else ()
        # Below zero are those that match for certain: they cost a finding instead of an evaluation.
        rules = [route.rules[max(place, ~place)] for place in candidates] if route else []
        return rules, View(plain, plain=True)

    def _routes_of(self, events: Sequence[Event]) -> list[Route | Literal[False]]:
        """Return for each event what finds the candidates among the rules that see it; False where none does."""
        keys = list(zip(*[[event.get(name) for event in events] for name in self._fields], strict=True))
        try:
            found = list(map(self._routes.get, keys))
        except TypeError:  # a list among them
            keys = [tuple(map(_hashable, key)) for key in keys]
            found = list(map(self._routes.get, keys))
        return [self._route(key) if one is None else one for key, one in zip(keys, found, strict=True)]

    def _route(self, key: tuple[Any, ...]) -> Route | Literal[False]:
        """Return the route of events whose fields that decide it have these values."""
        found = self._routes.get(key)
        if found is None:
            routed = self._find(key)
            if len(self._routes) >= MAX_ROUTES:
                self._routes.clear()
            shared = self._shared.get(routed)
            if shared is None and routed:
                rules = [self._rules[place] for place in places(routed)]
                shared = self._shared[routed] = Route(rules, self._memory, self._store)
            found = self._routes[key] = shared or False
        return found

    def _find(self, key: tuple[Any, ...]) -> int:
        facts = {name: _folded(value) for name, value in zip(self._fields, key, strict=True)}
        asked = self._uncoded
        for code in facts["event.code"]:
            asked |= self._coded.get(code, 0)
        seen = 0
        for parts, rules in self._sights:
            if rules & asked and _sees(parts, facts):
                seen |= rules
        return seen & asked


def _findings(route: Route, candidates: Candidates, event: Mapping[str, Any]) -> list[Finding]:
    """Return the findings of those candidates that an event matches."""
    view = View(event, plain=True)
    rules = [
        route.rules[~place if place < 0 else place]
        for place in candidates
        if place < 0 or route.rules[place].matches(view)
    ]
    if not rules:
        return []
    offset = event.get("log.offset")
    told = _Told(
        str(event.get("agency.id") or UNKNOWN_AGENCY),
        str(event.get("event.id") or ""),
        moment_of(event.get("@timestamp")) or moment_of(event.get("event.ingested")) or _NEVER,
        str(event.get("log.file.path") or ""),
        offset if isinstance(offset, int) else 0,
    )
    return [_finding(rule, view, told) for rule in rules]


def _hashable(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(map(_hashable, value[:20]))
    return str(value) if isinstance(value, dict) else value


def _folded(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    items = value if isinstance(value, list | tuple) else (value,)
    return tuple(str(item).casefold() for item in items)


def _sees(
    parts: Sequence[Sequence[Mapping[str, Sequence[str]]]], facts: Mapping[str, tuple[str, ...]]
) -> bool:
    return all(
        any(
            all(_has_one(facts[name], wanted) for name, wanted in alternative.items())
            for alternative in alternatives
        )
        for alternatives in parts
    )


def _has_one(values: tuple[str, ...], wanted: Sequence[str]) -> bool:
    """Return whether a field has one of the values of a condition of ``logsources.yml``."""
    return any(not _has(values, one[1:]) if one.startswith("!") else _has(values, one) for one in wanted)


def _has(values: tuple[str, ...], wanted: str) -> bool:
    if wanted.endswith("*"):
        return any(value.startswith(wanted[:-1]) for value in values)
    return wanted in values


class _Told(NamedTuple):
    """What findings of one event say alike: agency, id, time and place."""

    agency: str
    event_id: str
    timestamp: dt.datetime
    path: str
    offset: int


def _finding(rule: Rule, view: View, told: _Told) -> Finding:
    plan = rule.plan
    event = view.event
    entity_field = next((name for name in rule.entity if _one(event.get(name))), "")
    names = rule.group_by or ((entity_field,) if entity_field else ())
    return Finding(
        rule=plan["id"],
        title=plan["title"],
        level=plan["level"],
        agency=told.agency,
        event_id=told.event_id,
        timestamp=told.timestamp,
        matched=rule.matched(view),
        tags=rule.tags,
        group={name: event[name] for name in names if event.get(name) is not None},
        window_seconds=plan["window_seconds"],
        entity=f"{_KINDS.get(entity_field, entity_field)}:{_one(event[entity_field])}"
        if entity_field
        else "",
        path=told.path,
        offset=told.offset,
        title_vi=plan["title_vi"],
    )


def _one(value: Any) -> str:
    if isinstance(value, list | tuple):
        value = value[0] if value else None
    return "" if value is None else str(value)
