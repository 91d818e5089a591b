"""Work for a worker, and what comes back of it: values that travel between processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from citysoc.detectors.sigma.states import Overrides

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa

    from citysoc.config.classification import NamePattern
    from citysoc.detectors.correlate import Clock, Match
    from citysoc.detectors.intel import Matcher
    from citysoc.flow import Finding, Position


@dataclass(frozen=True, slots=True)
class Work:
    """What a worker needs to begin; travels to worker processes.

    Args:
        rules: files and directories of Sigma rules.
        cache_dir: where compiled rules are kept.
        disabled: rule ids that stay off.
        min_level: weaker rules stay off.
        agency_facts: agency id to what its events say of it.
        overrides: what the house decided about rules: states and levels.
        placeholders: the values of the placeholders of rules.
        timezone: the zone of hours and days that rules name.
        intel: makes what meets events with threat intelligence; None: nothing does.
        names: the house's own classes of names.
        much: so much is to be judged that what takes a moment to be made ready is worth it.
    """

    rules: tuple[Path, ...] = ()
    cache_dir: Path | None = None
    disabled: tuple[str, ...] = ()
    min_level: str = "informational"
    agency_facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    overrides: Overrides = field(default_factory=Overrides)
    placeholders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    timezone: str = "Asia/Ho_Chi_Minh"
    intel: Callable[[], Matcher] | None = None
    names: tuple[NamePattern, ...] = ()
    much: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """What became of one batch.

    Args:
        stream: the batch's stream.
        agency: its agency.
        arrived: when it arrived.
        position: where to go on once this is committed.
        received: how many records came in.
        stored: how many became events.
        rejected: how many the collector refused.
        quarantined: how many the parser did not understand.
        rows: how many rows of the table are its own.
        content_ids: whether ``event.id`` names the content, so that repeated rows are duplicates.
        last_event: the newest event time, None where there is no event.
    """

    stream: str
    agency: str
    arrived: dt.datetime
    position: Position | None
    received: int
    stored: int
    rejected: int
    quarantined: int
    rows: int
    content_ids: bool
    last_event: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Processed:
    """A group of batches after its work.

    Args:
        accounts: one a batch, in the order of their rows.
        table: the rows of all batches, quarantined and refused records among them; without the columns of
            ``ecs.schema`` that are empty in all rows.
        findings: what the rules found, in the order of the batches.
        matches: what correlations need of what the rules found.
        clocks: how far the batches' times have come.
        silent: rule, event and time of what rules found that only feeds correlations.
        costs: rule, how often its exact evaluation was measured, nanoseconds.
    """

    accounts: tuple[Account, ...]
    table: pa.Table
    findings: tuple[Finding, ...]
    matches: tuple[Match, ...] = ()
    clocks: tuple[Clock, ...] = ()
    silent: tuple[tuple[str, str, dt.datetime], ...] = ()
    costs: tuple[tuple[str, int, int], ...] = ()


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Return tables one below the other; a column that one of them lacks is empty there."""
    import pyarrow as pa

    return pa.concat_tables(tables, promote_options="default")
