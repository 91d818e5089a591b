"""What would these rules have found? Stored events through two sets of rules, and the difference in alerts.

Events come from the store in the order of their time, anomalies from what the scoring told; findings become alerts by the
very code of the live line, in databases of their own that are thrown away. Nothing is written to the store or the state.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citysoc.alerts.intake import take
from citysoc.detectors.correlate import Clock, Correlator, Feeds
from citysoc.detectors.sigma import SigmaDetector
from citysoc.ecs.schema import from_row
from citysoc.flow import UNKNOWN_AGENCY
from citysoc.pipeline.anomalies import Watcher
from citysoc.pipeline.differences import Recorded, Row, difference
from citysoc.state import State
from citysoc.state.values import micros

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    import pyarrow as pa

    from citysoc.config.models import Alerts
    from citysoc.detectors.correlate import Match
    from citysoc.detectors.sigma import Loaded
    from citysoc.flow import Event, Finding
    from citysoc.stores.base import EventStore, Question

_BEFORE, _AFTER = "before", "after"


@dataclass(frozen=True, slots=True)
class Rules:
    """One set of rules.

    Args:
        plans: of rules.
        correlations: linked.
        staged: ids of rules that count and make no alert.
        of_anomalies: plans of rules that look at anomalies.
    """

    plans: tuple[Mapping[str, Any], ...]
    correlations: tuple[Mapping[str, Any], ...]
    staged: frozenset[str] = frozenset()
    of_anomalies: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """What became of a backtest.

    Args:
        events: how many were looked at.
        first: time of the first of them, None where there is none.
        last: time of the last.
        rules: rule id to its row; rules that found nothing in either set have none.
    """

    events: int
    first: dt.datetime | None
    last: dt.datetime | None
    rules: Mapping[str, Row]


def rules_of(loaded: Loaded, staged: Collection[str], wanted: Collection[str] = ()) -> Rules:
    """Return loaded rules for a backtest.

    Args:
        loaded: the rules.
        staged: ids of staged rules.
        wanted: only these, and what lies below correlations among them; all, where none is named.
    """
    plans, correlations = loaded.detector.plans, loaded.correlations
    of_anomalies = loaded.of_anomalies
    if wanted:
        kept = {str(one["id"]) for one in correlations if one["id"] in wanted}
        while True:
            below = {
                child["correlation"] for one in correlations if one["id"] in kept for child in one["children"]
            }
            if below <= kept:
                break
            kept |= below
        correlations = tuple(one for one in correlations if one["id"] in kept)
        fed = {feed["rule"] for one in correlations for feed in one["feeds"]}
        plans = tuple(plan for plan in plans if plan["id"] in wanted or plan["id"] in fed)
        of_anomalies = tuple(plan for plan in of_anomalies if plan["id"] in wanted or plan["id"] in fed)
    return Rules(tuple(plans), tuple(correlations), frozenset(staged), of_anomalies)


def compare(
    store: EventStore,
    question: Question,
    after: Rules,
    *,
    before: Rules | Path,
    policy: Alerts,
    wanted: Collection[str] = (),
    anomalies: Sequence[Event] = (),
    samples: int = 0,
    on_progress: Callable[[int], None] = lambda _count: None,
) -> Difference:
    """Run stored events through rules; return the difference in alerts.

    Args:
        store: holds the events.
        question: which of them.
        after: the rules to try.
        before: the rules to compare with; or the state database, whose alerts of the time are compared with.
        policy: how findings become alerts.
        wanted: only these rules' findings count; all, where none is named.
        anomalies: those that were told of the time, as events.
        samples: so many sample events a rule.
        on_progress: is told how many events more were looked at.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="citysoc-backtest-")))
        sides = [_Side(after, folder / f"{_AFTER}.db", policy, wanted)]
        if isinstance(before, Rules):
            sides.append(_Side(before, folder / f"{_BEFORE}.db", policy, wanted))
        for side in sides:
            stack.callback(side.close)
        events, first, last = 0, None, None
        judge = _judges(sides)
        for side in sides:
            side.take_anomalies(anomalies)
        for batch in _events(store.scan(question)):
            judge(batch)
            events += len(batch)
            first, last = first or batch[0]["@timestamp"], batch[-1]["@timestamp"]
            on_progress(len(batch))
        for side in sides:
            side.finish(last)
        earlier = folder / f"{_BEFORE}.db" if isinstance(before, Rules) else before
        recorded = None if isinstance(before, Rules) else Recorded(question, sides[0].wanted)
        rows = difference(sides[0].state, earlier, recorded, samples)
        for rule, count in sides[0].hits.items():
            rows.setdefault(rule, Row()).hits_after = count
        for rule, count in sides[1].hits.items() if len(sides) > 1 else ():
            rows.setdefault(rule, Row()).hits_before = count
    return Difference(events, first, last, rows)


