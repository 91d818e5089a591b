"""Correlations over anomalies: which are known an hour late and later, and once."""

from __future__ import annotations

import datetime as dt
import json

import orjson
import pytest
from workbench import BASE, EPOCH, correlation, event, load, matches, numbered

from citysoc.config.models import Alerts
from citysoc.detectors import sigma
from citysoc.detectors.anomaly.anomalies import TITLES
from citysoc.detectors.anomaly.feature import FAMILIES
from citysoc.detectors.correlate import Clock, Correlator
from citysoc.detectors.correlate.arranged import ANOMALY_SECONDS
from citysoc.detectors.sigma.anomalous import FILE, NAMES, spelt_out
from citysoc.detectors.sigma.load import documents
from citysoc.detectors.sigma.sightings import watch
from citysoc.errors import StoreError
from citysoc.flow import Batch, Position
from citysoc.pipeline.anomalies import Watcher
from citysoc.pipeline.commit import Committer
from citysoc.pipeline.correlating import Correlating
from citysoc.pipeline.work import Work
from citysoc.pipeline.worker import Worker
from citysoc.state import State, handed
from citysoc.stores.local import LocalStore

HOUR = 3600
BOTH = correlation(
    "temporal", rules=["anomaly_bytes", "a"], group_by=["host.name"], timespan="2h", level="high"
)
NOW = int(EPOCH.timestamp())


def anomaly(time=0, family="bytes", id_="1", agency="so-y-te", **fields):
    """Return an anomaly of the hour that begins so many seconds after the epoch of the tests."""
    return spelt_out(
        {
            "anomaly": family,
            "event.id": f"anomaly:{id_}",
            "@timestamp": EPOCH + dt.timedelta(seconds=time),
            "agency.id": agency,
            **({"host.name": "pc-7"} | {k.replace("_", "."): v for k, v in fields.items()}),
        }
    )


class Bench:
    """A correlator with the rules that feed it, fed by hand; time goes on with the firewall of one agency."""

    def __init__(self, *documents, rows=None):
        self.loaded = load(*documents)
        assert [check.reason for check in self.loaded.checks if check.status == "refused"] == []
        self.rows = {} if rows is None else rows
        self.correlator = Correlator(self.loaded.correlations, saves=True)
        self.correlator.restore(self.rows)
        self.found = []

    def _keep(self, found):
        self.found += found
        for name, content in self.correlator.delta().items():
            self.rows.pop(name, None) if content is None else self.rows.update({name: content})

    def logs(self, *events, until=None):
        """Take in events of logs; they arrive when they happen."""
        newest = max(one["time"] for one in events) if until is None else until
        lane = Clock("so-y-te/windows|a.log", "so-y-te", (NOW + newest) * 1_000_000, NOW + newest)
        self._keep(self.correlator.feed(matches(self.loaded, numbered(list(events)))[0], [lane]))

    def anomalies(self, *events):
        watcher = Watcher(self.loaded.of_anomalies, self.loaded.correlations)
        self._keep(self.correlator.feed(watcher.seen(events).matches))

    def again(self):
        """Go on in another process, from the rows."""
        found, self.found = self.found, []
        other = Bench.__new__(Bench)
        other.loaded, other.rows = self.loaded, self.rows
        other.correlator = Correlator(self.loaded.correlations, saves=True)
        other.correlator.restore(self.rows)
        other.found = found
        return other


HOST = {"host.name": "PC-7.hue.example"}


