"""What a worker does with a batch: parse, enrich, detect, hand back a table and findings.

A worker has no state between batches but its compiled rules, so any worker can take any batch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from citysoc.detectors import sigma
from citysoc.ecs.schema import to_table
from citysoc.enrich.classify import classify
from citysoc.parsers.registry import parser
from citysoc.parsers.run import parse_batch

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow as pa

    from citysoc.detectors.base import Detector
    from citysoc.flow import Batch, Event, Finding, Position


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker needs to begin; travels to worker processes.

    Args:
        rules: files and directories of Sigma rules.
        cache_dir: where compiled rules are kept.
        disabled: rule ids that stay off.
        min_level: weaker rules stay off.
        agency_facts: agency id to what its events say of it.
    """

    rules: tuple[Path, ...] = ()
    cache_dir: Path | None = None
    disabled: tuple[str, ...] = ()
    min_level: str = "informational"
    agency_facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Processed:
    """A batch after its work.

    Args:
        stream: the batch's stream.
        agency: its agency.
        arrived: when it arrived.
        position: where to go on once this is committed.
        table: its rows, quarantined records and refused ones among them.
        findings: what the rules found.
        received: how many records came in.
        stored: how many became events.
        rejected: how many of them the collector refused.
        quarantined: how many the parser did not understand.
        content_ids: whether ``event.id`` names the content, so that repeated rows are duplicates.
        last_event: the newest event time, None where there is no event.
    """

    stream: str
    agency: str
    arrived: dt.datetime
    position: Position | None
    table: pa.Table
    findings: tuple[Finding, ...]
    received: int
    stored: int
    rejected: int
    quarantined: int
    content_ids: bool
    last_event: dt.datetime | None


class Worker:
    """Does the work of batches, one after another."""

    def __init__(self, work: Work) -> None:
        self._facts = work.agency_facts
        self.detector: Detector = sigma.load(
            work.rules, cache_dir=work.cache_dir, disabled=work.disabled, min_level=work.min_level
        ).detector

    def events(self, batch: Batch) -> list[Event]:
        """Return the events of a batch, parsed and enriched; quarantined records among them."""
        events = parse_batch(batch, agency_facts=self._facts.get(batch.agency, {}))
        classify(events)
        return events

    def process(self, batch: Batch) -> Processed:
        """Return a batch as rows and findings."""
        events = self.events(batch)
        good = [event for event in events if "citysoc.unparsed" not in event]
        rejected = sum(refused.count for refused in batch.refused)
        return Processed(
            stream=batch.stream,
            agency=batch.agency,
            arrived=batch.arrived,
            position=batch.position,
            table=to_table(events),
            findings=tuple(self.detector.detect(good)),
            received=batch.received,
            stored=len(good),
            rejected=rejected,
            quarantined=len(events) - len(good) - len(batch.refused),
            content_ids=parser(batch.parser).identity == "content",
            last_event=max((event["@timestamp"] for event in good), default=None),
        )
