"""Rows of the feature table as arrays: whose they are, and their values on the scale the habits are learnt on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import pyarrow as pa


def entity_codes(table: pa.Table) -> tuple[np.ndarray, np.ndarray]:
    """Return the different entities (agency, a tab, entity) and each row's number among them."""
    import numpy as np
    import pyarrow.compute as pc

    joined = pc.binary_join_element_wise(table["agency"], table["entity"], "\t").combine_chunks()
    encoded = joined.dictionary_encode()
    if hasattr(encoded, "combine_chunks"):
        encoded = encoded.combine_chunks()
    return np.array(encoded.dictionary.to_pylist(), dtype=str), encoded.indices.to_numpy()


def numbers(entities: np.ndarray, table: pa.Table) -> np.ndarray:
    """Return each row's entity number; -1 for unknown ones."""
    import numpy as np

    names, codes = entity_codes(table)
    if not len(entities):
        return np.full(len(codes), -1)
    place = np.minimum(np.searchsorted(entities, names), len(entities) - 1)
    number = np.where(entities[place] == names, place, -1)
    result: np.ndarray = number[codes]
    return result


def values(table: pa.Table, names: Sequence[str]) -> np.ndarray:
    """Return the features of rows as ``log(1 + value)``: (rows, features)."""
    import numpy as np

    if not len(table):
        return np.zeros((0, len(names)), np.float32)
    columns = [np.log1p(np.maximum(table[name].to_numpy(), 0)).astype(np.float32) for name in names]
    return np.column_stack(columns)
