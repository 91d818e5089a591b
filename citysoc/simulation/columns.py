"""Events as columns: what firewalls, Windows, name servers and antivirus say of many machines at once.

A block is columns by name, all of one length or one value for all; ``at`` is microseconds since the begin of the day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from citysoc.simulation.town import Town


def together(blocks: list[dict[str, Any]], start: int) -> pa.Table:
    """Return blocks of columns as one table in order of time.

    Args:
        blocks: columns by name; ``at`` is microseconds since ``start``.
        start: microseconds since 1970.
    """
    import numpy as np
    import pyarrow as pa

    from citysoc.ecs.schema import schema

    tables = []
    for block in blocks:
        count = len(block["at"])
        columns = {
            "@timestamp": pa.array(start + np.asarray(block["at"], np.int64), pa.timestamp("us", "UTC"))
        }
        for name, values in block.items():
            if name != "at":
                columns[name] = _column(values, schema().field(name).type, count)
        tables.append(pa.table(columns))
    return pa.concat_tables(tables, promote_options="default").sort_by("@timestamp")


def _column(values: Any, kind: pa.DataType, count: int) -> pa.Array:
    import pyarrow as pa

    if not count:
        return pa.array([], kind)
    if isinstance(values, str | int):
        return pa.array([values], kind).take(pa.array([0] * count, pa.int32()))
    if isinstance(values, list) and pa.types.is_list(kind):
        return pa.array([values], kind).take(pa.array([0] * count, pa.int32()))
    return pa.array(values, kind)


def place(number: np.ndarray | int) -> Any:
    """Return the address of a place, or of many."""
    import numpy as np

    numbers = np.atleast_1d(number)
    texts = np.array([f"198.18.{n // 250}.{n % 250 + 1}" for n in numbers])
    return texts if np.ndim(number) else str(texts[0])


def agency_columns(town: Town, hosts: np.ndarray) -> dict[str, Any]:
    """Return the columns that name the agency of machines."""
    import numpy as np

    ids = np.array([site.agency.id for site in town.built.sites])
    levels = np.array([site.agency.level for site in town.built.sites])
    return {"agency.id": ids[town.agency[hosts]], "agency.level": levels[town.agency[hosts]]}


def _head(town: Town, hosts: np.ndarray, at: np.ndarray, dataset: str, category: str) -> dict[str, Any]:
    """Return what every source says of its events: when, whose, and what they are."""
    return {
        "at": at,
        **agency_columns(town, hosts),
        "event.module": dataset.partition(".")[0],
        "event.dataset": dataset,
        "event.category": [category],
    }


def connections(
    town: Town,
    hosts: np.ndarray,
    at: np.ndarray,
    *,
    to: np.ndarray | str,
    port: np.ndarray | int,
    sent: np.ndarray | int,
    received: np.ndarray | int,
    denied: bool = False,
) -> dict[str, Any]:
    """Return what firewalls say of machines' connections."""
    return {
        **_head(town, hosts, at, "fortigate.traffic", "network"),
        "source.ip": town.address[hosts],
        "destination.ip": to,
        "destination.port": port,
        "source.bytes": sent,
        "destination.bytes": received,
        "citysoc.outcome": "blocked" if denied else "allowed",
    }


def logons(
    town: Town,
    hosts: np.ndarray,
    at: np.ndarray,
    *,
    user: Any,
    success: np.ndarray | bool,
    source: Any = None,
) -> dict[str, Any]:
    """Return what Windows says of log-ons on machines."""
    import numpy as np

    outcome = np.where(np.broadcast_to(success, at.shape), "success", "failure")
    block = {
        **_head(town, hosts, at, "windows.security", "authentication"),
        "event.outcome": outcome,
        "host.name": town.name[hosts],
        "user.name": user,
    }
    return block if source is None else {**block, "source.ip": source}


def programs(
    town: Town, hosts: np.ndarray, at: np.ndarray, *, image: Any, user: Any = None
) -> dict[str, Any]:
    """Return what Windows says of programs that started."""
    return {
        **_head(town, hosts, at, "windows.sysmon", "process"),
        "host.name": town.name[hosts],
        "user.name": town.user[hosts] if user is None else user,
        "process.executable": image,
    }


def questions(
    town: Town, hosts: np.ndarray, at: np.ndarray, *, name: Any, missing: Any = False
) -> dict[str, Any]:
    """Return what a name server says of machines' questions."""
    import numpy as np

    return {
        **_head(town, hosts, at, "zeek.dns", "network"),
        "source.ip": town.address[hosts],
        "destination.port": 53,
        "dns.question.name": name,
        "dns.response_code": np.where(np.broadcast_to(missing, at.shape), "NXDOMAIN", "NOERROR"),
    }


def detections(town: Town, hosts: np.ndarray, at: np.ndarray, *, name: Any, outcome: Any) -> dict[str, Any]:
    """Return what the antivirus found."""
    return {
        **_head(town, hosts, at, "antivirus.detection", "malware"),
        "host.name": town.name[hosts],
        "user.name": town.user[hosts],
        "threat.software.name": name,
        "citysoc.outcome": outcome,
    }
