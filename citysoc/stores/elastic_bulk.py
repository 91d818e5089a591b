"""Bulk requests: few at a time, none too large, every document's fate known.

A document that is there already (409) is a duplicate and counts as one. One that the cluster finds wrong becomes a
quarantined record with the cluster's reason. What may succeed later is tried again, a little later each time.
"""

from __future__ import annotations

import concurrent.futures as cf
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from citysoc import telemetry
from citysoc.errors import StoreError
from citysoc.i18n import _
from citysoc.stores.elastic_client import told
from citysoc.stores.elastic_document import Document, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from citysoc.stores.elastic_client import Cluster

_log = telemetry.logger("stores.elastic")

ATTEMPTS = 5
_BUSY = frozenset((408, 429, 502, 503, 504))
_FIRST_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 5.0


@dataclass(slots=True)
class Fate:
    """What became of documents: new ones, ones that were there, ones that the cluster refused."""

    stored: int = 0
    duplicates: int = 0
    refused: list[tuple[Document, str]] = field(default_factory=list)

    def add(self, other: Fate) -> None:
        """Count another's figures in."""
        self.stored += other.stored
        self.duplicates += other.duplicates
        self.refused += other.refused


def send(cluster: Cluster, documents: Iterable[Document], *, max_bytes: int, parallel: int) -> Fate:
    """Store documents; return what became of them once all are acknowledged.

    Args:
        cluster: where to.
        documents: taken as they can be sent, never many ahead.
        max_bytes: about the size of one request.
        parallel: how many requests are under way at a time.

    Raises:
        StoreError: the cluster did not take all of them; the same may be sent again.
    """
    fate = Fate()
    under_way: set[cf.Future[Fate]] = set()
    with cf.ThreadPoolExecutor(parallel, thread_name_prefix="bulk") as threads:
        for chunk in _chunks(documents, max_bytes):
            if len(under_way) >= parallel + 1:
                done, under_way = cf.wait(under_way, return_when=cf.FIRST_COMPLETED)
                for one in done:
                    fate.add(one.result())
            under_way.add(threads.submit(_take, cluster, chunk))
        for one in under_way:
            fate.add(one.result())
    return fate


def quarantine(cluster: Cluster, fate: Fate, bury: Callable[[bytes], None]) -> None:
    """Store what was refused as quarantined records with the reason.

    Args:
        cluster: where to.
        fate: holds the refused documents.
        bury: keeps the lines of what is refused even so.
    """
    for with_original in (True, False):
        records = [
            refused(document, reason, with_original=with_original) for document, reason in fate.refused
        ]
        again = Fate()
        for chunk in _chunks(records, 1 << 20):
            again.add(_take(cluster, chunk))
        left = {document.id for document, _reason in again.refused}
        fate.refused = [one for one in fate.refused if one[0].id in left]
        if not left:
            return
    for document, reason in fate.refused:
        _log.error("document.buried", id=document.id, reason=reason)
        bury(document.lines)


def _chunks(documents: Iterable[Document], max_bytes: int) -> Iterator[list[Document]]:
    chunk: list[Document] = []
    size = 0
    for document in documents:
        length = len(document.source) + 120
        if chunk and size + length > max_bytes:
            yield chunk
            chunk, size = [], 0
        chunk.append(document)
        size += length
    if chunk:
        yield chunk


def _take(cluster: Cluster, chunk: Sequence[Document]) -> Fate:
    """Send one request, and again what the cluster had no time for."""
    fate = Fate()
    left = list(chunk)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            left = _once(cluster, left, fate)
        except StoreError as error:
            if not error.transient or attempt == ATTEMPTS:
                raise
        if not left:
            return fate
        if attempt < ATTEMPTS:
            _wait(attempt)
    raise StoreError(
        _("The cluster is too busy to take {count} documents.").format(count=len(left)),
        where=cluster.place,
        transient=True,
    )


def _once(cluster: Cluster, documents: Sequence[Document], fate: Fate) -> list[Document]:
    """Send documents once; return those to be sent again."""
    try:
        answer = cluster.ask(
            "POST",
            "/_bulk",
            b"".join([document.lines for document in documents]),
            filter_path="errors,items.create.status,items.create.error",
            refresh="false",
        )
    except StoreError as error:
        if error.where is None or "(413)" not in error.message:
            raise
        return _too_large(cluster, documents, str(error), fate)
    items = answer["items"]
    if not answer["errors"]:
        fate.stored += len(items)
        return []
    again = []
    for document, item in zip(documents, items, strict=True):
        status = item["create"]["status"]
        if status < 300:
            fate.stored += 1
        elif status == 409:
            fate.duplicates += 1
        elif status in _BUSY:
            again.append(document)
        elif status in (401, 403) or _about_the_index(item["create"]):
            reason = told(item["create"])
            raise StoreError(
                _("The cluster refuses ({status}): {reason}.").format(status=status, reason=reason),
                where=cluster.place,
            )
        else:
            fate.refused.append((document, told(item["create"])))
    return again


def _about_the_index(item: dict[str, object]) -> bool:
    """Return whether it is the index and not the document that is at fault."""
    error = item.get("error")
    kind = str(error.get("type")) if isinstance(error, dict) else ""
    return kind in (
        "cluster_block_exception",
        "index_not_found_exception",
        "index_closed_exception",
        "invalid_index_name_exception",
        "validation_exception",
        "unavailable_shards_exception",
    )


def _too_large(cluster: Cluster, documents: Sequence[Document], reason: str, fate: Fate) -> list[Document]:
    """Send a request that the cluster finds too large in halves; one document alone is refused."""
    if len(documents) == 1:
        fate.refused.append((documents[0], reason))
        return []
    middle = len(documents) // 2
    return _once(cluster, documents[:middle], fate) + _once(cluster, documents[middle:], fate)


def _wait(attempt: int) -> None:
    """Wait twice as long after each attempt, up to half of it by chance, so that many do not come at once."""
    longest = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
    time.sleep(longest * random.uniform(0.5, 1.0))  # noqa: S311  no secret depends on it
