"""``citysoc run``: the service."""

from __future__ import annotations

import asyncio
import signal

import click

from citysoc.commands.context import App, pass_app
from citysoc.i18n import _, ngettext


@click.command("run", short_help="The service: collect, detect, alert, report, until stopped.")
@click.option("--json-logs", is_flag=True, help="Log events as JSON lines.")
@pass_app
def command(app: App, *, json_logs: bool) -> None:
    """Collect on schedule and by listening, detect, alert and report until stopped (Ctrl-C, SIGTERM).

    A second start goes on where the first one stopped, also after a crash.
    """
    stop = asyncio.Event()
    # Opening takes seconds when many rules are compiled: a stop asked for meanwhile is heeded after it.
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    import os

    from citysoc import telemetry
    from citysoc.commands.services import open_service
    from citysoc.service.run import run

    level = os.environ.get("CITYSOC_LOG_LEVEL", "warning")
    telemetry.configure(level="info" if level == "warning" else level, json=json_logs)
    with open_service(app) as service:
        count = len(app.config.sources)
        text = ngettext(
            "Running with {count} source; Ctrl-C stops.", "Running with {count} sources; Ctrl-C stops.", count
        )
        app.say(text.format(count=count))
        asyncio.run(run(service, until=stop))
    app.say(_("Stopped; everything received is committed."))
