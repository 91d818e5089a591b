"""What a worker does with a batch: parse, enrich, detect, hand back a table and findings.

A worker has no state between batches but its compiled rules, so any worker can take any batch.
"""

from __future__ import annotations

from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, TypeVar

from citysoc import compiled, telemetry
from citysoc.collectors.spans import block_of, cut
from citysoc.detectors.correlate import Clock, Feeds, lane_of
from citysoc.detectors.sigma.costs import Costs
from citysoc.detectors.sigma.hit import findings as findings_of
from citysoc.ecs.schema import to_table
from citysoc.flow import LEVELS
from citysoc.framing.base import Limits
from citysoc.parsers.registry import parser
from citysoc.parsers.rough import is_known_uncut, rough, rough_of
from citysoc.parsers.run import parse_batch
from citysoc.parsers.windows_cells import Forms
from citysoc.pipeline.loaded import collect_seldom, loaded_of, settle
from citysoc.pipeline.work import Account, Processed, joined
from citysoc.state.values import micros

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator, Sequence

    import pyarrow as pa

    from citysoc.detectors import sigma
    from citysoc.detectors.correlate import Match
    from citysoc.detectors.sigma.hit import Hit
    from citysoc.enrich.own import Own
    from citysoc.flow import Batch, Event, Finding
    from citysoc.parsers.rough import Rough
    from citysoc.pipeline.work import Work

T = TypeVar("T")
_log = telemetry.logger("pipeline.worker")
_AT_ONCE = 5000
"""So many records are looked at together: a batch of a collector, as a rule."""


