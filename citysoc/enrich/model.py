"""The model of names: asked where the tables are silent, believed only where it is sure enough.

Logistic regression over hashed character n-grams, trained by ``citysoc.enrich.train`` on our own labelled
names and kept as plain numbers in ``data/model.json``: nothing in the file is ever executed, and scikit-learn is
not needed to read it. A name that says nothing is a class of its own, so the model can say so.
"""

from __future__ import annotations

import base64
import math
import re
import zlib
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.enrich.malware_names import plain
from citysoc.enrich.verdicts import MODEL_MOST

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE = Path(__file__).parent / "data" / "model.json"
_MAX_BYTES = 16 << 20
NOTHING = ""
"""The class of names that say nothing."""
_LENGTHS = (3, 4, 5)
_DROPPED = frozenset(
    [
        "w32",
        "w64",
        "win32",
        "win64",
        "hw32",
        "win",
        "windows",
        "msil",
        "a",
        "b",
        "c",
        "d",
        "e",
        "f",
        "gen",
        "generic",
        "variant",
        "trojan",
        "agent",
        "malware",
    ]
)
"""Pieces that stand in names of every kind."""
_DIGITS = re.compile(r"\d+")
_PIECES = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class Guess:
    """What the model says of a name.

    Args:
        code: the class.
        probability: how likely that is, calibrated.
        version: of the model.
    """

    code: str
    probability: float
    version: str

    @property
    def confidence(self) -> int:
        """The probability on the scale of verdicts."""
        return min(MODEL_MOST, round(self.probability * 100))


def features(text: str, size: int) -> dict[int, float]:
    """Return the places of a name's pieces and letters among ``size``, each with its weight; length 1.

    Numbers count as one digit: they count variants. CRC-32 is the hash: the same everywhere.
    """
    counts = Counter(zlib.crc32(gram.encode()) % size for gram in _grams(text))
    weights = {place: 1.0 + math.log(count) for place, count in counts.items()}
    length = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
    return {place: weight / length for place, weight in weights.items()}


def _grams(text: str) -> Iterator[str]:
    for piece in _PIECES.findall(_DIGITS.sub("0", plain(text))):
        if piece in _DROPPED or piece == "0":
            continue
        yield f"={piece}"
        bounded = f"<{piece}>"
        for length in _LENGTHS:
            for start in range(len(bounded) - length + 1):
                yield bounded[start : start + length]


@dataclass(frozen=True, slots=True)
class Head:
    """One of the model's two halves: for threat names, and for signatures.

    Args:
        classes: codes, ``NOTHING`` among them.
        size: how many places features have.
        weights: class by class, place by place.
        bias: of each class.
        threshold: guesses less likely than this are not believed.
        version: of the model.
    """

    classes: tuple[str, ...]
    size: int
    weights: Any
    bias: tuple[float, ...]
    threshold: float
    version: str

    def probabilities(self, text: str) -> list[float]:
        """Return the probability of each class."""
        import numpy as np

        found = features(text, self.size)
        places = np.fromiter(found.keys(), np.int64, len(found))
        values = np.fromiter(found.values(), np.float64, len(found))
        scores = self.weights[:, places] @ values + np.asarray(self.bias)
        shares = np.exp(scores - scores.max())
        return list((shares / shares.sum()).tolist())

    def judge(self, text: str) -> Guess | None:
        """Return what a name is; None where the model is not sure enough, or sure that it says nothing."""
        chances = self.probabilities(text)
        best = max(range(len(chances)), key=chances.__getitem__)
        if self.classes[best] == NOTHING or chances[best] < self.threshold:
            return None
        return Guess(self.classes[best], chances[best], self.version)


def judge(head: str, text: str) -> Guess | None:
    """Return what the shipped model says of a name, ``head`` being threat or signature; None where it is not sure."""
    found = heads().get(head)
    return found.judge(text) if found else None


@lru_cache(maxsize=1)
def heads() -> dict[str, Head]:
    """Return the shipped model; empty where there is none."""
    return read(FILE.read_bytes()) if FILE.exists() else {}


def read(data: bytes) -> dict[str, Head]:
    """Return a model from its file: JSON, weights as small whole numbers, packed, in base 64."""
    import numpy as np

    found = orjson.loads(data)
    parts = {}
    for name, half in found["heads"].items():
        packed = zlib.decompressobj()
        whole = np.frombuffer(packed.decompress(base64.b64decode(half["weights"]), _MAX_BYTES), np.int8)
        weights = whole.reshape(len(half["classes"]), half["size"]).astype(np.float32) * half["scale"]
        parts[name] = Head(
            classes=tuple(half["classes"]),
            size=half["size"],
            weights=weights,
            bias=tuple(half["bias"]),
            threshold=half["threshold"],
            version=found["version"],
        )
    return parts
