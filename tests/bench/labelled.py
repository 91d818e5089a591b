"""Labelled sets of every kind, made here: to see whether one fixed configuration holds where it was not chosen.

Real rows are scikit-learn's shipped sets with one class as the ordinary one. The four kinds of outliers are those of
the literature: local (as the ordinary, spread wider), global (anywhere), clustered (a group of their own), dependency
(ordinary values that do not go together), planted around mixtures fitted to real rows. The others are what a core
stumbles over: counts, many columns, codes, duplicates, few rows, many rows, constant columns, many outliers.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from sklearn import datasets
from sklearn.mixture import GaussianMixture

if TYPE_CHECKING:
    from collections.abc import Iterator

Rows: TypeAlias = np.ndarray
Set: TypeAlias = "tuple[str, Rows, Rows]"
"""Name (family, a slash, its own), rows (rows, columns), labels (1 is an outlier)."""


def sets(seed: int = 0) -> Iterator[Set]:
    """Yield all sets, rows in random order; the same seed gives the same sets."""
    rng = np.random.default_rng(seed)
    made = (_shipped, _kinds, _shapes, _counts, _wide, _codes, _duplicates, _few, _constants, _shares, _many)
    for make in made:
        for name, rows, labels in make(rng):
            order = rng.permutation(len(labels))
            yield name, np.asarray(rows, float)[order], np.asarray(labels)[order].astype(int)


@functools.cache
def _bases() -> dict[str, Rows]:
    digits = datasets.load_digits().data
    return {
        "wine": datasets.load_wine().data,
        "cancer": datasets.load_breast_cancer().data,
        "iris": datasets.load_iris().data,
        "digits": digits[:, digits.std(axis=0) > 1],
        "diabetes": datasets.load_diabetes().data,
    }


def _labelled(ordinary: Rows, strange: Rows) -> tuple[Rows, Rows]:
    return np.vstack([ordinary, strange]), np.repeat([0, 1], [len(ordinary), len(strange)])


def _one_class(rows: Rows, ordinary: Rows, rng: np.random.Generator, share: float) -> tuple[Rows, Rows]:
    """Return the ordinary rows and so many of the others that they are a share of all."""
    others = np.flatnonzero(~ordinary)
    count = max(3, round(ordinary.sum() * share / (1 - share)))
    return _labelled(rows[ordinary], rows[rng.choice(others, min(count, len(others)), replace=False)])


def _shipped(rng: np.random.Generator) -> Iterator[Set]:
    loads = {"digits": datasets.load_digits, "wine": datasets.load_wine, "iris": datasets.load_iris}
    for name, load in loads.items():
        data = load()
        for label in np.unique(data.target):
            yield f"{name}, one class/{label}", *_one_class(data.data, data.target == label, rng, 0.1)
            rare = 0.03 if name == "digits" else 0.08
            yield f"{name}, a rare class/{label}", *_one_class(data.data, data.target != label, rng, rare)
    cancer = datasets.load_breast_cancer()
    for label in (0, 1):
        yield f"cancer/{label}", *_one_class(cancer.data, cancer.target == label, rng, 0.1)


@functools.cache
def _mixture(name: str) -> GaussianMixture:
    """Return the mixture of up to five Gaussians that fits a base best."""
    rows = _bases()[name]
    scaled = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    shape = "diag" if rows.shape[1] > 30 else "full"
    fitted = [
        GaussianMixture(n, covariance_type=shape, random_state=0, reg_covar=1e-3).fit(scaled)
        for n in range(1, 6)
    ]
    return min(fitted, key=lambda one: one.bic(scaled))


def _sampled(mixture: GaussianMixture, count: int, rng: np.random.Generator, spread: float = 1.0) -> Rows:
    """Return rows of a mixture whose covariances are ``spread`` times as large."""
    parts = rng.choice(len(mixture.weights_), count, p=mixture.weights_)
    covariances = mixture.covariances_ * spread
    whole = covariances if covariances.ndim == 3 else np.array([np.diag(c) for c in covariances])
    return np.array([rng.multivariate_normal(mixture.means_[n], whole[n]) for n in parts])


def _strange(kind: str, name: str, ordinary: Rows, count: int, rng: np.random.Generator) -> Rows:
    mixture, columns = _mixture(name), ordinary.shape[1]
    if kind == "local":
        return _sampled(mixture, count, rng, 5.0)
    if kind == "global":
        return rng.uniform(ordinary.min(axis=0) * 1.1, ordinary.max(axis=0) * 1.1, (count, columns))
    if kind == "clustered":
        away = mixture.means_[np.argmax(np.linalg.norm(mixture.means_, axis=1))] * 5
        away = away if np.linalg.norm(away) > 5 else np.full(columns, 2.5)
        return away + rng.normal(size=(count, columns)) * ordinary.std(axis=0)
    return rng.permuted(ordinary[rng.choice(len(ordinary), 4 * count)], axis=0)[:count]


def _planted(
    kind: str, name: str, rng: np.random.Generator, count: int = 1000, share: float = 0.05
) -> tuple[Rows, Rows]:
    strange = round(count * share)
    ordinary = _sampled(_mixture(name), count - strange, rng)
    return _labelled(ordinary, _strange(kind, name, ordinary, strange, rng))


def _kinds(rng: np.random.Generator) -> Iterator[Set]:
    for kind in ("local", "global", "clustered", "dependency"):
        for name in _bases():
            yield f"{kind}/{name}", *_planted(kind, name, rng)


def _shapes(rng: np.random.Generator) -> Iterator[Set]:
    spreads = [0.5, 1, 2, 0.3, 1, 1]
    shapes = {
        "moons": datasets.make_moons(600, noise=0.05, random_state=1)[0],
        "circles": datasets.make_circles(600, noise=0.03, factor=0.4, random_state=1)[0],
        "roll": datasets.make_swiss_roll(600, noise=0.3, random_state=1)[0],
        "blobs": datasets.make_blobs(600, 4, centers=6, cluster_std=spreads, random_state=3)[0],
    }
    for name, rows in shapes.items():
        low, high = rows.min(axis=0), rows.max(axis=0)
        room = 0.1 * (high - low)
        yield f"shapes/{name}", *_labelled(rows, rng.uniform(low - room, high + room, (40, rows.shape[1])))


def _counts(rng: np.random.Generator) -> Iterator[Set]:
    """Counts as logs have them: some rows are busy in everything, outliers in two columns only."""
    for n in range(4):
        count, width = 1500, 8
        busy = rng.lognormal(0, 1, count)[:, None] * rng.lognormal(0, 1, width) * 5
        rows = rng.poisson(busy * rng.lognormal(0, 0.5, (count, width))).astype(float)
        labels = np.zeros(count)
        strange = rng.choice(count, 30, replace=False)
        labels[strange] = 1
        columns = rng.choice(width, 2, replace=False)
        most = np.quantile(rows[:, columns], 0.97 if n % 2 else 0.9, axis=0)
        place = np.ix_(strange, columns)
        rows[place] = rows[place] * (n % 2) + rng.poisson(1.5 * most + 1, (30, 2))
        yield f"counts/{'raw' if n < 2 else 'logarithms'} {n}", np.log1p(rows) if n >= 2 else rows, labels


def _wide(rng: np.random.Generator) -> Iterator[Set]:
    for count, width, touched in ((400, 200, 20), (400, 200, 200), (300, 500, 50), (800, 100, 10)):
        rows = rng.normal(size=(count, 8)) @ rng.normal(size=(8, width)) + rng.normal(size=(count, width))
        labels = np.zeros(count)
        strange = rng.choice(count, count // 20, replace=False)
        labels[strange] = 1
        for row in strange:
            columns = rng.choice(width, touched, replace=False)
            rows[row, columns] += rng.normal(0, 3.5 if touched < width else 2, touched)
        yield f"many columns/{count} x {width}, {touched} touched", rows, labels


def _codes(rng: np.random.Generator) -> Iterator[Set]:
    for n in range(4):
        count, width = 1000, 10
        shares = [rng.dirichlet(np.full(rng.integers(2, 8), 0.5)) for _ in range(width)]
        group = rng.integers(0, 3, count)
        names = [[rng.permutation(len(share)) for share in shares] for _ in range(3)]
        drawn = np.column_stack([rng.choice(len(share), count, p=share) for share in shares])
        rows = np.array([[names[g][c][drawn[r, c]] for c in range(width)] for r, g in enumerate(group)])
        labels = np.zeros(count)
        strange = rng.choice(count, 40, replace=False)
        labels[strange] = 1
        rows[strange] = np.column_stack([rng.integers(0, len(share), 40) for share in shares])
        if n % 2:
            columns = enumerate(shares)
            rows = np.column_stack([rows[:, [c]] == np.arange(len(share)) for c, share in columns])
        yield f"codes/{'one column a value' if n % 2 else 'numbers'} {n}", rows, labels


def _duplicates(rng: np.random.Generator) -> Iterator[Set]:
    for name in ("wine", "iris", "cancer"):
        rows, labels = _planted("global", name, rng)
        rows = np.round(rows, 0 if name == "iris" else 1)
        often = np.repeat(rng.choice(np.flatnonzero(labels == 0), 300), 5)
        yield f"duplicates/{name}", np.vstack([rows, rows[often]]), np.concatenate([labels, labels[often]])
    rows = (rng.random((2000, 12)) < 0.03) * rng.integers(1, 4, (2000, 12))
    labels = np.repeat([1, 0], [30, 1970])
    for row in range(30):
        rows[row, rng.choice(12, 3, replace=False)] += rng.integers(1, 6, 3)
    yield "duplicates/mostly zero", rows, labels


def _few(rng: np.random.Generator) -> Iterator[Set]:
    for count in (15, 25, 40, 60):
        rows = rng.normal(size=(count, 4)) @ rng.normal(size=(4, 4))
        strange = max(2, count // 12)
        away = 3 * rows.std(axis=0) * rng.uniform(0.5, 1.0, (strange, 4))
        rows[:strange] += rng.choice([-1, 1], (strange, 4)) * away
        yield f"few rows/{count}", rows, np.repeat([1, 0], [strange, count - strange])


def _constants(rng: np.random.Generator) -> Iterator[Set]:
    for kind, name in (("local", "wine"), ("global", "cancer"), ("clustered", "diabetes")):
        rows, labels = _planted(kind, name, rng)
        more = np.zeros((len(rows), 15))
        more[:, 3] = 7
        more[rng.choice(len(rows), 4), 4] = 1e6
        units = 10.0 ** rng.integers(-5, 6, rows.shape[1])
        yield f"constant columns, odd units/{name}", np.column_stack([rows * units, more]), labels


def _shares(rng: np.random.Generator) -> Iterator[Set]:
    for share in (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4):
        for kind, name in (("local", "cancer"), ("global", "wine")):
            yield f"share of outliers/{share:.0%}, {kind}", *_planted(kind, name, rng, share=share)


def _many(rng: np.random.Generator) -> Iterator[Set]:
    for kind, name in (("local", "diabetes"), ("global", "cancer"), ("dependency", "wine")):
        yield f"many rows/{kind}", *_planted(kind, name, rng, 8000, 0.01)
