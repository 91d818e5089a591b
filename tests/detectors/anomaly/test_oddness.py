"""Names made by programs are told from names made by people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc.detectors.anomaly import oddness


@pytest.mark.parametrize(
    "name",
    [
        "dichvucong.gov.vn",
        "www.thuathienhue.gov.vn",
        "microsoftonline.com",
        "googleusercontent.com",
        "zalo.me",
    ],
)
def test_names_of_people_are_not_odd(name: str) -> None:
    assert oddness.odd(name) < 0.5


@pytest.mark.parametrize(
    "name", ["xk3q9vzt1mwpd8.example", "qwmzkxpvbtrl.com", "d1a2b3c4d5e6f7.cloud.example"]
)
def test_names_of_programs_are_odd(name: str) -> None:
    assert oddness.odd(name) >= 0.6


@pytest.mark.parametrize(
    ("name", "domain"),
    [("a.b.example", "b.example"), ("www.hue.gov.vn", "hue.gov.vn"), ("localhost", "localhost"), ("", "")],
)
def test_the_registered_domain(name: str, domain: str) -> None:
    assert oddness.parent(name) == domain


@given(st.text(max_size=400))
def test_any_text_has_an_oddness(name: str) -> None:
    assert 0 <= oddness.odd(name) <= 1
    oddness.parent(name)
