"""Correlations in the line: alerts of the same windows, whatever is killed in between."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json

import orjson
import pytest
from click.testing import CliRunner
from workbench import BASE, correlation

from citysoc import clock
from citysoc.cli import root
from citysoc.config.models import Alerts
from citysoc.detectors import sigma
from citysoc.flow import Batch, Position
from citysoc.pipeline.commit import Committer
from citysoc.pipeline.correlating import Correlating
from citysoc.pipeline.stream import findings
from citysoc.pipeline.work import Work
from citysoc.pipeline.worker import Worker
from citysoc.state import State, losses
from citysoc.state.values import stamp
from citysoc.stores.local import LocalStore

AT = dt.datetime(2026, 10, 5, tzinfo=dt.UTC)
SPRAY = correlation(
    "value_count",
    group_by=["source.ip"],
    timespan="10m",
    condition={"field": "user.name", "gte": 4},
    level="high",
)


def write(folder, *documents):
    for document in documents:
        (folder / f"{document['name']}.yml").write_bytes(orjson.dumps(document))  # JSON is YAML


@pytest.fixture
def work(tmp_path):
    rules = tmp_path / "rules"
    rules.mkdir()
    write(rules, *BASE, SPRAY)
    return Work(rules=(rules,))


def record(number, user):
    return json.dumps(
        {
            "@timestamp": (AT + dt.timedelta(seconds=60 * number)).isoformat(),
            "event": {"code": "1", "module": "windows"},
            "winlog": {"channel": "Security"},
            "user": {"name": user},
            "source": {"ip": "10.1.1.1"},
        }
    ).encode()


def batch(start, *users, path="a.log"):
    return Batch(
        stream="so-y-te/windows",
        agency="so-y-te",
        parser="ndjson",
        records=tuple(record(start + n, user) for n, user in enumerate(users)),
        offsets=tuple(range(start, start + len(users))),
        arrived=AT + dt.timedelta(days=1),
        path=path,
        identity="a",
        position=Position("a", {"offset": start + len(users)}),
    )


class House:
    """What a process has: opened again, it knows only what was committed."""

    def __init__(self, folder, work, lateness=None):
        self.folder, self.work, self.lateness = folder, work, lateness
        self.state = State(folder / "citysoc.db")
        self.store = LocalStore(folder / "events")
        correlating = Correlating(self.state, work, lateness_by_source=lateness)
        self.committer = Committer(self.state, self.store, Alerts(), (), correlating=correlating)
        self.committer.recover()
        self.worker = Worker(work)

    def take(self, *batches):
        self.committer.commit([self.worker.process([one]) for one in batches])

    def again(self):
        self.state.close()
        return House(self.folder, self.work, self.lateness)

    def alerts(self):
        rows = self.state.rows(
            "SELECT id, rule, count, first_seen, last_seen, group_values FROM alerts ORDER BY id"
        )
        return [tuple(row) for row in rows]


USERS = ("an", "binh", "chi", "dung", "em", "giang")
WHOLE = 3
"""Qualifying times of six users, one a minute, where four are enough."""


def test_base_rules_are_silent_and_their_correlation_speaks(tmp_path, work):
    house = House(tmp_path, work)
    house.take(batch(0, *USERS))
    assert house.alerts() == []
    house.committer.pass_time(ended=True)
    (alert,) = house.alerts()
    assert alert[1:3] == ("top", WHOLE)
    house.state.close()


@pytest.mark.parametrize("restart", [False, True])
def test_batches_and_restarts_change_nothing(tmp_path, work, restart):
    one = House(tmp_path / "one", work)
    one.take(batch(0, *USERS), batch(60, "x"))
    one.committer.pass_time(ended=True)
    expected = one.alerts()
    one.state.close()
    assert [alert[2] for alert in expected] == [WHOLE]
    house = House(tmp_path / "other", work)
    for number, user in enumerate(USERS):
        house.take(batch(number, user))
        house = house.again() if restart else house
    house.take(batch(60, "x"))
    house = house.again() if restart else house
    house.committer.pass_time(ended=True)
    assert house.alerts() == expected
    house.state.close()


class Killed(BaseException):
    """Stands for a kill: nothing after it runs in this process."""


@pytest.mark.parametrize("moment", ["before the rows", "after the rows"])
def test_killed_within_a_commit(tmp_path, work, monkeypatch, moment):
    house = House(tmp_path, work)
    house.take(batch(0, *USERS[:3]))
    append = LocalStore.append

    def dying(self, rows, number):
        if moment == "after the rows":
            append(self, rows, number)
        raise Killed

    monkeypatch.setattr(LocalStore, "append", dying)
    monkeypatch.setattr(Committer, "_settle", lambda *_args: None)  # a killed process settles nothing
    with pytest.raises(Killed):
        house.take(batch(3, *USERS[3:]))
    monkeypatch.undo()
    house = house.again()
    if moment == "before the rows":
        house.take(batch(3, *USERS[3:]))  # pulled again: its position did not move
    house.committer.pass_time(ended=True)
    assert [alert[1:3] for alert in house.alerts()] == [("top", WHOLE)]
    house.state.close()


def test_an_append_that_fails_leaves_no_trace(tmp_path, work, monkeypatch):
    house = House(tmp_path, work)
    house.take(batch(0, *USERS[:3]))

    def failing(self, rows, number):
        raise OSError("no space")

    monkeypatch.setattr(LocalStore, "append", failing)
    with pytest.raises(OSError, match="no space"):
        house.take(batch(3, *USERS[3:]))
    monkeypatch.undo()
    house.take(batch(3, *USERS[3:]))
    house.committer.pass_time(ended=True)
    assert [alert[1:3] for alert in house.alerts()] == [("top", WHOLE)]
    house.state.close()


def test_a_silent_source_does_not_hold_back(tmp_path, work):
    house = House(tmp_path, work)
    house.take(batch(0, *USERS))
    house.committer.pass_time()  # the present is days after the batch arrived
    assert [alert[2] for alert in house.alerts()] == [WHOLE]
    house.state.close()


def test_names_and_values_that_are_no_unicode(tmp_path, work):
    house = House(tmp_path, work)
    house.take(batch(0, *USERS, path="b\udcffd.log"), batch(20, "x\udcff", "x\udcff", path="b\udcffd.log"))
    house = house.again()
    house.committer.pass_time(ended=True)
    assert [alert[2] for alert in house.alerts()] == [WHOLE]
    house.state.close()


@pytest.mark.parametrize("workers", [None, 1])
def test_detect_ends_windows_with_the_input(work, workers):
    (found,) = [f for part in findings([batch(0, *USERS)], work, workers=workers, tell=list) for f in part]
    times = (AT + dt.timedelta(minutes=3), AT + dt.timedelta(minutes=5))
    assert (found.rule, found.count, found.timestamp, found.last) == ("top", WHOLE, *times)
    assert len(found.events) == WHOLE


def test_weak_base_rules_feed_strong_correlations(work):
    loaded = sigma.load(work.rules, cache_dir=None, min_level="high")
    assert [plan["id"] for plan in loaded.detector.plans] == ["a"]
    assert [plan["id"] for plan in loaded.correlations] == ["top"]


def test_a_disabled_base_rule_switches_its_correlation_off(work):
    loaded = sigma.load(work.rules, cache_dir=None, disabled=["a"])
    (check,) = [check for check in loaded.checks if check.rule == "top"]
    assert (check.status, check.in_use) == ("ok", False)
    assert loaded.correlations == ()


def test_what_is_left_out_is_counted_by_stream_and_rule(tmp_path, work):
    house = House(tmp_path, work)
    house.take(batch(0, *USERS), batch(60, "x"))  # an hour later
    house.take(batch(1, "late", "late"))
    house = house.again()
    assert losses.by_stream(house.state) == {"so-y-te/windows": {"late": 2}}
    assert losses.by_rule(house.state) == {"top": {"late": 2}}
    later = AT + dt.timedelta(days=400 * 10)
    assert losses.by_rule(house.state, since=later) == {}
    house.state.close()


def test_each_source_has_its_lateness(tmp_path, work):
    house = House(tmp_path, work, lateness={"windows": 7200})
    house.take(batch(0, *USERS[:2]), batch(60, "x"))
    house.take(batch(2, *USERS[2:]))  # an hour late, which this source may be
    house.committer.pass_time(ended=True)
    assert losses.by_stream(house.state) == {}
    assert [alert[2] for alert in house.alerts()] == [WHOLE]
    house.state.close()


def test_people_see_what_was_left_out(tmp_path, work, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    config = tmp_path / "citysoc.yaml"
    (tmp_path / "agencies.yaml").write_text("agencies: []\n", "utf-8")
    (tmp_path / "sources").mkdir()
    config.write_text("rules: {shipped: false, directories: [rules]}\n", "utf-8")
    write(work.rules[0], {**SPRAY, "id": "d9653c9a-307b-4054-a811-9096d6450699"})
    state = State(tmp_path / "data" / "citysoc.db")
    hour = stamp(clock.now().replace(minute=0, second=0, microsecond=0))
    counted = {
        ("late", "", "so-y-te/windows"): 7,
        ("evicted", "d9653c9a-307b-4054-a811-9096d6450699", ""): 12,
    }
    with state.transaction() as db:
        losses.add(db, {(hour, *key): number for key, number in counted.items()})
    state.close()

    def run(*arguments):
        return CliRunner().invoke(root, ["--lang", "en", "--config", str(config), *arguments])

    listed = run("rules", "list", "-f", "json")
    assert {row["title"]: row["left_out"] for row in json.loads(listed.stdout)}["Correlation top"] == {
        "evicted": 12
    }
    assert "Correlation top had to leave out 12 groups beyond the bound" in listed.stderr
    streams = run("sources", "status", "-f", "json")
    assert [(row["stream"], row["late_events"]) for row in json.loads(streams.stdout)] == [
        ("so-y-te/windows", 7)
    ]


@pytest.mark.parametrize("number", ["1.7e308", "-1.7e308", "1e30", "9223372036854775807"])
def test_numbers_beyond_all_measure_stop_nothing(tmp_path, work, number):
    """Sums of what hostile events say exceed what a float or 64 bits hold, also where one builds upon another."""
    asked = {"field": "network.bytes", "neq": 1}
    kinds = ("value_sum", "value_avg", "value_median")
    below = [correlation(kind, name=kind, rules=["a"], condition=asked) for kind in kinds]
    asked = {"field": "value_sum", "neq": 1}
    above = correlation("value_sum", rules=["value_sum"], condition=asked, generate=True)
    write(work.rules[0], *below, above)
    house = House(tmp_path, work)
    told = [json.loads(record(0, "an")) for _n in range(3)]
    for one in told:
        one["network"] = {"bytes": number}
    records = tuple(json.dumps(one).encode() for one in told)
    house.take(dataclasses.replace(batch(0, *"abc"), records=records))
    house = house.again()
    house.committer.pass_time(ended=True)
    assert {alert[1] for alert in house.alerts()} == {*kinds, "top"}
    house.state.close()
