"""The figures of a period as the record of them: one JSON file with what each figure means and rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from citysoc.reports.definitions import definitions
from citysoc.reports.figures import SCHEMA_VERSION

if TYPE_CHECKING:
    from citysoc.reports.figures import Figures


def to_json(figures: Figures) -> bytes:
    """Return figures as JSON with sorted keys: same figures, same bytes."""
    data: dict[str, Any] = {
        "schema": SCHEMA_VERSION,
        "figures": figures,
        "definitions": definitions(figures),
    }
    return orjson.dumps(
        data,
        option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS,
    )
