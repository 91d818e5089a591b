"""Find the files that patterns mean: no hidden surprises, no loops, nothing that blocks."""

from __future__ import annotations

import fnmatch
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_MAGIC = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Found:
    """One regular file as ``stat`` saw it; ``mtime`` is in nanoseconds."""

    path: str
    dev: int
    ino: int
    size: int
    mtime: int

    @property
    def inode(self) -> tuple[int, int]:
        """What names the file as long as it exists."""
        return self.dev, self.ino

    @property
    def label(self) -> str:
        """The path as text that every receiver can take."""
        return os.fsencode(self.path).decode("utf-8", "replace")

    @classmethod
    def of(cls, path: str, status: os.stat_result) -> Found:
        """Return what ``status`` says of the file at ``path``."""
        return cls(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def find(patterns: Sequence[str], *, literal: bool, problems: list[str]) -> list[Found]:
    """Return the files that the patterns mean: oldest first, then by name; one entry an inode.

    Args:
        patterns: paths or glob patterns; ``**`` stands for any folders, links to folders are not
            followed. A path without wildcards that is a folder means all files below it. Hidden files are
            only found by a pattern that itself begins with a dot.
        literal: the patterns are paths, whatever letters they hold.
        problems: what could not be looked at is added here, a sentence each.
    """
    found: dict[tuple[int, int], Found] = {}
    for pattern in patterns:
        if literal or not _MAGIC.intersection(pattern):
            candidates = _explicit(pattern, problems)
        else:
            candidates = _matches(pattern, problems)
        for path, status in candidates:
            one = Found.of(path, status)
            earlier = found.get(one.inode)
            if earlier is None or path < earlier.path:
                found[one.inode] = one
    return sorted(found.values(), key=lambda one: (one.mtime, one.path))


def say(path: str, error: OSError) -> str:
    """Return what is wrong with a path as a sentence."""
    return f"{path}: {error.strerror or type(error).__name__}."


def _explicit(path: str, problems: list[str]) -> Iterator[tuple[str, os.stat_result]]:
    status = _status(path, problems, must_exist=True)
    if status is None:
        return
    if stat.S_ISDIR(status.st_mode):
        yield from _regular(_expand(path, ("**", "*"), problems), problems)
    elif _is_regular(path, status, problems):
        yield path, status


def _matches(pattern: str, problems: list[str]) -> Iterator[tuple[str, os.stat_result]]:
    root, *parts = Path(pattern).absolute().parts
    yield from _regular(_expand(root, tuple(parts), problems), problems)


def _regular(paths: Iterator[str], problems: list[str]) -> Iterator[tuple[str, os.stat_result]]:
    for path in paths:
        status = _status(path, problems, must_exist=False)
        if status and not stat.S_ISDIR(status.st_mode) and _is_regular(path, status, problems):
            yield path, status


def _is_regular(path: str, status: os.stat_result, problems: list[str]) -> bool:
    if stat.S_ISREG(status.st_mode):
        return True
    problems.append(f"{path}: It is no regular file.")
    return False


def _status(path: str, problems: list[str], *, must_exist: bool) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116  one call a file, thousands of files
    except FileNotFoundError as error:
        if must_exist:
            problems.append(say(path, error))
    except (OSError, ValueError) as error:
        problems.append(say(path, error) if isinstance(error, OSError) else f"{path!r}: It is no path.")
    return None


def _expand(root: str, parts: tuple[str, ...], problems: list[str]) -> Iterator[str]:
    """Yield the paths below ``root`` that match the parts of a pattern, one a level."""
    waiting = [(root, parts)]
    visited: set[tuple[str, tuple[str, ...]]] = set()
    while waiting:
        place = waiting.pop()
        if place in visited:
            continue
        visited.add(place)
        for path, rest in _step(*place, problems):
            if rest:
                waiting.append((path, rest))
            else:
                yield path


def _step(folder: str, parts: tuple[str, ...], problems: list[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield where the first part of a pattern leads, with the parts that are left."""
    part, rest = parts[0], parts[1:]
    if part == "**":
        yield folder, rest or ("*",)
        for entry in _entries(folder, problems):
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                yield entry.path, parts
    elif _MAGIC.intersection(part):
        for entry in _entries(folder, problems):
            if _fits(entry.name, part) and (not rest or entry.is_dir()):
                yield entry.path, rest
    else:
        yield os.path.join(folder, part), rest  # noqa: PTH118  text, for speed


def _fits(name: str, pattern: str) -> bool:
    if name.startswith(".") and not pattern.startswith("."):
        return False
    return fnmatch.fnmatchcase(name, pattern)


def _entries(folder: str, problems: list[str]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        problems.append(say(folder, error))
        return []
