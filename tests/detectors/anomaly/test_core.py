"""The core finds outliers of any data set, the same for the same seed."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner
from sklearn.metrics import roc_auc_score

from citysoc.commands.anomaly import command
from citysoc.detectors.anomaly import core
from citysoc.detectors.anomaly.sets import measure
from citysoc.errors import UsageError
from tests.corpus import CORPUS, needs_corpus


def planted(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    ordinary = rng.normal(size=(600, 6)) @ rng.normal(size=(6, 6))
    strange = rng.normal(size=(20, 6)) * 9
    return np.concatenate([ordinary, strange]), np.repeat([0, 1], [600, 20])


@pytest.mark.parametrize("seed", [1, 2])
def test_planted_outliers_come_first(seed: int) -> None:
    rows, labels = planted(seed)
    assert roc_auc_score(labels, core.score(rows, 0)) > 0.97


def test_the_same_seed_gives_the_same_scores() -> None:
    rows, _ = planted(3)
    assert (core.score(rows, 4) == core.score(rows, 4)).all()
    assert (core.score(rows, 4) != core.score(rows, 5)).any()


def test_columns_that_never_change_and_values_that_are_no_numbers_do_no_harm() -> None:
    rows, labels = planted(1)
    spoilt = np.column_stack([rows, np.full(len(rows), 7.0)])
    spoilt[3, 0], spoilt[4, 1] = np.nan, np.inf
    scores = core.score(spoilt, 0)
    assert np.isfinite(scores).all()
    assert roc_auc_score(labels, scores) > 0.97


@pytest.mark.parametrize("shape", [(0, 3), (1, 3), (1, 1), (5, 0), (2, 1), (5, 3), (40, 1), (4, 60)])
def test_small_sets_have_scores_too(shape: tuple[int, int]) -> None:
    scores = core.score(np.random.default_rng(0).normal(size=shape), 0)
    assert scores.shape == shape[:1]
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    "rows",
    [
        np.ones((50, 2)),
        np.full((6, 2), np.nan),
        np.array([[1e300, 1.0]] * 4 + [[-1e300, 2.0]] * 30 + [[1e308, -1e308]]),
        np.array([[np.inf, -np.inf, np.nan]] * 9 + [[0.0, 1.0, 2.0]]),
        np.arange(30).reshape(10, 3) > 12,
    ],
    ids=["all alike", "no number", "beyond 32 bits", "hardly a number", "truth values"],
)
def test_odd_values_have_scores(rows: np.ndarray) -> None:
    assert np.isfinite(core.score(rows, 0)).all()


def test_what_breaks_a_dependence_comes_first_though_each_of_its_values_is_ordinary() -> None:
    rng = np.random.default_rng(0)
    ordinary = rng.normal(size=(800, 2)) @ rng.normal(size=(2, 10)) + 0.1 * rng.normal(size=(800, 10))
    broken = rng.permuted(ordinary[:25], axis=0)
    scores = core.score(np.concatenate([ordinary, broken]), 0)
    assert roc_auc_score(np.repeat([0, 1], [800, 25]), scores) > 0.9


def test_new_rows_are_scored_like_the_fitted_ones() -> None:
    rows, labels = planted(1)
    ensemble, _ = core.fit(rows[labels == 0], 0)
    scores = ensemble.score(rows)
    assert scores[labels == 1].min() > np.median(scores[labels == 0])


@needs_corpus
def test_outliers_of_real_sets_come_first() -> None:
    found = {}
    for name in ("21_Lymphography", "37_Stamps", "43_WDBC", "4_breastw"):
        data = np.load(CORPUS / "anomaly" / f"{name}.npz")
        found[name] = roc_auc_score(data["y"], core.score(data["X"], 0))
    assert np.mean(list(found.values())) > 0.96


@needs_corpus
@pytest.mark.faults
def test_real_sets_are_no_worse_than_the_best_single_peer_measured() -> None:
    # IForest of PyOD, the best single detector over the eight sets: 0.8850.
    assert measure(CORPUS / "anomaly")[-1]["roc_auc"] > 0.885


def test_a_folder_without_sets_is_told(tmp_path) -> None:
    done = CliRunner().invoke(command, ["bench", str(tmp_path)])
    assert done.exit_code
    assert "npz" in str(done.exception)


BAD = {
    "code": {"X": np.array([{"x": 1}], dtype=object), "y": np.zeros(1)},
    "one column as a line": {"X": np.zeros(9), "y": np.zeros(9)},
    "too few labels": {"X": np.zeros((9, 2)), "y": np.array([0, 1])},
    "words": {"X": np.array([["a", "b"], ["c", "d"]]), "y": np.array([0, 1])},
    "labels that are no labels": {"X": np.zeros((2, 2)), "y": np.array(["x", "y"])},
    "one kind of label": {"X": np.zeros((9, 2)), "y": np.zeros(9)},
    "other names": {"rows": np.zeros((2, 2)), "y": np.array([0, 1])},
}


@pytest.mark.parametrize("name", BAD)
def test_a_set_that_is_none_is_told_with_its_file(tmp_path, name: str) -> None:
    np.savez(tmp_path / "odd.npz", **BAD[name])
    done = CliRunner().invoke(command, ["bench", str(tmp_path)])
    assert isinstance(done.exception, UsageError)
    assert "odd.npz" in str(done.exception)


@pytest.mark.parametrize("data", [b"", b"garbage", b"PK\x03\x04broken"])
def test_a_damaged_set_is_told_with_its_file(tmp_path, data: bytes) -> None:
    (tmp_path / "odd.npz").write_bytes(data)
    done = CliRunner().invoke(command, ["bench", str(tmp_path)])
    assert isinstance(done.exception, UsageError)
    assert "odd.npz" in str(done.exception)


def test_labels_in_a_column_are_labels(tmp_path) -> None:
    rows, labels = planted(1)
    np.savez(tmp_path / "a.npz", X=rows, y=labels[:, None])
    assert [row["set"] for row in measure(tmp_path)] == ["a", "mean"]
