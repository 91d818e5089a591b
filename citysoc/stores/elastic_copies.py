"""Copies of what the state database owns (alerts, incidents, the audit trail), for other tools to search.

The state database stays the owner: nothing is read back from here. Each copy carries the version of what it
is a copy of, so that an older one, sent late, never takes the place of a newer one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.errors import StoreError
from citysoc.i18n import _
from citysoc.stores.elastic_client import told

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from citysoc.stores.elastic_client import Cluster

KINDS = ("alerts", "incidents", "audit")
_FREE = ("matched", "group")
_TIMES = ("at", "first_seen", "last_seen", "*_at")


@dataclass(frozen=True, slots=True)
class Copy:
    """One record as it was at a version.

    Args:
        id: its id.
        version: grows with every change of the record.
        source: its fields, JSON-able.
    """

    id: str
    version: int
    source: Mapping[str, Any]


def template(prefix: str, index_settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the index template of the copies.

    Args:
        prefix: the beginning of all our names.
        index_settings: those of the events.
    """
    rules: list[dict[str, Any]] = [
        {"free": {"match": list(_FREE), "mapping": {"type": "flattened", "ignore_above": 8191}}},
        {"times": {"match": list(_TIMES), "mapping": {"type": "date"}}},
        {
            "texts": {
                "match_mapping_type": "string",
                "mapping": {"type": "keyword", "ignore_above": 8191},
            }
        },
    ]
    return {
        "index_patterns": [f"{prefix}-{kind}" for kind in KINDS],
        "priority": 500,
        "template": {
            "settings": index_settings,
            "mappings": {"date_detection": False, "dynamic_templates": rules},
        },
        "_meta": {"description": "Copies of citysoc's alerts, incidents and audit trail."},
    }


def send(cluster: Cluster, prefix: str, kind: str, copies: Sequence[Copy]) -> int:
    """Store copies; return how many were not older than what is there.

    Raises:
        StoreError: the cluster does not take them; the same may be sent again.
    """
    if not copies:
        return 0
    lines = []
    for copy in copies:
        head = {
            "_index": f"{prefix}-{kind}",
            "_id": copy.id,
            "version": copy.version,
            "version_type": "external_gte",
        }
        lines += [orjson.dumps({"index": head}), orjson.dumps(copy.source, option=orjson.OPT_UTC_Z)]
    answer = cluster.ask(
        "POST", "/_bulk", b"\n".join(lines) + b"\n", filter_path="errors,items.index.status,items.index.error"
    )
    taken = 0
    for item in answer["items"]:
        status = item["index"]["status"]
        if status < 300:
            taken += 1
        elif status != 409:
            raise StoreError(
                _("The cluster refuses ({status}): {reason}.").format(
                    status=status, reason=told(item["index"])
                ),
                where=cluster.place,
                transient=status in (429, 503),
            )
    return taken
