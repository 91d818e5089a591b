"""``citysoc rules explain``: why a rule or a correlation found something, or why not."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from citysoc.commands.anomaly_events import between, named
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option, is_table, local_time, printable
from citysoc.commands.rulesets import config_or_none, document_of, find, house_words
from citysoc.errors import InputError, RuleError, UsageError
from citysoc.i18n import _, language

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.detectors.sigma import Check, Loaded
    from citysoc.detectors.sigma.sightings import Sighting, Told
    from citysoc.flow import Event

_MAX_EVENT_BYTES = 16 << 20
_MAX_AROUND = 200_000
"""So many stored events around an event are looked at for a correlation."""
_SHOWN_GROUPS = 10


@click.command("explain")
@click.argument("given_rule", metavar="[RULE]", required=False)
@click.argument("given_event", metavar="[EVENT]", required=False)
@click.option("--rule", metavar="RULE", help="An id, a title or a file.")
@click.option("--event", metavar="EVENT", help="The id of a stored event, a file of events, or - for stdin.")
@format_option
@pass_app
def command(
    app: App,
    *,
    given_rule: str | None,
    given_event: str | None,
    rule: str | None,
    event: str | None,
    format_: str | None,
) -> None:
    """Show why RULE matches EVENT, or why not: logsource, selections, filters, with what the event had.

    Files hold ECS events as JSON, one a line or one alone. For a correlation, the events are taken together; of a
    stored event, the events around it within the timespan are looked at, too.

    \b
    citysoc rules explain --rule 5f0f2a3e --event 1e240a3f...
    citysoc rules explain --rule my-rule.yml --event events.ndjson
    """
    rule, event = rule or given_rule, event or given_event
    if not rule or not event:
        raise UsageError(_("Name a rule and an event: --rule and --event."))
    found, place = find(app, rule)
    check = found.checks[place]
    if check.kind == "filter":
        raise RuleError(_("This is a filter; name a rule that it works on."), where=str(check.path))
    if check.status == "refused":
        raise RuleError(check.reason, where=f"{check.path}:{check.line}")
    events, stored = _events(app, event)
    if check.kind == "correlation":
        _correlation(app, found, check, events, stored=stored, format_=format_)
    else:
        _rule(app, found, check, events, format_)
    _say_state(app, check)


def _events(app: App, text: str) -> tuple[list[Event], bool]:
    """Return the events that a text names, and whether they are from the store."""
    if text == "-" or Path(text).is_file():
        return read_events(Path(text)), False
    has_store = config_or_none(app) is not None
    found = (named(app, text) or app.store.get(text)) if has_store else None
    if found is None:
        raise InputError(
            _("There is no file and no stored event {event}.").format(event=repr(text)),
            hint=_("`citysoc events search -f ndjson` shows the ids of events."),
        )
    return [found], True


def read_events(path: Path) -> list[Event]:
    """Return the events of a file, or of stdin: JSON, one object alone, a list, or one a line.

    Raises:
        InputError: it holds none.
    """
    with click.open_file(str(path), "rb") as stream:
        content = stream.read(_MAX_EVENT_BYTES)
    for lines in ([content], content.split(b"\n")):
        try:
            events = [orjson.loads(line) for line in lines if line.strip()]
        except ValueError:
            continue
        flat = [event for part in events for event in (part if isinstance(part, list) else [part])]
        if flat and all(isinstance(event, dict) for event in flat):
            return flat
    raise InputError(_("The file holds no events as JSON."), where=str(path))


def _say_state(app: App, check: Check) -> None:
    if check.state != "active":
        text = _("The rule is {state}, so nothing of this makes an alert.")
        from citysoc.commands import words

        app.say(text.format(state=words.word(check.state)))
    elif not check.in_use:
        app.say(_("The rule is not in use: {reason}.").format(reason=check.reason))


# -- rules that look at one event ------------------------------------------------------------------------------


def _rule(app: App, found: Loaded, check: Check, events: Sequence[Event], format_: str | None) -> None:
    rows = _steps(app, found, check, events)
    emit(rows, _columns()[int(is_table(format_) and len(events) == 1) :], format_)
    if is_table(format_) and len(events) == 1:
        from citysoc.detectors.sigma.explain import reason

        head = _("The rule matches") if rows[-1]["holds"] == "yes" else _("The rule does not match")
        app.say(
            f"{head}: {printable(_because(rows) or reason(document_of(check), events[0], **house_words(app)))}."
        )


def _because(rows: Sequence[dict[str, Any]]) -> str:
    return next((str(row["test"]) for row in rows if row["selection"] == "filter" and row["decides"]), "")


def _columns() -> tuple[Column, ...]:
    return (
        Column("event", _("Event"), kind="number"),
        Column("holds", _("Holds"), kind="word"),
        Column("selection", _("Selection")),
        Column("field", _("Field")),
        Column("test", _("Test")),
        Column("value", _("Value"), kind="excerpt"),
        Column("decides", _("Decides"), optional=True),
    )


def _steps(app: App, found: Loaded, check: Check, events: Sequence[Event]) -> list[dict[str, Any]]:
    from citysoc.detectors.sigma.explain import explain

    document, house = document_of(check), house_words(app)
    return [
        {
            "event": number,
            "holds": "yes" if step.holds else "no",
            "selection": step.selection,
            "field": "  " * step.depth + step.field,
            "test": step.test,
            "value": step.value,
            "decides": step.decides,
        }
        for number, event in enumerate(events, start=1)
        for step in explain(document, event, found.plans, **house)
    ]


# -- correlations ----------------------------------------------------------------------------------------------


def _correlation(
    app: App, found: Loaded, check: Check, events: Sequence[Event], *, stored: bool, format_: str | None
) -> None:
    from citysoc.detectors.sigma.offsets import timed
    from citysoc.detectors.sigma.sightings import watch

    plan = next((one for one in found.correlations if one["id"] == check.rule), None)
    if plan is None:
        raise RuleError(_("The rule is not in use: {reason}.").format(reason=check.reason))
    about = str(events[0].get("event.id", "")) if stored else ""
    whole = _around(app, events[0], plan) if stored else timed(events)
    rules = [*found.detector.plans, *found.of_anomalies]
    told = watch(rules, found.correlations, check.rule, whole, about=about)
    if not is_table(format_):
        emit([asdict(one) for one in told.sightings] or [_nothing(check, told)], _GROUP_COLUMNS, format_)
        return
    for one in told.sightings[:_SHOWN_GROUPS]:
        _show(one)
    if (more := len(told.sightings) - _SHOWN_GROUPS) > 0:
        app.say(_("… and {count} more groups.").format(count=more))
    if not told.sightings:
        _show_nothing(app, found, plan, told, events)


_GROUP_COLUMNS = tuple(
    Column(name)
    for name in (
        *("correlation", "agency", "group", "found", "since", "until", "measured", "wanted", "missing"),
        "parts",
    )
)


def _nothing(check: Check, told: Told) -> dict[str, Any]:
    why = (
        _("the events that match lack a field that it groups by")
        if told.base
        else _("no event matches a rule below it")
    )
    return {
        "correlation": check.rule,
        "found": False,
        "missing": why,
        "parts": [],
        "base": dict(told.base),
        "ungrouped": dict(told.ungrouped),
    }


def _around(app: App, event: Event, plan: Any) -> list[Event]:
    """Return the stored events around one that its windows may hold."""
    from citysoc.stores.base import Question

    time = event.get("@timestamp")
    if not isinstance(time, dt.datetime):
        return [event]
    span = dt.timedelta(seconds=plan["span"])
    agency = None if plan["across_agencies"] else event.get("agency.id")
    question = Question(since=time - span, until=time + span + dt.timedelta(seconds=1), agency=agency)
    found = list(app.store.search(question, newest_first=False, limit=_MAX_AROUND))
    if len(found) == _MAX_AROUND:
        app.say(
            _("Only the first {count} events within the timespan are looked at.").format(count=_MAX_AROUND)
        )
        if not any(one.get("event.id") == event.get("event.id") for one in found):
            found.append(event)
    if plan["is_late"]:
        found += between(app, question)
    return found


def _show(one: Sighting) -> None:
    group = ", ".join(f"{name}={value}" for name, value in one.group.items()) or _("(one group)")
    verdict = _("found") if one.found else _("not found")
    where = f"{one.agency}  " if one.agency != "*" else ""
    click.echo(click.style(printable(f"{where}{group}: {verdict}"), bold=True))
    text = "  " + _("{since} to {until}; measured {measured}, asked for {wanted}")
    measured = "-" if one.measured is None else f"{one.measured:g}"
    click.echo(
        text.format(
            since=local_time(one.since), until=local_time(one.until), measured=measured, wanted=one.wanted
        )
    )
    if one.missing:
        click.echo(f"  {printable(one.missing)}")
    emit(
        [{**asdict(part), "events": list(part.events[:3])} for part in one.parts],
        (
            Column("rule", _("Rule")),
            Column("title", _("Title")),
            Column("count", _("Count"), kind="number"),
            Column("elsewhere", _("Outside"), kind="number"),
            Column("first", _("First"), kind="time"),
            Column("last", _("Last"), kind="time"),
            Column("events", _("Events"), kind="excerpt"),
        ),
        "table",
    )


def _show_nothing(app: App, found: Loaded, plan: Any, told: Told, events: Sequence[Event]) -> None:
    """Say why nothing came to count: which field is missing, or what each rule below says of the first event."""
    for rule, number in told.ungrouped.items():
        text = _("{count} events that {rule} matches lack a field of {fields}.")
        app.say(text.format(count=number, rule=rule, fields=", ".join(plan["group_by"])))
    if told.base:
        return
    app.say(_("No event matches a rule below it. What they say of the first event:"))
    checks = {check.rule: check for check in found.checks if check.status != "refused"}
    for feed in plan["feeds"]:
        below = checks[feed["rule"]]
        title = (language() == "vi" and below.title_vi) or below.title
        click.echo(click.style(printable(title), bold=True))
        emit(_steps(app, found, below, events[:1]), _columns()[1:], "table")
