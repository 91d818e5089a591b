"""Which of the planted attacks were found: an alert at the right place, time and entity."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from citysoc.flow import LEVELS
from citysoc.state.values import stamp
from citysoc.stores.base import Question

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

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
    """One planted attack and the titles of the rules whose alerts name it; none means missed."""

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
    alerts = [_alerts(state, attack) for attack in planted]
    samples = _samples(
        store, sorted({event for rows in alerts for row in rows for event in _sample_ids(row)})
    )
    verdicts = []
    for attack, rows in zip(planted, alerts, strict=True):
        wanted = {entity.partition(":")[2].casefold() for entity in attack.entities}
        titles = (row["title"] for row in rows if wanted & _named(row, samples))
        verdicts.append(Verdict(attack, tuple(dict.fromkeys(titles))))
    return tuple(verdicts)


def _alerts(state: State, attack: Planted) -> list[sqlite3.Row]:
    """Return the alerts of an attack's agencies within its time, the most serious first."""
    start = dt.datetime.fromisoformat(attack.start) - MARGIN
    end = dt.datetime.fromisoformat(attack.end) + MARGIN
    marks = ",".join("?" * len(attack.agencies))
    rows = state.rows(
        f"SELECT * FROM alerts WHERE agency IN ({marks})"  # noqa: S608  only question marks are put in
        " AND last_seen >= ? AND first_seen <= ? AND rule NOT LIKE 'citysoc.source.%' ORDER BY first_seen, id",
        (*attack.agencies, stamp(start), stamp(end)),
    )
    return sorted(rows, key=lambda row: -LEVELS.index(row["level"]))


def _sample_ids(row: sqlite3.Row) -> list[str]:
    found: list[str] = orjson.loads(row["samples"])
    return found[:SAMPLES]


def _samples(store: EventStore, ids: Sequence[str]) -> dict[str, Event]:
    """Return events by id, asked for in few questions."""
    found: dict[str, Event] = {}
    for start in range(0, len(ids), IDS_A_QUESTION):
        query = f"event.id:({' OR '.join(ids[start : start + IDS_A_QUESTION])})"
        found.update((event["event.id"], event) for event in store.search(Question(query)))
    return found


def _named(row: sqlite3.Row, samples: Mapping[str, Event]) -> set[str]:
    """Return what an alert is about, folded: values of its entity, its key, and its sample events."""
    values = [row["entity"].partition(":")[2], *orjson.loads(row["group_values"]).values()]
    values += orjson.loads(row["matched"]).values()
    for event_id in _sample_ids(row):
        values += samples.get(event_id, {}).values()
    flat: set[str] = set()
    for value in values:
        flat.update(str(item).casefold() for item in (value if isinstance(value, list) else [value]))
    return flat
