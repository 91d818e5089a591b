"""What is usual for an entity at this hour of the week: location and scale of every feature.

Formulas, for entity e, hour of the week s (168), part of the week p(s) (working hours, other hours of
working days, closed days) and each feature, on ``t = log(1 + value)`` of the hours in which e says anything:

    peers     m(l,s), v(l,p)   mean and variance over the entities of the agency's level; each agency weighs one in an hour
    agency    m(a,p)           mean over the entities of the same agency
    prior     c0 = (m(l,s) + m(a,p)) / 2, where the agency has other entities; m(l,s) otherwise
    habit     c1(e,p) = (n t̄(e,p) + K_PART c0) / (n + K_PART)
    expected  c(e,s)  = (n t̄(e,s) + K_SLOT c1) / (n + K_SLOT)
    scale     s(e,p)² = (n var(e,p) + K_PART v(l,p)) / (n + K_PART), at least FLOOR²
    residual  z = (t - c) / s

So an entity without history is judged by its agency and level, and one with history by its own habit.
Every value enters the means clipped to ``CLIP`` scales around what peers of the level have: no hour can
move a mean far (``MOST_SHIFT``), however wild it was. One residual more says how unusual it is that the
entity speaks at all at this hour: ``unusual_hour = -ln rate(e,s)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.detectors.anomaly import sparse
from citysoc.detectors.anomaly.rows import numbers, values
from citysoc.detectors.anomaly.week import WEEK, slot_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pyarrow as pa

    from citysoc.detectors.anomaly.sparse import Sparse

K_PART = 12.0
"""Hours of history that weigh as much as the peers."""
K_SLOT = 4.0
"""Weeks of history that weigh as much as the habit of the part of the week."""
K_RATE = 3.0
FLOOR = 0.3
"""The least scale, in units of log(1 + value)."""
CLIP = 3.0
"""Peer scales beyond which a value counts no further into a mean."""
MOST_SHIFT = 1.5
"""Peer scales by which the doings of one day can move an agency's expected value, with four weeks of history and six
agencies or more of its level."""
MOST_SHIFT_OF_MACHINES = 4.5
"""The same for the expected values of an agency's machines when every one of them goes wild for a whole day."""
LEAST_HOURS = 3
"""Entities with fewer hours have no habit of their own: they are judged by their peers."""
FARTHEST = 15.0
BLOCK_ROWS = 50_000
"""Rows whose residuals are computed at once."""
UNUSUAL_HOUR = "unusual_hour"


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is usual, for one kind of entity.

    Args:
        names: the features.
        first: the window's first hour.
        last: the hour after its last.
        levels: names of levels.
        agencies: ids of agencies.
        entities: agency, a tab, entity; sorted.
        met: each entity's first hour.
        hours: (entities, 3) hours with events in each part.
        means: (entities, 3, features).
        variances: (entities, 3, features).
        slots: sorted ``entity * 168 + hour of the week``.
        slot_hours: how many weeks each slot had events.
        slot_means: (slots, features), of which most are zero.
        level_means: (levels, 168, features).
        level_scales: (levels, 3, features).
        level_rates: (levels, 168) share of hours in which an entity says anything.
        agency_means: (agencies, 3, features), not a number where there are no peers.
    """

    names: tuple[str, ...]
    first: int
    last: int
    levels: tuple[str, ...]
    agencies: tuple[str, ...]
    entities: np.ndarray
    met: np.ndarray
    hours: np.ndarray
    means: np.ndarray
    variances: np.ndarray
    slots: np.ndarray
    slot_hours: np.ndarray
    slot_means: Sparse
    level_means: np.ndarray
    level_scales: np.ndarray
    level_rates: np.ndarray
    agency_means: np.ndarray

    def parts(self) -> dict[str, Any]:
        """Return it as arrays and numbers, for a file."""
        import numpy as np

        plain = {name: getattr(self, name) for name in self.__slots__ if name not in _TEXTS}
        texts = {
            name: np.frombuffer(orjson.dumps([str(text) for text in getattr(self, name)]), np.uint8)
            for name in _TEXTS
        }
        return {**plain, **texts, "slot_means": self.slot_means.parts()}


_TEXTS = ("names", "levels", "agencies", "entities")


def from_parts(parts: dict[str, Any]) -> Baseline:
    """Return what ``Baseline.parts`` gave."""
    import numpy as np

    texts = {name: orjson.loads(bytes(parts[name])) for name in _TEXTS}
    plain = {name: value for name, value in parts.items() if name not in _TEXTS}
    plain["first"], plain["last"] = int(plain["first"]), int(plain["last"])
    plain["slot_means"] = sparse.from_parts(parts["slot_means"], len(texts["names"]))
    return Baseline(
        **plain,
        names=tuple(texts["names"]),
        levels=tuple(texts["levels"]),
        agencies=tuple(texts["agencies"]),
        entities=np.array(texts["entities"], dtype=str),
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """Rows against the baseline: (rows, features + 1), the last column is ``unusual_hour``.

    Args:
        residual: in scales, from -2 to ``FARTHEST``.
        expected: the expected value, in the feature's own unit.
        limit: expected plus two scales, in the feature's own unit.
    """

    residual: np.ndarray
    expected: np.ndarray
    limit: np.ndarray


def judge(baseline: Baseline, table: pa.Table) -> Judged:
    """Return rows against what is usual for their entity, its agency and its level; for few rows."""
    import numpy as np

    if not table.num_rows:
        empty = np.zeros((0, len(baseline.names) + 1), np.float32)
        return Judged(empty, empty, empty)
    residual, center, scale = _against(baseline, table)
    nothing = np.zeros(len(center))
    return Judged(
        residual=residual,
        expected=np.column_stack([np.expm1(center), nothing]),
        limit=np.column_stack([np.expm1(center + 2 * scale), nothing + 1.0]),
    )


def residuals(baseline: Baseline, table: pa.Table) -> np.ndarray:
    """Return only the residuals that ``judge`` gives, of any number of rows."""
    import numpy as np

    result = np.empty((table.num_rows, len(baseline.names) + 1), np.float32)
    for start in range(0, table.num_rows, BLOCK_ROWS):
        block = table.slice(start, BLOCK_ROWS)
        result[start : start + block.num_rows] = _against(baseline, block)[0]
    return result


def _against(baseline: Baseline, table: pa.Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return residuals (rows, features + 1), and of the features what is expected and its scale."""
    import numpy as np

    t = values(table, baseline.names)
    slot, part = slot_of(table["hour"].to_numpy())
    level = _place(baseline.levels, table["level"])
    agency = _place(baseline.agencies, table["agency"])
    entity = numbers(baseline.entities, table)
    peers = baseline.level_means[level, slot] if len(baseline.levels) else np.zeros_like(t)
    ours = baseline.agency_means[agency, part]
    prior = np.where((agency[:, None] >= 0) & np.isfinite(ours), (peers + ours) / 2, peers)
    known = entity >= 0
    n = np.where(known, baseline.hours[entity, part], 0)[:, None] if len(baseline.entities) else 0 * t[:, :1]
    mean = np.where(known[:, None], baseline.means[entity, part], 0) if len(baseline.entities) else 0 * t
    center = (n * mean + K_PART * prior) / (n + K_PART)
    place, weeks = _slots(baseline, entity, slot)
    own = np.where(weeks[:, None] > 0, baseline.slot_means.rows(place), 0) if len(baseline.slots) else 0 * t
    center = (weeks[:, None] * own + K_SLOT * center) / (weeks[:, None] + K_SLOT)
    spread = baseline.level_scales[level, part] ** 2
    variance = (
        np.where(known[:, None], baseline.variances[entity, part], 0) if len(baseline.entities) else 0 * t
    )
    scale = np.sqrt(np.maximum((n * variance + K_PART * spread) / (n + K_PART), FLOOR**2))
    hour = _unusual(baseline, entity, level, slot, weeks)
    residual = np.column_stack([np.clip((t - center) / scale, -2, FARTHEST), hour]).astype(np.float32)
    return residual, center, scale


