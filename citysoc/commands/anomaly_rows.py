"""How anomalies are shown in lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from citysoc.commands.output import Column
from citysoc.i18n import _, language

if TYPE_CHECKING:
    from citysoc.detectors.anomaly.anomalies import Anomaly


def columns() -> tuple[Column, ...]:
    """Return the columns of a list of anomalies."""
    return (
        Column("id", "ID"),
        Column("hour", _("Hour"), kind="time"),
        Column("score", _("Score")),
        Column("family", _("Family of features"), kind="word"),
        Column("agency", _("Agency")),
        Column("entity", _("Entity")),
        Column("why", _("Why")),
    )


def row(one: Anomaly) -> dict[str, Any]:
    """Return an anomaly as a row of a list."""
    from citysoc.detectors.anomaly.anomalies import query
    from citysoc.detectors.anomaly.days import moment_of

    reasons = [
        {"feature": r.feature, "value": r.value, "expected": r.expected, "limit": r.limit}
        for r in one.reasons
    ]
    return {
        **{name: getattr(one, name) for name in ("id", "kind", "agency", "entity", "family", "score")},
        "hour": moment_of(one.hour),
        "why": why(reasons),
        "query": query(one),
    }


def why(reasons: list[dict[str, Any]]) -> str:
    """Return the first two reasons in words."""
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
