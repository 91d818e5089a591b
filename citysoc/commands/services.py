"""Open what the service works with, for the commands that write."""

from __future__ import annotations

import contextlib
import fcntl
from typing import TYPE_CHECKING

from citysoc.commands.rulesets import sources_of, work_of
from citysoc.commands.store_away import say_waiting
from citysoc.errors import StoreError
from citysoc.i18n import _
from citysoc.stores.buffered import Buffered

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from citysoc.commands.context import App
    from citysoc.service.service import Service


class HeldError(StoreError):
    """Another process is writing."""


@contextlib.contextmanager
def open_service(app: App) -> Iterator[Service]:
    """Yield the service of the configuration; one process at a time may hold it.

    Raises:
        StoreError: another process is writing.
    """
    from citysoc.service.service import Service

    config = app.config
    config.data_dir.mkdir(parents=True, exist_ok=True)
    with alone(config.data_dir / "writer.lock"):
        store = app.store
        if isinstance(store, Buffered):
            store.begin()
            say_waiting(app)
        state = app.state(read_only=False)
        try:
            yield Service(
                config=config, work=work_of(config), state=state, store=store, sources=sources_of(config)
            )
        finally:
            state.close()
            if isinstance(store, Buffered):
                store.finish()
                say_waiting(app)


def hand_on(app: App) -> None:
    """Let correlations take in what the scoring handed in; where a service runs, it does so within seconds.

    Without one nothing more comes, as after ``citysoc ingest``: correlations judge what they have.
    """
    with contextlib.suppress(HeldError), open_service(app) as service:
        committer = service.committer
        committer.recover()
        committer.pass_time(ended=True)


@contextlib.contextmanager
def writing_alone(app: App) -> Iterator[None]:
    """Let no other process write to the stores of the configuration inside the block.

    Raises:
        StoreError: another process is writing.
    """
    app.config.data_dir.mkdir(parents=True, exist_ok=True)
    with alone(app.config.data_dir / "writer.lock"):
        yield


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock file inside the block; the system lets go of it when the process ends.

    Raises:
        StoreError: another process holds it.
    """
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HeldError(
                _("Another citysoc process is writing to this store."),
                where=str(path.parent),
                hint=_(
                    "Stop `citysoc run` first, or drop the files where a source of the service finds them."
                ),
            ) from error
        yield
