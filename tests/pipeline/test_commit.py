"""Exactly once: whatever happens between the three steps of a commit."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
import time_machine

from citysoc.config.models import Alerts
from citysoc.detectors.sigma.states import Override, Overrides
from citysoc.ecs.schema import to_table
from citysoc.errors import StoreError
from citysoc.flow import Finding, Position
from citysoc.pipeline.commit import Committer
from citysoc.pipeline.work import Account, Processed
from citysoc.state import State, progress
from citysoc.stores.base import Question
from citysoc.stores.local import LocalStore

AT = dt.datetime(2026, 10, 5, 1, 30, tzinfo=dt.UTC)
STREAM = "so-y-te/firewall"


@pytest.fixture
def home(tmp_path):
    state = State(tmp_path / "citysoc.db")
    yield Committer(state, LocalStore(tmp_path / "events"), Alerts(), ())
    state.close()


def event(number, **more):
    return {
        "event.id": f"{number:032x}",
        "@timestamp": AT + dt.timedelta(seconds=number),
        "event.ingested": AT,
        "event.original": f"line {number}",
        "agency.id": "so-y-te",
        "citysoc.source": STREAM,
        **more,
    }


def finding(number):
    return Finding(
        rule="r1",
        title="A rule",
        level="high",
        agency="so-y-te",
        event_id=f"{number:032x}",
        timestamp=AT,
        matched={"source.ip": "10.1.2.3"},
        entity="ip:10.1.2.3",
    )


def group(events, *, offset=0, content=False, findings=()):
    unparsed = sum("citysoc.unparsed" in e for e in events)
    account = Account(
        stream=STREAM,
        agency="so-y-te",
        arrived=AT,
        position=Position("file-1", {"offset": offset}),
        received=len(events),
        stored=len(events) - unparsed,
        rejected=0,
        quarantined=unparsed,
        rows=len(events),
        content_ids=content,
        last_event=AT,
    )
    return Processed((account,), to_table(events), tuple(findings))


def counters(committer):
    row = committer.state.rows("SELECT * FROM counters")
    return (
        {k: row[0][k] for k in ("received", "stored", "duplicate", "quarantined", "rejected")} if row else {}
    )


def test_a_commit_moves_everything_together(home):
    home.commit([group([event(1), event(2)], offset=20, findings=[finding(1)])])
    assert progress.positions(home.state, STREAM) == {"file-1": {"offset": 20}}
    assert home.store.count(Question()) == 2
    assert counters(home) == {"received": 2, "stored": 2, "duplicate": 0, "quarantined": 0, "rejected": 0}
    assert [r["count"] for r in home.state.rows("SELECT count FROM alerts")] == [1]


def test_killed_before_the_store_has_the_rows(home):
    """The prepared commit is dropped: the records are pulled again."""
    changes = progress.Changes()
    home._account(group([event(1)], offset=10), changes)
    with home.state.transaction() as db:
        progress.prepare(db, changes)
    assert home.recover() == 0
    assert progress.positions(home.state, STREAM) == {}
    assert progress.pending(home.state) == []
    assert home.store.count(Question()) == 0


def test_killed_after_the_store_has_the_rows(home):
    """The prepared commit is finished: position, figures and alerts are those of the rows."""
    changes = progress.Changes()
    table = home._account(group([event(1), event(2)], offset=30, findings=[finding(2)]), changes)
    with home.state.transaction() as db:
        number = progress.prepare(db, changes)
    home.store.append(table, number)
    assert home.recover() == 1
    assert home.recover() == 0, "a second recovery has nothing to do"
    assert progress.positions(home.state, STREAM) == {"file-1": {"offset": 30}}
    assert counters(home)["stored"] == 2
    assert len(home.state.rows("SELECT * FROM alerts")) == 1
    home.commit([group([event(3)], offset=40)])
    assert home.store.count(Question()) == 3


def test_a_store_that_refuses_leaves_no_trace(home, monkeypatch):
    def refuse(*_):
        raise StoreError("The disk is full.")

    monkeypatch.setattr(LocalStore, "append", refuse)
    with pytest.raises(StoreError):
        home.commit([group([event(1)], offset=10)])
    monkeypatch.undo()
    assert progress.positions(home.state, STREAM) == {}
    assert counters(home) == {}
    home.commit([group([event(1)], offset=10)])
    assert home.store.count(Question()) == 1


def test_contents_that_repeat_are_counted_as_duplicates(home):
    """Within a commit, across commits; quarantined rows never are."""
    broken = {"citysoc.unparsed": "antivirus.no_threat"}
    home.commit([group([event(1), event(2), event(1)], content=True, findings=[finding(1)])])
    home.commit([group([event(2), event(3), event(9, **broken), event(9, **broken)], content=True)])
    assert home.store.count(Question()) == 3
    assert home.store.count(Question(quarantine=True)) == 2
    assert counters(home) == {"received": 7, "stored": 3, "duplicate": 2, "quarantined": 2, "rejected": 0}


def test_rows_stored_although_the_store_complained_take_effect(home, monkeypatch):
    """An append that fails after its transaction: dropping the commit would store its rows again."""
    append = LocalStore.append

    def complain(self, table, number):
        append(self, table, number)
        raise StoreError("The connection broke.")

    monkeypatch.setattr(LocalStore, "append", complain)
    with pytest.raises(StoreError):
        home.commit([group([event(1)], offset=10)])
    assert progress.positions(home.state, STREAM) == {"file-1": {"offset": 10}}
    assert counters(home)["stored"] == 1
    assert progress.pending(home.state) == []


def test_contents_that_are_still_exported_are_remembered(home):
    home.commit([group([event(1)], content=True)])
    with home.state.transaction() as db:
        db.execute("UPDATE seen SET day = '2020-01-01'")
    home.commit([group([event(1)], content=True)])
    assert [row["day"] > "2020-01-01" for row in home.state.rows("SELECT day FROM seen")] == [True]
    assert home.store.count(Question()) == 1


def test_logs_that_repeat_a_line_keep_both(home):
    """Only exports are compared by content."""
    home.commit([group([event(1), event(1)])])
    assert home.store.count(Question()) == 2


def rule_days(committer):
    return [tuple(row) for row in committer.state.rows("SELECT rule, day, hits, staged FROM rule_days")]


def test_hits_are_counted_with_the_commit(home):
    with time_machine.travel(AT, tick=False):
        home.commit([group([event(1), event(2)], findings=[finding(1), finding(2)])])
        assert rule_days(home) == [("r1", "2026-10-05", 2, 0)]


def test_hits_of_a_killed_commit_count_once(home):
    """Prepared, stored, killed: the recovery counts them, a second one not again."""
    with time_machine.travel(AT, tick=False):
        changes = progress.Changes()
        table = home._account(group([event(1)], findings=[finding(1)]), changes)
        home._count(changes)
        with home.state.transaction() as db:
            number = progress.prepare(db, changes)
        assert rule_days(home) == []
        home.store.append(table, number)
        home.recover()
        home.recover()
        assert rule_days(home) == [("r1", "2026-10-05", 1, 0)]


def test_a_repeated_content_is_no_second_hit(home):
    with time_machine.travel(AT, tick=False):
        for _ in range(2):
            silent = (("base", f"{1:032x}", AT),)
            again = group([event(1)], content=True, findings=[finding(1)])
            home.commit([dataclasses.replace(again, silent=silent)])
        assert sorted(rule_days(home)) == [("base", "2026-10-05", 1, 0), ("r1", "2026-10-05", 1, 0)]


def test_what_staged_rules_find_counts_and_makes_no_alert(home):
    staged = dataclasses.replace(home, overrides=Overrides((Override("r1", state="staged"),)))
    with time_machine.travel(AT, tick=False):
        staged.commit([group([event(1)], findings=[finding(1)])])
    assert rule_days(home) == [("r1", "2026-10-05", 1, 1)]
    assert home.state.rows("SELECT * FROM alerts") == []
