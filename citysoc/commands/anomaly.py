"""``citysoc anomaly``: the model that finds who left their own habit."""

from __future__ import annotations

import datetime as dt
import json
import os
from typing import TYPE_CHECKING, Any

import click

from citysoc import clock
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option
from citysoc.commands.times import Span, span_options
from citysoc.commands.triage import by_option, emit_one, is_table
from citysoc.errors import UsageError
from citysoc.i18n import _, language

if TYPE_CHECKING:
    from citysoc.detectors.anomaly.anomalies import Anomaly


@click.group("anomaly", short_help="The model that finds who left their own habit.")
def command() -> None:
    """The anomaly model: train it, score with it, ask it why, tell it that it was wrong.

    It learns what is usual for every agency, machine, account and outside address at each hour of the
    week, and finds the few that left their habit. See docs/anomaly.md.
    """


@command.command("train")
@click.option(
    "--seed", type=int, default=1, show_default=True, help="The same data and seed give the same model."
)
@click.option(
    "--budget",
    type=click.FloatRange(1, 1000),
    default=20.0,
    show_default=True,
    help="Alerts a day for the whole city.",
)
@click.option("--force", is_flag=True, help="Use the new model even where it is worse on the replay.")
@click.option("--nice", is_flag=True, help="Leave the processor to others.")
@span_options
@pass_app
def train(app: App, *, seed: int, budget: float, force: bool, nice: bool, span: Span) -> int:
    """Learn from the last 30 days, and use the model when it is not worse than the one in use.

    Example: citysoc anomaly train --since 2026-10-01 --until 2026-11-01
    """
    from citysoc.commands.progress import counting
    from citysoc.detectors.anomaly import run

    if nice:
        os.nice(10)
    now = clock.now()
    until = span.until or now
    with counting(_("Reading events"), quiet=app.quiet) as moved:
        done = run.train_and_promote(
            app.config,
            app.store,
            since=span.since or until - run.WINDOW,
            until=until,
            seed=seed,
            budget=budget,
            force=force,
            moved=moved,
            progress=lambda stage: app.say(_("Learning: {stage}").format(stage=stage)),
        )
    figures = done.compared["new"]
    app.say(_("Average precision on the replay: {figure:.3f}.").format(figure=figures["average_precision"]))
    app.say(
        _("The new model is in use.")
        if done.promoted
        else _("The new model is worse than the one in use and is not used; --force uses it.")
    )
    click.echo(json.dumps({"promoted": done.promoted, "average_precision": figures["average_precision"]}))
    return 0 if done.promoted else 1


@command.command("score")
@click.option("--tell/--dry-run", default=True, help="Raise alerts for what is new (default), or only show.")
@span_options
@format_option
@pass_app
def score(app: App, *, tell: bool, span: Span, format_: str | None) -> None:
    """Score whole hours; with --since, history again. Nothing is told twice.

    Example: citysoc anomaly score --since 7d --dry-run
    """
    from citysoc.detectors.anomaly import run

    now = clock.now()
    until = span.until or now
    state = app.state(read_only=not tell)
    try:
        found, new = run.score(
            app.config,
            app.store,
            state,
            since=span.since or until - run.LATE,
            until=until,
            now=now,
            tell=tell,
        )
    finally:
        state.close()
    emit((_row(one) for one in found), _COLUMNS, format_)
    if tell:
        app.say(_("{count} anomalies, {new} of them new.").format(count=len(found), new=new))


@command.command("list")
@click.option("--agency", metavar="ID", help="Only of this agency.")
@click.option("--fairness", is_flag=True, help="Each agency's share of the alerts instead.")
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
    about_model: bool,
    limit: int,
    span: Span,
    format_: str | None,
) -> None:
    """Show the anomalies that were told, the latest first; says when the model is stale or habits drift.

    Example: citysoc anomaly list --since 7d --fairness
    """
    from citysoc.state.values import load, stamp

    _health(app)
    if about_model:
        _model(app, format_)
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
            "why": _why(load(row["reasons"])),
            "query": row["query"],
        }
        for row in rows
    ]
    if fairness:
        _fairness(app, listed, format_)
        return
    emit(listed, _COLUMNS, format_)


