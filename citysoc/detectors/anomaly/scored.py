"""Which hours were scored already: from how many events, by which model, with which feedback; in a file beside the model.

The schedule looks at the last 26 hours each time, and nearly always only the newest of them is new. Habits and novelty of
an hour hang on those before it, so everything from the first hour that changed is scored again. A lost file, another
model or other feedback make everything due.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import orjson

from citysoc.detectors.anomaly.days import manifest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KEPT_HOURS = 240


def key(digest: str, lowered: Mapping[tuple[str, str, str], float]) -> str:
    """Return what scores hang on beside the events: the model's digest and the feedback in force."""
    feedback = orjson.dumps(sorted((*pattern, nats) for pattern, nats in lowered.items()))
    return f"{digest} {hashlib.blake2b(feedback, digest_size=8).hexdigest()}"


def events(table: Path, first: int, last: int) -> dict[str, int]:
    """Return from how many events each hour of the feature table was made, zero for none."""
    told = {day: manifest(table, day) for day in range(first // 24, (last - 1) // 24 + 1)}
    return {str(hour): told[hour // 24].get(str(hour), 0) for hour in range(first, last)}


def due(folder: Path, what: str, counted: Mapping[str, int]) -> int | None:
    """Return the first hour that was not scored as it is now; None where all were.

    Args:
        folder: where the models are.
        what: the ``key``.
        counted: the ``events`` of consecutive hours.
    """
    known = _read(folder, what)
    return next((int(hour) for hour, count in counted.items() if known.get(hour) != count), None)


def keep(folder: Path, what: str, counted: Mapping[str, int]) -> None:
    """Write down that hours were scored."""
    hours = {**_read(folder, what), **counted}
    last = max(map(int, hours), default=0)
    kept = {hour: count for hour, count in hours.items() if int(hour) > last - KEPT_HOURS}
    new = folder / "scored.json.new"
    new.write_bytes(orjson.dumps({"key": what, "hours": kept}))
    new.replace(folder / "scored.json")


def _read(folder: Path, what: str) -> dict[str, int]:
    try:
        told = orjson.loads((folder / "scored.json").read_bytes())
        return (
            {str(int(hour)): int(count) for hour, count in told["hours"].items()}
            if told["key"] == what
            else {}
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
