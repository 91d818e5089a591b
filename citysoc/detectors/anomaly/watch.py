"""What scoring saw of each family, hour by hour, in a file beside the model: of these counts drift is made.

An hour that is scored again takes the place of what was counted before; a new model begins anew.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.detectors.anomaly import drift
from citysoc.detectors.anomaly.feature import FAMILIES
from citysoc.detectors.anomaly.model import family_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from citysoc.detectors.anomaly.feature import Kind
    from citysoc.detectors.anomaly.model import KindModel, Model, Scored

HOURS = 168
"""So many hours before the last are looked at: a week, as habits go by the week."""
LEAST_HOURS = 120
"""With fewer hours nothing is said: nights and Sundays are other than the week."""
LEAST_ROWS = 500

Counts = dict[str, dict[str, dict[str, list[int]]]]
"""Hour, kind, family: how many rows in each bin."""


@dataclass(frozen=True, slots=True)
class Drift:
    """How far one family of one kind has moved.

    Args:
        kind: of entity.
        family: of features.
        index: how far; see ``drift``.
        often: how many times as often something happens as in the quiet days.
        rows: how many rows were seen.
        hours: in how many hours.
    """

    kind: str
    family: str
    index: float
    often: float
    rows: int
    hours: int

    @property
    def state(self) -> str:
        """``steady``, ``moved`` or ``drifted``; ``early`` while too little was seen."""
        if self.hours < LEAST_HOURS or self.rows < LEAST_ROWS:
            return "early"
        if self.index > drift.DRIFTED:
            return "drifted"
        return "moved" if self.index > drift.MOVED else "steady"


def count(counts: Counts, model: KindModel, kind: Kind, scored: Scored) -> None:
    """Add the rows of whole hours to the counts."""
    import numpy as np

    hours = scored.table["hour"].to_numpy()
    happened = drift.happened(scored.table, {name: family_of(name) for name in model.baseline.names})
    for hour in np.unique(hours):
        rows = hours == hour
        found = counts.setdefault(str(int(hour)), {})
        found[kind] = {
            family: drift.counts(model.shapes[family], scored.families[rows, n], happened[rows, n])
            for n, family in enumerate(FAMILIES)
            if family in model.shapes
        }


def keep(folder: Path, model: Model, counts: Counts) -> None:
    """Put what was counted into the file, with what it says of the last week."""
    told = _hours(folder, model)
    told.update(counts)
    last = max(map(int, told), default=0)
    kept = {hour: told[hour] for hour in sorted(told, key=int) if int(hour) > last - HOURS}
    drifts = [asdict(one) for one in compare(model, kept)]
    new = folder / "drift.json.new"
    new.write_bytes(orjson.dumps({"model": model.facts.get("digest", ""), "drifts": drifts, "hours": kept}))
    new.replace(folder / "drift.json")


def compare(model: Model, counts: Counts) -> list[Drift]:
    """Return how far each family of each kind has moved in counted hours, the farthest first."""
    found = []
    for kind, one in model.kinds.items():
        for family, shape in one.shapes.items():
            seen = {hour: told[kind][family] for hour, told in counts.items() if family in told.get(kind, {})}
            moved = drift.compare(shape, _by_day(seen))
            rows, often = sum(map(sum, seen.values())), round(moved.often, 3)
            found.append(Drift(kind, family, round(moved.index, 4), often, rows, len(seen)))
    return sorted(found, key=lambda one: (-one.index, one.kind, one.family))


def _by_day(hours: Mapping[str, Sequence[int]]) -> drift.Days:
    """Return the counts of each day since 1970; of an hour with other bins than the others' nothing."""
    days: drift.Days = {}
    for hour, bins in hours.items():
        before = days.setdefault(int(hour) // 24, [0] * len(bins))
        if len(before) == len(bins):
            days[int(hour) // 24] = [a + b for a, b in zip(before, bins, strict=True)]
    return days


def drifts(folder: Path, digest: str) -> list[Drift]:
    """Return what the file says of a model's last week; nothing when it is lost, damaged or of another model."""
    told = _told(folder, digest)
    try:
        return [Drift(**one) for one in told.get("drifts", [])]
    except TypeError:
        return []


def _hours(folder: Path, model: Model) -> Counts:
    hours = _told(folder, str(model.facts.get("digest", ""))).get("hours", {})
    try:
        return {str(int(hour)): kinds for hour, kinds in hours.items()}
    except (AttributeError, ValueError):
        return {}


def _told(folder: Path, digest: str) -> dict[str, Any]:
    try:
        told = orjson.loads((folder / "drift.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) and told.get("model") == digest else {}
