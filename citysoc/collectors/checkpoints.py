"""Where each file goes on: the checkpoint of one content, and how a content is known again.

A file keeps its inode when it is renamed and loses it when it is copied or packed; its beginning and the
bytes before the place we stopped at stay the same either way. So a checkpoint holds both: device and
inode, and hashes of the first KiB (*head*) and of the KiB before the offset (*tail*), all of the
unpacked content.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from citysoc.flow import Position

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from citysoc.collectors.found import Found

MARK_BYTES = 1024
"""So much of the beginning, and of what lies before the offset, tells contents apart."""

_FORGET_DAYS = 30
_MAX_CANDIDATES = 4096
"""Contents that begin alike are compared with at most so many checkpoints, the furthest first."""

_ROTATED = re.compile(
    r"(\.(gz|zst|zip|old|bak|\d{1,4})|[-._]\d{4}-?\d{2}-?\d{2}([-_T.]?\d{2,6})?(-\d{10})?)$", re.IGNORECASE
)
"""What rotation adds to a file's name: a number, a date, the ending of a packer."""


def digest(*parts: bytes) -> str:
    """Return the hash of the parts as 32 hexadecimal digits."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        state.update(len(part).to_bytes(8, "big"))
        state.update(part)
    return state.hexdigest()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far one content was read.

    Args:
        key: its name for ever; also the ``identity`` of its batches.
        dev: the device of the file it was last seen in.
        ino: the inode there.
        member: the member's name inside an archive.
        path: where it was last seen.
        size: the file's size when it was last read, in bytes.
        mtime: the file's modification time then, in nanoseconds.
        offset: where to go on, in bytes of the unpacked content, or the number of the next record.
        head_len: of so many bytes is ``head`` the hash.
        head: the hash of the content's first bytes.
        tail_len: of so many bytes is ``tail`` the hash.
        tail: the hash of the bytes before ``offset``.
        header: the header in force at ``offset``, as Latin-1.
        parser: the parser's name.
        framer: the framer's name.
        done: the content was read to its end.
        whole: so was the rest of its file.
        waiting: a half-written line stands at its end.
        seen: the day it was last seen, ISO 8601.
    """

    key: str
    dev: int
    ino: int
    member: str
    path: str
    size: int
    mtime: int
    offset: int = 0
    head_len: int = 0
    head: str = ""
    tail_len: int = 0
    tail: str = ""
    header: str = ""
    parser: str = ""
    framer: str = ""
    done: bool = False
    whole: bool = False
    waiting: bool = False
    seen: str = ""

    @property
    def inode(self) -> tuple[int, int]:
        """What named its file."""
        return self.dev, self.ino

    def position(self) -> Position:
        """Return it as a position to be stored."""
        value = {name: getattr(self, name) for name in _FIELDS}
        return Position(self.key, value)

    def is_of(self, file: Found) -> bool:
        """Whether the file has not been touched since."""
        return (self.inode, self.size, self.mtime) == (file.inode, file.size, file.mtime)

    def moved_to(self, file: Found, member: str, today: dt.date) -> Checkpoint:
        """Return the same place in the file as it is now."""
        return dataclasses.replace(
            self,
            dev=file.dev,
            ino=file.ino,
            member=member,
            path=file.label,
            size=file.size,
            mtime=file.mtime,
            seen=today.isoformat(),
        )


_FIELDS = tuple(one.name for one in dataclasses.fields(Checkpoint) if one.name != "key")


def read_position(key: str, value: Mapping[str, Any]) -> Checkpoint | None:
    """Return a stored position as a checkpoint; None when it is none of ours."""
    try:
        return Checkpoint(key=key, **{name: value[name] for name in _FIELDS if name in value})
    except TypeError:
        return None


