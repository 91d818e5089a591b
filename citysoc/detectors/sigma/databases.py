"""Pattern databases of Hyperscan, and plans of indexes, made once: kept on disk by what they are made of.

A file's name is a hash of the patterns, their flags and numbers, of the library and the machine; so none can be
stale, and rules that change make new ones for the fields they look at only. A file holds a digest of its content,
which is checked before the library is given it: what is broken or cut off is compiled anew. The plan of an index is
kept in the same way, by the rules that it is for and by all that decides how they are read.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citysoc import telemetry
from citysoc.detectors.sigma.mapping import fingerprint
from citysoc.detectors.sigma.written import written

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

try:
    hyperscan: Any = importlib.import_module("hyperscan")
except ImportError:  # there is no wheel for this machine
    hyperscan = None

_MAGIC = b"citysoc.hs.1\n"
_DIGEST_BYTES = 32
_MAX_FILES = 8192
"""Rules of every kind and logs of every kind make some 2,000."""
_MAX_BYTES = 256 << 20
_LOOK_EVERY = 64
"""After so many files that were written, it is looked whether they are too many."""
_MAX_FILE_BYTES = 64 << 20


class Databases:
    """Compiles databases, or takes them from a directory.

    Args:
        directory: where they are kept; None keeps none.
    """

    __slots__ = ("_directory", "_saved")

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._saved = 0

    def plan(self, made_of: bytes) -> bytes | None:
        """Return the plan of an index as it was kept; None where it was not.

        Args:
            made_of: what it is made of.
        """
        if self._directory is None:
            return None
        path = self._plan_path(self._directory, made_of)
        found = _read(path)
        if found is not None:
            _touch(path)
        return found

    def keep_plan(self, made_of: bytes, plan: bytes) -> None:
        """Keep the plan of an index."""
        if self._directory is not None:
            self._save(self._plan_path(self._directory, made_of), plan)

    def _plan_path(self, directory: Path, made_of: bytes) -> Path:
        digest = hashlib.blake2b(_made_by().encode(), digest_size=20)
        digest.update(made_of)
        return directory / f"{digest.hexdigest()}.plan"

    def database(self, texts: Sequence[str], ids: Sequence[int], flags: Sequence[int]) -> Any:
        """Return a database that finds texts.

        Args:
            texts: the texts.
            ids: what to call each.
            flags: of each.

        Raises:
            hyperscan.error: they cannot be compiled.
        """
        path = None
        if self._directory is not None:
            path = self._directory / f"{_key(texts, ids, flags)}.hs"
            found = _load(path)
            if found is not None:
                return found
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        database.compile(expressions=list(map(_escaped, texts)), ids=list(ids), flags=list(flags))
        if path is not None:
            self._save(path, hyperscan.dumpb(database))
        return database

    def _save(self, path: Path, content: bytes) -> None:
        if self._saved % _LOOK_EVERY == 0:
            _prune(path.parent)
        self._saved += 1
        _save(path, content)


@functools.cache
def _made_by() -> str:
    """Return a hash of all that decides how rules are read; constant while this runs."""
    return fingerprint()


def _key(texts: Sequence[str], ids: Sequence[int], flags: Sequence[int]) -> str:
    made_of = written([hyperscan.__version__, os.uname().machine, list(ids), list(flags), list(texts)])
    return hashlib.blake2b(made_of, digest_size=20).hexdigest()


def _escaped(text: str) -> bytes:
    r"""Return a pattern for the bytes of a text, each that is no letter of ASCII or digit as ``\xNN``."""
    data = text.encode("utf-8", "surrogatepass")
    return b"".join(
        bytes((byte,)) if byte < 128 and chr(byte).isalnum() else b"\\x%02x" % byte for byte in data
    )


def _load(path: Path) -> Any:
    content = _read(path)
    if content is None:
        return None
    try:
        database = hyperscan.loadb(content, hyperscan.HS_MODE_BLOCK)
        database.scratch = hyperscan.Scratch(database)  # a database that was loaded comes without
    except hyperscan.error:  # of another version of the library, or for another processor
        return None
    _touch(path)
    return database


def _read(path: Path) -> bytes | None:
    """Return what a file keeps; None where there is none, or not all of it."""
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            return None
        content = path.read_bytes()
    except OSError:
        return None
    begin = len(_MAGIC) + _DIGEST_BYTES
    if not content.startswith(_MAGIC) or _digest(content[begin:]) != content[len(_MAGIC) : begin]:
        return None
    return content[begin:]


def _touch(path: Path) -> None:
    """Mark a file as used: those not used for longest go first."""
    with contextlib.suppress(OSError):
        os.utime(path)


def _save(path: Path, content: bytes) -> None:
    """Keep a database; one that cannot be written is only compiled again."""
    if len(content) > _MAX_FILE_BYTES:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        import tempfile

        handle, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(_MAGIC + _digest(content) + content)
            Path(name).replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        telemetry.logger("sigma").warning("cache.not_written", path=str(path), error=str(error))


def _prune(directory: Path) -> None:
    """Remove the files not used for longest where there are too many, or they are too large."""
    files = sorted(_facts(directory))
    size = sum(one for _used, one, _file in files)
    count = len(files)
    if count < _MAX_FILES and size < _MAX_BYTES:
        return
    for _used, own, file in files:
        if count <= _MAX_FILES * 3 // 4 and size <= _MAX_BYTES * 3 // 4:
            return
        with contextlib.suppress(OSError):
            file.unlink()
        count, size = count - 1, size - own


def _facts(directory: Path) -> Iterator[tuple[float, int, Path]]:
    """Yield of each file when it was used, its bytes and where it is."""
    for file in (*directory.glob("*.hs"), *directory.glob("*.plan")):
        with contextlib.suppress(OSError):  # another process was first
            facts = file.stat()
            yield facts.st_mtime, facts.st_size, file


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()
