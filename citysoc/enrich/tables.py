"""Reads the tables of this folder: YAML that ships with the product and is read once."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml


@lru_cache(maxsize=16)
def table(name: str) -> dict[str, Any]:
    """Return a table of this folder by its file name, for example ``rules.yml``."""
    text = (Path(__file__).parent / name).read_bytes()
    data: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)  # noqa: TID251  safe
    return data
