"""``citysoc incidents``: alerts that belong together, with their clocks."""

from __future__ import annotations

import contextlib
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from citysoc import clock, i18n
from citysoc.alerts import incidents, lives, queries
from citysoc.alerts.queries import Filter
from citysoc.commands import words
from citysoc.commands.alert_parts import parts_of
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option, is_table
from citysoc.commands.times import Span, moment, span_options
from citysoc.commands.triage import by_event, by_option, emit_one, level_option, time_option, titled
from citysoc.errors import UsageError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from citysoc.state import State


@click.group("incidents", short_help="Alerts that belong together, with their clocks.")
def command() -> None:
    """Incidents: alerts of one agency and entity that belong together.

    The first notice is due 24 hours after detection, the report 72 hours after it. An id may be
    shortened to its number: 123 for SC-2026-00123. --since and --until are about the time of detection, --month is
    about the first event of an incident, as the report of the month counts; see --time.
    """


@command.command("list")
@level_option
@click.option("--state", "states", type=click.Choice(lives.STATES), multiple=True, help="In this state.")
@click.option("--open", "only_open", is_flag=True, help="All that are not closed.")
@click.option("--agency", "agencies", metavar="ID", multiple=True, help="Of this agency.")
@click.option("--rule", "rules", metavar="ID", multiple=True, help="With an alert of this rule.")
@click.option("--limit", type=click.IntRange(min=0), default=100, show_default=True, help="0 for all.")
@span_options
@time_option
@format_option
@pass_app
def list_(
    app: App,
    *,
    min_level: str | None,
    states: tuple[str, ...],
    only_open: bool,
    agencies: tuple[str, ...],
    rules: tuple[str, ...],
    limit: int,
    span: Span,
    about: str | None,
    format_: str | None,
) -> None:
    """Show incidents, the latest detected first.

    Example: citysoc incidents list --open
    """
    chosen = (*states, *queries.OPEN) if only_open else states
    wanted = Filter(
        min_level, chosen, agencies, rules, None, span.since, span.until, limit, by_event(about, span)
    )
    state = app.state()
    try:
        rows = queries.incidents(state, wanted)
    finally:
        state.close()
    now = clock.now()
    rows = [{**titled(row, format_), "clock": _clock(row, now)} for row in rows]
    if is_table(format_):
        rows = [{**row, "state": lives.verdict_of(row["state"], row["verdict"])} for row in rows]
    emit(
        rows,
        (
            Column("id", _("Incident")),
            Column("severity", _("Severity"), kind="level"),
            Column("state", _("State"), kind="word"),
            Column("clock", _("Clock")),
            Column("agency", _("Agency")),
            Column("alerts", _("Alerts"), kind="number"),
            Column("title", _("Title")),
        ),
        format_,
    )


@command.command("show")
@click.argument("incident", metavar="ID")
@format_option
@pass_app
def show(app: App, *, incident: str, format_: str | None) -> None:
    """Show one incident with its alerts, notes and audit trail."""
    state = app.state()
    try:
        id_ = queries.incident_id(state, incident)
        row = queries.value_of(state.rows("SELECT * FROM incidents WHERE id = ?", (id_,))[0])
        entities = state.rows(
            "SELECT entity FROM incident_entities WHERE incident = ? ORDER BY entity", (id_,)
        )
        sql = "SELECT id, level, state, title, title_vi, count, last_seen, matched FROM alerts WHERE incident = ? ORDER BY id"
        alerts = [queries.value_of(alert) for alert in state.rows(sql, (id_,))]
        made_of = parts_of(app, state, alerts)
        parts = {
            "related alerts": [titled(_without_matched(alert), format_) for alert in alerts],
            **({"parts": made_of} if made_of else {}),
            "notes": queries.notes_of(state, id_),
            "audit": queries.audit_of(state, "incident", id_),
        }
    finally:
        state.close()
    whole = {
        **titled(row, format_),
        "clock": _clock(row, clock.now()),
        "entities": [entity["entity"] for entity in entities],
    }
    emit_one(whole, parts, format_)


def _without_matched(alert: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in alert.items() if name != "matched"}


@command.command("assign")
@click.argument("incident", metavar="ID")
@click.argument("owner")
@by_option
@pass_app
def assign(app: App, *, incident: str, owner: str, who: str) -> None:
    """Give an incident an owner."""
    with _open(app, incident) as (state, id_), state.transaction() as db:
        hooks = app.config.settings.webhooks
        changed = incidents.assign(db, id_, owner, who=who, now=clock.now(), webhooks=hooks)
    app.say(_("{id} is {owner}'s.").format(id=id_, owner=owner) if changed else _("Nothing changed."))


@command.command("work")
@click.argument("incident", metavar="ID")
@by_option
@pass_app
def work(app: App, *, incident: str, who: str) -> None:
    """Take an incident in progress."""
    _change(app, incident, lives.Change("in_progress", who, clock.now()))


@command.command("note")
@click.argument("incident", metavar="ID")
@click.argument("text")
@click.option(
    "--kind",
    type=click.Choice(incidents.NOTE_KINDS),
    default="note",
    show_default=True,
    help="What the law's report asks for: cause, scope, measure.",
)
@by_option
@pass_app
def note(app: App, *, incident: str, text: str, kind: incidents.NoteKind, who: str) -> None:
    """Write a note into an incident."""
    with _open(app, incident) as (state, id_), state.transaction() as db:
        incidents.note(db, id_, text, kind=kind, who=who, now=clock.now())
    app.say(_("Noted in {id}.").format(id=id_))


