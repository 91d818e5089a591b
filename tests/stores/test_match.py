"""The query's meaning in plain Python: forms with ``*`` and ``?``."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc.stores.query import Gap, Wildcard
from citysoc.stores.query_match import matches
from citysoc.stores.query_parse import parse

part = st.one_of(st.sampled_from([Gap.ANY, Gap.ONE]), st.text("ab.", min_size=1, max_size=3))


@given(
    st.lists(part, max_size=7).map(tuple),
    st.text("ab.\n", max_size=12),
    st.sampled_from(["user.name", "message"]),
)
def test_a_form_means_what_a_regular_expression_says(pattern, text, field):
    gaps = {Gap.ANY: ".*", Gap.ONE: "."}
    expression = re.compile(
        "".join(gaps[p] if isinstance(p, Gap) else re.escape(p) for p in pattern), re.DOTALL
    )
    right = expression.fullmatch(text) if field == "user.name" else expression.search(text)
    assert matches(Wildcard(field, pattern), {field: text}) == bool(right)


@pytest.mark.parametrize(
    "pattern", ["*a" * 40 + "*b", "*a?" * 30 + "*b", "?*" * 60 + "b", "*" + "a" * 4000 + "*b*"]
)
def test_no_pattern_takes_long(pattern):
    event = {"user.name": "a" * 20_000, "message": "a" * 20_000}
    started = time.process_time()
    assert not matches(parse(f"user.name:{pattern}"), event)
    assert not matches(parse(f"message:{pattern}"), event)
    assert time.process_time() - started < 2