class Worker:
    """Does the work of batches, one after another.

    Args:
        work: what to do.
        loaded: its rules, where they are loaded already.
    """

    def __init__(self, work: Work, loaded: sigma.Loaded | None = None) -> None:
        collect_seldom()
        self._facts = work.agency_facts
        self._intel = work.intel() if work.intel else None
        self._levels = frozenset(LEVELS[LEVELS.index(work.min_level) :])
        self._names = work.names
        self._own: Own | None = None
        self._forms = Forms() if work.much and compiled.ready(work.cache_dir) else None
        loaded = loaded or loaded_of(work)
        self.detector = loaded.detector
        self._feeds = Feeds(loaded.correlations)
        self._costs = Costs(loaded.detector)
        settle()

    def events(self, batch: Batch) -> list[Event]:
        """Return the events of a batch, parsed and enriched; quarantined records among them."""
        events = parse_batch(batch, agency_facts=self._facts.get(batch.agency, {}))
        if self._intel:
            self._known(_good(events), self._intel.mark)
        self._classify(events)
        return events

    def findings(self, batch: Batch) -> list[Finding]:
        """Return what the rules find in a batch."""
        return self.judged(batch)[0]

    def judged(self, batch: Batch) -> tuple[list[Finding], list[Match]]:
        """Return what the rules find in a batch, and what correlations need of it.

        Raises:
            SourceError: its lines are still to be read, and cannot be.
        """
        found, matches = self.found(batch)
        return findings_of(found), matches

    def found(self, batch: Batch) -> tuple[list[Hit | Finding], list[Match]]:
        """Return the same as ``judged``, where most of what is found is not made into findings yet."""
        found: list[Hit | Finding] = []
        matches: list[Match] = []
        for own, fed in self._parts(batch):
            found += own
            matches += fed
        return found, matches

    def _parts(self, batch: Batch) -> Iterator[tuple[Sequence[Hit | Finding], list[Match]]]:
        forms = None if self._intel else self._forms  # intelligence is met by all that an event says
        if forms is not None and is_known_uncut(batch) and (block := block_of(batch)) is not None:
            told = rough_of(batch, block, forms, longest=Limits().max_record_bytes)
            if told is not None:
                try:
                    yield self._found_by_kind(told, batch.stream)
                except Exception:  # noqa: BLE001  around one component: events are judged whole then
                    _log.exception("detector.failed", records=told.count)
                else:
                    return
        yield from map(self._found, cut(batch))

    def _found(self, batch: Batch) -> tuple[Sequence[Hit | Finding], list[Match]]:
        told = (
            None if self._intel else rough(batch, self._forms)
        )  # intelligence is met by all that an event says
        if told is not None:
            try:
                return self._found_by_kind(told, batch.stream)
            except Exception:  # noqa: BLE001  around one component: events are judged whole then
                _log.exception("detector.failed", records=len(batch.records))
        events = _good(self.events(batch))
        found = self._detect(events) + [one for one in self._known_of(events) if one.level in self._levels]
        found.sort(key=attrgetter("offset"))
        return self._feeds.split(found, events, batch.stream)

    def _found_by_kind(self, told: Rough, stream: str) -> tuple[list[Hit], list[Match]]:
        """Judge records that become events only where that is needed to know, or to correlate."""
        hits: list[Hit] = []
        for groups, whole in told.parts(_AT_ONCE):
            own, left = self.detector.of_kinds(groups, told)
            hits += own
            numbers = sorted([*whole, *left])
            for begin in range(0, len(numbers), _AT_ONCE):
                hits += self._found_whole(told, numbers[begin : begin + _AT_ONCE])
        hits.sort(key=itemgetter(0))
        fed, quiet = self._feeds.rules, self._feeds.quiet
        needed = [hit for hit in hits if any(rule.plan["id"] in fed for rule in hit.rules)] if fed else []
        if not needed:
            return hits, []
        events = self.events(told.only([hit.number for hit in needed]))
        _own, matches = self._feeds.split(findings_of(needed), events, stream)
        return [rest for hit in hits if (rest := hit.without(quiet)) is not None], matches

    def _found_whole(self, told: Rough, numbers: list[int]) -> list[Hit]:
        """Return what rules find in records that are made into events, by their numbers."""
        events = zip(numbers, self.events(told.only(numbers)), strict=True)
        good = [(number, event) for number, event in events if "citysoc.unparsed" not in event]
        hits = self.detector.hits([event for _number, event in good])
        return [hit._replace(number=good[hit.number][0]) for hit in hits]

    def _classify(self, events: list[Event]) -> None:
        """Say of each event which case it is; the tables of names are read when there is the first event to ask about."""
        from citysoc.enrich.classify import classify
        from citysoc.enrich.own import Own

        if self._own is None:
            self._own = Own(self._names)
        classify(events, self._own)

    def _detect(self, events: list[Event]) -> list[Finding]:
        """Return the findings; if the detector fails on the batch, those of the events it can judge alone."""
        try:
            judged = self.detector.detect(events)
            self._costs.sample(events)
        except Exception:  # noqa: BLE001  around one component: a detector's bug must not stop the line
            _log.exception("detector.failed", events=len(events))
        else:
            return judged
        found: list[Finding] = []
        failed = 0
        for event in events:
            try:
                found += self.detector.detect([event])
            except Exception:  # noqa: BLE001  the same boundary, one event at a time; reported once a batch
                failed += 1
        _log.error("detector.gave_up", events=failed)
        return found

    def _known_of(self, events: list[Event]) -> list[Finding]:
        """Return the findings of threat intelligence."""
        return (self._known(events, self._intel.findings) or []) if self._intel else []

    def _known(self, events: list[Event], step: Callable[[list[Event]], T]) -> T | None:
        """Take one step of threat intelligence; what goes wrong in it is told, and stops nothing."""
        try:
            return step(events)
        except Exception:  # noqa: BLE001  around one component: a bug in it must not stop the line
            _log.exception("intel.failed")
            return None

    def process(self, batches: list[Batch]) -> Processed:
        """Return batches as rows and findings."""
        findings: list[Finding] = []
        matches: list[Match] = []
        clocks: list[Clock] = []
        silent: list[tuple[str, str, dt.datetime]] = []
        parts: dict[str, tuple[list[Account], list[Event]]] = {}
        for batch in batches:
            events = self.events(batch)
            good = _good(events)
            found = self._detect(good)
            found += self._known_of(good)
            own, fed = self._feeds.split(found, good, batch.stream)
            findings += own
            matches += fed
            silent += [(f.rule, f.event_id, f.timestamp) for f in found if f.rule in self._feeds.quiet]
            if good and self._feeds:
                clocks.append(_clock(batch, good))
            accounts, rows = parts.setdefault(batch.parser, ([], []))
            accounts.append(_account(batch, events, good))
            rows += events
        # Events of one parser fill the same columns, so each parser's rows become a table of their own.
        return Processed(
            accounts=tuple(account for accounts, _ in parts.values() for account in accounts),
            table=joined([_filled(to_table(rows)) for _, rows in parts.values()]),
            findings=tuple(findings),
            matches=tuple(matches),
            clocks=tuple(clocks),
            silent=tuple(silent),
            costs=self._costs.take(),
        )


def _clock(batch: Batch, events: list[Event]) -> Clock:
    return Clock(
        lane=lane_of(batch.stream, batch.path),
        agency=batch.agency,
        event=micros(max(event["@timestamp"] for event in events)),
        arrived=int(batch.arrived.timestamp()),
    )


def _filled(table: pa.Table) -> pa.Table:
    """Return a table without its empty columns: most are, and they would all travel between processes."""
    if not len(table):  # a file that brings nothing new: its columns are asked for all the same
        return table
    return table.select([name for name in table.schema.names if table[name].null_count < len(table)])


def _good(events: list[Event]) -> list[Event]:
    return [event for event in events if "citysoc.unparsed" not in event]


def _account(batch: Batch, events: list[Event], good: list[Event]) -> Account:
    return Account(
        stream=batch.stream,
        agency=batch.agency,
        arrived=batch.arrived,
        position=batch.position,
        received=batch.received,
        stored=len(good),
        rejected=sum(refused.count for refused in batch.refused),
        quarantined=len(events) - len(good) - len(batch.refused),
        rows=len(events),
        # Rows of exports have a parser by name: what is told line by line ("auto") is a log.
        content_ids=batch.parser != "auto" and parser(batch.parser).identity == "content",
        last_event=max((event["@timestamp"] for event in good), default=None),
    )
