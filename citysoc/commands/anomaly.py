"""``citysoc anomaly``: the model that finds who left their own habit."""

from __future__ import annotations

import json
import os

import click

from citysoc import clock
from citysoc.commands.anomaly_rows import columns, row
from citysoc.commands.anomaly_told import explain, feedback, list_
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option
from citysoc.commands.times import Span, span_options
from citysoc.i18n import _, ngettext


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
    help="Alerts a day for the whole city; by default as before, at first 20.",
)
@click.option("--force", is_flag=True, help="Use the new model even where it is worse on the replay.")
@click.option("--nice", is_flag=True, help="Leave the processor to others.")
@span_options
@pass_app
def train(app: App, *, seed: int, budget: float | None, force: bool, nice: bool, span: Span) -> int:
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
@click.option(
    "--new",
    "new_only",
    is_flag=True,
    help="Only hours that are new, or have other events than when they were scored.",
)
@click.option("--brief", is_flag=True, help="Print only how many, and what has drifted, as JSON.")
@click.option("--nice", is_flag=True, help="Leave the processor to others.")
@span_options
@format_option
@pass_app
def score(
    app: App, *, tell: bool, new_only: bool, brief: bool, nice: bool, span: Span, format_: str | None
) -> None:
    """Score whole hours; with --since, history again. Nothing is told twice.

    What is new goes to correlations, too.

    Example: citysoc anomaly score --since 7d --dry-run
    """
    from citysoc.commands.services import hand_on
    from citysoc.detectors.anomaly import run

    if nice:
        os.nice(10)
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
            new_only=new_only,
        )
    finally:
        state.close()
    if brief:
        drifted = [f"{one.kind}/{one.family}" for one in run.drifted(app.config)]
        click.echo(json.dumps({"anomalies": len(found), "new": new, "drifted": drifted}))
        return
    emit((row(one) for one in found), columns(), format_)
    if tell:
        if new:
            hand_on(app)
        app.say(
            ngettext(
                "{count} anomaly, {new} of them new.", "{count} anomalies, {new} of them new.", len(found)
            ).format(count=len(found), new=new)
        )


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


for _told in (list_, explain, feedback):
    command.add_command(_told)
