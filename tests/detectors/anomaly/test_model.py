"""The model: finds what is planted, is the same for a seed, cannot be poisoned in a day, loads no code."""

from __future__ import annotations

import copy
import dataclasses
import datetime as dt
import hashlib
import zipfile
from collections import Counter

import numpy as np
import orjson
import pyarrow as pa
import pytest
import skops.io

from citysoc.detectors.anomaly import (
    anomalies,
    baseline,
    days,
    files,
    history,
    learning,
    surprise,
    train,
    week,
)
from citysoc.detectors.anomaly import model as models
from citysoc.errors import StoreError
from citysoc.flow import CITY_AGENCY
from citysoc.simulation.attacks import campaigns
from citysoc.stores.base import Question
from tests.detectors.anomaly import weeks
from tests.detectors.anomaly.conftest import DAYS

HOST = history.features_of("host")


@pytest.mark.faults
def test_the_same_seed_gives_the_same_model(small, model) -> None:
    again = train.train(small.folder, first=small.first, last=small.last, seed=1, budget=4)
    assert again.threshold == model.threshold
    ours = train.score_span(model, small.folder, small.first, small.last)
    assert ours == train.score_span(again, small.folder, small.first, small.last)
    assert ours


def test_quiet_days_spend_the_budget_and_no_more(small, model) -> None:
    quiet = dt.datetime.fromisoformat(model.facts["quiet_since"])
    found = train.score_span(model, small.folder, days.hour_of(quiet), small.last)
    held_days = (small.last - days.hour_of(quiet)) / 24
    assert len(anomalies.folded(found)) <= round(4 * held_days) + 1


@pytest.mark.faults
@pytest.mark.parametrize("kind", ["night-exfiltration", "dns-tunnel", "made-names", "slow-scan", "spray"])
def test_planted_campaigns_are_found_at_the_right_place(small, model, tmp_path, kind) -> None:
    last = weeks.FIRST + dt.timedelta(days=DAYS - 5)
    (one,) = campaigns.plant(weeks.town(), last, 2, 4, each=1, kinds=(kind,))
    store = weeks.fill(tmp_path / "events", DAYS, (one.events,))
    since, until = weeks.midnight(weeks.FIRST), weeks.midnight(weeks.FIRST + dt.timedelta(days=DAYS))
    days.refresh(store, tmp_path / "features", since=since, until=until)
    found = train.score_span(model, tmp_path / "features", days.hour_of(one.start), days.hour_of(one.end) + 1)
    hits = [a for a in found if a.agency == one.agency and (a.entity in one.entities or a.kind == "agency")]
    assert hits
    assert all(reason.value >= 0 for hit in hits for reason in hit.reasons)
    assert hits[0].reasons


def test_an_entity_without_history_is_judged_by_its_peers(small) -> None:
    usual = learning.fit(
        lambda: train.reader(small.folder, "host")(small.first, small.last), HOST, small.first, small.last
    )
    table = history.read(small.folder, "host", small.last - 14, small.last - 12)
    strangers = table.set_column(2, "entity", pa.array([f"new{n}" for n in range(table.num_rows)]))
    judged = baseline.judge(usual, strangers)
    assert np.isfinite(judged.residual).all()
    assert np.median(np.abs(judged.residual[:, : len(HOST)])) < 1


def poisoned(table: pa.Table, agency: str, day: range, amount: float) -> pa.Table:
    """Return rows in which one agency says so much of everything in every hour of a day, spoken before or not."""
    mine = table.filter(pa.compute.equal(table["agency"], agency))
    entities = np.unique(mine["entity"].to_pylist())
    keys = {
        "agency": [agency] * len(entities) * len(day),
        "level": [mine["level"][0].as_py()] * len(entities) * len(day),
        "entity": np.repeat(entities, len(day)),
        "hour": pa.array(np.tile(day, len(entities)), pa.int32()),
        "meets": [""] * len(entities) * len(day),
    }
    names = table.column_names[len(keys) :]
    wild = pa.table({**keys, **{n: np.full(len(entities) * len(day), amount, np.float32) for n in names}})
    hit = pa.compute.and_(
        pa.compute.equal(table["agency"], agency),
        pa.compute.is_in(table["hour"], pa.array(list(day), pa.int32())),
    )
    return pa.concat_tables([table.filter(pa.compute.invert(hit)), wild.cast(table.schema)])


