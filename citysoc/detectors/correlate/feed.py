"""From an event that a base rule matches to what its correlations need of it."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from citysoc.detectors.text import fold, texts
from citysoc.flow import UNKNOWN_AGENCY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from citysoc.detectors.correlate.measures import Value
    from citysoc.flow import Event, Finding

MAX_CHARS = 512
"""So much of a value names a group or is counted."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_ADDRESS = re.compile(r"[0-9.]+|.*:.*")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?")


class Match(NamedTuple):
    """What one event means to one correlation.

    Args:
        correlation: the correlation's id.
        slot: the place of the base rule in it.
        time: the event's time, microseconds since 1970.
        event: the event's id.
        agency: whose event it is.
        group: the values of the group-by fields, folded.
        shown: the same as they are written.
        value: what the condition measures.
        lane: what the event came along: within a lane, events come in order but for the lateness.
    """

    correlation: str
    slot: int
    time: int
    event: str
    agency: str
    group: tuple[str, ...]
    shown: tuple[str, ...]
    value: Value
    lane: str


class Feeds:
    """Which base rules feed which correlations, and with what.

    Args:
        plans: linked correlations.
    """

    def __init__(self, plans: Iterable[Mapping[str, Any]]) -> None:
        self._by_rule: dict[str, list[tuple[str, Mapping[str, Any], bool, tuple[str, ...]]]] = {}
        quiet: dict[str, bool] = {}
        for plan in plans:
            numeric = plan["type"] not in {"event_count", "value_count", "temporal", "temporal_ordered"}
            for feed in plan["feeds"]:
                how = tuple(feed.get("short", ()))
                entry = (plan["id"], feed, numeric, how if any(how) else ())
                self._by_rule.setdefault(feed["rule"], []).append(entry)
                quiet[feed["rule"]] = quiet.get(feed["rule"], True) and feed["quiet"]
        self.rules = frozenset(self._by_rule)
        """Rules whose findings feed a correlation."""
        self.quiet = frozenset(rule for rule, silent in quiet.items() if silent)
        """Rules whose findings are no findings of their own."""

    def __bool__(self) -> bool:
        """Return whether there is anything to feed."""
        return bool(self._by_rule)

    def split(
        self, findings: Sequence[Finding], events: Iterable[Event], stream: str
    ) -> tuple[list[Finding], list[Match]]:
        """Return the findings that stand for themselves, and the matches of those that feed correlations.

        Args:
            findings: of the base rules, and of any others.
            events: the events they are about.
            stream: what the events came along.
        """
        by_rule = self._by_rule
        if not by_rule or not any(finding.rule in by_rule for finding in findings):
            return list(findings), []
        known = {event.get("event.id"): event for event in events}
        matches: list[Match] = []
        for finding in findings:
            if finding.rule in by_rule and (event := known.get(finding.event_id)) is not None:
                matches += self.matches(finding, event, stream)
        return [finding for finding in findings if finding.rule not in self.quiet], matches

    def matches(self, finding: Finding, event: Event, stream: str) -> list[Match]:
        """Return the matches of one finding; none for correlations whose group-by fields the event lacks."""
        found = []
        time = (finding.timestamp - _EPOCH) // _MICROSECOND
        lane = lane_of(stream, finding.path)
        for correlation, feed, numeric, how in self._by_rule.get(finding.rule, ()):
            shown = tuple([_first(event, names) for names in feed["group"]])
            if None in shown:
                continue
            written: tuple[str, ...] = tuple(text or "" for text in shown)
            if how:
                written = tuple(
                    short(text, one) if one else text for text, one in zip(written, how, strict=True)
                )
            folded = tuple(map(fold, written))
            found.append(
                Match(
                    *(correlation, feed["slot"], time, finding.event_id, finding.agency or UNKNOWN_AGENCY),
                    folded,
                    folded if folded == written else written,
                    _value(event, feed["value"], numeric=numeric),
                    lane,
                )
            )
        return found


def short(text: str, how: str) -> str:
    """Return a name as the anomaly model writes it, so that it is in one group with an anomaly.

    Args:
        text: the name.
        how: ``host``: a machine's, of which the model knows the first part; ``user``: an account's, without its domain.
    """
    text = text.lower()
    if how == "user":
        return text.rpartition("\\")[2]
    return text if _ADDRESS.fullmatch(text) else text.partition(".")[0]


def lane_of(stream: str, path: str) -> str:
    """Return the name of a lane; a file's name need not be Unicode, the lane's is."""
    lane = f"{stream}|{path}"
    return lane if lane.isascii() else lane.encode("utf-8", "replace").decode()


def _first(event: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """Return the first text of the first of some fields that is there."""
    for name in names:
        for text in texts(event.get(name)):
            return text[:MAX_CHARS].encode("utf-8", "replace").decode()
    return None


def _value(event: Mapping[str, Any], fields: Sequence[Sequence[str]], *, numeric: bool) -> Value:
    if not fields:
        return ()
    if numeric:
        number = next((n for name in fields[0] if (n := number_of(event.get(name))) is not None), None)
        return () if number is None else (number,)
    found = [_first(event, names) for names in fields]
    return () if None in found else tuple(fold(text or "") for text in found)


def number_of(value: Any) -> int | float | None:
    """Return a finite number, also one that is written as text; None for anything else."""
    if isinstance(value, list | tuple):
        value = value[0] if value else None
    if isinstance(value, str):
        text = value[:80].strip()
        if not _NUMBER.fullmatch(text):
            return None
        value = float(text) if "." in text or "e" in text.lower() else int(text)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        return float(value) if abs(value) < 1 << 1000 else None
    return value
