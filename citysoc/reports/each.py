"""The reports of all agencies in one run: every question is asked once for the city and parted by agency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.reports.build import write
from citysoc.reports.computing import compute
from citysoc.reports.computing.parted import Parted

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from citysoc.config.load import Config
    from citysoc.reports.build import Built
    from citysoc.reports.figures import Period
    from citysoc.state import State
    from citysoc.stores.base import EventStore


def build_each(
    config: Config,
    state: State,
    store: EventStore,
    period: Period,
    *,
    languages: Sequence[str],
    now: dt.datetime,
    formats: Sequence[str] | None = None,
) -> Iterator[Built]:
    """Yield the report of each agency of the registry as it is written; see ``reports.build.build``."""
    parted = Parted(store)
    for agency in config.registry:
        figures = compute(config, state, parted, period, now=now, agency=agency.id)
        yield write(config, figures, languages=languages, formats=formats, agency=agency.id)
