"""Files of a folder or a ZIP archive, within bounds: no path leads out, no links, no bombs."""

from __future__ import annotations

import hashlib
import stat
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from citysoc.detectors.sigma.load import MAX_BYTES
from citysoc.errors import InputError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MAX_ENTRIES = 100_000
MAX_FILES = 50_000
MAX_TOTAL_BYTES = 256 << 20
MAX_RATIO = 200
_RATIO_FROM_BYTES = 1 << 20
"""Small files pack as tightly as they like."""


def files(source: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of the wanted files of a folder or an archive, in the order of their paths.

    Raises:
        InputError: it is neither, cannot be read, is beyond the bounds or not safe to unpack.
    """
    try:
        found = _of_folder(source, wanted) if source.is_dir() else _of_archive(source, wanted)
        total = 0
        for number, (path, content) in enumerate(found):
            total += len(content)
            if number >= MAX_FILES or total > MAX_TOTAL_BYTES:
                raise InputError(
                    _("There is more in it than {files} files or {bytes} bytes.").format(
                        files=MAX_FILES, bytes=MAX_TOTAL_BYTES
                    ),
                    where=str(source),
                )
            yield path, content
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        message = _("The archive cannot be read: {error}.").format(error=error)
        raise InputError(message, where=str(source)) from error
    except OSError as error:
        message = _("It cannot be read: {reason}.").format(reason=error.strerror or error)
        raise InputError(message, where=str(error.filename or source)) from error


def bounded(path: Path) -> bytes:
    """Return a file's content.

    Raises:
        InputError: it is larger than a rule file may be.
    """
    with path.open("rb") as stream:
        content = stream.read(MAX_BYTES + 1)
    return _small(content, str(path))


def sha256(path: Path) -> str:
    """Return the hash of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _of_folder(source: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    found = []
    for number, path in enumerate(source.rglob("*")):
        if number >= MAX_ENTRIES:
            raise _too_many(source)
        name = path.relative_to(source).as_posix()
        # Links are left out: what they lead to may be anything.
        if wanted(name) and not path.is_symlink() and path.is_file():
            found.append((name, path))
    for name, path in sorted(found):
        if path.resolve().is_relative_to(source.resolve()):
            yield name, bounded(path)


def _of_archive(source: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(source) as archive:
        entries = archive.infolist()
        if len(entries) > MAX_ENTRIES:
            raise _too_many(source)
        for entry in entries:
            _check(entry, source)
        chosen = {entry.filename: entry for entry in entries if not entry.is_dir() and wanted(entry.filename)}
        for name in sorted(chosen):
            with archive.open(chosen[name]) as stream:
                yield name, _small(stream.read(MAX_BYTES + 1), f"{source}!{name}")


def _check(entry: zipfile.ZipInfo, source: Path) -> None:
    """Refuse an archive for one entry that means harm.

    Raises:
        InputError: says which.
    """
    name = entry.filename
    path = PurePosixPath(name)
    where = f"{source}!{name}"
    if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or ":" in name:
        raise InputError(_("A path in the archive leads out of it."), where=where)
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise InputError(_("The archive holds a link or a device."), where=where)
    if entry.flag_bits & 1:
        raise InputError(_("The archive is encrypted."), where=where)
    if entry.file_size > _RATIO_FROM_BYTES and entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
        raise InputError(_("The archive unpacks to far more than it is."), where=where)


def _small(content: bytes, where: str) -> bytes:
    if len(content) > MAX_BYTES:
        raise InputError(_("the file is larger than {limit} bytes").format(limit=MAX_BYTES), where=where)
    return content


def _too_many(source: Path) -> InputError:
    return InputError(_("There are more than {count} files.").format(count=MAX_ENTRIES), where=str(source))
