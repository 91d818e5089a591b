"""Batches for the quick way that goes by bytes: many forms, forms that seem to be others, state that is carried over."""

from __future__ import annotations

import random
from dataclasses import replace

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citysoc.collectors.spans import block_of
from citysoc.parsers import windows_cells
from citysoc.parsers.windows_cells import Forms
from citysoc.pipeline import worker as pipeline
from tests.bench import sigma_events
from tests.compiled.sheets import np, sheet_of
from tests.pipeline.kinds import (
    DETECTIONS,
    EVERYWHERE,
    KINDS,
    NAMES,
    NESTED,
    RECORDS,
    VALUES,
    both,
    check,
    record,
    uncut,
)

WORKERS = both(DETECTIONS)
SYSMON = ("Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon", 1)
PROCESS = ("Security", "Microsoft-Windows-Security-Auditing", 4688)


def of_form(number, **more):
    """Return a record with a name that no other form has."""
    return record(
        PROCESS, {f"Name{number}": "x", "CommandLine": "whoami", "User": f"nam {number}", **more}, ""
    )


@pytest.mark.parametrize("forms", [127, 128, 129, 130, 1023, 1030])
def test_many_forms_in_a_batch(forms):
    records = [of_form(number) for number in range(forms)]
    random.Random(1).shuffle(records)
    assert len({one.event_id for one in check(WORKERS, records + records[:50])[0]}) == forms + 50


def test_more_forms_and_kinds_than_are_kept(monkeypatch):
    monkeypatch.setattr(windows_cells, "_MAX_FORMS", 7)
    monkeypatch.setattr(windows_cells, "_MAX_KINDS", 9)
    workers = both(DETECTIONS)
    memory = workers[1]._forms._memory
    forgotten = []
    forget = memory.forget
    monkeypatch.setattr(memory, "forget", lambda: forgotten.append(forget()))
    for begin in (0, 3, 0, 6, 20, 3, 40, 0, 3):
        code = begin % 5
        check(workers, [of_form(number, EventID=code) for number in range(begin, begin + 6)])
    assert len(forgotten) > 5


def test_more_new_kinds_in_a_batch_than_are_worked_out(monkeypatch):
    """Each record with a provider of its own: most are judged as events, and no kind is made of them."""
    monkeypatch.setattr(windows_cells, "_MAX_NEW", 5)
    workers = both(DETECTIONS)
    records = [
        record(("Security", f"Provider {number % 40}", 1), {"CommandLine": "whoami"}, "")
        for number in range(80)
    ]
    for _time in range(2):
        assert len({one.event_id for one in check(workers, records)[0]}) == 80
        assert len(workers[1]._forms._kinds) == 5


def test_values_forgotten_in_between():
    workers = both(DETECTIONS)
    records = list(sigma_events.windows(300, seed=8))
    for _time in range(3):
        check(workers, records)
        workers[1]._forms._memory.forget()
        check(workers, records[::-1])
        workers[1].detector._bytes.forget()


def respaced(one, dice):
    """Write a record with blanks elsewhere."""
    out = bytearray()
    for name, value in orjson.loads(one).items():
        blanks = [dice.choice((b"", b"", b" ", b"\t", b"  ")) for _place in range(4)]
        out += b"," if out else b""
        out += blanks[0] + orjson.dumps(name) + blanks[1] + b":" + blanks[2] + orjson.dumps(value) + blanks[3]
    return b"{" + out + b"}" + dice.choice((b"", b"", b"\r", b"\t"))


def test_forms_that_differ_in_blanks_only():
    dice = random.Random(2)
    records = [respaced(one, dice) for one in sigma_events.windows(150, seed=9)]
    records += [respaced(of_form(1), dice) for _time in range(150)]
    for begin in (0, 100, 50):
        assert check(WORKERS, records[begin:])[0]


def test_other_names_with_the_same_hash():
    """Of names only length, ends and middle are hashed: these are of the same hash, and say other things."""
    plain = (
        b'{"EventID":4688,"Channel":"Security","Provider_Name":"p","Xaaaaaaaaad":"whoami","CommandLine":"%d"}'
    )
    names = [b"CommandLine", b"CxxxxnxLixe", b"Commznzxxxe"]
    records = [plain.replace(b"CommandLine", name) % number for number in range(4) for name in names]
    records += [one.replace(b'"0"', b'"whoami"') for one in records]
    assert len({*sheet_of(records).names.tolist()}) == 1  # else nothing is found here
    for order in (records, records[::-1], records[1:] + records[:1]):
        found = check(both(DETECTIONS), order)[0]
        own = {one.event_id for one in found if one.rule == "r1-s"}
        assert len(own) == sum(b'"CommandLine":"whoami"' in one for one in order)
        check(WORKERS, order)


