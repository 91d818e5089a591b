"""What correlations had to leave out, counted by rule and by stream, so that people can see it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Counts: TypeAlias = "Counter[Loss]"


class Loss(NamedTuple):
    """What was left out.

    Args:
        what: ``late``: events beyond their source's lateness; ``evicted``: groups beyond the bound;
            ``truncated``: events of a group beyond the bound; ``forced``: events that could wait no longer for
            their time; ``unknown``: matches for a correlation that is no longer there.
        rule: the correlation's id; empty where a stream is counted.
        stream: ``<agency>/<source>``; empty where a rule is counted.
    """

    what: str
    rule: str = ""
    stream: str = ""


class Losses:
    """Counts since the beginning, and since the last report."""

    def __init__(self) -> None:
        self._counts: Counts = Counter()
        self._news: Counts = Counter()

    def add(self, what: str, *, rule: str = "", stream: str = "", number: int = 1) -> None:
        """Count something that was left out."""
        if number > 0:
            loss = Loss(what, rule, stream)
            self._counts[loss] += number
            self._news[loss] += number

    def totals(self) -> Counter[str]:
        """Return what rules lost since the beginning, by what it is."""
        found: Counter[str] = Counter()
        for loss, number in self._counts.items():
            if loss.rule:
                found[loss.what] += number
        return found

    def report(self) -> Mapping[Loss, int]:
        """Return what was left out since the last report."""
        news, self._news = self._news, Counter()
        return news
