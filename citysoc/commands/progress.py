"""Progress for long work, on stderr, only when a person watches."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def counting(title: str, *, total: int | None = None, quiet: bool = False) -> Iterator[Callable[[int], None]]:
    """Yield a function that moves a progress bar by so many; it does nothing when nobody watches.

    Args:
        title: what is counted.
        total: how many there will be, None when nobody knows.
        quiet: show nothing in any case.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda _count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    progress = Progress(
        TextColumn("{task.description}", style="bold"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(file=sys.stderr),
    )
    with progress:
        task = progress.add_task(title, total=total)
        yield lambda count: progress.update(task, advance=count)
