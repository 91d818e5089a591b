"""Overrides as files: what is written is read back, whatever it says."""

from __future__ import annotations

import datetime as dt
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from citysoc.detectors.sigma import states
from citysoc.detectors.sigma.offsets import BASE, offset, timed
from citysoc.detectors.sigma.states import Override, Overrides

NOW = dt.datetime(2027, 1, 31, 17, 0, tzinfo=dt.UTC)
"""Midnight in Huế, at the beginning of February."""
TEXT = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=80).filter(str.strip)


@settings(max_examples=40)
@example("r", "analyst on duty", "\U0002f802")
@given(TEXT, TEXT, TEXT)
def test_what_is_written_is_read_back(tmp_path_factory, rule, owner, reason):
    """Composed, as rules and everything else that is read of a document."""
    folder = tmp_path_factory.mktemp("rules")
    written = Override(rule, state="staged", owner=owner, reason=reason, expires="2027-01-31")
    path, before = states.write(folder, written)
    assert before is None
    found = states.read(folder)
    assert found.problems == ()
    (one,) = found.each
    told = [unicodedata.normalize("NFC", text) for text in (rule, owner, reason)]
    assert [one.rule, one.owner, one.reason] == told
    assert one.expires == "2027-01-31"
    assert path.parent == folder / states.OVERRIDES
    _path, before = states.write(folder, Override(rule, state="active", owner="b", reason="c"))
    assert before is not None
    assert [one.state for one in states.read(folder).each] == ["active"]


def test_the_last_day_is_a_day_in_hue():
    one = Override("r", state="staged", owner="a", reason="b", expires="2027-01-31")
    assert not one.is_expired(NOW - dt.timedelta(seconds=1))
    assert one.is_expired(NOW)


def test_the_first_that_is_in_force_counts():
    each = (
        Override("r", state="disabled", expires="2026-12-31"),
        Override("r", state="staged"),
        Override("r", level="low"),
        Override("r", state="active", level="high"),
    )
    (one,) = Overrides(each).in_force(NOW).values()
    assert (one.state, one.level) == ("staged", "low")
    assert Overrides(each).staged(NOW) == {"r"}


def test_a_folder_that_is_not_there_says_nothing(tmp_path):
    assert states.read(tmp_path / "none") == Overrides()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("+90s", 90), ("+1m30s", 90), ("+2h", 7200), ("+1d", 86400), ("+0.5s", 0.5), ("+1d2h3m4s", 93784)],
)
def test_offsets(text, seconds):
    assert offset(text) == dt.timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["+", "90s", "+s", "-5s", "+5", "+1s1m", "", None, 5, "+99999999999d"])
def test_what_is_no_offset(text):
    assert offset(text) is None


def test_offsets_count_from_the_first_time_that_is_named():
    moment = dt.datetime(2026, 10, 5, tzinfo=dt.UTC)
    found = timed([{"@timestamp": "+1m"}, {"@timestamp": moment}, {"@timestamp": "+2m"}, {"a": 1}])
    assert [event.get("@timestamp") for event in found] == [
        moment + dt.timedelta(minutes=1),
        moment,
        moment + dt.timedelta(minutes=2),
        None,
    ]
    assert timed([{"@timestamp": "+1m"}])[0]["@timestamp"] == BASE + dt.timedelta(minutes=1)
