"""``citysoc intel import``: indicators of files and URLs, and what they would have hit in the past."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from citysoc import clock
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option, is_table, local_time, number
from citysoc.commands.times import Span, span_options
from citysoc.errors import InputError, UsageError
from citysoc.i18n import _, ngettext

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from citysoc.config.intel import Feed
    from citysoc.pipeline.intelligence import Done

_MAX_INPUT_BYTES = 64 << 20
_HISTORY_DAYS = 90
_SHOWN_HITS = 50
_SHOWN_AGENCIES = 3


@click.command("import")
@click.argument("places", metavar="[FILE|URL|-]...", nargs=-1)
@click.option("--feed", metavar="ID", help="The feed's name; by default as the file is called.")
@click.option(
    "--as",
    "format_of",
    type=click.Choice(["auto", "list", "csv", "misp", "stix", "taxii"]),
    default="auto",
    help="The form of the feed; by default told by its beginning.",
)
@click.option(
    "--confidence", type=click.IntRange(0, 100), help="Of indicators that bring none; 50 by default."
)
@click.option(
    "--expires-days",
    type=click.IntRange(1, 3650),
    help="Indicators that bring no end count for so long; 30 by default.",
)
@click.option("--add", is_flag=True, help="Keep what the feed named before and does not name now.")
@click.option("--no-history", is_flag=True, help="Do not look for new indicators in the past.")
@click.option("--alert", is_flag=True, help="Make alerts of what is found in the past.")
@click.option("--allow-private-network", is_flag=True, help="The URL may lead to a private address.")
@span_options
@format_option
@pass_app
def import_(
    app: App,
    *,
    places: tuple[str, ...],
    feed: str | None,
    format_of: str,
    confidence: int | None,
    expires_days: int | None,
    add: bool,
    no_history: bool,
    alert: bool,
    allow_private_network: bool,
    span: Span,
    format_: str | None,
) -> int:
    """Take indicators of files or URLs, and say what they would have hit in the last 90 days.

    Plain lists, CSV (those of abuse.ch too), MISP events, STIX 2.1 bundles; packed ones (.gz, .zip, .zst) too. A MISP
    feed is named by its manifest.json or its folder, a TAXII 2.1 collection by the URL of its objects and --as taxii.
    Without FILE, the feeds of the configuration are fetched, with --feed only that one.

    \b
    citysoc intel import urlhaus.csv.gz --confidence 75
    citysoc intel import https://feodotracker.abuse.ch/downloads/ipblocklist.csv --feed feodo --alert
    citysoc intel import --feed feodo --since 7d
    """
    from citysoc.pipeline import intelligence

    settings = app.config.settings.intel
    with contextlib.ExitStack() as stack:
        if places:
            options: dict[str, Any] = {
                "format": format_of,
                "replace": not add,
                "allow_private_network": allow_private_network,
            }
            given = {"confidence": confidence, "expires_days": expires_days}
            options |= {name: value for name, value in given.items() if value is not None}
            feeds = _named(places, feed, options, stack, known=settings.feeds)
        else:
            feeds = _configured(feed, settings.feeds)
        since = span.since or clock.now() - dt.timedelta(days=_HISTORY_DAYS)
        done = []
        for one in feeds:
            done.append(intelligence.refresh(app.config, one, force=True))
            _say(app, done[-1])
        taken = [one for one in done if one.result]
        if taken and not no_history:
            with _state(app, alert=alert) as state:
                found = intelligence.hunt(
                    app.config,
                    app.store,
                    {one.feed: one.result.stamp for one in taken if one.result},
                    since=since,
                    until=span.until or clock.now(),
                    state=state,
                )
            _show_history(app, found, since, format_, alert=alert)
    return 1 if any(one.error for one in done) else 0


def _named(
    places: Sequence[str],
    name: str | None,
    options: dict[str, Any],
    stack: contextlib.ExitStack,
    *,
    known: Sequence[Feed],
) -> list[Feed]:
    """Return what the command line names as feeds."""
    if name and len(places) > 1:
        raise UsageError(_("--feed names one feed; give one FILE with it."))
    return [_feed(place, name, options, stack, known=known) for place in places]


def _configured(name: str | None, known: Sequence[Feed]) -> list[Feed]:
    """Return the feeds of the configuration, or the one of a name."""
    feeds = [one for one in known if name in {None, one.id}]
    if not feeds:
        raise UsageError(
            _("There is no feed {id} in the configuration.").format(id=name)
            if name
            else _("No feed is given."),
            hint=_("Name a file or a URL, or write feeds under `intel` in citysoc.yaml."),
        )
    return feeds


@contextlib.contextmanager
def _state(app: App, *, alert: bool) -> Iterator[Any]:
    if not alert:
        yield None
        return
    state = app.state(read_only=False)
    try:
        yield state
    finally:
        state.close()


def _feed(
    place: str,
    name: str | None,
    options: dict[str, Any],
    stack: contextlib.ExitStack,
    *,
    known: Sequence[Feed],
) -> Feed:
    """Return what to import as a feed: of the configuration's terms where it has one of that name."""
    from pydantic import ValidationError

    from citysoc.config.intel import Feed

    id_ = name or _name_of(place)
    base = next((one.model_dump(exclude={"url", "path"}) for one in known if one.id == id_), {})
    values = {**base, **options, "id": id_}
    if "://" in place:
        values["url"] = place
    elif place == "-":
        values["path"] = stack.enter_context(_standard_input())
    else:
        values["path"] = Path(place).absolute()
        if not Path(place).exists():
            raise UsageError(_("There is no such file: {path}").format(path=place))
    try:
        return Feed.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(
            _("{place}: {why}").format(place=".".join(map(str, first["loc"])) or place, why=first["msg"]),
            hint=_("Give the feed a name with --feed: lower-case letters, digits and hyphens."),
        ) from error


