"""What every process of a pool begins with: it stops when its parent says so, or is gone."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading


def follow_parent() -> None:
    """Leave an interrupt from the keyboard to the parent, and end with it, however it goes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        with contextlib.suppress(OSError):
            parent.join()
        os._exit(1)
