"""``citysoc intel show`` and ``check``: what feeds say of a value."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from citysoc import clock
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from citysoc.detectors.intel.database import Record

_MAX_CHECKED = 1_000_000


@click.command("show")
@click.argument("value", metavar="VALUE")
@format_option
@pass_app
def show(app: App, *, value: str, format_: str | None) -> int:
    """Show what feeds say of one indicator: also where it has expired or a warning list holds it.

    Networks that an address is in, and domains above a name, are shown too.
    """
    rows = [_told(record, clock.now()) for record in _known(app, [value])[0][1]]
    emit(rows, _columns(), format_)
    return 0 if rows else 1


@click.command("check")
@click.argument("values", metavar="VALUE|FILE|-...", nargs=-1, required=True)
@format_option
@pass_app
def check(app: App, *, values: tuple[str, ...], format_: str | None) -> int:
    """Say of values what we know of them; of files and - every line is a value.

    Defanged forms are read. Ends with code 1 when any of them is an active indicator.

    \b
    citysoc intel check hxxp://bad[.]example/x 45.9.1.2
    grep -o '[0-9.]*' mail.txt | citysoc intel check -
    """
    now = clock.now()
    active = 0
    rows = []
    for text, records, warned in _known(app, _values(values)):
        told = [_told(record, now) for record in records]
        best = next((one for one in told if one["state"] == "active"), told[0] if told else None)
        active += best is not None and best["state"] == "active"
        rows.append(
            {
                "value": text,
                "state": best["state"] if best else "unknown",
                **{
                    key: best[key] if best else None
                    for key in ("indicator", "kind", "confidence", "expires", "name")
                },
                "feeds": sorted({one["feed"] for one in told}),
                "warning_lists": warned,
            }
        )
    emit(
        rows,
        (
            Column("value", _("Value")),
            Column("state", _("State"), kind="word"),
            Column("indicator", _("Indicator")),
            Column("feeds", _("Feeds")),
            Column("confidence", _("Confidence"), kind="number"),
            Column("expires", _("Expires"), kind="time"),
            Column("name", _("Malware"), optional=True),
            Column("warning_lists", _("Warning lists"), optional=True),
        ),
        format_,
    )
    return 1 if active else 0


def _known(app: App, values: Any) -> list[tuple[str, list[Record], list[str]]]:
    from citysoc.pipeline import indicators

    return indicators.known(app.config, values)


def _values(values: Sequence[str]) -> Iterator[str]:
    """Yield values, those of files line by line."""
    left = _MAX_CHECKED
    for text in values:
        if text == "-":
            source: Any = sys.stdin.buffer
        elif len(text) < 4096 and "://" not in text and Path(text).is_file():
            source = Path(text).open("rb")  # noqa: SIM115  closed below
        else:
            yield text
            continue
        with source:
            while left and (line := source.readline(8192)):
                if stripped := line.decode("utf-8", "replace").strip():
                    left -= 1
                    yield stripped


def _told(record: Record, now: dt.datetime) -> dict[str, Any]:
    expires = _moment(record.expires)
    state = "warned" if record.warned else "expired" if expires and expires <= now else "active"
    return {
        "indicator": record.value,
        "kind": record.kind,
        "feed": record.feed,
        "confidence": record.confidence,
        "state": state,
        "expires": expires,
        "name": record.name,
        "tags": list(record.tags),
        "warning_list": record.warned or "",
        "first_listed": _moment(record.first),
        "last_listed": _moment(record.listed),
        "note": record.note,
        "class": record.klass,
        "origin": record.origin,
    }


def _moment(seconds: int | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, clock.UTC)


def _columns() -> tuple[Column, ...]:
    return (
        Column("indicator", _("Indicator")),
        Column("kind", _("Kind"), kind="word"),
        Column("feed", _("Feed")),
        Column("confidence", _("Confidence"), kind="number"),
        Column("state", _("State"), kind="word"),
        Column("expires", _("Expires"), kind="time"),
        Column("name", _("Malware"), optional=True),
        Column("tags", _("Tags"), optional=True),
        Column("warning_list", _("Warning list"), optional=True),
        Column("first_listed", _("First listed"), kind="time"),
        Column("last_listed", _("Last listed"), kind="time"),
        Column("note", _("Note"), kind="excerpt", optional=True),
    )
