"""What ``citysoc anomaly list`` shows of the model in use: whether it is well, its facts, drift, each agency's share."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from citysoc import clock
from citysoc.commands.output import Column, emit, is_table
from citysoc.commands.triage import emit_one
from citysoc.i18n import _

if TYPE_CHECKING:
    from citysoc.commands.context import App


def health(app: App) -> None:
    """Say what is wrong with the model in use: none, stale, drifted, or flooded with anomalies."""
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
        "flood": _(
            "The last day brought {count} anomalies, far more than the budget of {budget:.0f}."
        ).format(count=count, budget=facts.get("budget", run.BUDGET)),
    }
    for word in run.health(facts, int(count), now):
        app.say(told[word])
    if moved := run.drifted(app.config):
        names = ", ".join(f"{one.kind}/{one.family}" for one in moved)
        app.say(_("Habits have drifted, train again: {names}. See --drift.").format(names=names))


def show_drift(app: App, format_: str | None) -> None:
    """Show how far each family has moved in the last week from what the model learnt on."""
    from citysoc.detectors.anomaly import run

    columns = (
        Column("kind", _("Kind"), kind="word"),
        Column("family", _("Family of features"), kind="word"),
        Column("index", _("Stability index"), kind="number"),
        Column("often", _("Times as often"), kind="number"),
        Column("state", _("State"), kind="word"),
        Column("rows", _("Rows"), kind="number"),
        Column("hours", _("Hours"), kind="number"),
    )
    emit(({**asdict(one), "state": one.state} for one in run.drifts(app.config)), columns, format_)


def show_model(app: App, format_: str | None) -> None:
    """Show what is known of the model in use."""
    from citysoc.detectors.anomaly import files, run

    facts = files.facts(run.model_folder(app.config)) or {}
    shown = {key: value for key, value in facts.items() if key not in {"compared", "raised"}}
    if is_table(format_):
        shown = {key: value if not isinstance(value, dict) else str(value) for key, value in shown.items()}
    emit_one(shown, {}, format_)


def show_fairness(app: App, listed: list[dict[str, Any]], format_: str | None) -> None:
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
