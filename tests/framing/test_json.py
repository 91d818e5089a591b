"""Objects of a JSON document, whatever stands around and between them."""

from __future__ import annotations

import io

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc.framing.base import Limits
from citysoc.framing.json import frame_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3),
)
OBJECTS = st.lists(st.dictionaries(st.text(), VALUES, max_size=4), max_size=5)


def frames(data, *, start=0, limits=None):
    return list(frame_json(io.BytesIO(data), start=start, header=b"", final=True, limits=limits or Limits()))


def records(data):
    return [orjson.loads(record) for run in frames(data) for record in run.records]


@given(OBJECTS)
def test_objects_come_back_from_every_shape_of_document(objects):
    assert records(orjson.dumps(objects)) == objects
    assert records(orjson.dumps(objects, option=orjson.OPT_INDENT_2)) == objects
    assert records(b"\n".join(map(orjson.dumps, objects))) == objects
    assert records(b"".join(map(orjson.dumps, objects))) == objects


@given(st.binary(max_size=400) | st.text(alphabet='{}[]",:\\a1 ', max_size=200).map(str.encode))
def test_any_bytes_are_framed_or_refused(data):
    for run in frames(data):
        assert all(isinstance(orjson.loads(record), dict) for record in run.records)
        assert all(item.reason == "json.invalid" for item in run.refused)


def test_a_broken_object_does_not_take_its_neighbours():
    (run,) = frames(b'{"a": 1} junk {"b":} {"c": "}"} {"d": 1')
    assert run.records == (b'{"a":1}', b'{"c":"}"}')
    assert run.offsets == (0, 3)
    assert [item.offset for item in run.refused] == [1, 2, 4]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_byte_order_marks_are_understood(encoding):
    assert records('[{"tên": "Huế"}]'.encode(encoding)) == [{"tên": "Huế"}]


def test_depth_is_bounded():
    deep = b'{"a":' * 5000 + b"1" + b"}" * 5000
    (run,) = frames(deep + b' {"b": 1}')
    assert run.records == (b'{"b":1}',)
    assert len(run.refused) == 1


def test_a_string_that_never_ends_costs_one_pass():
    (run,) = frames(b'{"a": "' + b'\\"' * 2_000_000)
    assert len(run.refused) == 1


def test_going_on_skips_what_was_consumed():
    data = orjson.dumps([{"n": n} for n in range(5)])
    assert [run.records for run in frames(data, start=3)] == [(b'{"n":3}', b'{"n":4}')]
