"""The detector: every event is shown to the rules whose logsource it belongs to, and to no other."""

from __future__ import annotations

import datetime as dt
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from citysoc.clock import UTC
from citysoc.detectors.sigma.databases import Databases
from citysoc.detectors.sigma.field import Memory
from citysoc.detectors.sigma.hit import Hit
from citysoc.detectors.sigma.index import places
from citysoc.detectors.sigma.kinds import Sight, matches
from citysoc.detectors.sigma.moments import moment_of
from citysoc.detectors.sigma.routes import Route, folded, sees
from citysoc.detectors.sigma.rule import Rule
from citysoc.detectors.sigma.trial import by_runner
from citysoc.detectors.sigma.view import View, with_plain_names
from citysoc.detectors.sigma.words import Words
from citysoc.detectors.sigma.written import written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from citysoc.compiled.memory import Memory as Bytes
    from citysoc.detectors.sigma.index import Candidates
    from citysoc.detectors.sigma.records import Group, Kind, Origin
    from citysoc.flow import Event, Finding

_Parts: TypeAlias = "Sequence[Sequence[Mapping[str, Sequence[str]]]]"
MAX_ROUTES = 8192
_MAX_SIGHTS = 1024
_LOGSOURCE = frozenset(
    {"citysoc.logsource.category", "citysoc.logsource.product", "citysoc.logsource.service"}
)
"""Given by a source's configuration and by parsers of anything, never to Windows events."""
_NEVER = dt.datetime(1970, 1, 1, tzinfo=UTC)


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
        self._rules: dict[int, Rule] = {}
        self._memory = Memory()
        self._bytes: Bytes | None = None
        self._words = Words(self._store)
        self._routes: dict[tuple[Any, ...], Route | Literal[False]] = {}
        self._shared: dict[int, Route] = {}
        self._sights_of: dict[Kind, Sight | Literal[False]] = {}
        self._sights = _sights(self.plans)
        self._coded, self._uncoded = _codes(self.plans)
        names = {name for parts, _rules in self._sights for part in parts for other in part for name in other}
        self._fields = tuple(sorted({"event.code", *names}))

    def __reduce__(self) -> tuple[type[SigmaDetector], tuple[Any, ...]]:
        """Travel to another process as plans; predicates are made anew there."""
        return SigmaDetector, (self.plans, self._cache_dir)

    @property
    def rules(self) -> int:
        """The number of rules."""
        return len(self.plans)

    def detect(self, events: Sequence[Event]) -> list[Finding]:
        """Return the findings of a batch, ordered by event, then rule id. Never raises."""
        return [finding for hit in self.hits(events) for finding in hit.findings()]

    def hits(self, events: Sequence[Event]) -> list[Hit]:
        """Return what rules found in each event that matches any, in order."""
        groups: dict[int, tuple[Route, list[int]]] = {}
        for number, route in enumerate(self._routes_of(events)):
            if route:
                groups.setdefault(id(route), (route, []))[1].append(number)
        found: list[Hit] = []
        for route, numbers in groups.values():
            plain = [with_plain_names(events[number]) for number in numbers]
            for number, event, candidates in zip(numbers, plain, route.index.candidates(plain), strict=True):
                if candidates and (hit := _hit(number, route, candidates, event)) is not None:
                    found.append(hit)
        found.sort(key=itemgetter(0))
        return found

    def of_kinds(self, groups: Sequence[Group], origin: Origin) -> tuple[list[Hit], list[int]]:
        """Return what rules found in records that are not events yet, and the numbers of those that must be made so.

        Args:
            groups: the records by their kinds.
            origin: where they come from.
        """
        found: list[Hit] = []
        whole: list[int] = []
        for group in groups:
            kind = group.kind
            sight = self._sights_of.get(kind)
            if sight is None:
                sight = self._sight(kind)
            if not sight:
                whole += map(int, group.numbers) if sight is None else ()
                continue
            matched, left = matches(sight, group, origin, self._by_bytes(group))
            whole += [int(group.numbers[place]) for place in left]
            for place, rules, view, times in matched:
                number = int(group.numbers[place])
                found.append(Hit(number, rules, view, origin.moment(kind, times), origin, number))
        return found, whole

    def _by_bytes(self, group: Group) -> Bytes | None:
        """Return what remembers values by their bytes, where it is known where these stand."""
        if self._bytes is None and group.sheet is not None:
            from citysoc.compiled.memory import Memory as Bytes

            self._bytes = Bytes()
        return self._bytes

    def _sight(self, kind: Kind) -> Sight | Literal[False] | None:
        """Return what judges records of a kind; False where no rule sees them, None where their events must be made."""
        names = self._fields
        if not kind.names.isdisjoint(names) or any(map(by_runner, {*names} - _LOGSOURCE)):
            return None
        (route,) = self._routes_of([kind.same])
        sight: Sight | Literal[False] = Sight(kind, route, self._words) if route else False
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
                rules = [self._rule(place) for place in places(routed)]
                shared = self._shared[routed] = Route(rules, self._memory, self._store)
            found = self._routes[key] = shared or False
        return found

    def _rule(self, place: int) -> Rule:
        rule = self._rules.get(place)
        if rule is None:
            rule = self._rules[place] = Rule(self.plans[place])
        return rule

    def _find(self, key: tuple[Any, ...]) -> int:
        facts = {name: folded(value) for name, value in zip(self._fields, key, strict=True)}
        asked = self._uncoded
        for code in facts["event.code"]:
            asked |= self._coded.get(code, 0)
        seen = 0
        for parts, rules in self._sights:
            if rules & asked and sees(parts, facts):
                seen |= rules
        return seen & asked


