"""Anomalies as rules see them, for the commands that try rules; and which rules wait for a model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from citysoc.commands.context import App
    from citysoc.detectors.sigma import Loaded
    from citysoc.flow import Event
    from citysoc.stores.base import Question


def between(app: App, question: Question) -> list[Event]:
    """Return the anomalies that were told of a question's time and agency, as events."""
    from citysoc.detectors.anomaly import event

    if not app.config.state_path.exists():
        return []
    state = app.state()
    try:
        found = event.told(state, question.since, question.until, question.agency)
    finally:
        state.close()
    events = event.events(app.store, found)
    return [one for one in events if question.agency in {None, one["agency.id"]}]


def named(app: App, text: str) -> Event | None:
    """Return the anomaly that a text like ``anomaly:3f2a`` names, as an event; None where it names none.

    Raises:
        UsageError: there is none of that id, or more than one.
    """
    from citysoc.detectors.anomaly import event, journal

    if not text.startswith(event.PREFIX):
        return None
    state = app.state()
    try:
        one = event.read(journal.row_of(state, text))
    finally:
        state.close()
    return event.events(app.store, [one])[0]


def without_model(found: Loaded) -> Loaded:
    """Return rules with what it means for them that there is no model: what asks for anomalies gets none."""
    waiting = {str(plan["id"]) for plan in (*of_correlations(found.correlations), *found.of_anomalies)}
    reason = _("it asks for anomalies, and there is no model yet: `citysoc anomaly train`")
    return replace(
        found,
        checks=tuple(
            replace(check, status="degraded", reason="; ".join(filter(None, (check.reason, reason))))
            if check.rule in waiting and check.in_use
            else check
            for check in found.checks
        ),
    )


def of_correlations(plans: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the correlations that build upon anomalies, those above them too."""
    return [plan for plan in plans if plan["is_late"]]
