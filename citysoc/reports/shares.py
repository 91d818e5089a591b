"""Shares that add up: tenths of a percent given out by the largest remainder."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WHOLE = 1000
"""Tenths of a percent."""


def shares(counts: Sequence[int]) -> list[float]:
    """Return the share of each count in percent with one digit; all together are 100.0.

    Each is rounded down, and what is missing goes to those that lost most by it (the method of Hamilton),
    of equal ones to the larger count, then to the first. No share is off by a tenth or more. Nothing but
    zeros gives zeros.
    """
    total = sum(counts)
    if total <= 0:
        return [0.0] * len(counts)
    parts = [divmod(count * WHOLE, total) for count in counts]
    order = sorted(range(len(counts)), key=lambda n: (-parts[n][1], -counts[n], n))
    given = set(order[: WHOLE - sum(whole for whole, _ in parts)])
    return [(whole + (n in given)) / 10 for n, (whole, _) in enumerate(parts)]
