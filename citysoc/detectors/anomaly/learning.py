"""Learn a baseline (the formulas are there): passes over the window's rows, of which only sums are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citysoc.detectors.anomaly.baseline import CLIP, FLOOR, LEAST_HOURS, Baseline
from citysoc.detectors.anomaly.rows import entity_codes, numbers, values
from citysoc.detectors.anomaly.sparse import sparse
from citysoc.detectors.anomaly.week import WEEK, parts_of_week, slot_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    import pyarrow as pa


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
    own = _own_sums(chunks, names, census, level_means, level_scales)
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


def _census(chunks: Iterable[pa.Table]) -> _Census:
    import numpy as np

    found: dict[str, list[Any]] = {}
    for table in chunks:
        names, codes = entity_codes(table)
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


def _add_by(total: np.ndarray, codes: np.ndarray, rows: np.ndarray) -> None:
    """Add rows to the lines of a total that their codes name."""
    import numpy as np

    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    if len(ordered):
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        total[ordered[starts]] += np.add.reduceat(rows[order], starts, axis=0, dtype=np.float64)


def _weights(table: pa.Table) -> np.ndarray:
    """Return what each row weighs among the peers: each agency's machines or accounts together one in an hour.

    So an agency all of whose machines go wild does not become what is usual at its level. Addresses outside, which
    are of no agency, weigh one each.
    """
    import numpy as np

    agency = table["agency"].combine_chunks().dictionary_encode()
    number = np.asarray(agency.indices).astype(np.int64)
    hours = table["hour"].to_numpy().astype(np.int64)
    _, place, rows = np.unique(number << 32 | hours, return_inverse=True, return_counts=True)
    alone = np.array([not name for name in agency.dictionary.to_pylist()])[number]
    weights: np.ndarray = np.where(alone, 1.0, 1.0 / rows[place]).astype(np.float32)
    return weights


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
        entity = numbers(census.entities, table)
        slot, part = slot_of(table["hour"].to_numpy())
        t = np.minimum(values(table, names), caps)
        weight = _weights(table)
        by_slot, by_part = census.level[entity] * WEEK + slot, census.level[entity] * 3 + part
        n_slot += np.bincount(by_slot, weight, minlength=levels * WEEK)
        n_part += np.bincount(by_part, weight, minlength=levels * 3)
        heavy = t * weight[:, None]
        _add_by(sum_slot, by_slot, heavy)
        _add_by(sum_part, by_part, heavy)
        _add_by(square, by_part, heavy * t)
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
    part = parts_of_week()
    shaped = mean.reshape(levels, 3, width)[:, part]
    n_week = n_slot.reshape(levels, WEEK, 1)
    means = (sum_slot.reshape(levels, WEEK, width) + 30 * shaped) / (n_week + 30)
    scales = np.sqrt(np.maximum(variance, FLOOR**2)).reshape(levels, 3, width)
    return means.astype(np.float32), scales.astype(np.float32)


@dataclass(frozen=True, slots=True)
class _Own:
    hours: np.ndarray
    sums: np.ndarray
    squares: np.ndarray
    slots: np.ndarray
    slot_hours: np.ndarray
    slot_sums: np.ndarray


def _own_sums(
    chunks: Callable[[], Iterable[pa.Table]],
    names: Sequence[str],
    census: _Census,
    level_means: np.ndarray,
    level_scales: np.ndarray,
) -> _Own:
    """Return the clipped sums of each entity, by part and by hour of the week."""
    import numpy as np

    width, count = len(names), len(census.entities)
    hours, sums, squares = np.zeros(count * 3), np.zeros((count * 3, width)), np.zeros((count * 3, width))
    slots = _slots(chunks(), census)
    slot_hours, slot_sums = np.zeros(len(slots), np.int64), np.zeros((len(slots), width), np.float32)
    for table in chunks():
        entity = numbers(census.entities, table)
        slot, part = slot_of(table["hour"].to_numpy())
        level = census.level[entity]
        middle, room = level_means[level, slot], CLIP * level_scales[level, part]
        t = np.clip(values(table, names), middle - room, middle + room)
        by_part = entity * 3 + part
        hours += np.bincount(by_part, minlength=count * 3)
        _add_by(sums, by_part, t)
        _add_by(squares, by_part, t * t)
        place = np.searchsorted(slots, entity * WEEK + slot)
        slot_hours += np.bincount(place, minlength=len(slots))
        _add_by(slot_sums, place, t)
    return _Own(hours, sums, squares, slots, slot_hours, slot_sums)


def _slots(chunks: Iterable[pa.Table], census: _Census) -> np.ndarray:
    """Return which hours of the week of which entities occur: sorted ``entity * 168 + hour of the week``."""
    import numpy as np

    found = np.zeros(0, np.int64)
    for table in chunks:
        slot, _ = slot_of(table["hour"].to_numpy())
        found = np.union1d(found, numbers(census.entities, table) * WEEK + slot)
    return found


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
        slot_means=sparse(_divided(own.slot_sums, own.slot_hours, with_slot)),
        level_means=peers[0],
        level_scales=peers[1],
        level_rates=np.minimum(per_slot / np.maximum(there[:, None], 1), 1.0),
        agency_means=agency_means.astype(np.float32),
    )


def _divided(sums: np.ndarray, hours: np.ndarray, which: np.ndarray) -> np.ndarray:
    """Return the means of some lines; the sums are used up."""
    import numpy as np

    result: np.ndarray = sums if which.all() else sums[which]
    result /= np.maximum(hours[which, None], 1).astype(np.float32)
    return result
