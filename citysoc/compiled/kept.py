"""What was compiled, kept on disk by what it is made of.

A file's name is a hash of its loops' sources, of the compiler's version and of the machine; so none can be stale. A file
holds a digest of its name and its content, which is checked before any of it is used: what is broken, cut off or kept
under another name is compiled anew, and so is what others than the user could have written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
from pathlib import Path

from citysoc import telemetry

_MAGIC = b"citysoc.code.1\n"
_DIGEST_BYTES = 32
_MAX_BYTES = 16 << 20
_MAX_FILES = 32


def read(directory: Path, key: str) -> tuple[list[str], bytes] | None:
    """Return the names of entries and their object file; None where they are not kept, or not soundly."""
    path = _path(directory, key)
    try:
        with path.open("rb") as stream:
            facts = os.fstat(stream.fileno())
            if not _ours(facts) or facts.st_size > _MAX_BYTES:
                return None
            content = stream.read(_MAX_BYTES)
    except OSError:
        return None
    begin = len(_MAGIC) + _DIGEST_BYTES
    rest = content[begin:]
    if not content.startswith(_MAGIC) or _digest(key, rest) != content[len(_MAGIC) : begin]:
        telemetry.logger("compiled").info("cache.refused", path=str(path))
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # those not used for longest go first
    names, _line, code = rest.partition(b"\n")
    return json.loads(names), code


def keep(directory: Path, key: str, names: list[str], code: bytes) -> None:
    """Keep an object file; one that cannot be written is only compiled again."""
    rest = json.dumps(names).encode() + b"\n" + code
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _prune(directory)
        handle, name = tempfile.mkstemp(dir=directory, suffix=".part")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(_MAGIC + _digest(key, rest) + rest)
            Path(name).replace(_path(directory, key))
        except OSError:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        telemetry.logger("compiled").warning("cache.not_written", path=str(directory), error=str(error))


def _path(directory: Path, key: str) -> Path:
    return directory / f"{key}.code"


def _ours(facts: os.stat_result) -> bool:
    """Return whether nobody but the user and the system could have written a file: it is run as it stands."""
    if os.name != "posix":
        return True
    return facts.st_uid in (0, os.geteuid()) and not facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _digest(key: str, rest: bytes) -> bytes:
    return hashlib.blake2b(key.encode() + b"\n" + rest, digest_size=_DIGEST_BYTES).digest()


def _prune(directory: Path) -> None:
    """Remove the files not used for longest where there are too many."""
    files = [(path.stat().st_mtime, path) for path in directory.glob("*.code")]
    if len(files) < _MAX_FILES:
        return
    for _used, path in sorted(files)[: _MAX_FILES // 4]:
        with contextlib.suppress(OSError):
            path.unlink()
