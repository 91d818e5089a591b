"""The framers by name; each is loaded when it is first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from citysoc.framing.base import Framer

FRAMERS = {
    "lines": "citysoc.framing.lines:frame_lines",
    "comments": "citysoc.framing.lines:frame_commented",
    "json": "citysoc.framing.json:frame_json",
    "csv": "citysoc.framing.csv:frame_csv",
    "xlsx": "citysoc.framing.xlsx:frame_xlsx",
    "avreport": "citysoc.framing.avreport:frame_avreport",
    "evtx": "citysoc.framing.evtx:frame_evtx",
}
"""Framer names to ``module:function``. ``lines`` and ``comments`` count offsets in bytes and can go
on in the middle of a growing file; the others number their records and read a file as a whole."""

GROWING = frozenset({"lines", "comments"})


def framer(name: str) -> Framer:
    """Return the framer of that name."""
    module, _, function = FRAMERS[name].partition(":")
    return cast("Framer", getattr(importlib.import_module(module), function))
