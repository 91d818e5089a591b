"""An isolation forest as a few long arrays, for a file: some forty forests of forty trees are quick to read so.

What scikit-learn keeps of a tree is an array of nodes and one of values; those of all trees lie one behind the other.
Everything else of the forest stays the estimator that scikit-learn made, with its first tree only.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from sklearn.ensemble import IsolationForest


def pack(forest: IsolationForest) -> dict[str, Any]:
    """Return a fitted forest as arrays, numbers and one small estimator."""
    import numpy as np

    states = [tree.tree_.__getstate__() for tree in forest.estimators_]
    first = copy.copy(forest)
    lists = _lists(forest, forest.n_estimators)
    for name in lists:
        setattr(first, name, getattr(forest, name)[:1])
    return {
        "first": first,
        "nodes": np.concatenate([state["nodes"] for state in states]),
        "values": np.concatenate([state["values"] for state in states]),
        "sizes": np.array([len(state["nodes"]) for state in states]),
        "depths": np.array([state["max_depth"] for state in states]),
        "lists": {name: _joined(getattr(forest, name)) for name in lists if name != "estimators_"},
    }


def unpack(parts: dict[str, Any], columns: int) -> IsolationForest:
    """Return the forest that ``pack`` was given.

    Args:
        parts: what ``pack`` gave.
        columns: how many columns its rows have.

    Raises:
        ValueError: the nodes of a tree lead out of it: scikit-learn would follow them anywhere.
    """
    import numpy as np
    from sklearn.ensemble import IsolationForest
    from sklearn.tree._tree import Tree

    forest: IsolationForest = parts["first"]
    if not isinstance(forest, IsolationForest) or forest.n_features_in_ != columns:
        raise ValueError
    for name in _lists(forest, of=1):
        if name != "estimators_":
            setattr(forest, name, _split(parts["lists"][name]))
    ends = np.cumsum(parts["sizes"]).tolist()
    model, used = forest.estimators_[0], forest.estimators_features_
    trees = []
    for start, end, depth, of in zip([0, *ends], ends, parts["depths"].tolist(), used, strict=False):
        nodes = parts["nodes"][start:end]
        _check(nodes, of, columns)
        tree = Tree(len(of), np.array([1], dtype=np.intp), 1)
        state = {"max_depth": depth, "node_count": end - start, "nodes": nodes}
        tree.__setstate__({**state, "values": parts["values"][start:end]})
        one = copy.copy(model)
        one.tree_ = tree
        trees.append(one)
    forest.estimators_ = trees
    if not len(trees) == len(used) == forest.n_estimators:
        raise ValueError
    return forest


def _check(nodes: np.ndarray, used: np.ndarray, columns: int) -> None:
    """Refuse nodes that lead elsewhere than to later ones of their tree (so every way ends), or ask for other columns."""
    left, right, feature = (nodes[name] for name in ("left_child", "right_child", "feature"))
    place = (left >= 0).nonzero()[0]
    left, right, feature = left[place], right[place], feature[place]
    onward = (left > place) & (right > place) & (left < len(nodes)) & (right < len(nodes))
    if not len(nodes) or not (onward & (feature >= 0) & (feature < len(used))).all() or max(used) >= columns:
        raise ValueError


def _lists(forest: IsolationForest, of: int) -> list[str]:
    """Return the names of what the forest keeps of each of so many trees."""
    return [
        name for name, value in vars(forest).items() if isinstance(value, (list, tuple)) and len(value) == of
    ]


def _joined(arrays: list[np.ndarray] | tuple[np.ndarray, ...]) -> dict[str, np.ndarray]:
    import numpy as np

    return {"all": np.concatenate(list(arrays)), "sizes": np.array([len(one) for one in arrays])}


def _split(joined: dict[str, np.ndarray]) -> list[np.ndarray]:
    import numpy as np

    return np.split(joined["all"], np.cumsum(joined["sizes"])[:-1])
