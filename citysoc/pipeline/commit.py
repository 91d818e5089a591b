"""Commit processed batches together: rows to the store, then everything else in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citysoc import clock, telemetry
from citysoc.alerts.intake import take
from citysoc.state import progress
from citysoc.state.progress import Changes, Heard

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from citysoc.config.models import Alerts, Webhook
    from citysoc.pipeline.work import Processed
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
    """

    state: State
    store: EventStore
    policy: Alerts
    webhooks: Sequence[Webhook]

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

    def commit(self, batches: Sequence[Processed]) -> None:
        """Store the rows of ``batches`` and let their positions, counters and findings take effect.

        Raises:
            StoreError: nothing was stored; the same batches may be committed again.
        """
        changes = Changes()
        tables = [self._account(batch, changes) for batch in batches]
        with self.state.transaction() as db:
            number = progress.prepare(db, changes)
        try:
            rows = _concat(tables)
            if rows.num_rows:
                self.store.append(rows, number)
        except BaseException:
            with self.state.transaction() as db:
                progress.drop(db, number)
            raise
        self._apply(number, changes)
        _log.debug("commit.done", number=number, rows=rows.num_rows, findings=len(changes.findings))

    def _apply(self, number: int, changes: Changes) -> None:
        with self.state.transaction() as db:
            progress.apply(db, number, changes)
            take(db, changes.findings, policy=self.policy, webhooks=self.webhooks, now=clock.now())

    def _account(self, batch: Processed, changes: Changes) -> pa.Table:
        """Write a batch into ``changes``; return its rows without those stored before."""
        table, findings = batch.table, batch.findings
        duplicates = 0
        if batch.content_ids and table.num_rows:
            table, fresh = self._without_duplicates(table, changes)
            duplicates = batch.table.num_rows - table.num_rows
            findings = tuple(f for f in findings if f.event_id in fresh)
        tally = changes.tally(batch.stream, batch.arrived)
        tally.received += batch.received
        tally.rejected += batch.rejected
        tally.quarantined += batch.quarantined
        tally.duplicate += duplicates
        tally.stored += batch.stored - duplicates
        changes.findings.extend(findings)
        if batch.position is not None:
            changes.positions[batch.stream, batch.position.key] = batch.position.value
        if batch.received:
            _hear(changes, batch)
        return table

    def _without_duplicates(self, table: pa.Table, changes: Changes) -> tuple[pa.Table, set[str]]:
        """Return the rows whose content is new, and their ids; a content may also repeat in the commit.

        Quarantined rows are never duplicates: each of them is evidence of its own arrival.
        """
        import pyarrow as pa

        ids: list[str] = table.column("event.id").to_pylist()
        unparsed = table.column("citysoc.unparsed").to_pylist()
        known = progress.already_seen(self.state, ids) | set(changes.seen)
        mask, fresh = [], set[str]()
        for event_id, reason in zip(ids, unparsed, strict=True):
            new = reason is not None or event_id not in known
            mask.append(new)
            if new and reason is None:
                known.add(event_id)
                fresh.add(event_id)
                changes.seen.append(event_id)
        return table.filter(pa.array(mask, pa.bool_())), fresh


def _hear(changes: Changes, batch: Processed) -> None:
    arrival = clock.iso(batch.arrived)
    event = clock.iso(batch.last_event) if batch.last_event else ""
    earlier = changes.heard.get(batch.stream)
    if earlier:
        arrival, event = max(arrival, earlier.arrival), max(event, earlier.event)
    changes.heard[batch.stream] = Heard(batch.agency, arrival, event)


def _concat(tables: Sequence[Any]) -> Any:
    import pyarrow as pa

    return pa.concat_tables(tables)
