"""From raw scores to surprise: how rare a score is among ordinary ones, in nats.

The surprise of a score s is ``-ln P(S >= s)``. P is the empirical tail of the ordinary scores up to
their 98th percentile and an exponential tail beyond it, so that two scores that are both larger than
everything seen can still be told apart. (Peaks over threshold with shape 0; the mean excess is the
scale's estimate by maximum likelihood.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

GRID = 512
"""Points of the empirical tail that are kept."""
TAIL = 0.02
"""The share of scores that the exponential tail stands for."""
MOST = 40.0
"""No surprise is larger: e^-40 is beyond any amount of data."""


@dataclass(frozen=True, slots=True)
class Surprise:
    """A learnt tail.

    Args:
        knots: increasing scores.
        nats: the surprise at each.
        edge: from here on the exponential tail counts.
        scale: mean excess beyond the edge.
    """

    knots: np.ndarray
    nats: np.ndarray
    edge: float
    scale: float

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        """Return the surprise of each score, from 0 to ``MOST``."""
        import numpy as np

        body = np.interp(scores, self.knots, self.nats)
        beyond = np.maximum(scores - self.edge, 0.0) / self.scale - np.log(TAIL)
        result: np.ndarray = np.minimum(np.where(scores > self.edge, np.maximum(beyond, body), body), MOST)
        return result

    def parts(self) -> dict[str, Any]:
        """Return it as plain arrays and numbers, for a file."""
        return {"knots": self.knots, "nats": self.nats, "edge": self.edge, "scale": self.scale}


def learn(scores: np.ndarray) -> Surprise:
    """Learn the tail of ordinary scores.

    Args:
        scores: one number a row, at least one; not finite ones count as the smallest.
    """
    import numpy as np

    values = np.sort(np.nan_to_num(np.asarray(scores, float), nan=-np.inf, posinf=np.inf, neginf=-np.inf))
    values = values[np.isfinite(values)]
    if not len(values):
        values = np.zeros(1)
    edge = float(np.quantile(values, 1 - TAIL))
    excess = values[values > edge] - edge
    spread = float(values[-1] - values[0])
    scale = max(float(excess.mean()) if len(excess) else 0.0, 1e-6 * spread, 1e-9)
    knots = np.unique(np.quantile(values, np.linspace(0, 1 - TAIL, GRID)))
    # Mid-ranks: of many equal scores none is rare.
    place = (np.searchsorted(values, knots, "left") + np.searchsorted(values, knots, "right")) / 2
    tail = 1 - place / (len(values) + 1)
    return Surprise(knots, -np.log(np.maximum(tail, 1 / (len(values) + 1))), edge, scale)


def from_parts(parts: dict[str, Any]) -> Surprise:
    """Return what ``Surprise.parts`` gave."""
    return Surprise(parts["knots"], parts["nats"], float(parts["edge"]), float(parts["scale"]))
