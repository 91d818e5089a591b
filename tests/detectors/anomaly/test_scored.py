"""The schedule scores what is new: other hours only when their events, the model or the feedback changed."""

from __future__ import annotations

import datetime as dt
import shutil
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from citysoc.cli import root
from citysoc.config.load import load
from citysoc.detectors.anomaly import days, files, journal, run, scored
from citysoc.state import State

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from citysoc.config.load import Config
    from citysoc.detectors.anomaly.model import Model
    from tests.detectors.anomaly.conftest import Small

HOURS = {"10": 5, "11": 0, "12": 7}


def test_hours_are_due_until_they_were_scored(tmp_path: Path) -> None:
    what = scored.key("sha256:a", {})
    assert scored.due(tmp_path, what, HOURS) == 10
    scored.keep(tmp_path, what, HOURS)
    assert scored.due(tmp_path, what, HOURS) is None
    assert scored.due(tmp_path, what, {**HOURS, "13": 0}) == 13


def test_late_events_make_their_hour_and_what_follows_due(tmp_path: Path) -> None:
    what = scored.key("sha256:a", {})
    scored.keep(tmp_path, what, HOURS)
    assert scored.due(tmp_path, what, {**HOURS, "11": 1}) == 11


def test_another_model_and_other_feedback_make_everything_due(tmp_path: Path) -> None:
    feedback = {("so-a", "pc-1", "bytes"): 3.0}
    scored.keep(tmp_path, scored.key("sha256:a", feedback), HOURS)
    assert scored.due(tmp_path, scored.key("sha256:a", feedback), HOURS) is None
    assert scored.due(tmp_path, scored.key("sha256:b", feedback), HOURS) == 10
    assert scored.due(tmp_path, scored.key("sha256:a", {}), HOURS) == 10


@pytest.mark.parametrize("spoilt", [b"", b"[]", b'{"key": "x"}', b'{"key": "x", "hours": [1]}', b"\xff\x00"])
def test_a_damaged_file_only_makes_everything_due(tmp_path: Path, spoilt: bytes) -> None:
    (tmp_path / "scored.json").write_bytes(spoilt)
    assert scored.due(tmp_path, "x", HOURS) == 10


def test_what_is_long_past_is_forgotten(tmp_path: Path) -> None:
    scored.keep(tmp_path, "x", {"10": 5})
    scored.keep(tmp_path, "x", {str(10 + scored.KEPT_HOURS): 1})
    assert scored.due(tmp_path, "x", {"10": 5}) == 10


@pytest.fixture
def house(small: Small, model: Model, tmp_path: Path) -> Iterator[tuple[Config, State]]:
    assert not CliRunner().invoke(root, ["init", str(tmp_path / "city")]).exit_code
    config = load(tmp_path / "city" / "citysoc.yaml")
    shutil.copytree(small.folder, run.table_folder(config))
    files.save(model, run.model_folder(config))
    state = State(config.state_path)
    yield config, state
    state.close()


def test_scoring_what_is_new_finds_what_scoring_everything_does(small, house) -> None:
    config, state = house
    until = days.moment_of(small.last)
    since = until - dt.timedelta(hours=72)
    whole = {"since": since, "until": until, "now": until}
    every, _ = run.score(config, small.store, state, **whole, tell=False)
    assert every
    found = []
    for hours in (40, 41, 60, 72):
        span = {"since": since, "until": since + dt.timedelta(hours=hours), "now": until}
        found += run.score(config, small.store, state, **span, new_only=True)[0]
    assert found == every
    assert run.score(config, small.store, state, **whole, new_only=True) == ([], 0)
    assert run.score(config, small.store, state, **whole) == (every, 0)


def test_feedback_that_is_taken_back_is_heard_by_the_next_scoring(small, house) -> None:
    config, state = house
    until = days.moment_of(small.last)
    span = {"since": until - dt.timedelta(hours=72), "until": until, "now": until, "new_only": True}
    every, _ = run.score(config, small.store, state, **span)
    with state.transaction() as db:
        row = journal.row_of(state, every[0].id)
        number = journal.lower(db, row, who="truc", reason="agreed", now=until)
    assert len(run.score(config, small.store, state, **span)[0]) <= len(every)
    with state.transaction() as db:
        journal.undo(db, number, who="truc", now=until)
    assert run.score(config, small.store, state, **span)[0] == every
