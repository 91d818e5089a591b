"""Events to rows and back: nothing is lost, whatever the values are."""

from __future__ import annotations

import datetime as dt

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citysoc.ecs.fields import FIELDS
from citysoc.ecs.schema import fit, from_row, schema, to_table

moment = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1), timezones=st.just(dt.UTC))  # noqa: DTZ001  bounds are naive by contract
text = st.text(st.characters(codec="utf-8"), max_size=8)
scalar = st.one_of(
    text,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["10.1.2.3", "::1", "12", "true"]),
)
json_value = st.recursive(
    scalar, lambda x: st.one_of(st.lists(x, max_size=3), st.dictionaries(text, x, max_size=3)), max_leaves=5
)
names = st.one_of(st.sampled_from(sorted(FIELDS)), text.map(lambda t: f"zeek.{t}"))
events = st.lists(st.dictionaries(names, st.one_of(json_value, moment), max_size=8), max_size=5)


def same(name, before, after):
    """Return whether a value came back as itself, or as its field's form of it, or as JSON has it."""
    fitted = fit(name, before) if name in FIELDS else None
    expected = fitted if fitted is not None else orjson.loads(orjson.dumps(before, default=str))
    return after == expected and (fitted is None or type(after) is type(expected))


@settings(deadline=None)
@given(events)
def test_nothing_is_lost(given_events):
    rows = to_table(given_events)
    assert rows.schema == schema()
    for before, row in zip(given_events, rows.to_pylist(), strict=True):
        after = from_row(row)
        assert after.keys() == before.keys()
        for name, value in before.items():
            assert same(name, value, after[name]), name


@settings(deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.one_of(names, st.text(max_size=3)),
            st.one_of(
                st.text(max_size=3),
                st.integers(),
                st.floats(),
                st.binary(max_size=3),
                st.none(),
                st.datetimes(),
                st.sets(st.integers(), max_size=2),
                st.dictionaries(st.integers(), st.integers(), max_size=2),
            ),
            max_size=6,
        ),
        max_size=4,
    )
)
def test_no_value_stops_the_line(given_events):
    rows = to_table(given_events)
    for before, row in zip(given_events, rows.to_pylist(), strict=True):
        after = from_row(row)
        kept = {n.encode("utf-8", "backslashreplace").decode() for n, v in before.items() if v is not None}
        assert after.keys() == kept


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("source.port", 1.5, 1.5),
        ("source.port", 2.0, 2),
        ("source.port", "443", 443),
        ("source.port", "1_000", "1_000"),
        ("source.port", True, True),
        ("source.port", 2**64, str(2**64)),
        ("event.risk_score", float("nan"), "nan"),
        ("event.risk_score", True, True),
        ("source.ip", "::FFFF:10.1.2.3", "10.1.2.3"),
        ("source.ip", "2001:DB8::0:1", "2001:db8::1"),
        ("source.ip", "fe80::1%eth0", "fe80::1%eth0"),
        ("source.ip", "010.1.2.3", "010.1.2.3"),
        ("host.ip", "10.1.2.3", ["10.1.2.3"]),
        ("host.ip", ["10.1.2.3", None], ["10.1.2.3", None]),
        ("user.name", ["a", "b"], ["a", "b"]),
        ("user.name", 5, "5"),
        ("user.name", "\ud800", "\\ud800"),
        ("event.start", dt.datetime(2026, 10, 1), "2026-10-01T00:00:00"),  # noqa: DTZ001  naive on purpose
        ("event.start", dt.datetime(9999, 12, 31, tzinfo=dt.UTC), "9999-12-31T00:00:00+00:00"),
        ("zeek.null", dt.datetime(2026, 10, 1, tzinfo=dt.UTC), "2026-10-01T00:00:00+00:00"),
        ("zeek.big", {"n": 2**70, 3: float("inf")}, {"n": str(2**70), "3": "inf"}),
    ],
)
def test_a_value_keeps_its_meaning(name, value, kept):
    for others in ([], [{name: None}], [{"tags": ["x"]}]):
        (row, *_rest) = to_table([{name: value}, *others]).to_pylist()
        found = from_row(row)[name]
        assert found == kept
        assert type(found) is type(kept)


def test_depth_is_bounded():
    deep: object = "x"
    for _level in range(2000):
        deep = [deep]
    assert "zeek.deep" in from_row(to_table([{"zeek.deep": deep}]).to_pylist()[0])
