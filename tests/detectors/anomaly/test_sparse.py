"""Rows without their zeros come back as they were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from citysoc.detectors.anomaly.sparse import from_parts, sparse

ROWS = st.tuples(st.integers(0, 12), st.integers(1, 20)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.sampled_from([0.0, 0.0, 0.0, 1.5, -2.0]))
)


@given(ROWS, st.lists(st.integers(0, 11)))
def test_rows_are_what_they_were(rows: np.ndarray, asked: list[int]) -> None:
    packed = sparse(rows)
    again = from_parts(packed.parts(), rows.shape[1])
    places = np.array([place for place in asked if place < len(rows)], dtype=np.int64)
    assert len(packed) == len(rows)
    assert (packed.rows(places) == rows[places]).all()
    assert (again.rows(places) == rows[places]).all()


def test_parts_that_do_not_fit_are_refused() -> None:
    parts = sparse(np.eye(4, dtype=np.float32)).parts()
    with pytest.raises(ValueError, match="fit"):
        from_parts({**parts, "values": parts["values"][:3]}, 4)
    with pytest.raises(ValueError, match="fit"):
        from_parts(parts, 9)
