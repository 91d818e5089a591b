"""Printed shares add up to 100.0, and none is off by a tenth."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc import i18n
from citysoc.reports.shares import shares
from citysoc.reports.text import percent

counts = st.lists(st.integers(0, 10**12), max_size=21)


@given(counts)
def test_printed_shares_add_up(some):
    with i18n.speaking("en"):
        printed = [Decimal(percent(share).rstrip("%").replace(",", "")) for share in shares(some)]
    assert sum(printed) == (100 if sum(some) else 0)


@given(counts)
def test_no_share_is_off_by_a_tenth_and_more_is_never_less(some):
    total, found = sum(some), shares(some)
    for count, share in zip(some, found, strict=True):
        assert 0 <= share <= 100
        assert not total or abs(share - count * 100 / total) < 0.1 + 1e-9
        assert count or not share
    order = sorted(range(len(some)), key=lambda n: (some[n], found[n]))
    assert [found[n] for n in order] == sorted(found)


@pytest.mark.parametrize(
    ("some", "found"),
    [
        ([1, 1, 1], [33.4, 33.3, 33.3]),
        ([2, 1], [66.7, 33.3]),
        ([1, 1, 1, 1, 1, 1], [16.7, 16.7, 16.7, 16.7, 16.6, 16.6]),
        ([999_999, 1], [100.0, 0.0]),
        ([7], [100.0]),
        ([0, 0], [0.0, 0.0]),
        ([], []),
    ],
)
def test_shares(some, found):
    assert shares(some) == found
