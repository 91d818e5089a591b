"""Rule files to their documents, within bounds: what cannot be read is a finding about the file, not an end."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import yaml

from citysoc.detectors.sigma.states import OVERRIDES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

MAX_BYTES = 2 << 20
MAX_NODES = 200_000
"""So many values a file may have once its aliases are written out."""
MAX_DEPTH = 40
_SMALL_BYTES = 4 << 10
_CHUNK = 32 << 10
_NAME = attrgetter("name")


@dataclass(frozen=True, slots=True)
class RuleFile:
    """One file of rules, or why it cannot be read.

    Args:
        path: where it is.
        content: its bytes.
        digest: a hash of them.
        problem: why it cannot be read; empty if it can.
    """

    path: Path
    content: bytes
    digest: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document of a file: its first line and its value, or why it has none."""

    line: int
    value: Any
    problem: str = ""


def rule_files(paths: Sequence[Path]) -> list[RuleFile]:
    """Return the rule files under the paths, sorted by path, each once.

    What is hidden, and what lies in a folder of overrides (see ``states``), holds no rules.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if path.is_dir():
            for one in _below(path):
                found.setdefault(str(one), one)
        else:
            found.setdefault(str(path), path)
    return [_read(path, name) for name, path in found.items()]


def _below(folder: Path) -> Iterator[Path]:
    """Yield what may hold rules in a folder and those below it, in the order of their paths.

    Folders are told by what the listing says of them: to ask of each file takes a third of a start with thousands of
    files. Links to folders are not followed: they may form a ring.
    """
    try:
        with os.scandir(folder) as entries:
            folders = {
                entry.name
                for entry in entries
                if entry.name != OVERRIDES and entry.is_dir(follow_symlinks=False)
            }
        children = sorted(folder.iterdir(), key=_NAME)  # the quickest way to paths
    except OSError:  # what cannot be looked into holds nothing for us
        return
    for child in children:
        name = child.name
        if name[0] == ".":
            continue
        if name.endswith((".yml", ".yaml")):
            yield child
        if name in folders:
            yield from _below(child)


def _read(path: Path, name: str) -> RuleFile:
    try:
        content = _content(name)
    except OSError as error:
        return RuleFile(path, b"", "", f"the file cannot be read: {error.strerror or error}")
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    if len(content) > MAX_BYTES:
        return RuleFile(path, b"", digest, f"the file is larger than {MAX_BYTES} bytes")
    return RuleFile(path, content, digest)


def _content(path: str) -> bytes:
    """Return a file's bytes, of one that is too large no more than shows it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = os.read(descriptor, _CHUNK)
        if len(content) == _CHUNK or not stat.S_ISREG(os.fstat(descriptor).st_mode):
            while len(content) <= MAX_BYTES and (more := os.read(descriptor, _CHUNK)):
                content += more
        return content
    finally:
        os.close(descriptor)


def documents(content: bytes) -> Iterator[Document]:
    """Yield the YAML documents of a file; a broken one ends it."""
    loader = None
    try:
        if (line := _too_deep(content)) is not None:
            yield Document(line, None, "the document is nested too deeply")
            return
        loader = yaml.CSafeLoader(content)
        while loader.check_node():
            node: Any = loader.get_node()
            line = node.start_mark.line + 1
            if not _is_bounded(node):
                yield Document(line, None, "the document is too large or refers to itself")
                continue
            if (twice := _twice(node)) is not None:
                yield Document(twice.start_mark.line + 1, None, f"the key {twice.value!r} is there twice")
                continue
            value = loader.construct_document(node)
            if value is not None:
                yield Document(line, value)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or " ".join(str(error).split())
        yield Document(mark.line + 1 if mark else 1, None, f"the YAML is broken: {reason}")
    except (ValueError, RecursionError, UnicodeError) as error:  # impossible dates and the like
        yield Document(1, None, f"the YAML is broken: {error}")
    finally:
        if loader is not None:
            loader.dispose()


def _too_deep(content: bytes) -> int | None:
    """Return the line at which a file nests deeper than its bound.

    The composer of the YAML library overflows the stack on deep nesting, its reader of events does not.
    A level takes at least one byte, so that small files need no look.
    """
    if len(content) <= _SMALL_BYTES:
        return None
    depth = 0
    for event in yaml.parse(content, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                return event.start_mark.line + 1 if event.start_mark else 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return None


def _twice(root: Any) -> Any | None:
    """Return a key that a mapping has a second time: YAML takes the last one and says nothing."""
    stack = [root]
    seen: set[int] = set()
    while stack:
        node = stack.pop()
        if id(node) in seen or isinstance(node, yaml.ScalarNode):
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            stack += node.value
            continue
        names: set[str] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in names:
                    return key
                names.add(key.value)
            stack.append(value)
    return None


def _is_bounded(root: Any) -> bool:
    """Return whether a document is small enough with every alias written out."""
    left = MAX_NODES
    stack = [(root, 0)]
    while stack:
        node, depth = stack.pop()
        left -= 1
        if left < 0 or depth > MAX_DEPTH:
            return False
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                stack += ((key, depth + 1), (value, depth + 1))
        elif isinstance(node, yaml.SequenceNode):
            stack += ((item, depth + 1) for item in node.value)
    return True
