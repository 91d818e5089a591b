"""What a feature is: one number an entity and hour, with its unit and formula."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["agency", "host", "account", "outside"]

KINDS: tuple[Kind, ...] = ("agency", "host", "account", "outside")
"""What is watched: an agency, a machine (by name, or by address where only that is known), an account of an
agency, an address outside."""

FAMILIES = (
    "volume",
    "spread",
    "failure",
    "novelty",
    "rhythm",
    "names",
    "bytes",
    "antivirus",
    "beaconing",
    "tunnel",
)


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature.

    Args:
        name: its column.
        family: one of ``FAMILIES``.
        unit: of the value.
        formula: SQL over the facts of one entity and hour (``facts``); for novelty and persistence, which
            need more than one hour, the name of what is counted.
        en: what it is, in a few English words.
        vi: the same in Vietnamese.
        kinds: the kinds of entity that have it.
        query: the condition that finds its events, in the query language.
    """

    name: str
    family: str
    unit: str
    formula: str
    en: str
    vi: str
    kinds: tuple[Kind, ...] = KINDS
    query: str = ""
