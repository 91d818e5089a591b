"""Some values of each of some records, by where they stand (``cells``): no others are read."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from citysoc.compiled.cells import SPARE
from citysoc.compiled.machine import Loops

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.compiled.cells import Sheet

_LOOPS = Loops("citysoc.compiled.loops.pick")
load = _LOOPS.load


def picked(sheet: Sheet, some: Any, wanted: Sequence[Sequence[int]]) -> list[list[Any]] | None:
    """Return the values of records at some places; None where one of them cannot be read.

    Args:
        sheet: the records.
        some: the numbers of those that are meant.
        wanted: for each of them which of its cells; ``~cell`` where that is what stands between the brackets of a list.
    """
    if not wanted:
        return []
    counts = np.fromiter(map(len, wanted), np.int32, len(wanted))
    places = np.fromiter(chain.from_iterable(wanted), np.int32, int(counts.sum()))
    room = _LOOPS.room(sheet.first, sheet.begin, sheet.end, some, counts, places)
    out: Any = np.empty(room + SPARE, np.uint8)
    size = _LOOPS.write(sheet.block, sheet.first, sheet.begin, sheet.end, some, counts, places, out)
    try:
        found: list[list[Any]] = orjson.loads(memoryview(out)[:size])
    except orjson.JSONDecodeError:  # a text that is none, such as half a letter
        return None
    return found
