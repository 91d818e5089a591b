"""Files that are on the disk for good: after a power failure they are there, whole, under their name."""

from __future__ import annotations

import os
import shutil
import uuid
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def sync(path: Path) -> None:
    """Put a file and its name on the disk for good."""
    _sync(path)
    sync_name(path)


def sync_name(path: Path) -> None:
    """Put a file's name on the disk for good."""
    _sync(path.parent)


def _sync(place: Path) -> None:
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def copy(source: Path, target: Path) -> None:
    """Copy a file and its permissions, for good when this returns; nobody sees half of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{uuid.uuid4().hex}")
    shutil.copy(source, temporary)
    sync(temporary)
    temporary.replace(target)
    sync_name(target)
