"""How values are found again by their bytes (``citysoc.compiled.memory``)."""

from __future__ import annotations

import numpy as np

from citysoc.compiled.cells import SPARE
from citysoc.compiled.loops.eight import copy, least_bytes, load, mixed, same
from citysoc.compiled.marks import I32, U8, Int, OutI32, OutI32Rows, OutI64, OutU8, OutU64, entry, inlined

_MAX_VALUE = 4096
"""Longer values are not remembered."""
_MAX_STEPS = 32
"""So many values with the same hash are looked at; more are not remembered."""


@inlined
def _hash(block, begins, ends, cell, places, column):
    code = np.uint64(column)
    for at in range(len(places)):
        place, end = begins[cell + places[at]], ends[cell + places[at]]
        code = mixed(code, np.uint64(end - place))
        while end - place > 8:
            code = mixed(code, load(block, place))
            place += 8
        code = mixed(code, load(block, place) & least_bytes(end - place))
    return code


@inlined
def _is_same(block, begins, ends, cell, places, known, at):
    for which in range(len(places)):
        begin = begins[cell + places[which]]
        size = ends[cell + places[which]] - begin
        if not same(block, begin, known, at, size) or known[at + size]:  # a NUL after each value
            return False
        at += size + 1
    return True


@inlined
def _find(
    block,
    begins,
    ends,
    cell,
    places,
    column,
    size,
    code,
    slots,
    hashes,
    facts,
    known,
):
    """Return the entry of a value, or -1 and the slot that it may take; -1 where there is none."""
    slot = np.int64(code & np.uint64(len(slots) - 1))
    for _step in range(_MAX_STEPS):
        entry = slots[slot] - 1
        if entry < 0:
            return -1, slot
        if (
            hashes[entry] == code
            and facts[entry, 0] == column
            and facts[entry, 2] == size
            and _is_same(block, begins, ends, cell, places, known, facts[entry, 1])
        ):
            return entry, slot
        slot = (slot + 1) & (len(slots) - 1)
    return -1, np.int64(-1)


@inlined
def _keep(block, begins, ends, cell, places, known, to):
    for at in range(len(places)):
        begin = begins[cell + places[at]]
        size = ends[cell + places[at]] - begin
        copy(block, begin, known, to, size)
        to += size + 1
        known[to - 1] = 0
    return to


@entry
def look(
    block: U8,
    first: I32,
    begins: I32,
    ends: I32,
    some: I32,
    places: I32,
    column: Int,
    slots: OutI32,
    hashes: OutU64,
    facts: OutI32Rows,
    known: OutU8,
    used: OutI64,
    said: OutI32,
    fresh: OutI32,
    entries: OutI32,
) -> Int:
    """Look values up, and note those that are fresh; return how many they are."""
    count = 0
    for number in range(len(some)):
        cell = first[some[number]]
        size = 0
        for at in range(len(places)):
            size += ends[cell + places[at]] - begins[cell + places[at]] + 1
        entry, slot = -1, np.int64(-1)
        if size <= _MAX_VALUE:
            code = _hash(block, begins, ends, cell, places, column)
            entry, slot = _find(
                block, begins, ends, cell, places, column, size, code, slots, hashes, facts, known
            )
            if entry >= 0:
                said[number] = facts[entry, 3]
                continue
            if slot >= 0 and used[0] < len(hashes) and used[1] + size + SPARE <= len(known):
                entry = used[0]
                used[0] += 1
                slots[slot] = entry + 1
                hashes[entry] = code
                facts[entry, 0] = column
                facts[entry, 1] = used[1]
                facts[entry, 2] = size
                facts[entry, 3] = -1 - count
                used[1] = _keep(block, begins, ends, cell, places, known, used[1])
        said[number] = -1 - count
        fresh[count] = number
        entries[count] = entry
        count += 1
    return count


@entry
def learn(facts: OutI32Rows, entries: I32, told: I32, said: OutI32) -> None:
    """Write down what is said of fresh values, and say it of all."""
    for place in range(len(entries)):
        if entries[place] >= 0:
            facts[entries[place], 3] = told[place]
    for number in range(len(said)):
        if said[number] < 0:
            said[number] = told[-1 - said[number]]


@entry
def size(first: I32, begins: I32, ends: I32, some: I32, place: Int) -> Int:
    """Return how many bytes the values of a cell take, with one after each."""
    size = 0
    for number in range(len(some)):
        cell = first[some[number]] + place
        size += ends[cell] - begins[cell] + 1
    return size


@entry
def tokens(block: U8, first: I32, begins: I32, ends: I32, some: I32, place: Int, out: OutU8) -> None:
    """Write the values of a cell as an array of JSON."""
    to = 0
    out[to] = 91  # [
    to += 1
    for number in range(len(some)):
        cell = first[some[number]] + place
        size = ends[cell] - begins[cell]
        copy(block, begins[cell], out, to, size)
        to += size + 1
        out[to - 1] = 44  # ,
    out[to - 1] = 93  # ]
