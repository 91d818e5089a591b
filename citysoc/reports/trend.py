"""Days as a chart shows them: one by one for a month, by weeks for a quarter, by months beyond."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING

from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Mapping

DAYS = 31
WEEKS = 16 * 7


def steps(days: Mapping[str, Mapping[str, int]]) -> dict[str, Counter[str]]:
    """Return label to counts, from left to right.

    Args:
        days: local date to counts by name, every date of the period in order.
    """
    found: dict[str, Counter[str]] = {}
    for day, counts in days.items():
        found.setdefault(_label(dt.date.fromisoformat(day), len(days)), Counter()).update(counts)
    return found


def _label(day: dt.date, days: int) -> str:
    if days <= DAYS:
        return f"{day:%d}"
    if days <= WEEKS:
        monday = day - dt.timedelta(days=day.weekday())
        return f"{monday:%d/%m}"
    return f"{day:%m/%Y}"


def caption(days: int) -> str:
    """Return what a chart of so many days shows."""
    if days <= DAYS:
        return _("Events by day")
    return _("Events by week, from its Monday on") if days <= WEEKS else _("Events by month")


def class_caption(days: int) -> str:
    """Return what a chart of the classes over so many days shows."""
    if days <= DAYS:
        return _("Events by day and class, each on its own scale")
    if days <= WEEKS:
        return _("Events by week and class, each on its own scale")
    return _("Events by month and class, each on its own scale")