@command.command("sent")
@click.argument("incident", metavar="ID")
@click.argument("what", type=click.Choice(["notice", "report"]))
@click.option("--at", metavar="TIME", default="now", show_default=True, help="When it went out.")
@by_option
@pass_app
def sent(app: App, *, incident: str, what: Literal["notice", "report"], at: str, who: str) -> None:
    """Write down that the 24 h notice or the 72 h report went out."""
    now = clock.now()
    with _open(app, incident) as (state, id_), state.transaction() as db:
        incidents.mark_sent(db, id_, what, at=moment(at, now=now), who=who, now=now)
    app.say(_("Written down for {id}.").format(id=id_))


@command.command("close")
@click.argument("incident", metavar="ID")
@click.option("--verdict", type=click.Choice(lives.VERDICTS), required=True, help="What it was.")
@click.option("--reason", required=True, help="Why, in your words.")
@click.option("--keep-alerts", is_flag=True, help="Leave its open alerts as they are.")
@by_option
@pass_app
def close(app: App, *, incident: str, verdict: str, reason: str, keep_alerts: bool, who: str) -> None:
    """Close an incident, and its open alerts with it."""
    _change(app, incident, lives.Change("closed", who, clock.now(), verdict, reason), keep_alerts=keep_alerts)


@command.command("form")
@click.argument("incident", metavar="ID")
@click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(["initial", "final"]),
    default="initial",
    show_default=True,
    help="Which report.",
)
@click.option(
    "--lang", "lang", type=click.Choice(i18n.LANGUAGES), default="vi", show_default=True, help="Its language."
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@pass_app
def form(
    app: App, *, incident: str, path: Path, kind: Literal["initial", "final"], lang: str, force: bool
) -> None:
    """Write the report of one incident as FILE.docx or FILE.pdf: what is known is filled in.

    Cause, scope and measures are the notes of those kinds (`citysoc incidents note --kind cause`).
    """
    from citysoc.reports import forms, pdf, word

    if path.suffix not in {".docx", ".pdf"}:
        raise UsageError(_("{path} is neither .docx nor .pdf.").format(path=path))
    if path.exists() and not force:
        raise UsageError(_("{path} exists.").format(path=path), hint=_("Give --force to replace it."))
    state = app.state()
    try:
        case = forms.case_of(state, queries.incident_id(state, incident))
    finally:
        state.close()
    with i18n.speaking(lang):
        document = forms.form(app.config, case, kind)
        path.write_bytes(word.render(document) if path.suffix == ".docx" else pdf.render(document))
    click.echo(path)


@command.command("merge")
@click.argument("into", metavar="INTO")
@click.argument("others", metavar="ID...", nargs=-1, required=True)
@by_option
@pass_app
def merge(app: App, *, into: str, others: tuple[str, ...], who: str) -> None:
    """Make incidents one; the earliest detection counts for the clocks."""
    with _open(app, into) as (state, id_):
        parts = [queries.incident_id(state, text) for text in others]
        hooks = app.config.settings.webhooks
        with state.transaction() as db:
            incidents.merge(db, id_, parts, who=who, now=clock.now(), webhooks=hooks)
    app.say(_("{others} went into {id}.").format(others=", ".join(parts), id=id_))


@contextlib.contextmanager
def _open(app: App, incident: str) -> Iterator[tuple[State, str]]:
    """Open the state for writing; give it with the incident's whole id."""
    state = app.state(read_only=False)
    try:
        yield state, queries.incident_id(state, incident)
    finally:
        state.close()


def _change(app: App, incident: str, change: lives.Change, *, keep_alerts: bool = False) -> None:
    with _open(app, incident) as (state, id_), state.transaction() as db:
        hooks = app.config.settings.webhooks
        changed = incidents.move(db, id_, change, webhooks=hooks, keep_alerts=keep_alerts)
    state_now = words.word(lives.verdict_of(change.to, change.verdict))
    text = _("{id} is {state}.").format(id=id_, state=state_now)
    app.say(text if changed else _("Nothing changed."))


def _clock(row: Mapping[str, Any], now: dt.datetime) -> str:
    """Return the next deadline that is not met: ``notice in 5 h``, ``report overdue 2 h``, ``met``."""
    for name, text in (("notice", _("notice")), ("report", _("report"))):
        if row[f"{name}_sent_at"] is not None:
            continue
        if row["state"] == "closed" and row["verdict"] != "true_positive":
            continue
        left = row[f"{name}_due_at"] - now
        if left < dt.timedelta(0):
            return _("{what} overdue {span}").format(what=text, span=_span(-left))
        return _("{what} in {span}").format(what=text, span=_span(left))
    return _("met") if row["notice_sent_at"] or row["report_sent_at"] else _("none due")


def _span(span: dt.timedelta) -> str:
    hours = int(span.total_seconds() // 3600)
    if hours >= 48:
        return _("{count} d").format(count=hours // 24)
    return _("{count} h").format(count=hours) if hours else _("{count} min").format(count=span.seconds // 60)
