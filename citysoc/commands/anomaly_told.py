"""``citysoc anomaly list|explain|feedback``: what was told, why, and that it was wrong."""

from __future__ import annotations

import datetime as dt
import shlex

import click

from citysoc import clock
from citysoc.commands import anomaly_about, words
from citysoc.commands.anomaly_rows import columns, why
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option
from citysoc.commands.times import Span, span_options
from citysoc.commands.triage import by_option, emit_one
from citysoc.errors import UsageError
from citysoc.i18n import _, language


@click.command("list")
@click.option("--agency", metavar="ID", help="Only of this agency.")
@click.option("--fairness", is_flag=True, help="Each agency's share of the alerts instead.")
@click.option(
    "--drift", is_flag=True, help="How far each family moved from what the model learnt on instead."
)
@click.option("--model", "about_model", is_flag=True, help="What is known of the model in use instead.")
@click.option("--limit", type=click.IntRange(min=0), default=50, show_default=True, help="0 for all.")
@span_options
@format_option
@pass_app
def list_(
    app: App,
    *,
    agency: str | None,
    fairness: bool,
    drift: bool,
    about_model: bool,
    limit: int,
    span: Span,
    format_: str | None,
) -> None:
    """Show the anomalies that were told, the latest first; says when the model is stale or habits drift.

    Example: citysoc anomaly list --since 7d --fairness
    """
    from citysoc.state.values import load, stamp

    anomaly_about.health(app)
    if about_model:
        anomaly_about.show_model(app, format_)
        return
    if drift:
        anomaly_about.show_drift(app, format_)
        return
    state = app.state()
    try:
        rows = state.rows(
            "SELECT * FROM anomalies WHERE (:agency IS NULL OR agency = :agency)"
            " AND (:since IS NULL OR hour >= :since) AND (:until IS NULL OR hour < :until)"
            " ORDER BY hour DESC, score DESC, id LIMIT :limit",
            {
                "agency": agency,
                "since": stamp(span.since) if span.since else None,
                "until": stamp(span.until) if span.until else None,
                "limit": -1 if fairness or not limit else limit,
            },
        )
    finally:
        state.close()
    listed = [
        {
            **{name: row[name] for name in ("id", "kind", "agency", "entity", "family", "score")},
            "hour": dt.datetime.fromisoformat(row["hour"]),
            "why": why(load(row["reasons"])),
            "query": row["query"],
        }
        for row in rows
    ]
    if fairness:
        anomaly_about.show_fairness(app, listed, format_)
        return
    emit(listed, columns(), format_)


@click.command("explain")
@click.argument("anomaly", metavar="ID")
@format_option
@pass_app
def explain(app: App, *, anomaly: str, format_: str | None) -> None:
    """Say why something is an anomaly: features, what was expected, the days before, its events."""
    from citysoc.detectors.anomaly import explain as telling
    from citysoc.detectors.anomaly import journal, run

    state = app.state()
    try:
        row = journal.row_of(state, anomaly)
        lowered = journal.lowered(state).get(journal.pattern(row), 0.0)
    finally:
        state.close()
    folder = run.table_folder(app.config)
    begin = dt.datetime.fromisoformat(row["hour"])
    end = begin + dt.timedelta(hours=1)
    scope = "" if row["kind"] == "outside" else row["agency"]
    reasons = [
        {
            "feature": reason["feature"],
            "meaning": telling.words(reason["feature"], language()),
            "value": telling.amount(reason["feature"], reason["value"]),
            "expected": telling.amount(reason["feature"], reason["expected"]),
            "usual up to": telling.amount(reason["feature"], reason["limit"]),
            "nats": reason["nats"],
            "last 72 h": telling.sparkline(
                telling.series(
                    folder,
                    row["kind"],
                    scope,
                    row["entity"],
                    reason["feature"],
                    until=end,
                )
            ),
        }
        for reason in row["reasons"]
    ]
    since, until = clock.iso(begin), clock.iso(end)
    whole = {
        **{name: row[name] for name in ("id", "kind", "agency", "entity", "family", "score", "model")},
        "hour": begin,
        **(
            {"agencies": ", ".join(telling.meets(folder, row["entity"], begin))}
            if row["kind"] == "outside"
            else {}
        ),
        "expected once in": telling.rarity(row["score"]),
        "lowered by feedback": lowered,
        "search": f"citysoc events search {shlex.quote(row['query'])} --since {since} --until {until}",
    }
    emit_one(whole, {"reasons": reasons}, format_)


@click.command("feedback")
@click.argument("anomaly", metavar="[ID]", required=False)
@click.option(
    "--false-positive", is_flag=True, help="It was nothing: the same of this entity counts less from now on."
)
@click.option("--undo", type=int, metavar="NUMBER", help="Take feedback back.")
@click.option("--reason", default="", help="Why, in your words.")
@by_option
@format_option
@pass_app
def feedback(
    app: App,
    *,
    anomaly: str | None,
    false_positive: bool,
    undo: int | None,
    reason: str,
    who: str,
    format_: str | None,
) -> None:
    """Say that an anomaly was nothing, take that back, or show what was said.

    Closing an alert of anomalies as a false positive does the same for all that are in it, until its verdict is
    changed; such alerts are shown with their number.

    Example: citysoc anomaly feedback 3f2a --false-positive --reason "Nightly copy, agreed"
    """
    from citysoc.detectors.anomaly import journal

    if (anomaly is not None) != false_positive or (undo is not None and anomaly is not None):
        raise UsageError(_("Name an anomaly and say --false-positive, or say --undo NUMBER."))
    state = app.state(read_only=not (false_positive or undo is not None))
    try:
        if anomaly is not None:
            row = journal.row_of(state, anomaly)
            with state.transaction() as db:
                number = journal.lower(db, row, who=who, reason=reason, now=clock.now())
            app.say(_("Noted as feedback {number}; --undo {number} takes it back.").format(number=number))
        elif undo is not None:
            with state.transaction() as db:
                if not journal.undo(db, undo, who=who, now=clock.now()):
                    raise UsageError(_("There is no feedback {number} in force.").format(number=undo))
            app.say(_("Feedback {number} counts no more.").format(number=undo))
        else:
            emit([*journal.given(state), *journal.verdicts(state)], _feedback_columns(), format_)
    finally:
        state.close()


def _feedback_columns() -> list[Column]:
    kinds = {"at": "time", "undone_at": "time", "family": "word"}
    names = ("id", "alert", "agency", "entity", "family", "nats", "who", "at", "reason", "undone_at")
    return [Column(name, words.field(name), kind=kinds.get(name, "text")) for name in names]
