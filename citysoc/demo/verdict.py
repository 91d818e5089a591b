"""Which of the planted attacks were found: an alert at the right place, time and entity."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.state.values import stamp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from citysoc.simulation.truth import Planted
    from citysoc.state import State
    from citysoc.stores.base import EventStore

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


def judge(state: State, store: EventStore, planted: Iterable[Planted]) -> tuple[Verdict, ...]:
    """Return a verdict for each planted attack, in their order.

    An attack counts as found when an alert of one of its agencies, within its time, is about one of its
    entities: the alert's own entity or key names it, or one of its sample events does.
    """
    return tuple(Verdict(attack, _rules(state, store, attack)) for attack in planted)


def _rules(state: State, store: EventStore, attack: Planted) -> tuple[str, ...]:
    start = dt.datetime.fromisoformat(attack.start) - MARGIN
    end = dt.datetime.fromisoformat(attack.end) + MARGIN
    marks = ",".join("?" * len(attack.agencies))
    rows = state.rows(
        f"SELECT * FROM alerts WHERE agency IN ({marks})"  # noqa: S608  only question marks are put in
        " AND last_seen >= ? AND first_seen <= ? AND rule NOT LIKE 'citysoc.source.%'"
        " ORDER BY first_seen, id",
        (*attack.agencies, stamp(start), stamp(end)),
    )
    wanted = {entity.partition(":")[2].casefold() for entity in attack.entities}
    titles = (row["title"] for row in rows if wanted & _named(row, store))
    return tuple(dict.fromkeys(titles))


def _named(row: Any, store: EventStore) -> set[str]:
    """Return what an alert is about, folded: values of its entity, its key, and its sample events."""
    values = [row["entity"].partition(":")[2], *orjson.loads(row["group_values"]).values()]
    values += orjson.loads(row["matched"]).values()
    for event_id in orjson.loads(row["samples"])[:3]:
        values += (store.get(event_id) or {}).values()
    flat: set[str] = set()
    for value in values:
        flat.update(str(item).casefold() for item in (value if isinstance(value, list) else [value]))
    return flat