ODD = st.sampled_from(
    [
        *(
            b"",
            b"{}",
            b" ",
            b"\r",
            b"\xef\xbb\xbf",
            b"\0",
            b"{",
            b"}",
            b"[]",
            b"null",
            b'"',
            b"\xff\xfe",
            b"\x85",
        ),
        *(
            b'{"EventID":1}',
            b'{"EventID":1,"EventID":2}',
            b'{"EventID":"\\u0031"}',
            b'{"EventID":01}',
            b'{"a":{}}',
        ),
        *(b'{"EventID":-0,"Provider_Name":"p"}', b'{"EventID":true,"Provider_Name":"p","Channel":null}'),
        *(b'{"EventID":"","Provider_Name":""}', b'{"EventID":4688,"Provider_Name":"%s"}' % (b"p" * 5000)),
        b'{"EventID":4688,"Provider_Name":"p","CommandLine":"%swhoami"}' % (b"x" * 5000),
    ]
)
LETTERS = st.sampled_from(list(b'"\\{}[]:, \t\r\0\x1f\x7f\x80\xc3\xcc\x83\xff0-9aeunt'))


@st.composite
def damaged(draw):
    """Return a record of which some bytes are others."""
    fields = draw(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5))
    out = bytearray(
        record(draw(KINDS), fields, draw(st.sampled_from(["", ',"User":"n\u00e1m"', ',"User":"na\u0301m"'])))
    )
    for _time in range(draw(st.integers(0, 2))):
        place = draw(st.integers(0, len(out)))
        out[place : place + draw(st.integers(0, 1))] = bytes([draw(LETTERS)])
    return bytes(out)


HOSTILE = st.lists(st.one_of(damaged(), ODD, RECORDS.map(lambda some: some[0])), max_size=8)


@settings(max_examples=100)
@given(HOSTILE)
def test_hostile_records(records):
    check(WORKERS, records)


DEEP = both(DETECTIONS + EVERYWHERE)


@pytest.mark.faults
@settings(max_examples=3000)
@given(HOSTILE, st.one_of(RECORDS, NESTED), st.sampled_from([1, 3, 5000]))
def test_hostile_records_deeper(records, others, at_once):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "_AT_ONCE", at_once)
        for workers in (WORKERS, DEEP):
            check(workers, records + others + records)


@pytest.mark.parametrize(
    "sizes", [(1, 1, 2, 10, 3, 700, 1, 100), pytest.param((1, 10_000, 1, 10_000), marks=pytest.mark.faults)]
)
def test_batches_one_after_another(sizes, monkeypatch):
    """State is carried over: single records, the same ones as thousands, and the same in another order."""
    if len(sizes) > 4:
        monkeypatch.setattr(pipeline, "_AT_ONCE", 300)
    workers = both(DETECTIONS)
    records = [
        *sigma_events.windows(400, seed=10),
        *(of_form(number) for number in range(20)),
        b"{",
        b"\xff",
        b"{}",
    ]
    records += [record(SYSMON, {"User": f"n\u00e1m {number}"}, "") for number in range(20)]
    dice = random.Random(4)
    for size in sizes:
        check(workers, dice.choices(records, k=size))


@pytest.mark.parametrize("line", [b"x", b'{"":1}'])
@pytest.mark.parametrize("count", [12_000, 70_000])
def test_short_lines_are_not_all_held_at_once(line, count, monkeypatch):
    """As many as a span of 4 MiB may have would take gigabytes as events."""
    made = []
    worker = both([{"User": "nam"}])[1]
    monkeypatch.setattr(
        worker, "events", lambda one: made.append(len(one.records)) or [{} for _ in one.records]
    )
    for name in ("hits", "detect"):
        monkeypatch.setattr(worker.detector, name, lambda _events: [])
    assert worker.judged(uncut([line] * count)) == ([], [])
    assert sum(made) == count
    assert max(made) <= 5000
    assert (block_of(uncut([line] * count)) is None) is (count > 1 << 16)


def test_kinds_of_long_values_are_as_others():
    """What tells a kind may be too long to be remembered: it is worked out each time, and is right."""
    forms = Forms()
    text = b'{"EventID":1,"Provider_Name":"%s","Channel":"%s"}'
    records = [text % (b"p" * size, b"c" * other) for size in (1, 5000) for other in (1, 4096)] * 2
    for _time in range(2):
        found = {
            number: (len(kind.same["winlog.provider_name"]), len(kind.same["winlog.channel"]))
            for kind, some, *_cells in forms.kinds(sheet_of(records), records)
            for number in some.tolist()
        }
        assert found == dict(enumerate([(1, 1), (1, 4096), (5000, 1), (5000, 4096)] * 2))


def test_each_record_is_told_once():
    forms = Forms()
    dice = random.Random(6)
    for _time in range(20):
        records = [
            dice.choice((b"{}", b"x", of_form(dice.randrange(200)), b'{"EventID":1}'))
            for _record in range(300)
        ]
        found = forms.kinds(sheet_of(records), records)
        numbers = [one.some if isinstance(one, windows_cells.Found) else one for one in found]
        assert sorted(np.concatenate(numbers).tolist()) == list(range(300))


def test_lines_of_other_formats_are_read_once(monkeypatch):
    """Where values stand is known of Windows records only: nothing else is read to find that out."""
    monkeypatch.setattr(pipeline, "block_of", lambda _batch: pytest.fail("the lines were read"))
    assert WORKERS[1].judged(replace(uncut([b'{"event_type":"dns"}']), parser="suricata")) == ([], [])
