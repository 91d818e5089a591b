"""Work that a process of its own does for the service."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.errors import StoreError

if TYPE_CHECKING:
    from citysoc.config.load import Config

_ERROR_LENGTH = 500


async def apart(config: Config, *arguments: str) -> dict[str, Any]:
    """Let a process of its own run a citysoc command; return the object that it prints.

    Merging files and learning take some hundred megabytes and a core for a while: neither may be missing where
    events come in. A kill at any instant leaves store and model as they were.

    Raises:
        StoreError: it failed.
    """
    command = [sys.executable, "-m", "citysoc", "--config", str(config.path), "--lang", "en"]
    # Not asyncio's processes: their pipes outlive a loop that is closing.
    process = subprocess.Popen(  # noqa: S603  our own command; starting it takes a millisecond
        [*command, *arguments, "--nice"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        out, err = await asyncio.to_thread(process.communicate)
    except asyncio.CancelledError:
        process.kill()
        raise
    if not out:
        raise StoreError(err.decode(errors="replace").strip()[-_ERROR_LENGTH:], transient=True)
    found: dict[str, Any] = orjson.loads(out)
    return found
