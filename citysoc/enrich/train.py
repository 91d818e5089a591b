"""``python -m citysoc.enrich.train``: trains the model of names and writes ``data/model.json``.

Two parts are kept out and measured once, after everything else is settled: a fifth of the families (no spelling of
them is learned), and a fifth of the other spellings of the families that are learned. On what is left each fifth of the
families in turn is told by a model of the rest: that sets the temperature of the probabilities, and the least
probability that is believed, so that ``PRECISION`` of the families that are told are told right, 19 to 1. What is
shipped is then trained on all names, with that temperature and threshold. The same names give the same file.
"""

from __future__ import annotations

import base64
import hashlib
import math
import sys
import zlib
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.enrich.malware_names import FAMILIES, Known, known
from citysoc.enrich.model import FILE, NOTHING, features
from citysoc.enrich.names import malware_known, signature_known
from citysoc.enrich.seeds import FOLDS, Seed, digest, seeds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SIZES = {"threat": 16_384, "signature": 8192}
"""Places of the features."""
PRECISION = 0.9
"""So many of the believed guesses on families kept out of training shall be right."""
_STRENGTH = 60.0
_ROUNDS = 80
_KEPT_OUT = FOLDS - 1
_REAL = frozenset({"family", "nothing", "signature"})
"""Kinds that thresholds and measurements go by: composed names are easier than what the world brings."""
_TEMPERATURES = [round(0.4 + step * 0.05, 2) for step in range(33)]


def main() -> None:
    """Train, measure, write."""
    data = model_of(seeds())
    FILE.write_bytes(orjson.dumps(data, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2) + b"\n")
    for name, head in data["heads"].items():
        for kept, told in head["measured"].items():
            sys.stdout.write(f"{name}, {kept}: {told['line']}\n")
    sys.stdout.write(f"{data['version']}: {FILE.stat().st_size:,} bytes\n")


