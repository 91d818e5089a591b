"""What rules found in one event, before it is told: most of it goes into a line, and never needs to be findings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from citysoc.detectors.sigma.rule import ENTITIES
from citysoc.flow import UNKNOWN_AGENCY, Finding

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from citysoc.detectors.sigma.rule import Rule
    from citysoc.detectors.sigma.view import View

_KINDS = {
    **dict.fromkeys(("host.name", "observer.name", "log.syslog.hostname"), "host"),
    **dict.fromkeys(("source.ip", "destination.ip", "client.ip", "server.ip", "host.ip"), "ip"),
    **dict.fromkeys(("user.name", "user.target.name"), "user"),
    "url.domain": "domain",
}
"""What a field names, so that a machine is one entity whether it is the source or the destination."""


class Place(Protocol):
    """Where records come from."""

    agency: str
    path: str

    def event_id(self, number: int) -> str:
        """Return the ``event.id`` of a record."""

    def offset(self, number: int) -> int:
        """Return where a record stands."""


class Hit(NamedTuple):
    """An event, and the rules that it matches.

    Args:
        number: which of its batch it is.
        rules: the rules, in the order of their ids.
        view: the event's fields, so far as findings take them.
        timestamp: its time.
        place: where its record comes from.
        own: its number there.
    """

    number: int
    rules: Sequence[Rule]
    view: View
    timestamp: dt.datetime
    place: Place
    own: int

    @property
    def agency(self) -> str:
        """Whose event it is."""
        return self.place.agency or UNKNOWN_AGENCY

    def findings(self) -> list[Finding]:
        """Return the findings, one a rule."""
        event = self.view.event
        usual = _subject(ENTITIES, event)
        return [
            _finding(self, rule, usual if rule.entity is ENTITIES else _subject(rule.entity, event))
            for rule in self.rules
        ]

    def without(self, ids: Collection[str]) -> Hit | None:
        """Return the hit without the rules of some ids; None where nothing is left."""
        left = [rule for rule in self.rules if rule.plan["id"] not in ids]
        return self._replace(rules=left) if left else None


def findings(found: Iterable[Hit | Finding]) -> list[Finding]:
    """Return findings as they are, and those of hits in their places."""
    made: list[Finding] = []
    for one in found:
        if isinstance(one, Hit):
            made += one.findings()
        else:
            made.append(one)
    return made


def _finding(hit: Hit, rule: Rule, subject: tuple[str, str]) -> Finding:
    """Return the finding of a rule; ``subject`` is the field that names what it is about, and its name, or empty."""
    event = hit.view.event
    field, entity = subject
    names = rule.group_by or ((field,) if field else ())
    name, title, level = rule.head
    tags, window, title_vi = rule.tail
    # In the order of the fields: names would take a third of the time.
    return Finding(
        name,
        title,
        level,
        hit.agency,
        hit.place.event_id(hit.own),
        hit.timestamp,
        rule.telling().matched(hit.view),
        tags,
        {name: event[name] for name in names if event.get(name) is not None},
        window,
        entity,
        hit.place.path,
        hit.place.offset(hit.own),
        title_vi,
    )


def _subject(names: Sequence[str], event: Mapping[str, Any]) -> tuple[str, str]:
    """Return the first of some fields that an event has, and the entity that it names; empty where it has none."""
    for name in names:
        value = event.get(name)
        if isinstance(value, list | tuple):
            value = value[0] if value else None
        if value is not None and (text := str(value)):
            return name, f"{_KINDS.get(name, name)}:{text}"
    return "", ""
