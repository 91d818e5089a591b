"""The loops of ``compiled.pick``."""

from __future__ import annotations

from citysoc.compiled.loops.eight import copy
from citysoc.compiled.marks import I32, U8, Int, OutU8, entry


@entry
def room(first: I32, begins: I32, ends: I32, some: I32, counts: I32, places: I32) -> Int:
    """Return how many bytes the values of records take as arrays, at most."""
    size, at = 2 + 3 * len(some), 0
    for number in range(len(some)):
        cell = first[some[number]]
        for _one in range(counts[number]):
            place = places[at]
            if place < 0:
                place = ~place
            size += ends[cell + place] - begins[cell + place] + 3
            at += 1
    return size


@entry
def write(
    block: U8, first: I32, begins: I32, ends: I32, some: I32, counts: I32, places: I32, out: OutU8
) -> Int:
    """Write an array of an array for each record; return its size."""
    out[0] = 91  # [
    to, at = 1, 0
    for number in range(len(some)):
        cell = first[some[number]]
        out[to] = 91
        to += 1
        for _one in range(counts[number]):
            place = places[at]
            is_list = place < 0
            if is_list:
                place = ~place
                out[to] = 91
                to += 1
            size = ends[cell + place] - begins[cell + place]
            copy(block, begins[cell + place], out, to, size)
            to += size
            if is_list:
                out[to] = 93  # ]
                to += 1
            out[to] = 44  # ,
            to += 1
            at += 1
        if counts[number]:
            to -= 1
        out[to] = 93
        out[to + 1] = 44
        to += 2
    out[to - 1] = 93
    return to