def _sights(plans: Sequence[Mapping[str, Any]]) -> list[tuple[_Parts, int]]:
    """Return which events rules see, and of each the rules that see the same, one bit each."""
    seen: dict[int, tuple[_Parts, bytearray]] = {}
    alike: dict[bytes, bytearray] = {}
    length = len(plans) // 8 + 1
    for place, plan in enumerate(plans):
        parts = plan["sees"]
        one = seen.get(id(parts))  # plans that were kept share what says it
        if one is None:
            one = seen[id(parts)] = parts, alike.setdefault(written(parts), bytearray(length))
        one[1][place >> 3] |= 1 << (place & 7)
    rules = {id(bits): (parts, bits) for parts, bits in seen.values()}
    return [(parts, int.from_bytes(bits, "little")) for parts, bits in rules.values()]


def _codes(plans: Sequence[Mapping[str, Any]]) -> tuple[dict[str, int], int]:
    """Return the rules that ask for each event code, and those that ask for none, one bit each."""
    coded: dict[str, int] = {}
    uncoded = bytearray(len(plans) // 8 + 1)
    for place, plan in enumerate(plans):
        codes = plan["codes"]
        if codes is None:
            uncoded[place >> 3] |= 1 << (place & 7)
        for code in codes or ():
            coded[code] = coded.get(code, 0) | 1 << place
    return coded, int.from_bytes(uncoded, "little")


def _hit(number: int, route: Route, candidates: Candidates, event: Mapping[str, Any]) -> Hit | None:
    """Return those candidates that an event matches; None where there are none."""
    view = View(event, plain=True)
    rules = [
        route.rules[~place if place < 0 else place]
        for place in candidates
        if place < 0 or route.rules[place].matches(view)
    ]
    if not rules:
        return None
    moment = moment_of(event.get("@timestamp")) or moment_of(event.get("event.ingested")) or _NEVER
    return Hit(number, rules, view, moment, _Stated(event), 0)


class _Stated:
    """Where an event comes from, as it says."""

    __slots__ = ("_event", "agency", "path")

    def __init__(self, event: Mapping[str, Any]) -> None:
        self._event = event
        self.agency = str(event.get("agency.id") or "")
        self.path = str(event.get("log.file.path") or "")

    def event_id(self, _number: int) -> str:
        return str(self._event.get("event.id") or "")

    def offset(self, _number: int) -> int:
        offset = self._event.get("log.offset")
        return offset if isinstance(offset, int) else 0


def _hashable(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return tuple(map(_hashable, value[:20]))
    return str(value) if isinstance(value, dict) else value
