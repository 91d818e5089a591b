"""Why something is an anomaly, for people: features in words, what was expected, the days before."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from citysoc.detectors.anomaly import history
from citysoc.detectors.anomaly.baseline import UNUSUAL_HOUR
from citysoc.detectors.anomaly.days import days, files, hour_of
from citysoc.detectors.anomaly.families import BY_NAME, HOURLY
from citysoc.flow import CITY_AGENCY
from citysoc.i18n import _

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

_BARS = "▁▂▃▄▅▆▇█"
_HOURLY = frozenset(feature.name for feature in HOURLY)
_UNUSUAL = {"en": "how unusual this hour is for it (nats)", "vi": "mức bất thường của khung giờ này (nat)"}


def words(feature: str, language: str) -> str:
    """Return a feature in the words of a language, ``vi`` or ``en``."""
    if feature == UNUSUAL_HOUR:
        return _UNUSUAL["vi" if language == "vi" else "en"]
    known = BY_NAME.get(feature)
    if known is None:
        return feature
    return known.vi if language == "vi" else known.en


def amount(feature: str, value: float) -> str:
    """Return a value with its unit as people read it: bytes in powers of ten."""
    known = BY_NAME.get(feature)
    if known is not None and known.unit == "bytes":
        for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
            if value >= size:
                return f"{value / size:.1f} {unit}"
        return f"{value:.0f} B"
    return f"{value:.0f}" if value == round(value) else f"{value:.1f}"


def rarity(score: float) -> str:
    """Return how often so high a score is expected in quiet times, in the whole city: ``e^score`` days."""
    days = math.exp(min(score, 20.0))
    if days < 2:
        return _("{count:.0f} hours").format(count=max(2.0, 24 * days))
    if days < 730:
        return _("{count:.0f} days").format(count=days)
    return _("{count:.0f} years").format(count=days / 365) if days < 36_500 else _("more than 100 years")


def sparkline(values: list[float]) -> str:
    """Return values as a row of bars; the largest fills its place.

    >>> sparkline([0, 1, 2, 4])
    '▁▂▄█'
    """
    most = max(values, default=0.0)
    if most <= 0:
        return _BARS[0] * len(values)
    return "".join(_BARS[min(7, int(value / most * 7.999))] for value in values)


def meets(folder: Path, entity: str, hour: dt.datetime) -> list[str]:
    """Return the agencies that an address outside met in an hour, the most first."""
    import duckdb

    number = hour_of(hour)
    paths = [str(path) for path in files(folder, [d for d in days(folder) if d == number // 24])[::2]]
    if not paths:
        return []
    with duckdb.connect() as db:
        rows = db.execute(
            "SELECT meets FROM read_parquet(?) WHERE kind = 'outside' AND entity = ? AND hour = ?",
            [paths, entity, number],
        ).fetchall()
    return [agency for agency in rows[0][0].split() if agency != CITY_AGENCY] if rows else []


def series(
    folder: Path, kind: str, agency: str, entity: str, feature: str, *, until: dt.datetime, hours: int = 72
) -> list[float]:
    """Return a feature of an entity in the hours up to a moment, zero where it said nothing.

    Args:
        folder: the feature table.
        kind: of entity.
        agency: its agency; empty for addresses outside.
        entity: its name.
        feature: an hourly feature, or one that needs memory.
        until: the end of the last hour.
        hours: how many.
    """
    import duckdb

    last = hour_of(until)
    first = last - hours
    found: dict[int, float] = {}
    if feature in _HOURLY:
        paths = [
            str(p) for p in files(folder, [d for d in days(folder) if first // 24 <= d <= last // 24])[::2]
        ]
        if paths:
            with duckdb.connect() as db:
                rows = db.execute(
                    f"SELECT hour, {feature} FROM read_parquet(?) WHERE kind = ? AND agency = ? AND entity = ?"  # noqa: S608  one of our own names
                    " AND hour >= ? AND hour < ?",
                    [paths, kind, agency, entity, first, last],
                ).fetchall()
            found = {int(hour): float(value) for hour, value in rows}
    elif feature in BY_NAME and kind in BY_NAME[feature].kinds:
        table: Any = history.read(folder, BY_NAME[feature].kinds[0], first, last)
        columns = (table["agency"], table["entity"], table["hour"], table[feature])
        every = zip(*(column.to_pylist() for column in columns), strict=True)
        found = {h: float(v) for a, e, h, v in every if (a, e) == (agency, entity)}
    return [found.get(hour, 0.0) for hour in range(first, last)]