def model_of(found: Mapping[str, Sequence[Seed]]) -> dict[str, Any]:
    """Return a model of labelled names, with what was measured of it, as it stands in its file.

    Args:
        found: the names of each half, from ``seeds``.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no types

    with threadpool_limits(1):  # sums in one order give one result, and small ones are quicker alone
        heads = {name: _head(own, SIZES[name]) for name, own in found.items()}
    data: dict[str, Any] = {"names": {name: len(own) for name, own in found.items()}, "heads": heads}
    core = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
    data["names_digest"] = digest(found)
    data["digest"] = hashlib.sha256(core).hexdigest()
    data["version"] = f"names-{data['digest'][:8]}"
    return data


def _head(own: Sequence[Seed], size: int) -> dict[str, Any]:
    classes = sorted({seed.code for seed in own})
    matrix = _matrix(own, size)
    families = [n for n, seed in enumerate(own) if seed.fold == _KEPT_OUT and seed.kind in _REAL]
    spellings = [n for n, seed in enumerate(own) if seed.fold != _KEPT_OUT and _is_kept_spelling(seed)]
    rest = [n for n, seed in enumerate(own) if seed.fold != _KEPT_OUT and not _is_kept_spelling(seed)]
    scores, judged = _in_turn(matrix, own, rest, classes)
    truths = [own[n].code for n in judged]
    temperature = min(_TEMPERATURES, key=lambda t: _loss(scores, truths, classes, t))
    threshold, proved = _threshold(scores, [own[n] for n in judged], classes, temperature)
    trained = _fit(matrix, own, rest, classes)
    hidden = {seed.group for seed in own if seed.fold == _KEPT_OUT}

    def measure(kept: Sequence[int]) -> dict[str, Any]:
        guesses = _guesses(_scores(trained, matrix, kept), classes, temperature, threshold)
        return _measured([own[n] for n in kept], guesses, hidden)

    measured = {"families": measure(families)} | ({"spellings": measure(spellings)} if spellings else {})
    weights, bias = _fit(matrix, own, range(len(own)), classes)
    weights, bias = weights / temperature, bias / temperature
    scale = float(f"{abs(weights).max() / 127:.6g}")  # the last bits of sums differ from run to run
    packed = zlib.compress((weights / scale).round().clip(-127, 127).astype("int8").tobytes(), 9)
    return {
        "classes": classes,
        "size": size,
        "scale": scale,
        "bias": [round(float(value), 6) for value in bias],
        "weights": base64.b64encode(packed).decode(),
        "temperature": temperature,
        "threshold": threshold,
        "proved": round(proved, 4),
        "measured": measured,
    }


def _is_kept_spelling(seed: Seed) -> bool:
    return seed.kind == "spelling" and seed.part == _KEPT_OUT


def _matrix(own: Sequence[Seed], size: int) -> Any:
    from scipy.sparse import csr_matrix

    rows = [features(seed.text, size) for seed in own]
    starts = [0]
    for row in rows:
        starts.append(starts[-1] + len(row))
    values = [value for row in rows for value in row.values()]
    places = [place for row in rows for place in row]
    return csr_matrix((values, places, starts), shape=(len(rows), size))


def _fit(matrix: Any, own: Sequence[Seed], which: Sequence[int], classes: Sequence[str]) -> tuple[Any, Any]:
    """Return weights and bias, a row for each of ``classes``; a class without names has none."""
    import warnings

    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=_STRENGTH, max_iter=_ROUNDS, tol=2e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # to stop early does no harm here: it reins in
        model.fit(matrix[list(which)], [own[n].code for n in which])
    weights = np.zeros((len(classes), matrix.shape[1]))
    bias = np.full(len(classes), -20.0)
    for row, code in enumerate(model.classes_):
        weights[classes.index(code)] = model.coef_[row]
        bias[classes.index(code)] = model.intercept_[row]
    return weights, bias


def _scores(trained: tuple[Any, Any], matrix: Any, which: Sequence[int]) -> Any:
    weights, bias = trained
    return matrix[list(which)] @ weights.T + bias


def _in_turn(
    matrix: Any, own: Sequence[Seed], rest: Sequence[int], classes: Sequence[str]
) -> tuple[Any, list[int]]:
    """Return scores and places of the names that count, each told by a model of the other folds."""
    import numpy as np

    parts, judged = [], []
    for fold in range(_KEPT_OUT):
        told = [n for n in rest if own[n].fold == fold and own[n].kind in _REAL]
        trained = _fit(matrix, own, [n for n in rest if own[n].fold != fold], classes)
        parts.append(_scores(trained, matrix, told))
        judged += told
    return np.vstack(parts), judged


def _shares(scores: Any, temperature: float) -> Any:
    import numpy as np

    scaled = scores / temperature
    raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def _loss(scores: Any, truths: Sequence[str], classes: Sequence[str], temperature: float) -> float:
    import numpy as np

    right = _shares(scores, temperature)[range(len(truths)), [classes.index(code) for code in truths]]
    return float(-np.log(np.clip(right, 1e-9, 1.0)).mean())


def _threshold(
    scores: Any, own: Sequence[Seed], classes: Sequence[str], temperature: float
) -> tuple[float, float]:
    """Return the least probability from which on enough families are told right, and the share that this proves.

    A family counts once. Where names are too few to prove ``PRECISION``, it is the probability that proves most.
    """
    proved: dict[float, float] = {}
    for step in range(40, 100):
        believed: dict[str, list[bool]] = {}
        for guess, seed in zip(_guesses(scores, classes, temperature, step / 100), own, strict=True):
            if guess:
                believed.setdefault(seed.group, []).append(guess == seed.code)
        if believed:
            proved[step / 100] = _least(sum(map(all, believed.values())), len(believed))
    enough = [at for at, share in proved.items() if share >= PRECISION]
    chosen = min(enough) if enough else max(proved, key=lambda at: (proved[at], at), default=0.99)
    return chosen, proved.get(chosen, 0.0)


def _least(right: int, of: int) -> float:
    """Return the share that right ones have at least, 19 to 1 (Wilson's bound): few names prove little."""
    z = 1.645
    share = right / of
    middle = share + z * z / (2 * of)
    spread = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    return (middle - spread) / (1 + z * z / of)


def _guesses(scores: Any, classes: Sequence[str], temperature: float, threshold: float) -> list[str]:
    shares = _shares(scores, temperature)
    best, chance = shares.argmax(axis=1), shares.max(axis=1)
    return [
        classes[place] if share >= threshold else NOTHING for place, share in zip(best, chance, strict=True)
    ]


def _measured(kept: Sequence[Seed], guesses: Sequence[str], hidden: set[str]) -> dict[str, Any]:
    """Return figures on the names kept out: of the tables without their families, the model, and both."""
    families = known({family: kind for family, kind in FAMILIES.items() if family not in hidden})
    tables = [_of_tables(seed, families) for seed in kept]
    both = [table or guess for table, guess in zip(tables, guesses, strict=True)]
    silent = [place for place, told in enumerate(tables) if not told]
    return {
        "kept_out": len(kept),
        "groups": len({seed.group for seed in kept}),
        "tables": _figures(kept, tables),
        "model": _figures(kept, guesses),
        "both": _figures(kept, both),
        "model_where_tables_are_silent": _figures([kept[p] for p in silent], [guesses[p] for p in silent]),
        "confusion": _confusion(kept, guesses),
        "line": f"{len(kept)} names kept out, model {_figures(kept, guesses)}, both {_figures(kept, both)}",
    }


def _of_tables(seed: Seed, families: Known) -> str:
    if seed.kind == "signature":
        found = signature_known(seed.text)
        return (found.code if found else None) or NOTHING
    return malware_known(seed.text, "", "", families, guess=False).code or NOTHING


def _figures(kept: Sequence[Seed], guesses: Sequence[str]) -> dict[str, int]:
    """Return of names that say something and of those that say nothing how many were told, and told right."""
    said = [(seed.code, guess) for seed, guess in zip(kept, guesses, strict=True) if seed.code]
    unsaid = [guess for seed, guess in zip(kept, guesses, strict=True) if not seed.code]
    return {
        "names": len(said),
        "told": sum(bool(guess) for _code, guess in said),
        "right": sum(code == guess for code, guess in said),
        "saying_nothing": len(unsaid),
        "told_of_nothing": sum(map(bool, unsaid)),
    }


def _confusion(kept: Sequence[Seed], guesses: Sequence[str]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for seed, guess in zip(kept, guesses, strict=True):
        row = found.setdefault(seed.code, {})
        row[guess] = row.get(guess, 0) + 1
    return found


if __name__ == "__main__":
    main()