@dataclass(slots=True)
class Known:
    """All checkpoints of a stream during one pull."""

    by_key: dict[str, Checkpoint] = field(default_factory=dict)
    earlier: frozenset[str] = frozenset()
    held: set[str] = field(default_factory=set)
    _inodes: dict[tuple[int, int], list[str]] = field(default_factory=lambda: defaultdict(list))
    _members: dict[tuple[tuple[int, int], str], list[str]] = field(default_factory=lambda: defaultdict(list))
    _heads: dict[int, dict[str, list[str]]] = field(default_factory=lambda: defaultdict(dict))

    @classmethod
    def of(cls, positions: Mapping[str, Mapping[str, Any]]) -> Known:
        """Return the checkpoints that were stored."""
        known = cls()
        for key, value in positions.items():
            if checkpoint := read_position(key, value):
                known.put(checkpoint)
        known.earlier = frozenset(known.by_key)
        return known

    def put(self, checkpoint: Checkpoint) -> None:
        """Add a checkpoint, or change it."""
        before = self.by_key.get(checkpoint.key)
        self.by_key[checkpoint.key] = checkpoint
        if before is None or before.inode != checkpoint.inode:
            self._inodes[checkpoint.inode].append(checkpoint.key)
        if before is None or (before.inode, before.member) != (checkpoint.inode, checkpoint.member):
            self._members[checkpoint.inode, checkpoint.member].append(checkpoint.key)
        if before is None or (before.head_len, before.head) != (checkpoint.head_len, checkpoint.head):
            self._heads[checkpoint.head_len].setdefault(checkpoint.head, []).append(checkpoint.key)

    def of_inode(self, inode: tuple[int, int]) -> list[Checkpoint]:
        """Return the checkpoints last seen in a file, latest first."""
        found = [self.by_key[key] for key in self._inodes.get(inode, ())]
        return _latest_first(one for one in found if one.inode == inode)

    def of_member(self, inode: tuple[int, int], member: str) -> list[Checkpoint]:
        """Return those of one member of a file, latest first; an archive may hold very many."""
        found = [self.by_key[key] for key in self._members.get((inode, member), ())]
        return _latest_first(one for one in found if (one.inode, one.member) == (inode, member))

    def beginning_like(self, head: bytes) -> list[Checkpoint]:
        """Return the checkpoints whose content begins like this one, furthest first."""
        hashes = {length: hash_of(head[:length]) for length in self._heads if 0 < length <= len(head)}
        keys = {key for length, wanted in hashes.items() for key in self._heads[length].get(wanted, ())}
        found = [one for key in keys if hashes.get((one := self.by_key[key]).head_len) == one.head]
        return sorted(found, key=lambda one: (-one.offset, one.key))[:_MAX_CANDIDATES]

    def new_key(self, base: str) -> str:
        """Return a key that no other content has."""
        key, number = base, 2
        while key in self.by_key:
            key, number = f"{base}.{number}", number + 1
        return key


def _latest_first(found: Iterable[Checkpoint]) -> list[Checkpoint]:
    return sorted(found, key=lambda one: (one.seen, one.mtime, one.offset), reverse=True)


