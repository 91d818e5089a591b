"""Run a reader of hostile documents in a process of its own, which may end without harm."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@contextlib.contextmanager
def child(
    script: str, arguments: Sequence[int], document: bytes, seconds: float
) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a process that reads a document; it is gone when the block ends.

    Args:
        script: the file of the reader, beside this one.
        arguments: its bounds, given as arguments.
        document: what it finds on its standard input.
        seconds: it is killed when it runs for so long.
    """
    command = [sys.executable, "-I", str(Path(__file__).with_name(script)), *map(str, arguments)]
    with tempfile.TemporaryFile() as file:
        file.write(document)
        file.seek(0)
        reader = subprocess.Popen(  # noqa: S603  our own script, no argument from outside
            command, stdin=file, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        timer = threading.Timer(seconds, reader.kill)
        timer.daemon = True
        timer.start()
        try:
            yield reader
        finally:
            timer.cancel()
            reader.kill()
            if reader.stdout:
                reader.stdout.close()
            reader.wait()
