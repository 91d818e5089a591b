"""Anomalies below correlations: what they are called, how their events are told from those of logs, how evidence names them.

The anomaly model's findings come to rules as events of a logsource of their own (``detectors.anomaly.event``). A
correlation names a family of them, ``anomaly_beaconing``, like any other rule; a rule of that logsource may ask for more.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citysoc.detectors.anomaly.feature import FAMILIES, KINDS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from citysoc.flow import Event

FILE = Path(__file__).with_name("anomalies.yml")
"""The rules that stand for the families, ``anomaly_<family>``; none of them finds anything for itself."""
NAMES = tuple(f"anomaly_{family}" for family in FAMILIES)
IDS = frozenset(f"citysoc.anomaly.{family}" for family in FAMILIES)
_MARKS = (b"anomaly_", b"citysoc.anomaly.")
_SHORT = {"host.name": "host", "user.name": "user"}
_SHORTHAND = "anomaly"
_DATASET = {"event.kind": "alert", "event.module": "citysoc", "event.dataset": "citysoc.anomaly"}


def are_named(contents: Iterable[bytes]) -> bool:
    """Return whether a rule among some files may name a family of anomalies."""
    return any(mark in content for content in contents for mark in _MARKS)


def is_about(plan: Mapping[str, Any]) -> bool:
    """Return whether a rule's plan looks at anomalies, not at logs."""
    product, _category, service = plan.get("logsource") or (None, None, None)
    return bool(product == "citysoc" and service == "anomaly")


def alike(name: str, known: Collection[str]) -> str:
    """Return the name that may be meant by one that nobody knows; empty where none is alike."""
    near = difflib.get_close_matches(name, sorted({*known, *NAMES}), n=1, cutoff=0.75)
    return near[0] if near else ""


def shortened(field: str) -> str:
    """Return how an anomaly writes what a field of it names (see ``correlate.feed.short``): ``host``, ``user``, or empty."""
    return _SHORT.get(field, "")


def spelt_out(event: Mapping[str, Any]) -> Event:
    """Return an event of evidence; ``{"anomaly": "beaconing", "host.name": "pc-7"}`` stands for an anomaly.

    What an anomaly has besides follows from what is named: its kind from the fields, a score of 3.
    """
    family = event.get(_SHORTHAND)
    if not isinstance(family, str) or family.removeprefix("anomaly_") not in FAMILIES:
        return dict(event)
    rest = {name: value for name, value in event.items() if name != _SHORTHAND}
    kind, entity = _entity(rest)
    return {
        **_DATASET,
        "anomaly.family": family.removeprefix("anomaly_"),
        "anomaly.kind": kind,
        "anomaly.entity": entity,
        "anomaly.score": 3.0,
        **rest,
    }


def _entity(event: Mapping[str, Any]) -> tuple[str, str]:
    """Return kind and entity of an anomaly by the fields that it names."""
    places = (("host", "host.name"), ("account", "user.name"), ("host", "host.ip"), ("outside", "source.ip"))
    for kind, field in (*places, ("agency", "agency.id")):
        value = event.get(field)
        value = value[0] if isinstance(value, list) and value else value
        if isinstance(value, str) and value:
            return kind, value
    return KINDS[0], ""
