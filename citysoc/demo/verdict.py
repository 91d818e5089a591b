"""Which of the planted attacks were found: an alert at the right place, time and entity."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.alerts.records import title_in
from citysoc.flow import CITY_AGENCY, LEVELS
from citysoc.i18n import language
from citysoc.state.values import stamp
from citysoc.stores.base import Question

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from citysoc.flow import Event
    from citysoc.simulation.truth import Planted
    from citysoc.state import State
    from citysoc.stores.base import EventStore

SAMPLES = 3
"""So many sample events of an alert are looked at."""
IDS_A_QUESTION = 200
"""An id has 32 letters, a query at most 10,000."""
MARGIN = dt.timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One planted attack and the titles of the rules whose alerts name it, in the language in force; none means missed."""

    planted: Planted
    rules: tuple[str, ...]

    @property
    def found(self) -> bool:
        """Whether any alert names it."""
        return bool(self.rules)


def judge(state: State, store: EventStore, planted: Sequence[Planted]) -> tuple[Verdict, ...]:
    """Return a verdict for each planted attack, in their order.

    An attack counts as found when an alert of one of its agencies, within its time, is about one of its
    entities: the alert's own entity or key names it, or one of its sample events does.
    """
    return tuple(Verdict(attack, _rules(state, store, attack)) for attack in planted)


def _rules(state: State, store: EventStore, attack: Planted) -> tuple[str, ...]:
    wanted = {entity.partition(":")[2].casefold() for entity in attack.entities}
    rows = _alerts(state, attack)
    found = [row for row in rows if wanted & _folded(_facts(row))]
    if not found:  # reading events costs more, so only where the alerts themselves do not say it
        samples = _samples(store, attack, rows)
        found = [
            row
            for row in rows
            if any(wanted & _folded(samples.get(event_id, {}).values()) for event_id in _sample_ids(row))
        ]
    return tuple(dict.fromkeys(title_in(language(), row["title"], row["title_vi"]) for row in found))


def _alerts(state: State, attack: Planted) -> list[sqlite3.Row]:
    """Return the alerts of an attack's agencies within its time, the most serious first."""
    start, end = _span(attack)
    # What only the whole city shows is no single agency's alert.
    agencies = (*attack.agencies, CITY_AGENCY) if len(attack.agencies) > 1 else attack.agencies
    marks = ",".join("?" * len(agencies))
    rows = state.rows(
        f"SELECT * FROM alerts WHERE agency IN ({marks})"  # noqa: S608  only question marks are put in
        " AND last_seen >= ? AND first_seen <= ? AND rule NOT LIKE 'citysoc.source.%' ORDER BY first_seen, id",
        (*agencies, stamp(start), stamp(end)),
    )
    return sorted(rows, key=lambda row: -LEVELS.index(row["level"]))


def _span(attack: Planted) -> tuple[dt.datetime, dt.datetime]:
    start, end = dt.datetime.fromisoformat(attack.start), dt.datetime.fromisoformat(attack.end)
    return start - MARGIN, end + MARGIN


def _sample_ids(row: sqlite3.Row) -> list[str]:
    found: list[str] = orjson.loads(row["samples"])
    return found[:SAMPLES]


def _samples(store: EventStore, attack: Planted, rows: Sequence[sqlite3.Row]) -> dict[str, Event]:
    """Return the sample events of alerts, by id."""
    ids = sorted({event_id for row in rows for event_id in _sample_ids(row)})
    since, until = _span(attack)
    found: dict[str, Event] = {}
    for start in range(0, len(ids), IDS_A_QUESTION):
        query = f"event.id:({' OR '.join(ids[start : start + IDS_A_QUESTION])})"
        events = store.search(Question(query, since, until))
        found.update((event["event.id"], event) for event in events)
    return found


def _facts(row: sqlite3.Row) -> list[Any]:
    """Return what an alert says of itself: its entity, its key, what matched."""
    own = [row["entity"].partition(":")[2], *orjson.loads(row["group_values"]).values()]
    return own + list(orjson.loads(row["matched"]).values())


def _folded(values: Iterable[Any]) -> set[str]:
    flat: set[str] = set()
    for value in values:
        flat.update(str(item).casefold() for item in (value if isinstance(value, list) else [value]))
    return flat
