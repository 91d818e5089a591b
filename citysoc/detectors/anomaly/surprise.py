"""From raw scores to surprise: how rare a score is among ordinary ones, in nats.

The surprise of a score s is ``-ln P(S >= s)``. Within what was seen, P is the empirical tail (the middle of
equal scores: of many equal ones none is rare). Beyond the largest it goes on exponentially, so that two
scores that are both larger than everything seen can still be told apart; the scale is the mean excess
over the 98th percentile (peaks over threshold, shape 0, maximum likelihood).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

GRID = 512
"""Points of the empirical tail that are kept."""
TAIL = 0.02
"""The share of scores whose mean excess is the scale."""
MOST = 40.0
"""No surprise is larger: e^-40 is beyond any amount of data."""


@dataclass(frozen=True, slots=True)
class Surprise:
    """A learnt tail.

    Args:
        knots: increasing scores.
        nats: the surprise at each.
        edge: the largest score; beyond it the exponential tail counts.
        scale: of the tail.
        most: no surprise is larger.
    """

    knots: np.ndarray
    nats: np.ndarray
    edge: float
    scale: float
    most: float = MOST

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Return the surprise of each score, from 0 to ``most``."""
        import numpy as np

        body = np.interp(scores, self.knots, self.nats)
        beyond = np.maximum(scores - self.edge, 0.0) / self.scale
        result: np.ndarray = np.minimum(body + beyond, self.most)
        return result

    def parts(self) -> dict[str, Any]:
        """Return it as plain arrays and numbers, for a file."""
        return {
            "knots": self.knots,
            "nats": self.nats,
            "edge": self.edge,
            "scale": self.scale,
            "most": self.most,
        }


def learn(scores: np.ndarray, *, unit: float = 0.0, beyond: float | None = None) -> Surprise:
    """Learn the tail of ordinary scores.

    Args:
        scores: one number a row, at least one; not finite ones count as the smallest.
        unit: the least scale of the exponential tail: what differs by less is alike.
        beyond: so many nats a score may be rarer than anything that this many scores can show; None for
            no such bound.
    """
    import numpy as np

    values = np.sort(np.nan_to_num(np.asarray(scores, float), nan=-np.inf, posinf=np.inf, neginf=-np.inf))
    values = values[np.isfinite(values)]
    if not len(values):
        values = np.zeros(1)
    edge = float(np.quantile(values, 1 - TAIL))
    excess = values[values > edge] - edge
    edge = float(values[-1])
    spread = float(values[-1] - values[0])
    scale = max(float(excess.mean()) if len(excess) else 0.0, 1e-6 * spread, unit, 1e-9)
    most = MOST if beyond is None else min(MOST, float(np.log(len(values) + 1)) + beyond)
    ranks = np.unique(np.geomspace(1, len(values), GRID).astype(int))  # from the top, dense there
    places = np.concatenate([len(values) - ranks, np.linspace(0, len(values) - 1, GRID).astype(int)])
    knots = np.unique(values[places])
    # Mid-ranks: of many equal scores none is rare.
    place = (np.searchsorted(values, knots, "left") + np.searchsorted(values, knots, "right")) / 2
    tail = 1 - place / (len(values) + 1)
    return Surprise(knots, -np.log(np.maximum(tail, 1 / (len(values) + 1))), edge, scale, most)


def from_parts(parts: dict[str, Any]) -> Surprise:
    """Return what ``Surprise.parts`` gave."""
    return Surprise(
        parts["knots"], parts["nats"], float(parts["edge"]), float(parts["scale"]), float(parts["most"])
    )
