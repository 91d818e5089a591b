"""``python -m citysoc.enrich.train``: trains the model of names and writes ``data/model.json``.

A fifth of the groups of names is kept out and measured once, after everything else is settled. On the other four
fifths each fifth in turn is told by a model of the rest: that sets the temperature of the probabilities, and the
least probability that is believed, so that ``PRECISION`` of the believed guesses are right. What is shipped is then
trained on all names, with that temperature and threshold. The same names give the same file.
"""

from __future__ import annotations

import base64
import hashlib
import math
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.enrich.malware_names import FAMILIES, Known, known
from citysoc.enrich.model import FILE, NOTHING, features
from citysoc.enrich.names import malware_known, signature_known
from citysoc.enrich.seeds import FOLDS, Seed, digest, seeds

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZE = 4096
PRECISION = 0.9
"""So many of the believed guesses on names kept out of training shall be right."""
_STRENGTH = 8.0
_KEPT_OUT = FOLDS - 1
_REAL = frozenset({"family", "nothing", "signature"})
"""Kinds that thresholds and measurements go by: composed names are easier than what the world brings."""
_TEMPERATURES = [round(0.4 + step * 0.05, 2) for step in range(33)]


def main() -> None:
    """Train, measure, write."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # it has no types

    found = seeds()
    with threadpool_limits(1):  # sums in one order give one result, and small ones are quicker alone
        heads = {name: _head(own) for name, own in found.items()}
    data: dict[str, Any] = {"names": {name: len(own) for name, own in found.items()}, "heads": heads}
    core = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
    data["names_digest"] = digest(found)
    data["digest"] = hashlib.sha256(core).hexdigest()
    data["version"] = f"names-{data['digest'][:8]}"
    FILE.write_bytes(orjson.dumps(data, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2) + b"\n")
    for name, head in heads.items():
        sys.stdout.write(f"{name}: {head['measured']['line']}\n")
    sys.stdout.write(f"{data['version']}: {FILE.stat().st_size:,} bytes\n")


def _head(own: Sequence[Seed]) -> dict[str, Any]:
    classes = sorted({seed.code for seed in own})
    kept = [seed for seed in own if seed.fold == _KEPT_OUT]
    rest = [seed for seed in own if seed.fold != _KEPT_OUT]
    scores, truths = _in_turn(rest, classes)
    temperature = min(_TEMPERATURES, key=lambda t: _loss(scores, truths, classes, t))
    threshold = _threshold(scores, truths, classes, temperature)
    trained = _fit(rest, classes)
    judged = [seed for seed in kept if seed.kind in _REAL]
    guesses = _guesses(_scores(trained, judged), classes, temperature, threshold)
    measured = _measured(judged, guesses, {seed.group for seed in kept})
    weights, bias = _fit(own, classes)
    weights, bias = weights / temperature, bias / temperature
    scale = float(abs(weights).max()) / 127
    return {
        "classes": classes,
        "size": SIZE,
        "scale": scale,
        "bias": [round(float(value), 6) for value in bias],
        "weights": base64.b64encode((weights / scale).round().astype("int8").tobytes()).decode(),
        "temperature": temperature,
        "threshold": threshold,
        "measured": measured,
    }


def _matrix(own: Sequence[Seed]) -> Any:
    from scipy.sparse import csr_matrix

    rows = [_features(seed.text) for seed in own]
    starts = [0]
    for row in rows:
        starts.append(starts[-1] + len(row))
    values = [value for row in rows for value in row.values()]
    places = [place for row in rows for place in row]
    return csr_matrix((values, places, starts), shape=(len(rows), SIZE))


@lru_cache(maxsize=65_536)
def _features(text: str) -> dict[int, float]:
    return features(text, SIZE)


def _fit(own: Sequence[Seed], classes: Sequence[str]) -> tuple[Any, Any]:
    """Return weights and bias, a row for each of ``classes``; a class without names has none."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=_STRENGTH, max_iter=200, tol=1e-4)
    model.fit(_matrix(own), [seed.code for seed in own])
    weights = np.zeros((len(classes), SIZE))
    bias = np.full(len(classes), -20.0)
    for row, code in enumerate(model.classes_):
        weights[classes.index(code)] = model.coef_[row]
        bias[classes.index(code)] = model.intercept_[row]
    return weights, bias


def _scores(trained: tuple[Any, Any], own: Sequence[Seed]) -> Any:
    weights, bias = trained
    return _matrix(own) @ weights.T + bias


def _in_turn(rest: Sequence[Seed], classes: Sequence[str]) -> tuple[Any, list[str]]:
    """Return scores and classes of the names that count, each told by a model of the other folds."""
    import numpy as np

    parts, truths = [], []
    for fold in range(_KEPT_OUT):
        own = [seed for seed in rest if seed.fold == fold and seed.kind in _REAL]
        trained = _fit([seed for seed in rest if seed.fold != fold], classes)
        parts.append(_scores(trained, own))
        truths += [seed.code for seed in own]
    return np.vstack(parts), truths


def _shares(scores: Any, temperature: float) -> Any:
    import numpy as np

    scaled = scores / temperature
    raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def _loss(scores: Any, truths: Sequence[str], classes: Sequence[str], temperature: float) -> float:
    import numpy as np

    right = _shares(scores, temperature)[range(len(truths)), [classes.index(code) for code in truths]]
    return float(-np.log(np.clip(right, 1e-9, 1.0)).mean())


def _threshold(scores: Any, truths: Sequence[str], classes: Sequence[str], temperature: float) -> float:
    for step in range(40, 100):
        guesses = _guesses(scores, classes, temperature, step / 100)
        believed = [(guess, code) for guess, code in zip(guesses, truths, strict=True) if guess]
        if believed and _least(sum(g == code for g, code in believed), len(believed)) >= PRECISION:
            return step / 100
    return 0.99


def _least(right: int, of: int) -> float:
    """Return the share that right ones have at least, 9 to 1 (Wilson's bound): few names prove little."""
    z = 1.28
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
