"""Commit processed batches together: rows to the store, then everything else in one transaction."""

from __future__ import annotations

import contextlib
import datetime as dt
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from citysoc import clock, telemetry
from citysoc.alerts.intake import take
from citysoc.detectors.sigma.states import Overrides
from citysoc.pipeline import counting
from citysoc.pipeline.work import joined
from citysoc.state import progress
from citysoc.state.progress import Changes, Heard
from citysoc.state.values import stamp

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from citysoc.config.models import Alerts, Webhook
    from citysoc.detectors.correlate import Match
    from citysoc.detectors.sigma import Loaded
    from citysoc.pipeline.correlating import Correlating
    from citysoc.pipeline.work import Account, Processed, Work
    from citysoc.state import State
    from citysoc.stores.base import EventStore

_log = telemetry.logger("pipeline.commit")


@dataclass(frozen=True, slots=True)
class Committer:
    """Makes processed batches durable.

    Args:
        state: the state database.
        store: the event store.
        policy: how findings become alerts.
        webhooks: who is told of them.
        correlating: finds what only several events together show; None finds no such thing.
        overrides: says which rules are staged: what they find counts, and makes no alert.
    """

    state: State
    store: EventStore
    policy: Alerts
    webhooks: Sequence[Webhook]
    correlating: Correlating | None = None
    overrides: Overrides = field(default_factory=Overrides)

    def with_rules(self, work: Work, loaded: Loaded) -> Committer:
        """Return what commits the findings of other rules; correlations that did not change keep their state.

        Args:
            work: what the workers work with.
            loaded: its rules.
        """
        if self.correlating is not None:
            self.correlating.use(work, loaded)
        return replace(self, overrides=work.overrides)

    def recover(self) -> int:
        """Finish or drop what a killed process left; return how many commits were finished."""
        finished = 0
        stored = self.store.last_commit()
        for number, changes in progress.pending(self.state):
            if number <= stored:
                self._apply(number, changes)
                finished += 1
            else:
                with self.state.transaction() as db:
                    progress.drop(db, number)
            _log.info("commit.recovered", number=number, finished=number <= stored)
        return finished

    def commit(self, groups: Sequence[Processed]) -> None:
        """Store the rows of ``groups`` and let their positions, counters and findings take effect.

        Raises:
            StoreError: nothing was stored; the same groups may be committed again.
        """
        with self._correlator_in_step():
            self._commit(groups)

    def pass_time(self, *, ended: bool = False) -> None:
        """Let correlations see that time passed without events.

        Args:
            ended: nothing more comes: what waits for its time is judged as it is.
        """
        if self.correlating is None:
            return
        changes = Changes()
        with self._correlator_in_step():
            self.correlating.pass_time(changes, ended=ended)
            self._count(changes)
            if changes.findings or changes.remembered:
                with self.state.transaction() as db:
                    self._change(db, progress.prepare(db, changes), changes)

    @contextlib.contextmanager
    def _correlator_in_step(self) -> Iterator[None]:
        """Give the correlator up where what it was fed may not have taken effect: it begins from the state again."""
        try:
            yield
        except BaseException:
            if self.correlating:
                self.correlating.give_up()
            raise

    def _commit(self, groups: Sequence[Processed]) -> None:
        changes = Changes()
        matches: list[Match] = []
        tables = [self._account(group, changes, matches) for group in groups]
        if self.correlating:
            self.correlating.take(matches, [c for group in groups for c in group.clocks], changes)
        self._count(changes)
        with self.state.transaction() as db:
            number = progress.prepare(db, changes)
        try:
            rows = joined(tables)
            if rows.num_rows:
                self.store.append(rows, number)
        except BaseException:
            self._settle(number, changes)
            raise
        self._apply(number, changes)
        _log.debug("commit.done", number=number, rows=rows.num_rows, findings=len(changes.findings))

    def _count(self, changes: Changes) -> None:
        """Count what rules found, and take out what staged ones did."""
        now = clock.now()
        counting.findings(changes, staged=self.overrides.staged(now), now=now)

    def _settle(self, number: int, changes: Changes) -> None:
        """After an append that failed: what the store holds all the same takes effect, else it is dropped.

        Where the store cannot even say, the commit stays prepared and the next start decides.
        """
        if self.store.last_commit() >= number:
            self._apply(number, changes)
            return
        with self.state.transaction() as db:
            progress.drop(db, number)

    def _apply(self, number: int, changes: Changes) -> None:
        with self.state.transaction() as db:
            self._change(db, number, changes)

    def _change(self, db: sqlite3.Connection, number: int, changes: Changes) -> None:
        progress.apply(db, number, changes)
        take(db, changes.findings, policy=self.policy, webhooks=self.webhooks, now=clock.now())

    def _account(self, group: Processed, changes: Changes, matches: list[Match] | None = None) -> pa.Table:
        """Write a group into ``changes`` and ``matches``; return its rows without those stored before."""
        table, findings, fed, silent = group.table, group.findings, group.matches, group.silent
        duplicates = [0] * len(group.accounts)
        if any(account.content_ids for account in group.accounts):
            table, fresh, duplicates = self._without_duplicates(group, changes)
            findings = tuple(finding for finding in findings if finding.event_id in fresh)
            fed = tuple(match for match in fed if match.event in fresh)
            silent = tuple(hit for hit in silent if hit[1] in fresh)
        for account, duplicate in zip(group.accounts, duplicates, strict=True):
            tally = changes.tally(account.stream, account.arrived)
            tally.received += account.received
            tally.stored += account.stored - duplicate
            tally.duplicate += duplicate
            tally.quarantined += account.quarantined
            tally.rejected += account.rejected
            if account.position is not None:
                changes.positions[account.stream, account.position.key] = account.position.value
            if account.received:
                _hear(changes, account)
        changes.findings.extend(findings)
        now = clock.now()
        counting.silent(changes, silent, now=now)
        counting.costs(changes, group.costs, now=now)
        if matches is not None:
            matches.extend(fed)
        return table

    def _without_duplicates(self, group: Processed, changes: Changes) -> tuple[pa.Table, set[str], list[int]]:
        """Return the rows whose content is new, the ids of events among them, duplicates a batch.

        A content may also repeat within the commit. Quarantined rows are never duplicates: each of
        them is evidence of its own arrival.
        """
        import pyarrow as pa

        ids: list[str] = group.table.column("event.id").to_pylist()
        names = group.table.schema.names
        unparsed = (
            group.table.column("citysoc.unparsed").to_pylist()
            if "citysoc.unparsed" in names
            else [None] * len(ids)
        )
        before = progress.already_seen(self.state, ids)
        known = set(before) | set(changes.seen)
        again = stamp(clock.now() - dt.timedelta(days=progress.SEEN_AGAIN_DAYS))[:10]
        # What a console still exports is remembered for as long as it does.
        changes.seen += [event_id for event_id, day in before.items() if day < again]
        mask = [True] * len(ids)
        duplicates = []
        row = 0
        for account in group.accounts:
            first = row
            for row in range(first, first + account.rows) if account.content_ids else ():
                if unparsed[row] is None:
                    mask[row] = ids[row] not in known
                    known.add(ids[row])
                    if mask[row]:
                        changes.seen.append(ids[row])
            row = first + account.rows
            duplicates.append(account.rows - sum(mask[first:row]))
        fresh = {event_id for event_id, keep in zip(ids, mask, strict=True) if keep}
        return group.table.filter(pa.array(mask, pa.bool_())), fresh, duplicates


def _hear(changes: Changes, account: Account) -> None:
    arrival = stamp(account.arrived)
    event = stamp(account.last_event) if account.last_event else ""
    earlier = changes.heard.get(account.stream)
    if earlier:
        arrival, event = max(arrival, earlier.arrival), max(event, earlier.event)
    changes.heard[account.stream] = Heard(account.agency, arrival, event)
