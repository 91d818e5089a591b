"""What the figures of a report mean, and how complete each of them is. The data is ``definitions.yml``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from citysoc.reports.figures import Figures


@cache
def texts() -> dict[str, dict[str, str]]:
    """Return by figure: its meaning in Vietnamese and English, its query or source, and over what time."""
    text = Path(__file__).with_name("definitions.yml").read_bytes()
    data: dict[str, dict[str, str]] = yaml.load(text, Loader=yaml.CSafeLoader)  # noqa: TID251  safe
    return data


def definitions(figures: Figures) -> dict[str, dict[str, Any]]:
    """Return the definitions with the completeness of each figure.

    A figure over event time is as complete as the streams behind it: ``streams_quiet`` of
    ``streams_expected`` did not speak as they should, so that it may be too small. Figures of stored
    records are exact for what arrived.
    """
    expected = sum(figures.streams.values())
    complete = {
        "streams_expected": expected,
        "streams_quiet": expected - figures.streams.get("ok", 0),
        "records_unaccounted": figures.completeness.received
        - figures.completeness.stored
        - figures.completeness.duplicate
        - figures.completeness.quarantined
        - figures.completeness.rejected,
        "records_quarantined": figures.completeness.quarantined,
    }
    return {name: {**meaning, "completeness": complete} for name, meaning in texts().items()}