def test_an_anomaly_meets_the_rule_of_its_hour_though_it_comes_an_hour_later():
    bench = Bench(BOTH)
    bench.logs(event(20 * 60, **HOST))
    bench.logs(event(67 * 60, "9"))
    bench.logs(until=3 * HOUR)
    assert bench.found == []
    bench.anomalies(anomaly())
    (found,) = bench.found
    assert found.group == {"host.name": "pc-7"}
    assert found.timestamp == EPOCH + dt.timedelta(minutes=20)
    assert found.matched["citysoc.parts"] == [
        f"anomaly_bytes anomaly:1 {EPOCH:%Y-%m-%dT%H:%M:%SZ}",
        f"a 0000 {EPOCH + dt.timedelta(minutes=20):%Y-%m-%dT%H:%M:%SZ}",
    ]
    assert bench.correlator.counts["late"] == 0


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(("late", "expected"), [(25 * HOUR, 1), (ANOMALY_SECONDS + 6 * HOUR, 0)])
def test_what_an_anomaly_may_meet_is_remembered_for_a_day_and_then_forgotten(late, expected, restart):
    """The state stays bounded: what an anomaly cannot reach any more is gone."""
    bench = Bench(BOTH)
    bench.logs(event(20 * 60, **HOST))
    for hour in range(1, late // HOUR):
        bench.logs(until=hour * HOUR)
        bench = bench.again() if restart else bench
    assert len(bench.correlator) == expected
    bench.anomalies(anomaly())
    assert len(bench.found) == expected


def test_a_busy_group_forgets_what_no_anomaly_reaches():
    bench = Bench(BOTH)
    for hour in range(80):
        bench.logs(event(hour * HOUR, **HOST))
    (group,) = bench.correlator._groups.by_key.values()
    assert 27 + 2 <= len(group.entries) <= 27 + 2 * 2 + 2


def test_other_correlations_forget_as_before():
    bench = Bench(
        correlation("event_count", rules=["a"], group_by=["host.name"], timespan="2h", condition={"gte": 99})
    )
    for hour in range(80):
        bench.logs(event(hour * HOUR, **HOST))
    (group,) = bench.correlator._groups.by_key.values()
    assert len(group.entries) <= 2 * 2 + 2


def test_the_same_anomaly_counts_once():
    bench = Bench(BOTH)
    bench.logs(event(20 * 60, **HOST))
    bench.logs(until=3 * HOUR)
    for _turn in range(3):
        bench.anomalies(anomaly())
        bench = bench.again()
    assert len(bench.found) == 1


def test_anomalies_hold_nobody_up():
    """An old anomaly is no old file: the agency's time goes on with its logs."""
    count = correlation(
        "event_count", name="count", rules=["b"], group_by=["host.name"], timespan="10m", condition={"gte": 1}
    )
    bench = Bench(BOTH, count)
    bench.logs(event(20 * 60, **HOST))
    bench.logs(event(4 * HOUR, "2", **HOST))
    bench.anomalies(anomaly(id_="2", host_name="pc-9"))
    bench.logs(until=4 * HOUR + 700)
    assert [found.rule for found in bench.found] == ["count"]


def test_an_agency_without_logs_of_its_own_has_the_time_of_the_city():
    two = correlation(
        "event_count", rules=["anomaly_bytes"], group_by=["host.name"], timespan="3h", condition={"gte": 2}
    )
    bench = Bench(two)
    bench.anomalies(anomaly(agency="so-noi-vu"), anomaly(HOUR, id_="2", agency="so-noi-vu"))
    assert bench.found == []
    bench.logs(until=2 * HOUR)
    assert [found.agency for found in bench.found] == ["so-noi-vu"]


def test_the_first_of_order_is_the_hour():
    first = correlation(
        "temporal_ordered", rules=["anomaly_bytes", "a"], group_by=["host.name"], timespan="2h"
    )
    for minutes, expected in ((20, 1), (0, 0), (-20, 0)):
        bench = Bench(first)
        bench.logs(event(HOUR + 60 * minutes, **HOST))
        bench.logs(until=5 * HOUR)
        bench.anomalies(anomaly(HOUR))
        assert len(bench.found) == expected, minutes


def test_a_rule_that_must_be_absent_beside_an_anomaly():
    alone = correlation(
        "temporal",
        rules=["anomaly_bytes", "a"],
        condition="anomaly_bytes and not a",
        group_by=["host.name"],
        timespan="2h",
    )
    bench = Bench(alone)
    bench.logs(event(20 * 60, **HOST))
    bench.logs(until=9 * HOUR)
    bench.anomalies(anomaly(), anomaly(id_="2", host_name="pc-8"))
    assert [found.group for found in bench.found] == [{"host.name": "pc-8"}]


@pytest.mark.parametrize("above", [False, True])
def test_the_absence_of_an_anomaly_is_refused(above):
    below = correlation(
        "event_count", name="below", rules=["anomaly_bytes"], group_by=["host.name"], condition={"gte": 1}
    )
    name = "below" if above else "anomaly_bytes"
    loaded = load(
        below,
        correlation("temporal", rules=["a", name], condition=f"a and not {name}", group_by=["host.name"]),
    )
    (refused,) = [check for check in loaded.checks if check.status == "refused"]
    assert f"the absence of {name!r} is never certain" in refused.reason


@pytest.mark.parametrize(
    ("name", "meant"),
    [("anomaly_beacon", "anomaly_beaconing"), ("anomaly_byte", "anomaly_bytes"), ("anomaly_weather", "")],
)
def test_unknown_names_are_refused_with_the_one_that_may_be_meant(name, meant):
    loaded = load(correlation("temporal", rules=["a", name], group_by=["host.name"]))
    (refused,) = [check for check in loaded.checks if check.status == "refused"]
    assert f"there is no rule {name!r}" in refused.reason
    assert ("did you mean" in refused.reason) == bool(meant)
    assert meant in refused.reason


def test_a_family_is_named_by_its_id_too_and_makes_no_finding_of_its_own():
    named = correlation(
        "temporal", rules=["citysoc.anomaly.bytes", "a"], group_by=["host.name"], timespan="2h", generate=True
    )
    bench = Bench(named)
    assert all(
        feed["quiet"]
        for plan in bench.loaded.correlations
        for feed in plan["feeds"]
        if "citysoc" in feed["rule"]
    )
    bench.logs(event(20 * 60, **HOST))
    bench.logs(until=3 * HOUR)
    bench.anomalies(anomaly())
    assert [found.rule for found in bench.found] == ["top"]


def test_there_is_a_rule_for_each_family_titled_as_its_alerts_are():
    made = [document.value for document in documents(FILE.read_bytes())]
    assert [one["name"] for one in made] == list(NAMES)
    assert [one["detection"]["family"]["anomaly.family"] for one in made] == list(FAMILIES)
    assert {
        one["id"].rpartition(".")[2]: (one["title"], one["citysoc"]["title_vi"]) for one in made
    } == TITLES


def test_logs_never_see_rules_of_anomalies():
    """A line of a log that calls itself an anomaly is none."""
    loaded = load(BOTH)
    assert [plan["id"] for plan in loaded.detector.plans] == ["a", "b", "c"]
    assert loaded.detector.detect([anomaly()]) == []


def test_nothing_is_loaded_for_rules_that_name_no_anomaly():
    assert load(correlation(group_by=["host.name"], condition={"gte": 2})).of_anomalies == ()


def test_accounts_and_machines_are_written_as_the_model_writes_them_in_chains_too():
    below = correlation(
        "event_count", name="below", rules=["a"], group_by=["user.name"], timespan="1h", condition={"gte": 3}
    )
    top = correlation("temporal", rules=["anomaly_failure", "below"], group_by=["user.name"], timespan="2h")
    bench = Bench(top, below)
    bench.logs(*[event(60 * n, **{"user.name": name}) for n, name in enumerate((r"HUE\An", "an", r"hue\AN"))])
    bench.logs(until=3 * HOUR)
    bench.anomalies(anomaly(family="failure", user_name="an", host_name=None))
    assert [found.group for found in bench.found] == [{"user.name": "an"}]


def test_names_are_left_as_they_are_where_no_anomaly_is_below():
    bench = Bench(
        correlation("event_count", rules=["a"], group_by=["host.name"], timespan="1h", condition={"gte": 1})
    )
    bench.logs(event(0, **HOST))
    bench.logs(until=HOUR)
    assert bench.found[0].group == HOST


def test_a_filter_works_on_a_family():
    harmless = {
        "title": "Backup",
        "name": "backup",
        "logsource": {"product": "citysoc", "service": "anomaly"},
        "filter": {"rules": ["anomaly_bytes"], "s": {"host.name": "pc-7"}, "condition": "not s"},
        "citysoc": {"owner": "x", "reason": "y", "expires": "2099-01-01"},
    }
    loaded = load(BOTH, harmless)
    assert [check.status for check in loaded.checks] == ["ok"] * 5
    detector = sigma.SigmaDetector(loaded.of_anomalies)
    assert detector.detect([anomaly()]) == []
    assert len(detector.detect([anomaly(host_name="pc-8")])) == 1


def test_a_rule_of_ones_own_may_ask_for_more():
    own = {
        "title": "Strong",
        "name": "strong",
        "logsource": {"product": "citysoc", "service": "anomaly"},
        "detection": {"s": {"anomaly.kind": "host", "anomaly.score|gte": 4}, "condition": "s"},
    }
    loaded = load(correlation("temporal", rules=["a", "strong"], group_by=["host.name"]), own)
    assert [check.reason for check in loaded.checks if check.status != "ok"] == []
    detector = sigma.SigmaDetector(loaded.of_anomalies)
    assert [len(detector.detect([anomaly(anomaly_score=score)])) for score in (3.9, 4.0)] == [0, 1]


def test_across_agencies():
    many = correlation(
        "value_count",
        rules=["anomaly_bytes", "anomaly_tunnel"],
        group_by=["anomaly.family"],
        timespan="1d",
        condition={"field": "agency.id", "gte": 3},
        citysoc={"across_agencies": True},
    )
    bench = Bench(many)
    bench.anomalies(*[anomaly(n * HOUR, id_=str(n), agency=f"co-quan-{n}") for n in range(3)])
    bench.anomalies(*[anomaly(n * HOUR, "tunnel", id_=f"t{n}", agency=f"co-quan-{n}") for n in range(2)])
    bench.logs(until=4 * HOUR)
    (found,) = bench.found
    assert (found.agency, found.agencies) == ("city", ("co-quan-0", "co-quan-1", "co-quan-2"))
    assert found.group == {"anomaly.family": "bytes"}
    assert [part.split()[1] for part in found.matched["citysoc.parts"]] == [
        "anomaly:0",
        "anomaly:1",
        "anomaly:2",
    ]


def test_an_address_that_several_agencies_met_counts_at_each_and_once_for_the_city():
    here = correlation("event_count", rules=["anomaly_failure"], group_by=["source.ip"], condition={"gte": 1})
    city = correlation(
        "event_count",
        name="city",
        rules=["anomaly_failure"],
        group_by=["source.ip"],
        condition={"gte": 1},
        citysoc={"across_agencies": True},
    )
    bench = Bench(here, city)
    met = [
        anomaly(family="failure", agency=f"co-quan-{n}", source_ip="198.51.100.7", host_name=None)
        for n in range(3)
    ]
    bench.anomalies(*met)
    bench.logs(until=HOUR)
    assert sorted((found.rule, found.agency, found.agencies) for found in bench.found) == [
        ("city", "city", ("co-quan-0", "co-quan-1", "co-quan-2")),
        *[("top", f"co-quan-{n}", ()) for n in range(3)],
    ]
    assert all(found.matched["event_count"] == 1 for found in bench.found)


def test_evidence_and_explanations_name_an_anomaly_by_its_family():
    loaded = load(BOTH)
    events = [*numbered([event(20 * 60, **HOST)]), anomaly(id_="77")]
    told = watch([*loaded.detector.plans, *loaded.of_anomalies], loaded.correlations, "top", events)
    (one,) = told.sightings
    assert one.found
    assert [(part.title, part.count) for part in one.parts] == [
        ("Unusual Amount of Data Sent", 1),
        ("Base a", 1),
    ]
    with_other = watch(
        [*loaded.detector.plans, *loaded.of_anomalies],
        loaded.correlations,
        "top",
        [*events[:1], anomaly(family="tunnel")],
    )
    assert "anomaly_bytes" in with_other.sightings[0].missing


# -- in the line -----------------------------------------------------------------------------------------------


@pytest.fixture
def work(tmp_path):
    rules = tmp_path / "rules"
    rules.mkdir()
    for document in (*BASE, BOTH):
        (rules / f"{document['name']}.yml").write_bytes(orjson.dumps(document))  # JSON is YAML
    return Work(rules=(rules,))


class House:
    """What a process has: opened again, it knows only what was committed."""

    def __init__(self, folder, work):
        self.folder, self.work = folder, work
        self.state = State(folder / "citysoc.db")
        self.store = LocalStore(folder / "events")
        self.committer = Committer(
            self.state, self.store, Alerts(), (), correlating=Correlating(self.state, work)
        )
        self.committer.recover()
        self.worker = Worker(work)

    def take(self, minutes):
        record = {
            "@timestamp": (EPOCH + dt.timedelta(minutes=minutes)).isoformat(),
            "event": {"code": "1", "module": "windows"},
            "winlog": {"channel": "Security"},
            "host": {"name": "PC-7.hue.example"},
        }
        batch = Batch(
            stream="so-y-te/windows",
            agency="so-y-te",
            parser="ndjson",
            records=(json.dumps(record).encode(),),
            offsets=(minutes,),
            arrived=EPOCH + dt.timedelta(days=1),
            path="a.log",
            identity="a",
            position=Position("a", {"offset": minutes}),
        )
        self.committer.commit([self.worker.process([batch])])

    def hand_in(self, *events):
        with self.state.transaction() as db:
            handed.hand_in(db, events)

    def again(self):
        self.state.close()
        return House(self.folder, self.work)

    def alerts(self):
        rows = self.state.rows("SELECT rule, count, agency, entity FROM alerts ORDER BY id")
        return [tuple(row) for row in rows]


EXPECTED = [("top", 1, "so-y-te", "host:pc-7")]


@pytest.mark.parametrize("restart", [False, True])
def test_the_line_takes_in_what_was_handed_in_once(tmp_path, work, restart):
    house = House(tmp_path, work)
    house.take(20)
    house.hand_in(anomaly())
    house = house.again() if restart else house
    house.committer.pass_time()
    assert handed.waiting(house.state) == {}
    house = house.again() if restart else house
    house.committer.pass_time()
    house.committer.pass_time(ended=True)
    assert house.alerts() == EXPECTED
    house.state.close()


def test_a_commit_takes_it_in_as_well(tmp_path, work):
    house = House(tmp_path, work)
    house.take(20)
    house.hand_in(anomaly())
    house.take(300)
    assert handed.waiting(house.state) == {}
    house.committer.pass_time(ended=True)
    assert house.alerts() == EXPECTED
    house.state.close()


class Killed(BaseException):
    """Stands for a kill: nothing after it runs in this process."""


@pytest.mark.parametrize("how", ["refused", "before the rows", "after the rows"])
def test_an_anomaly_is_taken_once_whatever_is_killed(tmp_path, work, monkeypatch, how):
    house = House(tmp_path, work)
    house.take(20)
    house.hand_in(anomaly())
    append = house.store.append

    def killed(table, commit):
        if how == "after the rows":
            append(table, commit)
        raise StoreError("no") if how == "refused" else Killed

    monkeypatch.setattr(house.store, "append", killed)
    with pytest.raises((StoreError, Killed)):
        house.take(300)
    monkeypatch.undo()
    if how != "refused":
        house = house.again()
    if how != "after the rows":
        assert len(handed.waiting(house.state)) == 1
        house.take(300)
    house.committer.pass_time(ended=True)
    assert house.alerts() == EXPECTED
    assert handed.waiting(house.state) == {}
    house.state.close()


def test_what_no_rule_asks_for_is_let_go(tmp_path, work):
    house = House(tmp_path, work)
    house.hand_in(anomaly(family="tunnel"))
    house.committer.pass_time()
    assert handed.waiting(house.state) == {}
    assert house.alerts() == []
    house.state.close()


def test_what_nobody_takes_in_is_forgotten_by_its_hour(tmp_path, work):
    house = House(tmp_path, work)
    house.hand_in(anomaly(), anomaly(5 * HOUR, id_="2"))
    with house.state.transaction() as db:
        handed.prune(db, EPOCH + dt.timedelta(hours=5))
    assert [one["event.id"] for one in handed.waiting(house.state).values()] == ["anomaly:2"]
    house.state.close()
