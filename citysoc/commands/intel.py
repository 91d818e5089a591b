"""``citysoc intel``: feeds of indicators, and what they know."""

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
    from citysoc.detectors.intel.database import Record
    from citysoc.pipeline.intelligence import Done

MAX_CHECKED = 1_000_000
_MAX_INPUT_BYTES = 64 << 20
_HISTORY_DAYS = 90
_SHOWN_HITS = 50
_SHOWN_AGENCIES = 3


@click.group("intel", short_help="Feeds of indicators, and what they know.")
def command() -> None:
    """Threat intelligence: addresses, names, files that are known to be bad.

    Feeds of the configuration are fetched by `citysoc run`; `intel import` takes any file or URL.
    """


@command.command("import")
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
            if feed and len(places) > 1:
                raise UsageError(_("--feed names one feed; give one FILE with it."))
            options: dict[str, Any] = {
                "format": format_of,
                "replace": not add,
                "allow_private_network": allow_private_network,
            }
            options |= {"confidence": confidence} if confidence is not None else {}
            options |= {"expires_days": expires_days} if expires_days is not None else {}
            feeds = [_feed(place, feed, options, stack, known=settings.feeds) for place in places]
        else:
            feeds = [one for one in settings.feeds if feed in {None, one.id}]
            if not feeds:
                raise UsageError(
                    _("There is no feed {id} in the configuration.").format(id=feed)
                    if feed
                    else _("No feed is given."),
                    hint=_("Name a file or a URL, or write feeds under `intel` in citysoc.yaml."),
                )
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


def _narrowed(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row with as many agencies as a column holds, and how many there are besides."""
    agencies = row["agencies"]
    if len(agencies) <= _SHOWN_AGENCIES:
        return row
    return row | {"agencies": [*agencies[:_SHOWN_AGENCIES], f"+{number(len(agencies) - _SHOWN_AGENCIES)}"]}


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


@command.command("list")
@format_option
@pass_app
def list_(app: App, *, format_: str | None) -> None:
    """Show the feeds: how many indicators, of them expired or on warning lists, the last refresh, and what they hit."""
    from citysoc.pipeline import intelligence

    rows = intelligence.feeds(app.config, now=clock.now())
    if not is_table(format_):
        emit(rows, [Column(name) for name in (rows[0] if rows else ("feed",))], format_)
    else:
        emit(
            [
                {**row, "refreshed_at": local_time(row["refreshed_at"]) if row["refreshed_at"] else ""}
                for row in rows
            ],
            (
                Column("feed", _("Feed")),
                Column("indicators", _("Indicators"), kind="number"),
                Column("expired", _("Expired"), kind="number"),
                Column("warned", _("Warned"), kind="number"),
                Column("skipped", _("Left out"), kind="number"),
                Column("confidence", _("Confidence"), kind="number"),
                Column("hits", _("Hits"), kind="number"),
                Column("refreshed_at", _("Refreshed")),
                Column("error", _("Failure"), optional=True),
            ),
            format_,
        )
    for problem in intelligence.health(app.config):
        app.say(problem)


@command.command("show")
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


@command.command("remove")
@click.argument("feed", metavar="FEED")
@pass_app
def remove(app: App, *, feed: str) -> None:
    """Remove a feed with all its indicators.

    A feed of the configuration comes back with its next refresh: take it out there first.
    """
    from citysoc.pipeline import intelligence

    count = intelligence.remove(app.config, feed)
    app.say(
        ngettext("{feed}: {count} indicator removed.", "{feed}: {count} indicators removed.", count).format(
            feed=feed, count=number(count)
        )
    )
    if any(one.id == feed for one in app.config.settings.intel.feeds):
        app.say(_("The configuration still has this feed: its next refresh brings it back."))


@command.command("warnings")
@format_option
@pass_app
def warnings(app: App, *, format_: str | None) -> int:
    """Show the warning lists in use, and how many indicators each keeps out of matching."""
    from citysoc.detectors.intel.warning_lists import SHIPPED
    from citysoc.pipeline import intelligence

    lists = intelligence.warnings_of(app.config)
    held = intelligence.held(app.config)
    rows = [
        {
            "name": one.name,
            "type": one.type,
            "kinds": sorted(one.kinds),
            "entries": len(one.entries),
            "held": held.get(one.name, 0),
            "path": "citysoc" if Path(one.path).is_relative_to(SHIPPED) else one.path,
        }
        for one in lists.lists
    ]
    emit(
        rows,
        (
            Column("name", _("Warning list")),
            Column("type", _("Type")),
            Column("kinds", _("Speaks of")),
            Column("entries", _("Entries"), kind="number"),
            Column("held", _("Kept out"), kind="number"),
            Column("path", _("From")),
        ),
        format_,
    )
    for problem in lists.problems:
        app.say(problem)
    return 4 if lists.problems else 0


@command.command("check")
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


def _values(values: Sequence[str]) -> Iterator[str]:
    """Yield values, those of files line by line."""
    left = MAX_CHECKED
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


def _known(app: App, values: Any) -> list[tuple[str, list[Record], list[str]]]:
    from citysoc.pipeline import intelligence

    return intelligence.known(app.config, values)
