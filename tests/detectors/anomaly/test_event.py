"""Anomalies as events: names that logs use, a machine by both of its names, alike on both stores."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from citysoc.detectors.anomaly import event, journal
from citysoc.detectors.anomaly.anomalies import Anomaly, Reason
from citysoc.detectors.anomaly.days import hour_of, moment_of
from citysoc.ecs.schema import to_table
from citysoc.flow import CITY_AGENCY
from citysoc.state import State
from citysoc.stores.local import LocalStore
from tests.stores.elastic.conftest import elastic_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from citysoc.stores.base import EventStore

HOUR = hour_of(dt.datetime(2026, 10, 7, 18, tzinfo=dt.UTC))
REASONS = (Reason("bytes_out", 2.5e9, 4000.0, 90_000.0, 11.2),)


def anomaly(kind: str = "host", entity: str = "10.1.0.5", agency: str = "so-a", **more: Any) -> Anomaly:
    return Anomaly(f"id-{entity}", kind, agency, entity, HOUR, 7.5, "bytes", REASONS, **more)  # type: ignore[arg-type]


def seen(hours: float, name: str, address: str, agency: str = "so-a") -> dict[str, Any]:
    """Return an event of an agent that knows name and address of its machine."""
    at = moment_of(HOUR) + dt.timedelta(hours=hours)
    return {"@timestamp": at, "agency.id": agency, "host.name": name, "host.ip": [address]}


EVENTS = [
    seen(-30, "PC-OLD.hue.example", "10.1.0.5"),  # longer ago than a day
    seen(-20, "PC-7.hue.example", "10.1.0.5"),
    seen(-3, "PC-9.hue.example", "10.1.0.9"),
    seen(-2, "PC-9.hue.example", "10.1.0.10"),  # it got another address
    seen(-1, "PC-8", "10.1.0.5", "so-b"),  # private addresses are there twice
    seen(0.5, "PC-7.hue.example", "fe80::5"),
    seen(1.5, "PC-LATER", "10.1.0.5"),  # after the hour
    {
        "@timestamp": moment_of(HOUR),
        "agency.id": "so-a",
        "source.ip": "198.51.100.7",
        "destination.ip": "10.1.0.5",
    },
    {
        "@timestamp": moment_of(HOUR),
        "agency.id": "so-b",
        "source.ip": "198.51.100.7",
        "destination.ip": "10.2.0.5",
    },
]


@pytest.fixture(params=["local", pytest.param("elastic", marks=pytest.mark.elastic)])
def store(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[EventStore]:
    table = to_table([{**one, "event.id": f"{n:032x}"} for n, one in enumerate(EVENTS)])
    if request.param == "local":
        local = LocalStore(tmp_path / "events")
        local.append(table, 1)
        yield local
        return
    with elastic_store(request.getfixturevalue("elastic")) as cluster:
        cluster.append(table, 1)
        cluster.refresh()
        yield cluster


def names(made: dict[str, Any]) -> dict[str, Any]:
    fields = ("host.name", "host.ip", "source.ip", "destination.ip", "user.name")
    return {field: made[field] for field in fields if field in made}


def one(store: EventStore, found: Anomaly) -> dict[str, Any]:
    (made,) = event.events(store, [found])
    return made


def test_a_machine_has_the_name_and_the_address_that_events_before_say(store: EventStore) -> None:
    both = {"host.name": "pc-7", "host.ip": ["10.1.0.5"], "source.ip": "10.1.0.5"}
    assert names(one(store, anomaly())) == both
    assert names(one(store, anomaly(entity="pc-9"))) == {
        "host.name": "pc-9",
        "host.ip": ["10.1.0.10"],
        "source.ip": "10.1.0.10",
    }
    assert names(one(store, anomaly(agency="so-b")))["host.name"] == "pc-8"
    assert names(one(store, anomaly(entity="10.1.0.77"))) == {
        "host.ip": ["10.1.0.77"],
        "source.ip": "10.1.0.77",
    }
    assert names(one(store, anomaly(entity="nobody"))) == {"host.name": "nobody"}


def test_what_is_unusual_is_told_by_its_features(store: EventStore) -> None:
    made = one(store, anomaly())
    assert made["@timestamp"] == moment_of(HOUR)
    assert made["event.id"] == "anomaly:id-10.1.0.5"
    assert (made["event.dataset"], made["agency.id"]) == ("citysoc.anomaly", "so-a")
    assert (made["anomaly.family"], made["anomaly.kind"], made["anomaly.score"]) == ("bytes", "host", 7.5)
    assert (made["anomaly.features"], made["anomaly.bytes_out"]) == (["bytes_out"], 2.5e9)


def test_accounts_agencies_and_addresses_outside(store: EventStore) -> None:
    assert names(one(store, anomaly("account", "an"))) == {"user.name": "an"}
    assert names(one(store, anomaly("agency", "so-a"))) == {}
    place = {"source.ip": "198.51.100.7", "destination.ip": "198.51.100.7"}
    assert names(one(store, anomaly("outside", "198.51.100.7"))) == place


def test_an_address_that_several_agencies_met_is_an_event_at_each(store: EventStore, tmp_path: Any) -> None:
    """Also one that is read from the journal, which does not know whom it met: the store does."""
    found = anomaly("outside", "198.51.100.7", CITY_AGENCY, meets=("so-b", "so-a"))
    assert [made["agency.id"] for made in event.events(store, [found])] == ["so-b", "so-a"]
    state = State(tmp_path / "citysoc.db")
    with state.transaction() as db:
        journal.write(db, [found, anomaly()], model="m", now=moment_of(HOUR + 2))
    begin = moment_of(HOUR)
    read = event.told(state, begin, begin + dt.timedelta(hours=1), "so-a")
    assert event.told(state, begin + dt.timedelta(hours=1), None) == []
    state.close()
    assert [one_.reasons for one_ in read] == [REASONS, REASONS]
    made = event.events(store, read)
    assert sorted((one_["event.id"], one_["agency.id"]) for one_ in made) == [
        ("anomaly:id-10.1.0.5", "so-a"),
        ("anomaly:id-198.51.100.7", "so-a"),
        ("anomaly:id-198.51.100.7", "so-b"),
    ]