def hash_of(data: bytes) -> str:
    """Return the hash of a head or a tail."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _begins(checkpoint: Checkpoint, head: bytes) -> bool:
    return len(head) >= checkpoint.head_len and hash_of(head[: checkpoint.head_len]) == checkpoint.head


@dataclass(frozen=True, slots=True)
class Content:
    """What a content is recognised by.

    Args:
        file: the file it is in.
        member: the member's name inside an archive.
        head: its first bytes, up to 64 KiB.
        before: gives the ``MARK_BYTES`` before each of some ascending places, fewer when it ends earlier.
        changing: whether the file was touched a moment ago and may still be in the making.
    """

    file: Found
    member: str
    head: bytes
    before: Callable[[Sequence[int]], Iterator[bytes]]
    changing: bool = False

    def goes_on_from(self, checkpoint: Checkpoint) -> bool | None:
        """Whether it is the content of a checkpoint; None if it is too short to say."""
        if not _begins(checkpoint, self.head):
            return False
        return self.have_tails([checkpoint])[checkpoint.key]

    def have_tails(self, checkpoints: Iterable[Checkpoint]) -> dict[str, bool | None]:
        """Return for each key whether its tail stands where it was; None where the content is too short."""
        ordered = sorted(checkpoints, key=lambda one: one.offset)
        tails = self.before([one.offset for one in ordered])
        return {
            one.key: hash_of(tail) == one.tail if len(tail) == one.tail_len else None
            for one, tail in zip(ordered, tails, strict=True)
        }


def same_inode(content: Content, known: Known) -> Checkpoint | None:
    """Return the checkpoint of the same file, if its content still is the same."""
    for checkpoint in known.of_member(content.file.inode, content.member):
        if content.goes_on_from(checkpoint):
            return checkpoint
    return None


def furthest(
    content: Content, direct: Checkpoint, candidates: Sequence[Checkpoint], known: Known
) -> Checkpoint:
    """Return where to go on in a file whose own checkpoint is ``direct``.

    Another file with the same content may have been read further: a copy, whose packed form got the
    inode of the original.
    """
    further = [one for one in candidates if one.offset > direct.offset]
    further = [one for one in further if _sure(one, content, alive=_alive(one, known))]
    goes_on = content.have_tails(further)
    other = next((one for one in further if goes_on[one.key]), None)
    return dataclasses.replace(other, key=direct.key) if other else direct


class StillChangingError(Exception):
    """The file looks like the beginning of one that we know, and is still being written."""


def renamed(content: Content, candidates: Sequence[Checkpoint], known: Known) -> Checkpoint | None:
    """Return the checkpoint of a content that now lies in another file: renamed, copied or packed.

    Args:
        content: what was found.
        candidates: checkpoints that begin alike.
        known: who is held by a file of its own.

    Returns:
        The checkpoint; under a key of its own when the file it was seen in is still there.

    Raises:
        StillChangingError: it has to be looked at again when it is complete.
    """
    alive = {one.key: _alive(one, known) for one in candidates}
    sure = [one for one in candidates if _sure(one, content, alive=alive[one.key])]
    goes_on = content.have_tails(sure)
    for checkpoint in sure:
        # A file is no copy of what was seen under its own name: it has begun anew.
        if goes_on[checkpoint.key] is None and content.changing and checkpoint.path != content.file.label:
            raise StillChangingError
        if goes_on[checkpoint.key]:
            key = known.new_key(checkpoint.key) if alive[checkpoint.key] else checkpoint.key
            return dataclasses.replace(checkpoint, key=key)
    return None


def _sure(checkpoint: Checkpoint, content: Content, *, alive: bool) -> bool:
    """Whether there is enough to compare: a mere header row is common to many files."""
    if checkpoint.offset >= MARK_BYTES or related(checkpoint.path, content.file.label):
        return True
    return not alive and content.head[: checkpoint.offset].count(b"\n") > 1


def _alive(checkpoint: Checkpoint, known: Known) -> bool:
    """Whether the file of a checkpoint is still there, so that a content like it is a copy."""
    if checkpoint.key in known.held:
        return True
    try:
        status = os.stat(checkpoint.path)  # noqa: PTH116  text as everywhere here
    except (OSError, ValueError):
        return False
    same = (status.st_dev, status.st_ino) == checkpoint.inode
    return same and status.st_size >= checkpoint.offset


def related(one: str, other: str) -> bool:
    """Whether two paths differ only by what rotation adds.

    >>> related("/var/log/app.log.1", "/var/log/app.log-20261001.gz")
    True
    """
    return _stem(one) == _stem(other)


def _stem(path: str) -> str:
    name = os.path.basename(path)  # noqa: PTH119  text as everywhere here
    while (shorter := _ROTATED.sub("", name)) not in {name, ""}:
        name = shorter
    return os.path.join(os.path.dirname(path), name)  # noqa: PTH118, PTH120  text as everywhere here


def stale_keys(positions: Mapping[str, Mapping[str, Any]], now: dt.datetime) -> list[str]:
    """Return the keys of contents that are gone for 30 days: nothing is lost by forgetting them.

    What lives is confirmed every week, so that the last day it was seen is enough to judge by. Days on
    which nobody looked do not count: time is measured up to the last look.
    """
    import datetime as dt

    checkpoints = [one for key, value in positions.items() if (one := read_position(key, value))]
    days = [one.seen for one in checkpoints if one.seen]
    if not days:
        return []
    last = min(max(days), now.date().isoformat())
    limit = (dt.date.fromisoformat(last) - dt.timedelta(days=_FORGET_DAYS)).isoformat()
    return sorted(one.key for one in checkpoints if one.seen < limit)
