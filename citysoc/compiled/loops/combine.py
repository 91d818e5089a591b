"""How combinations of numbers are counted (``citysoc.compiled.combine``)."""

from __future__ import annotations

import numpy as np

from citysoc.compiled.marks import I32Rows, Int, OutI32, OutI32Rows, entry


@entry
def number(columns: I32Rows, keys: OutI32Rows, slots: OutI32, count: Int, out: OutI32) -> Int:
    """Number combinations; return how many there are."""
    width, rows = columns.shape
    last = len(slots) - 1
    for row in range(rows):
        code = np.uint64(width)
        for place in range(width):
            code = (code ^ np.uint64(columns[place, row])) * np.uint64(0x9E3779B97F4A7C15)
            code ^= code >> np.uint64(29)
        slot = np.int64(code & np.uint64(last))
        while True:
            entry = slots[slot] - 1
            if entry < 0:
                for place in range(width):
                    keys[count, place] = columns[place, row]
                slots[slot] = count + 1
                out[row] = count
                count += 1
                break
            differ = 0
            for place in range(width):
                differ |= keys[entry, place] ^ columns[place, row]
            if differ == 0:
                out[row] = entry
                break
            slot = (slot + 1) & last
    return count