@command.command("explain")
@click.argument("anomaly", metavar="ID")
@format_option
@pass_app
def explain(app: App, *, anomaly: str, format_: str | None) -> None:
    """Say why something is an anomaly: features, what was expected, the days before, its events."""
    from citysoc.detectors.anomaly import explain as words
    from citysoc.detectors.anomaly import journal, run

    state = app.state()
    try:
        row = journal.row_of(state, anomaly)
        lowered = journal.lowered(state).get((row["agency"], row["entity"], row["family"]), 0.0)
    finally:
        state.close()
    begin = dt.datetime.fromisoformat(row["hour"])
    end = begin + dt.timedelta(hours=1)
    scope = "" if row["kind"] == "outside" else row["agency"]
    reasons = [
        {
            "feature": reason["feature"],
            "meaning": words.words(reason["feature"], language()),
            "value": words.amount(reason["feature"], reason["value"]),
            "expected": words.amount(reason["feature"], reason["expected"]),
            "usual up to": words.amount(reason["feature"], reason["limit"]),
            "nats": reason["nats"],
            "last 72 h": words.sparkline(
                words.series(
                    run.table_folder(app.config),
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
        "lowered by feedback": lowered,
        "events": f"citysoc events search '{row['query']}' --since {since} --until {until}",
    }
    emit_one(whole, {"reasons": reasons}, format_)


@command.command("feedback")
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

    Closing the alert of an anomaly as a false positive does the same, until its verdict is changed.

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
            rows = [dict(row) for row in state.rows("SELECT * FROM anomaly_feedback ORDER BY id DESC")]
            names = ("id", "agency", "entity", "family", "nats", "who", "at", "reason", "undone_at")
            emit(rows, [Column(name) for name in names], format_)
    finally:
        state.close()


@command.command("bench")
@click.argument("folder", type=click.Path(exists=True, file_okay=False))
@click.option("--seed", type=int, default=0, show_default=True, help="Of the detector.")
@format_option
def bench(*, folder: str, seed: int, format_: str | None) -> None:
    """Measure the detector's core on labelled sets: files DIR/*.npz with X and y (1 is an outlier).

    One fixed configuration for all; shows ROC AUC and average precision of each set and their mean.
    """
    from citysoc.detectors.anomaly.sets import measure

    rows = measure(folder, seed=seed)
    names = (("set", _("Set")), ("rows", _("Rows")), ("columns", _("Columns")), ("outliers", _("Outliers")))
    figures = (
        ("roc_auc", "ROC AUC"),
        ("average_precision", _("Average precision")),
        ("seconds", _("Seconds")),
    )
    emit(rows, [Column(name, title) for name, title in (*names, *figures)], format_)


_COLUMNS = (
    Column("id", "ID"),
    Column("hour", "Hour", kind="time"),
    Column("score", "Score"),
    Column("family", "Family"),
    Column("agency", "Agency"),
    Column("entity", "Entity"),
    Column("why", "Why"),
)


def _row(one: Anomaly) -> dict[str, Any]:
    from citysoc.detectors.anomaly.anomalies import query
    from citysoc.detectors.anomaly.days import moment_of

    reasons = [
        {"feature": r.feature, "value": r.value, "expected": r.expected, "limit": r.limit}
        for r in one.reasons
    ]
    return {
        **{name: getattr(one, name) for name in ("id", "kind", "agency", "entity", "family", "score")},
        "hour": moment_of(one.hour),
        "why": _why(reasons),
        "query": query(one),
    }


def _why(reasons: list[dict[str, Any]]) -> str:
    from citysoc.detectors.anomaly.explain import amount, words

    parts = []
    for reason in reasons[:2]:
        name = reason["feature"]
        parts.append(
            _("{what}: {value} (expected {expected})").format(
                what=words(name, language()),
                value=amount(name, reason["value"]),
                expected=amount(name, reason["expected"]),
            )
        )
    return "; ".join(parts)


def _health(app: App) -> None:
    from citysoc.detectors.anomaly import files, run
    from citysoc.state.values import stamp

    facts = files.facts(run.model_folder(app.config))
    if facts is None:
        app.say(_("There is no anomaly model yet; `citysoc anomaly train` makes one."))
        return
    now = clock.now()
    state = app.state()
    try:
        since = stamp(now - dt.timedelta(days=1))
        count = state.rows("SELECT count(*) AS n FROM anomalies WHERE hour >= ?", (since,))[0]["n"]
    finally:
        state.close()
    told = {
        "stale": _("The model is older than 14 days: train again."),
        "drift": _("Far more anomalies in a day than the budget: habits have drifted, train again."),
    }
    for word in run.health(facts, int(count), now):
        app.say(told[word])


def _model(app: App, format_: str | None) -> None:
    from citysoc.detectors.anomaly import files, run

    facts = files.facts(run.model_folder(app.config)) or {}
    shown = {key: value for key, value in facts.items() if key not in {"compared", "raised"}}
    if is_table(format_):
        shown = {key: value if not isinstance(value, dict) else str(value) for key, value in shown.items()}
    emit_one(shown, {}, format_)


def _fairness(app: App, listed: list[dict[str, Any]], format_: str | None) -> None:
    """Show each agency's share of what was told, and what it needs beyond the threshold."""
    from collections import Counter

    from citysoc.detectors.anomaly import files, run
    from citysoc.detectors.anomaly.facts import local

    facts = files.facts(run.model_folder(app.config)) or {}
    raised: dict[str, float] = facts.get("raised", {})
    alerts = {
        (
            row["agency"],
            row["entity"] if row["kind"] == "outside" else "",
            row["family"],
            local(int(row["hour"].timestamp() // 3600)).date(),
        )
        for row in listed
    }
    counts = Counter(key[0] for key in alerts)
    total = max(1, sum(counts.values()))
    emit(
        (
            {
                "agency": agency,
                "alerts": count,
                "share": f"{100 * count / total:.1f} %",
                "raised": round(raised.get(agency, 0.0), 2),
            }
            for agency, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        ),
        (
            Column("agency", _("Agency")),
            Column("alerts", _("Alerts"), kind="number"),
            Column("share", _("Share")),
            Column("raised", _("Raised threshold")),
        ),
        format_,
    )