def _name_of(place: str) -> str:
    """Return a name for a feed: what its file is called."""
    if place == "-":
        return "stdin"
    last = re.sub(r"/(manifest\.json|objects)$", "", place.split("?", 1)[0].rstrip("/")).rsplit("/", 1)[-1]
    stem = re.sub(r"(\.(gz|zip|zst|csv|txt|json|tsv|list|ipset|netset))+$", "", last.lower())
    return re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:63] or "feed"


@contextlib.contextmanager
def _standard_input() -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(prefix="citysoc-intel-") as file:
        while chunk := sys.stdin.buffer.read(1 << 20):
            file.write(chunk)
            if file.tell() > _MAX_INPUT_BYTES:
                raise InputError(_("The input is too large; give a file."))
        file.flush()
        yield Path(file.name)


def _say(app: App, done: Done) -> None:
    if done.error:
        app.say(_("{feed}: {why}").format(feed=done.feed, why=done.error))
        return
    result = done.result
    if result is None:
        app.say(_("{feed}: nothing new.").format(feed=done.feed))
        return
    app.say(
        _("{feed}: {total} indicators ({kinds}), {new} new, {gone} gone; form {format}.").format(
            feed=done.feed,
            total=number(result.imported.total),
            kinds=", ".join(f"{kind} {number(count)}" for kind, count in result.kinds.items()),
            new=number(result.imported.new),
            gone=number(result.imported.gone),
            format=result.account.format,
        )
    )
    if result.warned:
        app.say(
            _("{count} are on warning lists and not matched; see `citysoc intel warnings`.").format(
                count=number(result.warned)
            )
        )
    if result.expired:
        app.say(_("{count} have expired already.").format(count=number(result.expired)))
    for reason, count in sorted(result.account.skipped.items(), key=lambda item: (-item[1], item[0]))[:10]:
        samples = "; ".join(result.account.samples.get(reason, ()))
        app.say(
            _("left out, {reason}: {count} ({samples})").format(
                reason=reason, count=number(count), samples=samples
            )
        )
    for problem in done.problems[:10]:
        app.say(f"  {problem}")


def _show_history(app: App, found: Any, since: dt.datetime, format_: str | None, *, alert: bool) -> None:
    rows = found.rows
    shown = [_narrowed(row) for row in rows[:_SHOWN_HITS]] if is_table(format_) else rows
    if rows:
        emit(
            shown,
            (
                Column("indicator", _("Indicator")),
                Column("feed", _("Feed")),
                Column("confidence", _("Confidence"), kind="number"),
                Column("field", _("Field")),
                Column("value", _("Value")),
                Column("events", _("Events"), kind="number"),
                Column("agencies", _("Agencies")),
                Column("first", _("First"), kind="time"),
                Column("last", _("Last"), kind="time"),
            ),
            format_,
        )
    app.say(
        _(
            "Since {since}, {indicators} of the new indicators would have hit {events} events of {agencies} agencies."
        ).format(
            since=local_time(since),
            indicators=number(found.indicators),
            events=number(found.events),
            agencies=number(len(found.agencies)),
        )
    )
    if len(rows) > len(shown):
        app.say(_("Only the {count} with the most events are shown.").format(count=len(shown)))
    if alert:
        app.say(
            ngettext("{count} alert made.", "{count} alerts made.", found.alerts).format(
                count=number(found.alerts)
            )
        )
    for left in found.left_out:
        app.say(left)


def _narrowed(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with as many agencies as a column holds, and how many there are besides."""
    agencies = row["agencies"]
    if len(agencies) <= _SHOWN_AGENCIES:
        return row
    return row | {"agencies": [*agencies[:_SHOWN_AGENCIES], f"+{number(len(agencies) - _SHOWN_AGENCIES)}"]}
