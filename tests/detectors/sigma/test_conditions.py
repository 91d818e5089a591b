"""Which selections decide: the reader of conditions against Python's own reading, and the meaning of `of`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc.detectors.sigma.conditions import deciding, holds

NAMES = ("a", "b", "c")
TRUTHS = st.fixed_dictionaries({name: st.booleans() for name in NAMES})
EXPRESSIONS = st.recursive(
    st.sampled_from(NAMES),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(("and", "or")), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
        st.tuples(inner, st.sampled_from(("and", "or")), inner).map(lambda t: f"{t[0]} {t[1]} {t[2]}"),
        inner.map(lambda one: f"not {one}"),
        inner.map(lambda one: f"not ({one})"),
    ),
    max_leaves=12,
)


def as_python(text, truths):
    words = text.replace("(", " ( ").replace(")", " ) ").split()
    stack = [str(truths[word]) if word in truths else word for word in words]
    return evaluate(stack)


def evaluate(words):
    """Reduce: parentheses, then not, then and, then or."""
    words = list(words)
    while "(" in words:
        close = words.index(")")
        start = max(place for place in range(close) if words[place] == "(")
        words[start : close + 1] = [str(evaluate(words[start + 1 : close]))]
    while "not" in words:
        place = len(words) - 1 - words[::-1].index("not")
        words[place : place + 2] = [str(words[place + 1] != "True")]
    for operator in ("and", "or"):
        while operator in words:
            place = words.index(operator)
            left, right = words[place - 1] == "True", words[place + 1] == "True"
            words[place - 1 : place + 2] = [str(left and right if operator == "and" else left or right)]
    return words == ["True"]


@given(EXPRESSIONS, TRUTHS)
def test_conditions_are_read_as_they_are_meant(text, truths):
    assert holds(text, truths) is as_python(text, truths)


@given(EXPRESSIONS, TRUTHS)
def test_a_deciding_selection_turned_turns_the_verdict(text, truths):
    verdict = holds(text, truths)
    alone = [n for n in NAMES if holds(text, {**truths, n: not truths[n]}) is not verdict]
    assert sorted(deciding(text, truths)) == (alone or [n for n in NAMES if truths[n] is verdict])


@given(st.text(max_size=60), TRUTHS)
def test_any_text_is_answered(text, truths):
    assert holds(text, truths) in {True, False, None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 of a*", True),
        ("all of a*", False),
        ("all of them", False),
        ("2 of them", True),
        ("3 of them", False),
        ("not 1 of b*", False),
        ("1 of nothing*", None),
        ("a1 and", None),
        ("a1 a2", None),
    ],
)
def test_of(text, expected):
    assert holds(text, {"a1": True, "a2": False, "b": True, "_hidden": True}) is expected
