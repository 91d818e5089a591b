"""What the figures of a report mean and rest on, and how complete each of them is. The data is ``definitions.yml``."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from citysoc.reports.figures import Figures


@cache
def texts() -> dict[str, dict[str, str]]:
    """Return by figure: its meaning in Vietnamese and English, its query or source, what it rests on, over what time."""
    text = Path(__file__).with_name("definitions.yml").read_bytes()
    data: dict[str, dict[str, str]] = yaml.load(text, Loader=yaml.CSafeLoader)  # noqa: TID251  safe
    return data


def definitions(figures: Figures) -> dict[str, dict[str, Any]]:
    """Return the definitions, each with the completeness of what its figure rests on."""
    return {
        name: {
            **meaning,
            "rests_on": list(rests_on(name)),
            "completeness": completeness(figures, rests_on(name)),
        }
        for name, meaning in texts().items()
    }


def rests_on(name: str) -> tuple[str, ...]:
    """Return the kinds of sources that a figure rests on: ``antivirus``, ``network``, ``hosts``, ``other``.

    ``state`` are the tables of alerts and incidents, ``registry`` is the configuration.
    """
    return tuple(texts()[name]["rests_on"].split())


def completeness(figures: Figures, kinds: tuple[str, ...]) -> dict[str, Any]:
    """Return how far a figure that rests on some kinds of sources can be trusted.

    ``complete`` is whether nothing is known to be missing, None where no stream is expected that could tell, or
    the period has yet to begin. A
    figure over events is as complete as the expected streams of its kinds: ``streams_lacking`` of them told of no
    event for longer than they may be silent, ``hours_lacking`` in all of the ``hours_expected``; ``records_unaccounted`` are lost, in
    ``records_quarantined`` and ``records_rejected`` there may be more. What rests on the state lacks what
    correlations left out.
    """
    if kinds == ("registry",):
        return {"complete": True}
    if kinds == ("state",):
        return {"complete": not figures.left_out, "events_left_out": figures.left_out}
    of_kind = [row for row in figures.sources if not set(kinds).isdisjoint(row.kinds)]
    expected = [row for row in of_kind if row.expected]
    lacking = sum(row.gaps > 0 for row in expected)
    unaccounted = sum(row.unaccounted for row in of_kind)
    hours = sum(row.hours_expected for row in expected)
    return {
        "complete": not lacking and not unaccounted if hours else None,
        "streams_expected": len(expected),
        "streams_lacking": lacking,
        "hours_lacking": sum(row.hours_lacking for row in expected),
        "hours_expected": hours,
        "records_quarantined": sum(row.quarantined for row in of_kind),
        "records_rejected": sum(row.rejected for row in of_kind),
        "records_unaccounted": unaccounted,
    }
