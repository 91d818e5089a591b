"""Computes the figures of a period from the store and the state: the one query layer of reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.reports.computing import antivirus, cases, handling, heard, quality
from citysoc.reports.computing.sources import ATTACKS, Sources
from citysoc.reports.figures import Figures
from citysoc.reports.periods import before, year_before

if TYPE_CHECKING:
    import datetime as dt

    from citysoc.config.load import Config
    from citysoc.reports.figures import Period
    from citysoc.state import State
    from citysoc.stores.base import Answers


def compute(
    config: Config,
    state: State,
    store: Answers,
    period: Period,
    *,
    now: dt.datetime,
    agency: str | None = None,
) -> Figures:
    """Return the figures of a period.

    Args:
        config: the registry and the sources.
        state: alerts, incidents, streams, counters.
        store: events.
        period: of event time for events and alerts, of arrival for completeness.
        now: the moment for which streams are judged: the end of the period when that is past.
        agency: only of this agency; None for the whole city.

    Raises:
        StoreError: the store cannot be read.
    """
    sources = Sources(config, state, store, period, min(now, period.until), agency)
    earlier = tuple(
        other if sources.count("", other) else None for other in (before(period), year_before(period))
    )
    quiet, streams = quality.streams(sources)
    hours = cases.by_half_hour(sources)
    groups = cases.grouped(sources)
    by_agency = cases.summed(groups, lambda group: group.agency)
    spoken = heard.heard(sources)
    agencies = handling.agency_table(sources, spoken.records, by_agency, quiet)
    return Figures(
        period=period,
        as_of=quality.as_of(sources),
        agencies=len(sources.agencies()),
        **cases.totals(sources, groups, earlier),
        **handling.totals(sources, earlier),
        classes=cases.classes(sources, groups, earlier),
        outcomes=cases.ranked(cases.summed(groups, lambda group: group.outcome), None),
        **cases.days(sources),
        hours=cases.per_hour_of_day(hours),
        office_share=cases.office_share(hours),
        hour_types=cases.hour_types(hours),
        details=cases.details(sources, groups),
        agency_levels=handling.agency_levels(sources, agencies),
        levels=handling.grouped_alerts(sources, "level"),
        rules=handling.grouped_alerts(sources, "rule", label="title", limit=10),
        busiest=sources.named(cases.ranked(by_agency)),
        table=agencies,
        attackers=cases.attackers(sources),
        targets=sources.top(ATTACKS, "destination.ip"),
        incident_rows=handling.incident_rows(sources),
        **antivirus.figures(sources),
        streams=streams,
        quiet=quiet,
        completeness=quality.completeness(sources),
        over=now >= period.until,
        sources=heard.rows(sources, spoken),
        left_out=quality.left_out(sources),
    )
