"""An anomaly as an event, so that rules and correlations see it like any other.

It is of the dataset ``citysoc.anomaly``, at the beginning of the hour that it is about, and names what is unusual by the
fields that logs name it by. A machine is known by its name or by its address; where the store's events say which belong
together, the event has both, for one rule groups by the name and the next by the address.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from citysoc.detectors.anomaly.anomalies import Anomaly, Reason, is_address, quoted, who
from citysoc.detectors.anomaly.days import hour_of, moment_of
from citysoc.flow import CITY_AGENCY, UNKNOWN_AGENCY
from citysoc.state.values import load, moment, stamp
from citysoc.stores.base import Question

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from citysoc.flow import Event
    from citysoc.state import State
    from citysoc.stores.base import EventStore

MODULE = "citysoc"
DATASET = "citysoc.anomaly"
PREFIX = "anomaly:"
"""An anomaly's ``event.id`` is this and its own id."""
_AROUND = dt.timedelta(hours=24)
"""So far back the store is asked which name and address a machine has."""
_MOST_AGENCIES = 20
_HOUR = dt.timedelta(hours=1)


def events(store: EventStore, anomalies: Iterable[Anomaly]) -> list[Event]:
    """Return anomalies as events.

    Args:
        store: says which name and address a machine has.
        anomalies: an address outside that several agencies met alike is an event at each of them.
    """
    return [event for one in anomalies for event in _events(store, one)]


def told(
    state: State, since: dt.datetime | None, until: dt.datetime | None, agency: str | None = None
) -> list[Anomaly]:
    """Return the anomalies that were told, of hours that begin in a span, in order of time.

    Args:
        state: the state database.
        since: the first moment; None from the beginning.
        until: the moment after the last; None without an end.
        agency: only those of an agency, and those of the city.
    """
    rows = state.rows(
        "SELECT * FROM anomalies WHERE (:since IS NULL OR hour >= :since) AND (:until IS NULL OR hour < :until)"
        " AND (:agency IS NULL OR agency IN (:agency, :city)) ORDER BY hour, id",
        {
            "since": stamp(since) if since else None,
            "until": stamp(until) if until else None,
            "agency": agency,
            "city": CITY_AGENCY,
        },
    )
    return [read(dict(row)) for row in rows]


def read(row: dict[str, Any]) -> Anomaly:
    """Return an anomaly of a row of the journal."""
    reasons = load(row["reasons"]) if isinstance(row["reasons"], str) else row["reasons"]
    return Anomaly(
        id=row["id"],
        kind=row["kind"],
        agency=row["agency"],
        entity=row["entity"],
        hour=hour_of(moment(row["hour"])),
        score=row["score"],
        family=row["family"],
        reasons=tuple(Reason(**reason) for reason in reasons),
    )


def _events(store: EventStore, one: Anomaly) -> Iterator[Event]:
    event: Event = {
        "event.id": PREFIX + one.id,
        "@timestamp": moment_of(one.hour),
        "event.kind": "alert",
        "event.module": MODULE,
        "event.dataset": DATASET,
        "anomaly.family": one.family,
        "anomaly.kind": one.kind,
        "anomaly.entity": one.entity,
        "anomaly.score": one.score,
        "anomaly.features": [reason.feature for reason in one.reasons],
        **{f"anomaly.{reason.feature}": reason.value for reason in one.reasons},
        **_names(store, one),
    }
    for agency in _agencies(store, one):
        yield {**event, "agency.id": agency}


def _names(store: EventStore, one: Anomaly) -> Event:
    if one.kind == "account":
        return {"user.name": one.entity}
    if one.kind == "outside":
        return {"source.ip": one.entity, "destination.ip": one.entity}
    if one.kind == "agency":
        return {}
    name, address = _machine(store, one)
    found: Event = {"host.name": name} if name else {}
    return found | ({"host.ip": [address], "source.ip": address} if address else {})


def _machine(store: EventStore, one: Anomaly) -> tuple[str, str]:
    """Return the name and the address of a machine; empty where the latest events before the hour's end do not say."""
    by_address = is_address(one.entity)
    asked = (
        f"host.ip:{quoted(one.entity)} AND _exists_:host.name"
        if by_address
        else f"{who(one)} AND _exists_:host.ip"
    )
    begin = moment_of(one.hour)
    agency = None if one.agency == UNKNOWN_AGENCY else one.agency
    question = Question(asked, begin - _AROUND, begin + _HOUR, agency)
    latest = next(iter(store.search(question, fields=("host.name", "host.ip"), limit=1)), {})
    if by_address:
        name = str(latest.get("host.name", "")).casefold()
        return name if is_address(name) else name.partition(".")[0], one.entity
    addresses = [text for text in latest.get("host.ip") or () if isinstance(text, str) and ":" not in text]
    return one.entity, addresses[0] if addresses else ""


def _agencies(store: EventStore, one: Anomaly) -> tuple[str, ...]:
    """Return the agencies that an anomaly is an event of: those that met it, where it is the city's."""
    if one.agency != CITY_AGENCY or one.kind != "outside":
        return (one.agency,)
    if one.meets:
        return one.meets
    begin = moment_of(one.hour)
    rows = store.aggregate(Question(who(one), begin, begin + _HOUR), by=("agency.id",), limit=_MOST_AGENCIES)
    return tuple(str(row["agency.id"] or UNKNOWN_AGENCY) for row in rows) or (one.agency,)
