"""One report at a time: whoever builds into a directory of reports holds its lock, in whatever process.

The lock is the operating system's (``flock``): it is let go of when its process ends, however that happens.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

from citysoc import telemetry
from citysoc.errors import StoreError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import TextIO

_log = telemetry.logger("reports")

FILE = ".building"
WAIT_SECONDS = 3600.0
"""Longer than the reports of all agencies take."""
_LOOK_SECONDS = 0.2
_FEW = 32
"""Letters of the file that are read: the number of a process."""


@contextlib.contextmanager
def turn(
    directory: Path, *, waiting: Callable[[str], None] | None = None, seconds: float = WAIT_SECONDS
) -> Iterator[None]:
    """Be the only one to build reports into a directory inside the block; wait for it.

    Args:
        directory: of reports; made where it is absent.
        waiting: is told once which process is waited for; a line of the log where it is None.
        seconds: how long to wait.

    Raises:
        StoreError: another process has been building for so long, or the directory cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = (directory / FILE).open("a+", encoding="ascii", errors="replace")
    except OSError as error:
        raise StoreError(
            _("The directory of reports cannot be written: {reason}.").format(
                reason=error.strerror or str(error)
            ),
            where=str(directory),
        ) from error
    with file:
        _wait(file, directory, waiting or _logged, seconds)
        file.seek(0)
        file.truncate()
        file.write(str(os.getpid()))
        file.flush()
        yield


def _wait(file: TextIO, directory: Path, waiting: Callable[[str], None], seconds: float) -> None:
    until = time.monotonic() + seconds
    told = False
    while not _taken(file):
        file.seek(0)
        holder = file.read(_FEW).strip() or "?"
        if time.monotonic() >= until:
            raise StoreError(
                _("Another process ({process}) is building reports.").format(process=holder),
                where=str(directory),
                hint=_("Try again when it has ended."),
                transient=True,
            )
        if not told:
            waiting(holder)
            told = True
        time.sleep(_LOOK_SECONDS)


def _taken(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _logged(process: str) -> None:
    _log.info("report.waits", process=process)
