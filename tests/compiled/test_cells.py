"""Where values stand, against a strict reader of JSON: whatever is cut must be what that reads."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.compiled.sheets import cells, check, many, np, pieces, sheet_of

JSON = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-9, 9),
    st.floats(),
    st.text(),
    st.text('"\\/bfnrtu0dD8c{}[]:,\0\t\n\r\x7f\x80 ', max_size=12),
)
NAMES = st.one_of(st.sampled_from(["", "a", "ab", "a b", "a\\", 'a"', "n\u00e9", "\0"]), st.text(max_size=9))
TOKENS = st.sampled_from(
    [
        *(
            "{",
            "}",
            "[",
            "]",
            ":",
            ",",
            '"',
            "\\",
            " ",
            "\t",
            "\r",
            "\n",
            "\0",
            "\x0b",
            "\x1f",
            "\x7f",
            "\ufeff",
            "\u00a0",
        ),
        *("true", "false", "null", "tru", "nul", "True", "NaN", "Infinity", "truefalse"),
        *(
            "0",
            "-0",
            "01",
            "-",
            "-01",
            "1.",
            ".5",
            "1.5",
            "1e5",
            "1E+5",
            "+1",
            "0x1f",
            "1_000",
            "9" * 18,
            "9" * 19,
        ),
        *("-" + "9" * 18, "-" + "9" * 19, str(2**63), str(2**64), "1" * 400, "--1", "1-"),
        *(
            '"a"',
            '""',
            '"a',
            'a"',
            "'a'",
            '"a":1',
            '"a": "b"',
            '"a" :1,',
            '"n\u00e9":2',
            '"aaaaaaa"',
            '"aaaaaaaa"',
        ),
        *('"\\u0061"', '"\\u006"', '"\\u00zz"', '"\\uD83D\\uDE00"', '"\\ud83d"', '"\\ude00"', '"\\uDBFF x"'),
        *(
            '"\\u0000"',
            '"\\uD7FF"',
            '"\\uE000"',
            '"\\/"',
            '"\\x41"',
            '"\\0"',
            '"\\',
            '"\\"',
            '"\\\\"',
            '"\\\\\\"',
        ),
        *(
            '"\t"',
            '"\x7f"',
            '"\x80\x9f"',
            '"\u2028"',
            '"\U0001f600"',
            '"\\b\\f\\n\\r\\t"',
            '"\\B"',
            '"\\u"',
            '"\\u1',
        ),
    ]
)
"""What JSON is made of, and what it is not."""
BLANKS = st.sampled_from(
    ["", "", "", " ", "  ", "\t", "\r", " \t\r ", "\n", "\x0b", "\x0c", "\u00a0", "\0", " " * 20]
)


NESTED = st.recursive(
    st.one_of(JSON, st.lists(st.text(max_size=3), max_size=3), st.lists(JSON, max_size=2)),
    lambda inner: st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def written(draw):
    """Write an object with blanks of all kinds between its parts."""
    pairs = draw(st.lists(st.tuples(NAMES, NESTED), max_size=5))
    ascii_too = draw(st.booleans())
    out = draw(BLANKS) + "{"
    for number, pair in enumerate(pairs):
        name, value = (json.dumps(one, ensure_ascii=ascii_too) for one in pair)
        between = "," if number else ""
        out += between + draw(BLANKS) + name + draw(BLANKS) + ":" + draw(BLANKS) + value + draw(BLANKS)
    return (out + draw(st.sampled_from(["}", "}", "}", "", ",}", "}}", "} ", "}\r"]))).encode(
        "utf-8", "surrogatepass"
    )


@st.composite
def mutated(draw):
    """Flip, insert, remove and repeat bytes of a record."""
    record = bytearray(draw(st.one_of(written(), PLAIN)))
    for _time in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(record)))
        letter = draw(st.one_of(st.integers(0, 255), st.sampled_from(list(b'"\\{}:, \t\r\n0-9u'))))
        way = draw(st.sampled_from(["flip", "insert", "remove", "repeat", "cut"]))
        if way == "insert":
            record.insert(place, letter)
        elif way == "cut":
            del record[place:]
        elif way == "remove":
            del record[place : place + draw(st.integers(1, 9))]
        elif way == "repeat":
            record[place:place] = record[place : place + draw(st.integers(1, 9))]
        elif place < len(record):
            record[place] = letter
    return bytes(record)


WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
FLAT = st.dictionaries(
    st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\'), max_size=20),
    st.one_of(
        st.text(st.characters(max_codepoint=127), max_size=40),
        st.integers(-(10**18) + 1, 10**18 - 1),
        st.booleans(),
        st.none(),
    ),
    min_size=1,
    max_size=30,
)
PLAIN = FLAT.map(orjson.dumps)
ANY = st.one_of(
    PLAIN,
    written(),
    mutated(),
    st.lists(TOKENS, max_size=12).map(lambda some: "".join(["{", *some, "}"]).encode()),
    st.lists(TOKENS, max_size=4).map(lambda some: "".join(['{"a":', *some, "}"]).encode()),
    st.binary(max_size=40),
    st.binary(max_size=20).map(lambda some: b'{"a":"' + some + b'"}'),
)


def check_any(records):
    """Check records; of those that are no UTF-8 it is asked only that they are cut without harm."""
    check([record for record in records if _is_text(record)])
    sheet = sheet_of(records)
    block = sheet.block.tobytes()
    for number, record in enumerate(records):
        first, last = sheet.first[number : number + 2].tolist()
        places = [int(sheet.lines[number])]
        for cell in range(first, last):
            places += [int(sheet.begin[cell]), int(sheet.end[cell])]
        places.append(int(sheet.lines[number + 1]) - 1)
        assert places == sorted(places)
        assert block[places[0] : places[-1]] == record


def _is_text(record):
    try:
        record.decode()
    except UnicodeDecodeError:
        return False
    return True


@settings(max_examples=120)
@given(st.lists(ANY, max_size=8))
@example([many(200, b",")])
@example([many(200, b" , ")])
def test_what_is_cut_is_what_a_strict_reader_reads(records):
    check_any(records)


@pytest.mark.faults
@settings(max_examples=5000)
@given(st.lists(ANY, max_size=8))
def test_what_is_cut_is_what_a_strict_reader_reads_deeper(records):
    check_any(records)


@pytest.mark.parametrize("number", [1, 2, 199, 200, 201, 400])
@pytest.mark.parametrize("after", [b"", b" ", b",", b" , ", b",,", b',"n0":1', b',"":[]', b"}", b"\r"])
def test_the_most_values(number, after):
    plain = many(number, after)
    cut = check([plain, plain[:-1], plain + b"\r", plain + b"}", many(3), plain])
    assert cut[4]
    if number <= 200 and not after.strip():
        assert cut == [True, False, True, False, True, True]


SAMPLES = (
    b'{"a":1}',
    b'{"":"","":null}',
    b'{"name" : "some text" , "n":-12,"x":true,"y":false}',
    b'{"a":"\\u00e9\\ud7ff\\n\\"","bcdefgh":"12345678"}',
)
LETTERS = sorted({*b'"\\{}[]:,\0\t\n\r\x1f /xu0189-+.eEtfn', 0x7F, 0x80, 0xA2, 0xC3, 0xFF})


@pytest.mark.parametrize("sample", SAMPLES, ids=range(len(SAMPLES)))
def test_every_byte_changed(sample):
    """At every place every letter that means something: put there, put before, and that place left out."""
    records = []
    for place in range(len(sample) + 1):
        before, after = sample[:place], sample[place:]
        records += [before, after, before + after[1:], before + after[2:]]
        for letter in LETTERS:
            records += [before + bytes([letter]) + after, before + bytes([letter]) + after[1:]]
    check_any(records)
    check_any([sample + record for record in records])


def names_of(*records):
    return sheet_of(records).names.tolist()


@settings(max_examples=150)
@given(st.lists(FLAT, min_size=1, max_size=5))
def test_what_others_write_is_cut(rows):
    """The quick way is quick: what is written plainly, without names that need escapes, is never odd."""
    assert all(names_of(*map(orjson.dumps, rows)))
    assert all(names_of(*(json.dumps(row).encode() for row in rows)))
    assert all(names_of(*(json.dumps(row, separators=(",", ":")).encode() + b"\r" for row in rows)))


@pytest.mark.parametrize(
    "record", [b"", b"{}", b"[]", b"1", b'"a"', b'{"a":1e5}', b'{"a":{}}', b'{"a":"\\ud800"}', b'{"\\n":1}']
)
def test_all_else_is_odd(record):
    assert names_of(b'{"a":1}', record, b'{"a":1}') == [*names_of(b'{"a":1}'), 0, *names_of(b'{"a":1}')]


def test_no_records():
    assert sheet_of([]).first.tolist() == [0]


@settings(max_examples=200)
@given(st.lists(ANY, max_size=8), st.binary(max_size=20))
def test_lines_are_cut_as_records_are(records, rest):
    lines = [part for record in (*records, rest) for part in record.split(b"\n")]
    text = b"\n".join(lines) + b"\n"
    own, other = sheet_of(lines), cells.sheet_of_lines(text + b"\n" * 64, len(text))
    assert own.lines.tolist() == other.lines.tolist()
    assert own.names.tolist() == other.names.tolist()
    last = own.first[-1]
    for one, two in (
        (own.first, other.first),
        (own.begin[:last], other.begin[:last]),
        (own.end[:last], other.end[:last]),
    ):
        assert one.tolist() == two.tolist()


def alike(sheet, known):
    """Return whether other records have what is between the values of one, as the loops see it and as we do."""
    some = np.flatnonzero(sheet.names).astype(np.int32)
    expected = [pieces(sheet, int(number)) == pieces(sheet, known) for number in some]
    return cells.alike(sheet, some, cells.frame(sheet, known)).tolist(), expected


@settings(max_examples=150)
@given(st.lists(st.one_of(PLAIN, written(), mutated()), min_size=1, max_size=6), st.lists(JSON, max_size=3))
def test_alike_is_what_has_the_same_text_between_its_values(records, others):
    """Records are compared with themselves, with other values, and with other blanks."""
    changed = [b'{"a": %s, "b":%s}' % (json.dumps(one).encode(), b"1") for one in others]
    sheet = sheet_of([*records, *(record.replace(b":", b": ") for record in records), *changed, *records])
    for known in np.flatnonzero(sheet.names).tolist():
        got, expected = alike(sheet, known)
        assert got == expected


def test_names_of_one_hash_are_told_apart():
    """Of names only the ends and the middle are hashed."""
    records = [b'{"a%cb%cc":"x"}' % pair for pair in ((49, 50), (51, 50), (49, 51), (49, 50))]
    records += [
        b'{"a1b2c" :"x"}',
        b'{"a1b2c":"x","":1}',
        b'{"a1b2c":"y"}\r',
        b'{"a1b2c":12}',
        b' {"a1b2c":1}',
    ]
    sheet = sheet_of(records)
    assert len({*sheet.names[:5].tolist()}) == 1
    got, expected = alike(sheet, 0)
    assert got == expected == [True, False, False, True, False, False, False, True]


def test_a_frame_outlives_its_sheet():
    sheet = sheet_of([b'{"abcdefgh":1,"ijklmnop":2}'])
    known = cells.frame(sheet, 0)
    del sheet
    other = sheet_of([b'{"abcdefgh":"other","ijklmnop":null}', b'{"abcdefgh":1,"ijklmnoq":2}'])
    assert cells.alike(other, np.arange(2, dtype=np.int32), known).tolist() == [True, False]
