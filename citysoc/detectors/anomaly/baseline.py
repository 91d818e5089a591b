"""What is usual for an entity at this hour of the week: location and scale of every feature.

Formulas, for entity e, hour of the week s (168), part of the week p(s) (working hours, other hours of
working days, closed days) and each feature, on ``t = log(1 + value)`` of the hours in which e says anything:

    peers     m(l,s), v(l,p)   mean and variance over the entities of the agency's level
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

from citysoc.detectors.anomaly.facts import closed, local

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    import pyarrow as pa

WEEK = 168
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
LEAST_HOURS = 3
"""Entities with fewer hours have no habit of their own: they are judged by their peers."""
FARTHEST = 15.0
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
        slot_means: (slots, features).
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
    slot_means: np.ndarray
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
        return {**plain, **texts}


_TEXTS = ("names", "levels", "agencies", "entities")


def from_parts(parts: dict[str, Any]) -> Baseline:
    """Return what ``Baseline.parts`` gave."""
    import numpy as np

    texts = {name: orjson.loads(bytes(parts[name])) for name in _TEXTS}
    plain = {name: value for name, value in parts.items() if name not in _TEXTS}
    plain["first"], plain["last"] = int(plain["first"]), int(plain["last"])
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


def slot_of(hours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the hour of the local week, Monday first, and the part of the week, of hours since 1970."""
    import numpy as np

    unique, place = np.unique(hours, return_inverse=True)
    moments = [local(int(hour)) for hour in unique]
    slot = np.array([m.weekday() * 24 + m.hour for m in moments], dtype=np.int64)
    shut = np.array([closed(int(hour)) for hour in unique])
    day_open = np.array(
        [
            any(closed(int(h)) < 1 for h in _day(int(hour), m.hour))
            for hour, m in zip(unique, moments, strict=True)
        ]
    )
    part = np.where(shut < 0.75, 0, np.where(day_open, 1, 2)).astype(np.int64)
    # A public holiday on a Tuesday is a Sunday to the people.
    slot = np.where((part == 2) & (slot < 120), 144 + slot % 24, slot)
    return slot[place], part[place]


def _day(hour: int, local_hour: int) -> range:
    return range(hour - local_hour, hour - local_hour + 24)


def fit(chunks: Callable[[], Iterable[pa.Table]], names: Sequence[str], first: int, last: int) -> Baseline:
    """Learn what is usual.

    Args:
        chunks: gives the rows of the window, as ``history.read`` does, each time it is called.
        names: the features.
        first: the window's first hour.
        last: the hour after its last.
    """
    census = _census(chunks())
    sums = _level_sums(chunks(), names, census, _caps(chunks(), names))
    level_means, level_scales = _levels(sums, census)
    own = _own_sums(chunks(), names, census, level_means, level_scales)
    return _finish(names, (first, last), census, (level_means, level_scales), own)


@dataclass(frozen=True, slots=True)
class _Census:
    """Who there is: entities with their agency and level, and how many hours each."""

    entities: np.ndarray
    agency: np.ndarray
    level: np.ndarray
    hours: np.ndarray
    met: np.ndarray
    agencies: np.ndarray
    levels: np.ndarray


