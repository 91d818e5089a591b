"""Weeks of the city's ordinary life as events, each machine with habits of its own; for the anomaly model.

The text formats of the simulation are for collectors and parsers; a model wants months of many machines,
so here events are drawn as columns. What makes it hard to find an attack in them is drawn too: servers
that send copies away each night, agents that call home at even intervals, duty at hospitals, evenings
before payday, new programs rolled out, floods of wrong passwords after a change of passwords, scanners
from the Internet, large uploads by day, machines where the same malware comes again and again.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from citysoc import clock
from citysoc.simulation import machines
from citysoc.simulation.calendar import intensity
from citysoc.simulation.columns import together
from citysoc.simulation.people import people

if TYPE_CHECKING:
    import pyarrow as pa

    from citysoc.simulation.town import Town

_SECOND = 1_000_000


def day(town: Town, date: dt.date, seed: int) -> pa.Table:
    """Return one local day of ordinary life, in order of time; columns of ``ecs.schema`` that are used.

    Args:
        town: what ``settle`` gave.
        date: the local day.
        seed: the same seed and day give the same events.
    """
    import numpy as np

    rng = np.random.default_rng([seed, 2, date.toordinal()])
    busy = np.array(intensity(date))
    blocks = [
        *people(town, rng, busy, date),
        machines.noise(town, rng),
        machines.backups(town, rng),
        machines.agents(town, rng),
        machines.scans(town, rng),
        machines.malware(town, rng, busy),
        machines.uploads(town, rng, busy),
        machines.neighbours(town, rng, busy),
        machines.care(town, rng, busy),
        machines.found_at_once(town, rng, busy),
    ]
    start = int(dt.datetime.combine(date, dt.time(), clock.HUE).timestamp()) * _SECOND
    return together([block for block in blocks if block is not None], start)
