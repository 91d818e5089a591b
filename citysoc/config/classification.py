"""The house's own classification: ``classification.yaml`` beside ``citysoc.yaml``."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from citysoc.config.base import Model

ClassCode = Literal[
    "SCAN",
    "BRUTE",
    "EXPL",
    "WEB",
    "DEFACE",
    "DDOS",
    "PHISH",
    "SPAM",
    "VIRUS",
    "TROJAN",
    "SPY",
    "RANSOM",
    "MINER",
    "BOT",
    "APT",
    "UNAUTH",
    "LEAK",
    "POLICY",
    "VULN",
    "CONFIG",
    "OTHER",
]


class NamePattern(Model):
    """One row: which names are of which class.

    Args:
        name: a threat name or the name of a signature; ``*`` stands for any text and ``?`` for one letter; case does
            not matter.
        class: one of the 21 classes; null: no case at all, for example a program of the house that an antivirus
            takes for malware.
        kind: whether threat names, names of signatures or both are meant.
        about: why, for people.
    """

    name: Annotated[str, Field(min_length=1, max_length=200)]
    klass: Annotated[ClassCode | None, Field(alias="class")]
    kind: Literal["threat", "signature", "any"] = "any"
    about: str = ""


class ClassificationFile(Model):
    """``classification.yaml``."""

    names: Annotated[tuple[NamePattern, ...], Field(max_length=5000)] = ()
