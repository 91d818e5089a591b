"""A rule as the detector has it, and the findings of events that it matches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from citysoc.detectors.sigma.match import predicate
from citysoc.detectors.sigma.needs import undecided
from citysoc.detectors.sigma.nodes import fields_of, node_of
from citysoc.detectors.sigma.tell import teller
from citysoc.flow import Finding

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from citysoc.detectors.sigma.match import Predicate
    from citysoc.detectors.sigma.nodes import Node
    from citysoc.detectors.sigma.tell import Teller
    from citysoc.detectors.sigma.view import View

_ENTITIES = ("host.name", "user.name", "source.ip")
FIRST = _ENTITIES[0]
"""What a finding is about where its event says so, and its rule says nothing else."""
_KINDS = {
    **dict.fromkeys(("host.name", "observer.name", "log.syslog.hostname"), "host"),
    **dict.fromkeys(("source.ip", "destination.ip", "client.ip", "server.ip", "host.ip"), "ip"),
    **dict.fromkeys(("user.name", "user.target.name"), "user"),
    "url.domain": "domain",
}
"""What a field names, so that a machine is one entity whether it is the source or the destination."""


class Rule:
    """A rule that can be matched: its plan, and its predicate, made when it is first asked for.

    Args:
        plan: what ``plan.compile_document`` made of it.
    """

    __slots__ = (
        "_asks",
        "_head",
        "_rest",
        "_tail",
        "_tell",
        "_test",
        "_undecided",
        "entity",
        "group_by",
        "plan",
    )

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self.plan = plan
        self.entity: tuple[str, ...] = (plan["entity"],) if plan["entity"] else _ENTITIES
        self.group_by: tuple[str, ...] = tuple(plan["group_by"])
        self._head = plan["id"], plan["title"], plan["level"]
        self._tail = tuple(plan["tags"]), plan["window_seconds"], plan["title_vi"]
        self._asks: frozenset[str] | None = None
        self._test: Predicate | None = None
        self._undecided: list[Node] | None = None
        self._rest: Predicate | None = None
        self._tell: Teller | None = None

    def asks(self) -> frozenset[str]:
        """Return the fields that a finding of it takes; the empty name stands for all that an event says."""
        if self._asks is None:
            self._asks = frozenset({*fields_of(node_of(self.plan)), *self.entity, *self.group_by})
        return self._asks

    def asks_first(self) -> frozenset[str]:
        """Return the fields that a finding takes of an event that has ``FIRST``."""
        others = _ENTITIES if self.entity is _ENTITIES else ()
        return self.asks().difference(others).union(fields_of(node_of(self.plan)), self.group_by, others[:1])

    def matches(self, view: View) -> bool:
        """Return whether an event matches."""
        test = self._test
        if test is None:
            test = self._test = predicate(node_of(self.plan))
        return test(view)

    def undecided(self) -> list[Node]:
        """Return what is left to be asked of an event that fulfils the needs of the rule."""
        if self._undecided is None:
            self._undecided = undecided(node_of(self.plan))
        return self._undecided

    def asks_rest(self) -> set[str]:
        """Return the fields of which that is asked; the empty name as in ``asks``."""
        return fields_of(["all", self.undecided()])

    def holds(self, view: View) -> bool:
        """Return whether an event matches that fulfils the needs of the rule: one of its candidates, exactly told."""
        rest = self._rest
        if rest is None:
            rest = self._rest = predicate(["all", self.undecided()])
        return rest(view)

    def matched(self, view: View) -> dict[str, Any]:
        """Return field to value of what made an event match."""
        tell = self._tell
        if tell is None:
            tell = self._tell = teller(node_of(self.plan))
        found: dict[str, Any] = {}
        tell(view, found)
        return found

    def finding(self, view: View, told: Told, subject: tuple[str, str]) -> Finding:
        """Return the finding of an event that matches.

        Args:
            view: the event.
            told: what findings of the event say alike.
            subject: the field that names the entity that this is about, and the entity; empty where there is none.
        """
        event = view.event
        field, entity = subject
        names = self.group_by or ((field,) if field else ())
        name, title, level = self._head
        tags, window, title_vi = self._tail
        # In the order of the fields: names would take a third of the time.
        return Finding(
            name,
            title,
            level,
            told.agency,
            told.event_id,
            told.timestamp,
            self.matched(view),
            tags,
            {name: event[name] for name in names if event.get(name) is not None},
            window,
            entity,
            told.path,
            told.offset,
            title_vi,
        )


class Told(NamedTuple):
    """What findings of one event say alike: agency, id, time and place."""

    agency: str
    event_id: str
    timestamp: dt.datetime
    path: str
    offset: int


def findings_of(rules: Sequence[Rule], view: View, told: Told) -> list[Finding]:
    """Return the findings of the rules that an event matches."""
    usual = _subject(_ENTITIES, view.event)
    return [
        rule.finding(view, told, usual if rule.entity is _ENTITIES else _subject(rule.entity, view.event))
        for rule in rules
    ]


def _subject(names: Sequence[str], event: Mapping[str, Any]) -> tuple[str, str]:
    """Return the first of some fields that an event has, and the entity that it names; empty where it has none."""
    for name in names:
        value = event.get(name)
        if isinstance(value, list | tuple):
            value = value[0] if value else None
        if value is not None and (text := str(value)):
            return name, f"{_KINDS.get(name, name)}:{text}"
    return "", ""
