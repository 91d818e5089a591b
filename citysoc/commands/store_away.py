"""What commands say of a store that lies across a network and may be away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.commands.output import local_time, number
from citysoc.errors import StoreError
from citysoc.i18n import _
from citysoc.stores.buffered import Buffered

if TYPE_CHECKING:
    from citysoc.commands.context import App
    from citysoc.stores.base import Status
    from citysoc.stores.buffered import Outside

PARTIAL = 4
"""The exit code for data that is there, but not all of it."""


def place(app: App) -> str:
    """Return where the events lie, for people."""
    return app.store.place if isinstance(app.store, Buffered) else str(app.config.store_path)


def outside(app: App) -> Outside | None:
    """Return what waits outside the store; None where nothing ever does."""
    return app.store.outside() if isinstance(app.store, Buffered) else None


def say_waiting(app: App) -> int:
    """Tell the person what waits; return how many records do."""
    found = outside(app)
    if found is None or not (found.rows or found.away_since):
        return 0
    app.say(
        _("{count} records ({bytes} bytes) wait for the cluster.").format(
            count=number(found.rows), bytes=number(found.bytes)
        )
    )
    if found.away_since:
        app.say(
            _("The cluster has been away since {time}: {reason}").format(
                time=local_time(found.away_since), reason=found.reason
            )
        )
    return found.rows


def status_if_there(app: App) -> Status | None:
    """Return the store's size; None, and the reason said, where it is away and records wait for it.

    Raises:
        StoreError: it does not answer, and nothing waits.
    """
    waiting = say_waiting(app)
    try:
        return app.store.status()
    except StoreError as error:
        if not waiting:
            raise
        app.say(str(error))
        return None
