"""A built report on its way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Package:
    """A built report on its way to one target.

    Args:
        id: the delivery's id, the same at every attempt.
        period: the name of its period.
        agency: whose report it is; empty for the city's.
        folder: where it lies.
        place: its folder relative to the directory of reports, for links and folders elsewhere.
        files: the documents to deliver.
    """

    id: str
    period: str
    agency: str
    folder: Path
    place: str
    files: tuple[Path, ...]