def _events(batches: Iterator[pa.RecordBatch]) -> Iterator[list[Event]]:
    """Yield batches as events; columns that are empty in all of a batch cost nothing."""
    for batch in batches:
        names = batch.schema.names
        filled = [name for place, name in enumerate(names) if batch.column(place).null_count < len(batch)]
        if len(batch):
            yield [from_row(row) for row in batch.select(filled).to_pylist()]


def _judges(sides: Sequence[_Side]) -> Callable[[list[Event]], None]:
    """Return what shows events to all sides: rules that are the same on both are asked once."""
    known = [{_said(plan): plan for plan in side.rules.plans} for side in sides]
    shared = set(known[0]).intersection(*known[1:]) if len(known) > 1 else set()
    common = SigmaDetector([known[0][key] for key in sorted(shared)])
    own = [SigmaDetector([plan for key, plan in one.items() if key not in shared]) for one in known]

    def judge(events: list[Event]) -> None:
        found = common.detect(events) if common.rules else []
        for side, detector in zip(sides, own, strict=True):
            side.take(events, found + detector.detect(events) if detector.rules else found)

    return judge


def _said(plan: Mapping[str, Any]) -> str:
    """Return what makes a rule what it is, wherever it lies."""
    import orjson

    said = {name: value for name, value in plan.items() if name not in {"line", "reason", "own_level"}}
    return orjson.dumps(said, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS).decode()


class _Side:
    """One set of rules at work, with a database of its own."""

    def __init__(self, rules: Rules, path: Path, policy: Alerts, wanted: Collection[str]) -> None:
        self.rules = rules
        self.hits: Counter[str] = Counter()
        self.path = path
        self.state = State(path)
        self.state.rows("PRAGMA synchronous = OFF")  # thrown away in any case
        self._policy = policy
        self.wanted = frozenset(wanted)
        self._feeds = Feeds(rules.correlations)
        # Events come in the order of their time: nothing is late, and nothing need wait.
        self._correlator = Correlator(rules.correlations, lateness_seconds=0)
        self._agencies: set[str] = set()

    def close(self) -> None:
        self.state.close()

    def take(self, events: Sequence[Event], findings: Sequence[Finding]) -> None:
        self.hits.update(f.rule for f in findings if f.rule in self._feeds.quiet and self._is_wanted(f))
        own, matches = self._feeds.split(findings, events, "backtest")
        self._agencies.update(str(event.get("agency.id") or UNKNOWN_AGENCY) for event in events)
        self._agencies.update(match.agency for match in matches)
        now = events[-1]["@timestamp"]
        if self._feeds:
            moment = micros(now)
            clocks = [Clock(_lane(one), one, moment, moment // 1_000_000) for one in sorted(self._agencies)]
            own = own + self._correlator.feed(map(_in_lane, matches), clocks)
        self._keep(own, now)

    def take_anomalies(self, events: Sequence[Event]) -> None:
        """Take in anomalies before any event: each waits for its hour."""
        seen = Watcher(self.rules.of_anomalies, self.rules.correlations).seen(events)
        self.hits.update(
            rule for rule, _event, _time in seen.silent if not self.wanted or rule in self.wanted
        )
        self._correlator.feed(seen.matches)
        if seen.findings:
            self._keep(seen.findings, seen.findings[-1].timestamp)

    def finish(self, now: dt.datetime | None) -> None:
        if now is not None:
            self._keep(self._correlator.finish(), now)

    def _is_wanted(self, finding: Finding) -> bool:
        return not self.wanted or finding.rule in self.wanted

    def _keep(self, findings: Sequence[Finding], now: dt.datetime) -> None:
        wanted = [finding for finding in findings if self._is_wanted(finding)]
        self.hits.update(finding.rule for finding in wanted)
        loud = [finding for finding in wanted if finding.rule not in self.rules.staged]
        if loud:
            with self.state.transaction() as db:
                take(db, loud, policy=self._policy, webhooks=(), now=now)


def _lane(agency: str) -> str:
    return f"backtest|{agency}"


def _in_lane(match: Match) -> Match:
    return match._replace(lane=_lane(match.agency))