def _place(names: Sequence[str], wanted: pa.ChunkedArray) -> np.ndarray:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    # An unknown level is judged as the last, an unknown agency has no peers of its own.
    found = pc.index_in(wanted, pa.array(names, pa.string()))
    return np.asarray(pc.fill_null(found, -1).combine_chunks(), dtype=np.int64)


def _slots(baseline: Baseline, entity: np.ndarray, slot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's place among the slots, and the weeks in which it had events; 0 for none."""
    import numpy as np

    if not len(baseline.slots):
        return np.zeros(len(entity), np.int64), np.zeros(len(entity))
    wanted = np.where(entity >= 0, entity * WEEK + slot, -1)
    place = np.minimum(np.searchsorted(baseline.slots, wanted), len(baseline.slots) - 1)
    weeks = np.where(baseline.slots[place] == wanted, baseline.slot_hours[place], 0.0)
    return place, weeks


def _unusual(
    baseline: Baseline, entity: np.ndarray, level: np.ndarray, slot: np.ndarray, weeks: np.ndarray
) -> np.ndarray:
    """Return -ln of the rate at which the entity speaks at this hour, shrunk to its level's."""
    import numpy as np

    rate = baseline.level_rates[level, slot] if len(baseline.levels) else np.full(len(entity), 0.5)
    if not len(baseline.entities):
        return np.zeros(len(entity))
    seen = np.where(entity >= 0, np.maximum((baseline.last - baseline.met[entity]) / WEEK, 0.0), 0.0)
    own = (weeks + K_RATE * rate) / (seen + K_RATE)
    result: np.ndarray = np.clip(-np.log(np.clip(own, 1e-4, 1.0)), 0, 10)
    return result
