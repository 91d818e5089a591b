"""What the service works with, and what it does once when it is asked to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from citysoc import clock
from citysoc.alerts import silence
from citysoc.alerts.mirror import mirror
from citysoc.config.load import resolve_secret
from citysoc.config.streams import streams
from citysoc.notify.webhook import deliver
from citysoc.pipeline.commit import Committer
from citysoc.pipeline.correlating import Correlating
from citysoc.pipeline.line import Line
from citysoc.reports import publish
from citysoc.stores.elastic import ElasticStore

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from citysoc.config.load import Config
    from citysoc.detectors.sigma import Loaded
    from citysoc.pipeline.rulebook import Sources
    from citysoc.pipeline.work import Work
    from citysoc.state import State
    from citysoc.stores.base import EventStore


@dataclass(frozen=True, slots=True)
class Service:
    """Everything the service works with.

    Args:
        config: the configuration.
        work: what the workers need.
        state: the state database, opened for writing.
        store: the event store.
        sources: where the rules come from, so that a running service follows them; None: they stay as they are.
    """

    config: Config
    work: Work
    state: State
    store: EventStore
    sources: Sources | None = None

    @property
    def committer(self) -> Committer:
        """What makes batches durable."""
        settings = self.config.settings
        return Committer(
            self.state,
            self.store,
            settings.alerts,
            settings.webhooks,
            correlating=Correlating(
                self.state,
                self.work,
                lateness_by_source={source.id: source.lateness_seconds for source in self.config.sources},
            ),
            overrides=self.work.overrides,
        )

    def line(
        self,
        *,
        workers: int | None = None,
        on_failure: Callable[[], None] | None = None,
        loaded: Loaded | None = None,
    ) -> Line:
        """Open a line; what a killed process left behind is finished or dropped first.

        Args:
            workers: see ``pipeline.line.Line``; None means as configured.
            on_failure: see there.
            loaded: see there.
        """
        service = self.config.settings.service
        committer = self.committer
        committer.recover()
        return Line(
            self.work,
            committer,
            workers=service.workers if workers is None else workers,
            commit_records=service.commit_records,
            commit_seconds=service.commit_seconds,
            on_failure=on_failure,
            loaded=loaded,
        )

    async def deliver(self) -> str | None:
        """Send what is due to the webhooks; return one line on it, None when nothing was due."""
        sent = await deliver(
            self.state,
            self.config.settings.webhooks,
            resolve_secret=lambda reference: resolve_secret(reference, self.config.root),
            now=clock.now,
        )
        total = sent.sent + sent.retried + sent.dead
        return f"sent {sent.sent}, to be tried again {sent.retried}, given up {sent.dead}" if total else None

    def watch(self, now: dt.datetime, *, alarms_from: dt.datetime | None = None) -> str | None:
        """Find streams that fell silent or spoke again; return one line on it.

        Args:
            now: the present.
            alarms_from: raise nothing before this, so that sources can catch up after a stop.
        """
        with self.state.transaction() as db:
            changes = silence.watch(
                db,
                streams(self.config),
                now=now,
                webhooks=self.config.settings.webhooks,
                alarms_from=alarms_from,
            )
        return f"{len(changes)} streams changed" if changes else None

    def report(self, now: dt.datetime) -> str | None:
        """Build the reports that are due and not there; return one line on it."""
        built = publish.publish(self.config, self.state, self.store, now=now)
        return f"reports of {', '.join(built)}" if built else None

    def deliver_reports(self, now: dt.datetime) -> str | None:
        """Send the reports that wait for it; return one line on it, None when none did."""
        done = publish.deliver_due(self.config, self.state, now=now)
        if not (done.sent or done.again or done.dead):
            return None
        return f"sent {done.sent}, to be tried again {done.again}, given up {done.dead}"

    def mirror(self) -> int:
        """Copy changed alerts, incidents and audit entries to the store; return how many.

        While the cluster is away nothing is sent; the next time takes up what is left.
        """
        if not isinstance(self.store, ElasticStore) or self.store.outside().away_since:
            return 0
        return mirror(self.state, self.store)
