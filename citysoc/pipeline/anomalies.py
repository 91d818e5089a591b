"""What rules see in anomalies, for the line and for backtests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from citysoc.detectors.correlate import Feeds
from citysoc.detectors.correlate.lanes import APART
from citysoc.detectors.sigma import SigmaDetector
from citysoc.detectors.sigma.anomalous import IDS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

    from citysoc.detectors.correlate import Match
    from citysoc.flow import Event, Finding

_STREAM = APART.rstrip("|")


class Seen(NamedTuple):
    """What rules saw.

    Args:
        findings: of rules that stand for themselves.
        matches: what correlations need.
        silent: rule, event and time of what rules found that only feeds correlations.
    """

    findings: list[Finding]
    matches: list[Match]
    silent: list[tuple[str, str, dt.datetime]]


class Watcher:
    """Shows anomalies to the rules that look at them.

    Args:
        plans: of those rules.
        correlations: linked.
    """

    def __init__(
        self, plans: Sequence[Mapping[str, Any]] = (), correlations: Sequence[Mapping[str, Any]] = ()
    ) -> None:
        self._detector = SigmaDetector(plans)
        self._feeds = Feeds(correlations)
        self._across = frozenset(str(plan["id"]) for plan in correlations if plan["across_agencies"])

    def seen(self, events: Iterable[Event]) -> Seen:
        """Return what rules see in some anomalies."""
        seen = Seen([], [], [])
        for event in events:  # one by one: an address that several agencies met has one id in all of them
            found = self._detector.detect([event])
            own, fed = self._feeds.split(found, [event], _STREAM)
            seen.findings.extend(one for one in own if one.rule not in IDS)
            seen.matches.extend(fed)
            seen.silent.extend(
                (one.rule, one.event_id, one.timestamp)
                for one in found
                if one.rule in self._feeds.quiet and one.rule not in IDS
            )
        return seen._replace(matches=self._joined(seen.matches))

    def _joined(self, matches: Iterable[Match]) -> list[Match]:
        """Return matches; of those that a correlation across agencies could not tell apart, one that names all agencies."""
        found: dict[Any, Match] = {}
        for match in matches:
            if match.correlation not in self._across:
                found[match] = match
                continue
            key = match._replace(agency="")
            known = found.get(key)
            agency = f"{known.agency},{match.agency}" if known else match.agency
            found[key] = match._replace(agency=agency)
        return list(found.values())
