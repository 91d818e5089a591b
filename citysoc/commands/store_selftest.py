"""``citysoc store selftest``: the real operations on a throwaway store."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option
from citysoc.commands.store_migrate import KINDS
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator

    from citysoc.stores.base import EventStore


@click.command("selftest")
@click.argument("kind", type=click.Choice(KINDS))
@format_option
@pass_app
def selftest(app: App, *, kind: str, format_: str | None) -> int:
    """Try every operation of a store and print how each went; code 1 when one fails.

    The local store is tried in a temporary folder, Elasticsearch on the cluster of the configuration
    in indices of its own, which are removed afterwards. Your events are not touched.
    """
    from citysoc.stores.selftest import run

    with _throwaway(app, kind) as store:
        results = list(run(store))
    emit(
        (
            {
                "operation": _(one.operation),
                "passed": one.passed,
                "result": _("passed") if one.passed else _("failed"),
                "seconds": round(one.seconds, 3),
                "detail": one.detail,
            }
            for one in results
        ),
        (
            Column("operation", _("Operation")),
            Column("result", _("Result")),
            Column("seconds", _("Seconds"), align="right"),
            Column("detail", _("Detail")),
        ),
        format_,
    )
    failed = sum(not one.passed for one in results)
    app.say(
        _("{passed} operations passed, {failed} failed.").format(passed=len(results) - failed, failed=failed)
    )
    return 1 if failed else 0


@contextlib.contextmanager
def _throwaway(app: App, kind: str) -> Iterator[EventStore]:
    """Yield an empty store that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="citysoc-selftest-") as folder:
        if kind == "local":
            from citysoc.stores.local import LocalStore

            yield LocalStore(Path(folder) / "events")
            return
        from citysoc.stores.named import open_elastic

        store = open_elastic(
            app.config, prefix=f"citysoc-selftest-{secrets.token_hex(4)}", spool=Path(folder)
        )
        store.begin()
        try:
            yield store
        finally:
            store.destroy()
            store.close()
