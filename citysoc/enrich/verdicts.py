"""What a classification says: class, word, how sure, and why.

Confidence is a whole number from 0 to 100, read as STIX 2.1 reads it (Appendix A, None/Low/Med/High): 1 to 29
low, 30 to 69 medium, 70 and more high. The steps our tables give are in ``STEPS``; a model says its own
probability, never more than ``MODEL_MOST``. ``reason`` names what decided as ``table:row``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from citysoc.enrich.taxonomy import CLASSES

if TYPE_CHECKING:
    from collections.abc import Mapping

STEPS: Mapping[str, int] = MappingProxyType(
    {
        "own": 95,  # the house's own table
        "device": 90,  # the device's own verdict: traffic denied, a botnet's address
        "test": 90,  # the file with which people try whether an antivirus is awake
        "rule": 90,  # a detection rule names the class
        "family": 90,  # a malware family that is known to be just that
        "near": 70,  # a known family with letters behind it, or cut short
        "type": 80,  # the name states the type, beside a family
        "signature": 80,  # words in a signature's name
        "group": 75,  # the group a signature belongs to
        "category": 65,  # the category a signature belongs to
        "subtype": 60,  # the kind of log, nothing more
        "technique": 60,  # an ATT&CK technique of a rule
        "indicator": 60,  # a feed says what an address is known for
        "guess": 50,  # heuristics or machine learning of the vendor's, with a family or an exact type
        "console": 50,  # the console's own column of types
        "generic": 40,  # a name that says only trojan or virus
        "vague": 25,  # the console's column says only virus
        "unnamed": 20,  # a detection whose name says nothing of its kind
    }
)
"""How sure each table is."""

MODEL_MOST = 69
"""A model alone is never more than medium."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one table or the model says.

    Args:
        code: one of the 21 classes; None where the class is not known.
        threat: attack, spyware or virus; None where none of the words counts it.
        confidence: 0 to 100.
        reason: what decided, ``table:row``.
        fields: the same as fields of an event; those that are not known are absent.
    """

    code: str | None
    threat: str | None
    confidence: int
    reason: str
    fields: Mapping[str, Any] = field(repr=False, compare=False)


def verdict(
    code: str | None, step: str, row: str = "", *, threat: str | None = None, confidence: int | None = None
) -> Verdict:
    """Return a verdict.

    Args:
        code: the class; None where it is not known.
        step: the table that decided, one of ``STEPS``, or ``model``.
        row: which row of it.
        threat: the word, where no class says it.
        confidence: where the step does not say it.
    """
    word = CLASSES[code].threat if code else threat
    sure = STEPS[step] if confidence is None else confidence
    reason = f"{step}:{row[:100]}" if row else step
    fields = {
        "citysoc.class": code,
        "citysoc.threat": word,
        "citysoc.confidence": sure,
        "citysoc.reason": reason,
    }
    known = {name: value for name, value in fields.items() if value is not None}
    return Verdict(code, word, sure, reason, known)  # a plain dict: events take it in one step