@pytest.mark.parametrize("amount", [0.0, 30.0, 1e9])
@pytest.mark.parametrize("kind", ["agency", "host"])
def test_one_day_of_one_source_cannot_move_its_agencys_baseline_beyond_the_bound(small, kind, amount) -> None:
    table = history.read(small.folder, kind, small.first, small.last)
    names = history.features_of(kind)
    # Four weeks of history, as the bound is stated for: the days again, two weeks later.
    length = 14 * 24
    hour = table["hour"].to_numpy()
    again = [
        table.set_column(3, "hour", pa.array((hour + shift * length).astype(np.int32))) for shift in range(2)
    ]
    history_ = pa.concat_tables(again)
    last = small.first + 2 * length
    day = range(small.first + length + 2 * 24, small.first + length + 3 * 24)
    victim = str(np.unique(table["agency"].to_pylist())[0])

    def centers(rows: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        usual = learning.fit(lambda: [rows], names, small.first, last)
        mine = history_.filter(pa.compute.equal(history_["agency"], victim))
        _, part = week.slot_of(mine["hour"].to_numpy())
        level = usual.levels.index(mine["level"][0].as_py())
        expected = np.log1p(np.maximum(baseline.judge(usual, mine).expected[:, : len(names)], 0))
        return expected, usual.level_scales[level, part]

    before, scale = centers(history_)
    after, _ = centers(poisoned(history_, victim, day, amount))
    shift = np.abs(after - before) / scale
    assert shift.max() > 0.01  # it did something
    assert shift.max() <= (baseline.MOST_SHIFT if kind == "agency" else baseline.MOST_SHIFT_OF_MACHINES)


def test_what_happens_everywhere_at_once_is_nobodys_doing() -> None:
    table = pa.table({"hour": pa.array([5] * 20, pa.int32()), "agency": [f"a{n}" for n in range(20)]})
    alone = models.common_cause(np.array([[9.0], *[[0.0]] * 19]), table)
    together = models.common_cause(np.full((20, 1), 9.0), table)
    assert alone[0, 0] == 9.0
    assert together[0, 0] == pytest.approx(9.0 - np.log(20))


def test_hours_do_not_lend_each_other_a_cause() -> None:
    table = pa.table({"hour": pa.array([5, 6], pa.int32()), "agency": ["a", "b"]})
    assert (models.common_cause(np.full((2, 1), 9.0), table) == 9.0).all()


def test_the_question_of_an_anomaly_finds_its_events(small, model) -> None:
    loud = dataclasses.replace(model, threshold=-7.0, raised={})
    found = train.score_span(loud, small.folder, small.last - 48, small.last)
    assert len({one.kind for one in found}) == 4
    for one in found[:: max(1, len(found) // 60)]:
        begin = days.moment_of(one.hour)
        question = Question(anomalies.query(one), begin, begin + dt.timedelta(hours=1))
        events = list(small.store.search(question, fields=("agency.id",), limit=20))
        assert events, one
        if one.kind in {"host", "account"}:
            assert {event["agency.id"] for event in events} == {one.agency}


def test_an_address_outside_is_of_an_agency_it_meets(small, model) -> None:
    loud = dataclasses.replace(model, threshold=-7.0, raised={})
    found = train.score_span(loud, small.folder, small.last - 48, small.last)
    outside = [one for one in found if one.kind == "outside"]
    assert outside
    for one in outside:
        begin = days.moment_of(one.hour)
        question = Question(
            anomalies.query(dataclasses.replace(one, reasons=())), begin, begin + dt.timedelta(hours=1)
        )
        events = small.store.search(question, fields=("agency.id",), limit=5000)
        met = Counter(event["agency.id"] for event in events)
        assert set(one.meets) == set(met)
        first, most = met.most_common(1)[0]
        assert one.agency == (first if 2 * most > met.total() else CITY_AGENCY)


def test_no_agency_takes_more_of_the_quiet_days_than_its_share(small, model) -> None:
    quiet = days.hour_of(dt.datetime.fromisoformat(model.facts["quiet_since"]))
    most = max(1, round(train.MOST_SHARE * round(4 * (small.last - quiet) / 24)))
    free = dataclasses.replace(model, raised={})
    before, after = (
        anomalies.folded(train.score_span(which, small.folder, quiet, small.last)) for which in (free, model)
    )
    assert model.raised  # six agencies and a budget of four: some would take too much
    for agency, more in model.raised.items():
        loud, left = ([one.score for one in told if one.agency == agency] for told in (before, after))
        assert more > 0
        assert len(loud) >= len(left) > 0
        assert len(left) <= most or len(set(left)) == 1
    assert [one for one in before if one.agency not in model.raised] == [
        one for one in after if one.agency not in model.raised
    ]


def test_a_model_is_the_same_after_its_file(small, model, tmp_path) -> None:
    files.save(model, tmp_path)
    again = files.load(tmp_path)
    span = (small.last - 48, small.last)
    assert train.score_span(again, small.folder, *span) == train.score_span(model, small.folder, *span)
    facts = files.facts(tmp_path)
    assert facts is not None
    assert {"window", "features", "libraries", "metrics", "digest", "seed"} <= set(facts)


def signed(folder, data: bytes) -> None:
    """Put bytes in place of the model, with a digest that fits them, as somebody with write access would."""
    (folder / "model.skops").write_bytes(data)
    told = orjson.loads((folder / "model.json").read_bytes())
    told["digest"] = "sha256:" + hashlib.sha256(data).hexdigest()
    (folder / "model.json").write_bytes(orjson.dumps(told))


class Trap:
    """Would run code when it is made again."""

    def __reduce__(self):
        return (print, ("run",))


def test_a_file_that_would_run_code_is_refused(model, tmp_path, capsys) -> None:
    files.save(model, tmp_path)
    signed(tmp_path, skops.io.dumps({"kinds": Trap()}))
    with pytest.raises(StoreError, match="not trusted"):
        files.load(tmp_path)
    assert "run" not in capsys.readouterr().out


def test_a_file_that_calls_a_function_is_refused(model, tmp_path) -> None:
    files.save(model, tmp_path)
    signed(tmp_path, skops.io.dumps({"threshold": __import__("os").system}))
    with pytest.raises(StoreError, match="not trusted"):
        files.load(tmp_path)


@pytest.mark.parametrize("field", ["left_child", "right_child", "feature"])
def test_a_tree_that_leads_out_of_itself_is_refused(model, tmp_path, field) -> None:
    host = model.kinds["host"]
    family, ensemble = next(iter(host.ensembles.items()))
    forest = copy.deepcopy(ensemble.forest)
    tree = forest.estimators_[0].tree_
    state = tree.__getstate__()
    nodes = state["nodes"].copy()
    nodes[field][0] = 1_000_000
    tree.__setstate__({**state, "nodes": nodes})
    spoiled = {**host.ensembles, family: dataclasses.replace(ensemble, forest=forest)}
    kinds = {**model.kinds, "host": dataclasses.replace(host, ensembles=spoiled)}
    files.save(dataclasses.replace(model, kinds=kinds), tmp_path)
    with pytest.raises(StoreError, match="cannot be read"):
        files.load(tmp_path)


@pytest.mark.parametrize("spoil", [b"", b"PK\x03\x04", b"\x80\x04cos\nsystem\n"])
def test_a_damaged_file_is_refused(model, tmp_path, spoil) -> None:
    files.save(model, tmp_path)
    signed(tmp_path, spoil)
    with pytest.raises(StoreError):
        files.load(tmp_path)


def test_a_file_that_was_changed_is_refused(model, tmp_path) -> None:
    path = files.save(model, tmp_path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("more", b"x")
    with pytest.raises(StoreError, match="digest"):
        files.load(tmp_path)


def test_a_model_of_other_features_is_refused(model, tmp_path) -> None:
    files.save(dataclasses.replace(model, facts={**model.facts, "features": 0}), tmp_path)
    with pytest.raises(StoreError, match="version 0"):
        files.load(tmp_path)


def test_too_few_days_are_told(small, tmp_path) -> None:
    with pytest.raises(StoreError, match="too few days"):
        train.train(small.folder, first=small.last - 24, last=small.last)
    with pytest.raises(StoreError, match="too few days"):
        train.train(tmp_path / "nothing", first=small.first, last=small.last)


def test_a_worse_model_does_not_replace_a_better_one(small, model) -> None:
    blind = {
        kind: dataclasses.replace(one, features=tuple(surprise.learn(np.zeros(9)) for _ in one.features))
        for kind, one in model.kinds.items()
    }
    for kind, one in blind.items():
        flat = tuple(dataclasses.replace(see, most=0.0) for see in one.features)
        blind[kind] = dataclasses.replace(one, features=flat, ensembles={}, families={})
    worse = dataclasses.replace(model, kinds=blind)
    assert train.better(model, None, small.folder)[0]
    assert train.better(model, model, small.folder)[0]
    assert train.better(model, worse, small.folder)[0]
    assert not train.better(worse, model, small.folder)[0]


def test_feedback_takes_off_a_pattern_and_nothing_else(small, model) -> None:
    span = (small.last - 24 * 5, small.last)
    before = train.score_span(model, small.folder, *span)
    one = before[0]
    after = train.score_span(model, small.folder, *span, lowered={one.pattern: 99.0})
    assert [a for a in before if a.pattern != one.pattern] == after
    assert len(after) < len(before)


def test_anomalies_become_findings_with_a_key_of_agency_and_family(small, model) -> None:
    one = train.score_span(model, small.folder, small.first, small.last)[0]
    told = anomalies.finding(one, threshold=model.threshold, event_id="e")
    assert told.rule == f"citysoc.anomaly.{one.family}"
    assert told.title_vi
    assert told.event_id == "e"
    assert told.matched["entity"] == one.entity
    assert told.window_seconds == 86_400
