"""Numbers in sentences: shortened where nobody needs the last digit, never wrongly."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc import i18n
from citysoc.reports.figures import Compared
from citysoc.reports.sections import monitoring, overview
from citysoc.reports.text import integer

UNITS = {
    "": 1,
    "nghìn": 10**3,
    "triệu": 10**6,
    "tỷ": 10**9,
    "thousand": 10**3,
    "million": 10**6,
    "billion": 10**9,
}


@pytest.mark.parametrize(
    ("value", "vi", "en"),
    [
        (0, "0", "0"),
        (5_661, "5.661", "5,661"),
        (99_999, "99.999", "99,999"),
        (100_000, "100 nghìn", "100 thousand"),
        (768_325, "khoảng 768 nghìn", "about 768 thousand"),
        (999_499, "khoảng 999 nghìn", "about 999 thousand"),
        (999_500, "khoảng 1 triệu", "about 1 million"),  # never 1.000 nghìn
        (1_000_000, "1 triệu", "1 million"),
        (1_004_999, "khoảng 1 triệu", "about 1 million"),
        (1_005_000, "khoảng 1,01 triệu", "about 1.01 million"),
        (1_500_000, "1,5 triệu", "1.5 million"),
        (1_999_996, "khoảng 2 triệu", "about 2 million"),
        (56_811_589, "khoảng 56,8 triệu", "about 56.8 million"),
        (999_500_000, "khoảng 1 tỷ", "about 1 billion"),
        (1_234_567_890_123, "khoảng 1.230 tỷ", "about 1,230 billion"),
    ],
)
def test_how_a_number_is_shortened(value, vi, en):
    assert i18n.about(value) == en
    with i18n.speaking("vi"):
        assert i18n.about(value) == vi


def read(text):
    """Return what a reader takes a number for, and whether it is said to be exact."""
    found = re.fullmatch(r"(khoảng |about )?([\d.,]+)(?: (\w+))?", text)
    assert found, text
    vietnamese = i18n.language() == "vi"
    digits = found[2].replace("." if vietnamese else ",", "").replace(",", ".")
    whole, _point, rest = digits.partition(".")
    unit = UNITS[found[3] or ""]
    return int(whole) * unit + (int(rest) * unit // 10 ** len(rest) if rest else 0), not found[1], int(whole)


@given(st.integers(0, 10**13), st.sampled_from(i18n.LANGUAGES))
def test_what_is_read_is_near_and_exact_where_it_says_so(value, language):
    with i18n.speaking(language):
        text = i18n.about(value)
        said, exact, whole = read(text)
    assert (said == value) == exact
    assert abs(said - value) * 200 <= value, "half a percent at most"
    if value >= 100_000:
        assert whole >= 1
        assert whole < 1000 or value >= 999_500_000_000, "the next unit begins at a thousand"
        assert whole >= 1000 or not re.search(r"[.,]\d*0 ", text), "no zero at the end of decimals"


@given(st.integers(0, 10**13), st.integers(0, 10**7))
def test_more_is_never_read_as_less(value, more):
    assert read(i18n.about(value))[0] <= read(i18n.about(value + more))[0]


def test_sentences_are_short_and_the_exact_number_stands_beside(figures):
    many = replace(
        figures,
        cases=Compared(1_999_996),
        attack=Compared(1_999_996),
        records=Compared(60_007_103),
        policy=1_500_000,
        classes=(replace(figures.classes[0], events=Compared(1_999_996), stopped=1_600_000, share=100.0),),
    )
    said = {}
    for language in i18n.LANGUAGES:
        with i18n.speaking(language):
            said[language] = " ".join([*overview.sentences(many), *monitoring.sentences(many)])
            first = overview.blocks(many)[0]
            assert first.cards[0][1] == integer(1_999_996)
    assert "khoảng 2 triệu (chính xác: 1.999.996) lượt tấn công mạng, mã độc" in said["vi"]
    assert "1,6 triệu lượt (80,0%) đã được thiết bị ngăn chặn" in said["vi"]
    assert "khoảng 60 triệu bản ghi nhật ký" in said["vi"]
    assert "đã chặn 1,5 triệu lượt truy cập vi phạm" in said["vi"]
    assert "about 2 million (exactly 1,999,996) events of attacks" in said["en"]
    assert "about 60 million log records" in said["en"]


def test_what_rises_within_a_rounding_is_written_in_full(figures):
    """From 1,2 to 1,2 would say that nothing rose."""
    with i18n.speaking("en"):
        assert i18n.about(1_201_000) == i18n.about(1_204_000)
        rows = [replace(figures.classes[0], events=Compared(1_204_000, 1_201_000))]
        assert "1,201,000" in overview._changes(rows, "{name} from {before} up to {now}")
