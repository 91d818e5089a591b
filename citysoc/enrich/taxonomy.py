"""The taxonomy as values: classes, the three words, severities and outcomes, with their names.

The data is ``classes.yml``. Names are data, not messages: reports in either language need both.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

from citysoc.enrich.tables import table

if TYPE_CHECKING:
    from collections.abc import Mapping

Threat = Literal["attack", "spyware", "virus"]


@dataclass(frozen=True, slots=True)
class Named:
    """A word of the taxonomy and its names.

    Args:
        code: as it stands in events.
        vi: its Vietnamese name.
        en: its English name.
    """

    code: str
    vi: str
    en: str

    def name(self, language: str) -> str:
        """Return its name in a language, ``vi`` or ``en``."""
        return self.en if language == "en" else self.vi


@dataclass(frozen=True, slots=True)
class ThreatClass(Named):
    """One of the 21 classes.

    Args:
        law: letters of Article 18.1 of Law 116/2025/QH15.
        rsit: values of the Reference Security Incident Taxonomy.
        severity: how bad a case of it is where the device does not say.
        threat: which of the three words counts it; None where none does.
    """

    law: tuple[str, ...]
    rsit: tuple[str, ...]
    severity: str
    threat: Threat | None


def _classes(entries: list[dict[str, Any]]) -> Mapping[str, ThreatClass]:
    found = {}
    for entry in entries:
        lists: dict[str, Any] = {**entry, "law": tuple(entry["law"]), "rsit": tuple(entry["rsit"])}
        found[entry["code"]] = ThreatClass(**lists)
    return MappingProxyType(found)


def _names(entries: dict[str, dict[str, str]]) -> Mapping[str, Named]:
    return MappingProxyType({code: Named(code, **names) for code, names in entries.items()})


_DATA = table("classes.yml")
CLASSES = _classes(_DATA["classes"])
"""The classes by code, in the order of the reports."""
THREATS = _names(_DATA["threats"])
"""The three words in which the city counts: attack, spyware, virus."""
SEVERITIES = _names(_DATA["severities"])
"""Sigma's levels, weakest first."""
OUTCOMES = _names(_DATA["outcomes"])
"""What became of a case."""
HANDLED = frozenset({"blocked", "cleaned", "quarantined", "deleted"})
"""Outcomes of a case that is done with."""
