"""Indicators as readers of feeds give them, and the account of what they left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from citysoc.detectors.intel.values import typed

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_INDICATORS = 5_000_000
"""A feed may have so many; the rest is counted as ``too_many``."""
_MAX_TEXT = 300
_MAX_TAGS = 16
_SAMPLES = 3
_REASONS = 100


@dataclass(frozen=True, slots=True)
class Indicator:
    """One thing to look for.

    Args:
        kind: one of ``values.KINDS``.
        value: in its one spelling.
        confidence: 0 to 100; None where the feed's own counts.
        expires: from this second of the epoch on it no longer counts; None where the feed's own days count.
        name: of the malware or the actor.
        tags: the feed's words for it.
        note: one sentence, or where to read more.
    """

    kind: str
    value: str
    confidence: int | None = None
    expires: int | None = None
    name: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""


@dataclass(slots=True)
class Account:
    """What became of the entries of a feed.

    Args:
        entries: how many were read: lines, attributes, indicators.
        taken: how many indicators they gave.
        skipped: why the others gave none: a short code to how many.
        samples: the first few of each code, with their place.
        format: the form that was read.
    """

    entries: int = 0
    taken: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    samples: dict[str, list[str]] = field(default_factory=dict)
    format: str = ""

    def skip(self, reason: str, place: str = "", text: str = "", count: int = 1) -> None:
        """Count what gave no indicator."""
        if reason not in self.skipped and len(self.skipped) >= _REASONS:
            reason = "other"
        self.skipped[reason] = self.skipped.get(reason, 0) + count
        seen = self.samples.setdefault(reason, [])
        if len(seen) < _SAMPLES:
            seen.append(f"{place}: {text[:80]}" if place else text[:80])


@dataclass(frozen=True, slots=True)
class Said:
    """What a feed says of an entry beside its value."""

    confidence: int | None = None
    expires: int | None = None
    name: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""


_NOTHING_SAID = Said()


def taken(
    text: str, account: Account, place: str, *, hint: str = "", said: Said = _NOTHING_SAID
) -> Iterator[Indicator]:
    """Yield the indicator of a text; count it where there is none."""
    kind, value = typed(text, hint)
    if not kind:
        account.skip(value, place, text)
        return
    if account.taken >= MAX_INDICATORS:
        account.skip("too_many", place)
        return
    account.taken += 1
    yield Indicator(kind, value, said.confidence, said.expires, said.name, said.tags, said.note)


def short(text: object) -> str:
    """Return a text of a feed fit to be kept: one line, bounded."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)[: 2 * _MAX_TEXT]).split())[
        :_MAX_TEXT
    ]


def short_tags(tags: object) -> tuple[str, ...]:
    """Return the tags of a feed fit to be kept, each once."""
    listed = tags if isinstance(tags, list | tuple) else ()
    return tuple(dict.fromkeys(text for tag in listed[:64] if (text := short(tag)[:100])))[:_MAX_TAGS]
