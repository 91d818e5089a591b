"""Events for measuring the store: real lines of the simulated city, parsed and enriched, for as many days as wanted.

A month of the simulation goes through the whole pipeline once and is pressed into one day; every further day
has the same lines with other ids, other times and other offsets. Files never span days, so what repeats from
day to day makes no file smaller.
"""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from citysoc.config.load import load_agencies
from citysoc.flow import position_id
from citysoc.parsers.registry import parser
from citysoc.simulation.write import simulate

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

EXAMPLE = Path(__file__).parents[2] / "citysoc" / "config" / "example"
FIRST = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
_DAY_US = 86_400_000_000


def template(folder: Path, events: int) -> Path:
    """Return a Parquet file with a day of about so many events; made once in ``folder``."""
    import pyarrow.parquet as pq

    path = folder / f"day-{events}.parquet"
    if not path.exists():
        simulate(load_agencies(EXAMPLE / "agencies.yaml"), records=events, directory=folder / "logs", seed=7)
        command = [sys.executable, "-m", "citysoc", "--lang", "en"]
        subprocess.run([*command, "init", str(folder / "city")], check=True, capture_output=True)
        config = str(folder / "city" / "citysoc.yaml")
        inbox = str(folder / "logs" / "inbox")
        subprocess.run([*command, "--config", config, "ingest", inbox], check=True, capture_output=True)
        pq.write_table(_pressed(folder / "city" / "data" / "events"), path, compression="zstd")
    return path


def _pressed(store: Path) -> pa.Table:
    """Return the events of a store as one day, with the agencies that the paths name."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    parts = [pq.read_table(path, partitioning=None) for path in store.glob("*/*.parquet")]
    rows = pa.concat_tables(parts, promote_options="default").sort_by("@timestamp")
    place = pc.extract_regex(rows["log.file.path"], r"inbox/(?P<agency>[^/]+)/(?P<source>[^/]+)")
    agency, source = (pc.struct_field(place, name) for name in ("agency", "source"))
    rows = _with(rows, "agency.id", agency)
    rows = _with(rows, "citysoc.source", pc.binary_join_element_wise(agency, source, "/"))
    registry = {a.id: a for a in load_agencies(EXAMPLE / "agencies.yaml")}
    which = pc.index_in(agency, pa.array(list(registry)))
    rows = _with(rows, "agency.name", pa.array([a.name for a in registry.values()]).take(which))
    rows = _with(rows, "agency.level", pa.array([a.level for a in registry.values()]).take(which))
    # The order of the month, evenly over the day: a few clocks of the simulation are years off.
    pressed = int(FIRST.timestamp()) * 1_000_000 + np.arange(len(rows)) * (_DAY_US // len(rows))
    return _with(rows, "@timestamp", pa.array(pressed).cast(pa.timestamp("us", "UTC")))


def _with(rows: pa.Table, name: str, column: pa.Array) -> pa.Table:
    if name in rows.schema.names:
        return rows.set_column(rows.schema.get_field_index(name), name, column)
    return rows.append_column(name, column)


def day(rows: pa.Table, number: int) -> pa.Table:
    """Return the events of one day, counted from 0."""
    import pyarrow as pa
    import pyarrow.compute as pc

    shift = pa.scalar(dt.timedelta(days=number), pa.duration("us"))
    rows = _with(rows, "@timestamp", pc.add(rows["@timestamp"], shift))
    arrival = pc.add(rows["@timestamp"], pa.scalar(dt.timedelta(seconds=2), pa.duration("us")))
    rows = _with(rows, "event.ingested", pc.floor_temporal(arrival, 2, unit="second"))
    rows = _with(rows, "log.offset", pc.add(rows["log.offset"], 7919 * number))
    return _with(rows, "event.id", _ids(rows, number))


def _ids(rows: pa.Table, number: int) -> pa.Array:
    """Return ids as the product makes them: of file and offset, or of contents, which are new every day."""
    import pyarrow as pa

    names = ("citysoc.parser", "citysoc.source", "log.file.path", "log.offset")
    return pa.array(
        os.urandom(16).hex()
        if parser(name).identity == "content"
        else position_id(stream, f"{path}@{number}", offset)
        for name, stream, path, offset in zip(*(rows[n].to_pylist() for n in names), strict=True)
    )


def batches(rows: pa.Table, size: int) -> Iterator[pa.Table]:
    """Yield the rows in commits of so many."""
    for start in range(0, len(rows), size):
        yield rows.slice(start, size)
