"""Where values stand, against a strict reader of JSON: whatever is cut must be what that reads."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.compiled.sheets import check, many, sheet_of

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


@st.composite
def written(draw):
    """Write an object with blanks of all kinds between its parts."""
    pairs = draw(st.lists(st.tuples(NAMES, st.one_of(JSON, st.just([1]), st.just({"a": 1}))), max_size=5))
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
