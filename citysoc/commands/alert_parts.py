"""What a correlation's alert is made of: the anomalies and the events of the rules below, one a row."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from citysoc.detectors.correlate.findings import PARTS
from citysoc.errors import InputError
from citysoc.i18n import language

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from citysoc.commands.context import App
    from citysoc.detectors.sigma import Loaded
    from citysoc.state import State


def parts_of(app: App, state: State, alerts: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the parts of some alerts in order of time, each once; none for alerts that name none.

    Args:
        app: the running command.
        state: the state database.
        alerts: with ``matched``, as ``queries.value_of`` gives them.
    """
    texts = {text for alert in alerts for text in _texts(alert["matched"].get(PARTS))}
    known = sorted(filter(None, map(_split, texts)))
    if not known:
        return []
    from citysoc.commands.rulesets import loaded

    found = loaded(app)
    return [
        {"at": at, "rule": name, **_what(state, found, name, event), "event": event}
        for at, name, event in known
    ]


def _texts(value: Any) -> list[str]:
    """Return the texts of a field: an event may have one of the same name that is none of ours."""
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _split(text: str) -> tuple[dt.datetime, str, str] | None:
    """Return time, rule and event of a part; None for what is none."""
    words = text.split(" ")
    if len(words) != 3 or not all(words):
        return None
    try:
        at = dt.datetime.fromisoformat(words[2])
    except ValueError:
        return None
    return (at, words[0], words[1]) if at.tzinfo else None


def without_parts(matched: Mapping[str, Any]) -> dict[str, Any]:
    """Return what matched without what the parts say."""
    return {name: value for name, value in matched.items() if name not in {PARTS, "citysoc.events"}}


def _what(state: State, found: Loaded, name: str, event: str) -> dict[str, str]:
    """Return the title of a part, and what is to be said of it."""
    from citysoc.detectors.anomaly.event import PREFIX

    if event.startswith(PREFIX):
        return _anomaly(state, event.removeprefix(PREFIX))
    return {"title": _title(found, name), "detail": ""}


def _anomaly(state: State, id_: str) -> dict[str, str]:
    from citysoc.alerts.records import title_in
    from citysoc.commands.anomaly_rows import why
    from citysoc.detectors.anomaly.anomalies import TITLES
    from citysoc.state.values import load

    rows = state.rows("SELECT family, reasons FROM anomalies WHERE id = ?", (id_,))
    if not rows:  # anomalies are forgotten before their alerts
        return {"title": "", "detail": ""}
    title, title_vi = TITLES[rows[0]["family"]]
    return {"title": title_in(language(), title, title_vi), "detail": why(load(rows[0]["reasons"]))}


def _title(found: Loaded, name: str) -> str:
    from citysoc.commands.rulesets import place_of

    try:
        check = found.checks[place_of(found, name)]
    except InputError:  # the rule is no longer there
        return name
    return (language() == "vi" and check.title_vi) or check.title