def _codes(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Return the different entities (agency, a tab, entity) and each row's number among them."""
    import numpy as np
    import pyarrow.compute as pc

    joined = pc.binary_join_element_wise(table["agency"], table["entity"], "\t").combine_chunks()
    encoded = joined.dictionary_encode()
    if hasattr(encoded, "combine_chunks"):
        encoded = encoded.combine_chunks()
    return np.array(encoded.dictionary.to_pylist(), dtype=str), encoded.indices.to_numpy()


def _census(chunks: Iterable[pa.Table]) -> _Census:
    import numpy as np

    found: dict[str, list[Any]] = {}
    for table in chunks:
        names, codes = _codes(table)
        counts = np.bincount(codes, minlength=len(names))
        firsts = np.full(len(names), np.iinfo(np.int64).max)
        hours = table["hour"].to_numpy()
        np.minimum.at(firsts, codes, hours)
        where = np.zeros(len(names), np.int64)
        where[codes] = np.arange(len(codes))
        levels = table["level"].take(where).to_pylist() if len(names) else []
        for n, name in enumerate(names):
            known = found.setdefault(str(name), [0, int(firsts[n]), levels[n]])
            known[0] += int(counts[n])
            known[1] = min(known[1], int(firsts[n]))
    entities = np.array(sorted(found), dtype=str)
    facts = [found[name] for name in entities]
    agencies, agency = np.unique(
        np.array([name.split("\t")[0] for name in entities], dtype=str), return_inverse=True
    )
    levels, level = np.unique(np.array([fact[2] for fact in facts], dtype=str), return_inverse=True)
    return _Census(
        entities,
        agency,
        level,
        np.array([fact[0] for fact in facts], dtype=np.int64),
        np.array([fact[1] for fact in facts], dtype=np.int64),
        agencies,
        levels,
    )


def values(table: pa.Table, names: Sequence[str]) -> np.ndarray:
    """Return the features of rows as ``log(1 + value)``: (rows, features)."""
    import numpy as np

    if not len(table):
        return np.zeros((0, len(names)), np.float32)
    columns = [np.log1p(np.maximum(table[name].to_numpy(), 0)).astype(np.float32) for name in names]
    return np.column_stack(columns)


def _caps(chunks: Iterable[pa.Table], names: Sequence[str]) -> np.ndarray:
    """Return beyond what a value counts no further among peers: a day in four weeks cannot move it.

    The 95th percentile of all rows, once more its distance from the median, and a factor of e.
    """
    import numpy as np

    some = []
    for table in chunks:
        step = max(1, table.num_rows // 20_000)
        some.append(values(table.take(np.arange(0, table.num_rows, step)), names))
    if not some:
        return np.zeros(len(names), np.float32)
    middle, high = np.percentile(np.concatenate(some), [50, 95], axis=0)
    caps: np.ndarray = (high + (high - middle) + 1.0).astype(np.float32)
    return caps


def _sum_by(codes: np.ndarray, rows: np.ndarray, size: int) -> np.ndarray:
    """Return the sums of rows by code: (size, columns)."""
    import numpy as np

    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    total = np.zeros((size, rows.shape[1]))
    if len(ordered):
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        total[ordered[starts]] = np.add.reduceat(rows[order].astype(np.float64), starts, axis=0)
    return total


def _level_sums(
    chunks: Iterable[pa.Table], names: Sequence[str], census: _Census, caps: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return for each level and slot: hours, sums; for each level and part: hours, sums, squares."""
    import numpy as np

    levels, width = len(census.levels), len(names)
    n_slot, sum_slot = np.zeros(levels * WEEK), np.zeros((levels * WEEK, width))
    n_part = np.zeros(levels * 3)
    sum_part, square = np.zeros((levels * 3, width)), np.zeros((levels * 3, width))
    for table in chunks:
        entity = _numbers(census.entities, table)
        slot, part = slot_of(table["hour"].to_numpy())
        t = np.minimum(values(table, names), caps)
        by_slot, by_part = census.level[entity] * WEEK + slot, census.level[entity] * 3 + part
        n_slot += np.bincount(by_slot, minlength=levels * WEEK)
        n_part += np.bincount(by_part, minlength=levels * 3)
        sum_slot += _sum_by(by_slot, t, levels * WEEK)
        sum_part += _sum_by(by_part, t, levels * 3)
        square += _sum_by(by_part, t * t, levels * 3)
    return n_slot, sum_slot, n_part, sum_part, square


def _levels(
    sums: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray], census: _Census
) -> tuple[np.ndarray, np.ndarray]:
    """Return (levels, 168, features) means, shrunk to the part's, and (levels, 3, features) scales."""
    import numpy as np

    n_slot, sum_slot, n_part, sum_part, square = sums
    levels, width = len(census.levels), sum_slot.shape[1]
    everyone = sum_part.sum(axis=0) / max(n_part.sum(), 1)
    n = n_part[:, None]
    mean = (sum_part + 20 * everyone) / (n + 20)
    overall = square.sum(axis=0) / max(n_part.sum(), 1) - everyone**2
    variance = (np.maximum(square - n * (sum_part / np.maximum(n, 1)) ** 2, 0) + 20 * overall) / (n + 20)
    part = _parts_of_week()
    shaped = mean.reshape(levels, 3, width)[:, part]
    n_week = n_slot.reshape(levels, WEEK, 1)
    means = (sum_slot.reshape(levels, WEEK, width) + 30 * shaped) / (n_week + 30)
    scales = np.sqrt(np.maximum(variance, FLOOR**2)).reshape(levels, 3, width)
    return means.astype(np.float32), scales.astype(np.float32)


def _parts_of_week() -> np.ndarray:
    """Return the part of an ordinary week's hours."""
    import numpy as np

    part = np.ones(WEEK, np.int64)
    part[120:] = 2
    for slot in range(120):
        if slot % 24 in {7, 8, 9, 10, 11, 13, 14, 15, 16, 17}:
            part[slot] = 0
    return part


def _numbers(entities: np.ndarray, table: pa.Table) -> np.ndarray:
    """Return each row's entity number; -1 for unknown ones."""
    import numpy as np

    names, codes = _codes(table)
    if not len(entities):
        return np.full(len(codes), -1)
    place = np.minimum(np.searchsorted(entities, names), len(entities) - 1)
    number = np.where(entities[place] == names, place, -1)
    result: np.ndarray = number[codes]
    return result


@dataclass(frozen=True, slots=True)
class _Own:
    hours: np.ndarray
    sums: np.ndarray
    squares: np.ndarray
    slots: np.ndarray
    slot_hours: np.ndarray
    slot_sums: np.ndarray


def _own_sums(
    chunks: Iterable[pa.Table],
    names: Sequence[str],
    census: _Census,
    level_means: np.ndarray,
    level_scales: np.ndarray,
) -> _Own:
    """Return the clipped sums of each entity, by part and by hour of the week."""
    import numpy as np

    width, count = len(names), len(census.entities)
    hours, sums, squares = np.zeros(count * 3), np.zeros((count * 3, width)), np.zeros((count * 3, width))
    # Nothing yet is a sum, too: a city may have no row of a kind.
    keys: list[np.ndarray] = [np.zeros(0, np.int64)]
    totals: list[np.ndarray] = [np.zeros((0, width), np.float32)]
    weights: list[np.ndarray] = [np.zeros(0, np.int64)]
    for table in chunks:
        entity = _numbers(census.entities, table)
        slot, part = slot_of(table["hour"].to_numpy())
        level = census.level[entity]
        middle, room = level_means[level, slot], CLIP * level_scales[level, part]
        t = np.clip(values(table, names), middle - room, middle + room)
        by_part = entity * 3 + part
        hours += np.bincount(by_part, minlength=count * 3)
        sums += _sum_by(by_part, t, count * 3)
        squares += _sum_by(by_part, t * t, count * 3)
        unique, inverse = np.unique(entity * WEEK + slot, return_inverse=True)
        keys.append(unique)
        totals.append(_sum_by(inverse, t, len(unique)).astype(np.float32))
        weights.append(np.bincount(inverse, minlength=len(unique)))
        if len(keys) > 2:
            keys, totals, weights = _joined(keys, totals, weights)
    keys, totals, weights = _joined(keys, totals, weights)
    return _Own(hours, sums, squares, keys[0], weights[0], totals[0])


def _joined(
    keys: list[np.ndarray], totals: list[np.ndarray], weights: list[np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]:
    import numpy as np

    unique, inverse = np.unique(np.concatenate(keys), return_inverse=True)
    total = np.zeros((len(unique), totals[0].shape[1]), np.float32)
    weight = np.zeros(len(unique), np.int64)
    start = 0
    for part, count in zip(totals, weights, strict=True):
        place = inverse[start : start + len(part)]
        total[place] += part
        weight[place] += count
        start += len(part)
    return [unique], [total], [weight]


def _finish(
    names: Sequence[str],
    window: tuple[int, int],
    census: _Census,
    peers: tuple[np.ndarray, np.ndarray],
    own: _Own,
) -> Baseline:
    import numpy as np

    first, last = window

    width, count = len(names), len(census.entities)
    agencies, levels = len(census.agencies), len(census.levels)
    hours = own.hours.reshape(count, 3)
    sums = own.sums.reshape(count, 3, width)
    means = sums / np.maximum(hours[:, :, None], 1)
    variances = np.maximum(
        own.squares.reshape(count, 3, width) / np.maximum(hours[:, :, None], 1) - means**2, 0
    )
    together = np.zeros((agencies, 3, width))
    weight = np.zeros((agencies, 3))
    np.add.at(together, census.agency, sums)
    np.add.at(weight, census.agency, hours)
    members = np.bincount(census.agency, minlength=agencies)
    agency_means = np.where(
        (members[:, None, None] > 1) & (weight[:, :, None] >= 20),
        together / np.maximum(weight[:, :, None], 1),
        np.nan,
    )
    weeks = np.maximum((last - census.met) / WEEK, 1.0)
    per_slot = np.zeros((levels, WEEK))
    np.add.at(per_slot, (census.level[own.slots // WEEK], own.slots % WEEK), own.slot_hours)
    there = np.bincount(census.level, weights=weeks, minlength=levels)
    kept = census.hours >= LEAST_HOURS
    number = np.cumsum(kept) - 1
    with_slot = kept[own.slots // WEEK]
    slots = number[own.slots // WEEK] * WEEK + own.slots % WEEK
    return Baseline(
        names=tuple(names),
        first=first,
        last=last,
        levels=tuple(map(str, census.levels)),
        agencies=tuple(map(str, census.agencies)),
        entities=census.entities[kept],
        met=census.met[kept],
        hours=hours[kept].astype(np.float32),
        means=means[kept].astype(np.float32),
        variances=variances[kept].astype(np.float32),
        slots=slots[with_slot],
        slot_hours=own.slot_hours[with_slot].astype(np.float32),
        slot_means=(own.slot_sums / np.maximum(own.slot_hours[:, None], 1))[with_slot].astype(np.float32),
        level_means=peers[0],
        level_scales=peers[1],
        level_rates=np.minimum(per_slot / np.maximum(there[:, None], 1), 1.0),
        agency_means=agency_means.astype(np.float32),
    )


def judge(baseline: Baseline, table: pa.Table) -> Judged:
    """Return rows against what is usual for their entity, its agency and its level."""
    import numpy as np

    t = values(table, baseline.names)
    if not len(t):
        empty = np.zeros((0, len(baseline.names) + 1))
        return Judged(empty, empty, empty)
    slot, part = slot_of(table["hour"].to_numpy())
    level = _place(baseline.levels, table["level"].to_pylist())
    agency = _place(baseline.agencies, table["agency"].to_pylist())
    entity = _numbers(baseline.entities, table)
    peers = baseline.level_means[level, slot] if len(baseline.levels) else np.zeros_like(t)
    ours = baseline.agency_means[agency, part]
    prior = np.where((agency[:, None] >= 0) & np.isfinite(ours), (peers + ours) / 2, peers)
    known = entity >= 0
    n = np.where(known, baseline.hours[entity, part], 0)[:, None] if len(baseline.entities) else 0 * t[:, :1]
    mean = np.where(known[:, None], baseline.means[entity, part], 0) if len(baseline.entities) else 0 * t
    center = (n * mean + K_PART * prior) / (n + K_PART)
    place, weeks = _slots(baseline, entity, slot)
    own = np.where(weeks[:, None] > 0, baseline.slot_means[place], 0) if len(baseline.slots) else 0 * t
    center = (weeks[:, None] * own + K_SLOT * center) / (weeks[:, None] + K_SLOT)
    spread = baseline.level_scales[level, part] ** 2
    variance = (
        np.where(known[:, None], baseline.variances[entity, part], 0) if len(baseline.entities) else 0 * t
    )
    scale = np.sqrt(np.maximum((n * variance + K_PART * spread) / (n + K_PART), FLOOR**2))
    residual = np.clip((t - center) / scale, -2, FARTHEST)
    hour = _unusual(baseline, entity, level, slot, weeks)
    return Judged(
        residual=np.column_stack([residual, hour]).astype(np.float32),
        expected=np.column_stack([np.expm1(center), np.zeros(len(t))]),
        limit=np.column_stack([np.expm1(center + 2 * scale), np.full(len(t), 1.0)]),
    )


def _place(names: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    import numpy as np

    number = {name: n for n, name in enumerate(names)}
    # An unknown level is judged as the first, an unknown agency has no peers of its own.
    return np.array([number.get(name, -1) for name in wanted], dtype=np.int64)


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
