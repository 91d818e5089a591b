"""Bulk requests: few at a time, none too large, every document's fate known.

A document that is there already (409) is a duplicate and counts as one. One that the cluster finds wrong becomes a
quarantined record with the cluster's reason. What may succeed later is tried again, a little later each time.
"""

from __future__ import annotations

import concurrent.futures as cf
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from citysoc import telemetry
from citysoc.errors import StoreError
from citysoc.i18n import _
from citysoc.stores.elastic_chunks import Chunk, as_lines, chunks
from citysoc.stores.elastic_client import told
from citysoc.stores.elastic_document import refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import pyarrow as pa

    from citysoc.stores.elastic_client import Cluster
    from citysoc.stores.elastic_document import Document

_log = telemetry.logger("stores.elastic")

ATTEMPTS = 5
_BUSY = frozenset((408, 429, 502, 503, 504))
_FIRST_WAIT_SECONDS = 0.2
_LONGEST_WAIT_SECONDS = 5.0
_CONFLICT = "version_conflict_engine_exception"


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


class Requests:
    """Bulk requests under way, a bounded number at a time.

    Args:
        cluster: where to.
        max_bytes: the size of one request.
        parallel: how many are under way at a time.
    """

    def __init__(self, cluster: Cluster, *, max_bytes: int, parallel: int) -> None:
        self._cluster = cluster
        self._max_bytes = max_bytes
        self._parallel = parallel
        self._threads = cf.ThreadPoolExecutor(parallel, thread_name_prefix="bulk")
        self._under_way: set[cf.Future[Fate]] = set()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Wait for the requests that are under way; begin no other."""
        self._threads.shutdown(cancel_futures=True)

    def give(self, encoded: Iterable[pa.StringArray]) -> list[cf.Future[Fate]]:
        """Make requests of the lines of documents; return what will be known of them.

        Returns when all are made; lines are taken as they can be sent, never many ahead.

        Raises:
            StoreError: the cluster did not take all of those before; the same may be sent again.
        """
        given = []
        for chunk in chunks(encoded, self._max_bytes):
            if len(self._under_way) > self._parallel:
                done, self._under_way = cf.wait(self._under_way, return_when=cf.FIRST_COMPLETED)
                for one in done:
                    one.result()
            future = self._threads.submit(_take, self._cluster, chunk)
            self._under_way.add(future)
            given.append(future)
        return given


def quarantine(cluster: Cluster, fate: Fate, bury: Callable[[bytes], None]) -> None:
    """Store what was refused as quarantined records with the reason.

    Args:
        cluster: where to.
        fate: holds the refused documents.
        bury: keeps the lines of what is refused even so.
    """
    for with_original in (True, False):
        records = (
            refused(document, reason, with_original=with_original) for document, reason in fate.refused
        )
        lines = as_lines(record.lines for record in records)
        again = Fate()
        for chunk in chunks([lines], 1 << 20):
            again.add(_take(cluster, chunk))
        left = {document.id for document, _reason in again.refused}
        fate.refused = [one for one in fate.refused if one[0].id in left]
        if not left:
            return
    for document, reason in fate.refused:
        _log.error("document.buried", id=document.id, reason=reason)
        bury(document.lines)


def _take(cluster: Cluster, chunk: Chunk) -> Fate:
    """Send one request, and again what the cluster had no time for."""
    fate = Fate()
    left = chunk
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


def _once(cluster: Cluster, chunk: Chunk, fate: Fate) -> Chunk:
    """Send documents once; return those to be sent again."""
    body = chunk.body
    try:
        answer = _bulk(cluster, body, "errors,items.create.error.type")
    except StoreError as error:
        if error.where is None or "(413)" not in error.message:
            raise
        return _too_large(cluster, chunk, str(error), fate)
    # A clean answer says no more than that it is one. Errors have no place in it, but of conflicts none is needed.
    errors = answer.get("items", ())
    there = sum(item["create"]["error"]["type"] == _CONFLICT for item in errors)
    if there == len(errors):
        fate.stored += len(chunk) - there
        fate.duplicates += there
        return chunk.none()
    stored = len(chunk) - len(errors)
    details = _bulk(cluster, body, "items.create.status,items.create.error")
    return _sorted(cluster, chunk, details["items"], fate, stored)


def _bulk(cluster: Cluster, body: bytes, wanted: str) -> Any:
    return cluster.ask("POST", "/_bulk", body, filter_path=wanted, refresh="false")


def _sorted(
    cluster: Cluster, chunk: Chunk, items: Sequence[Mapping[str, Any]], fate: Fate, stored: int
) -> Chunk:
    """Note each document's fate after it was sent twice; return those to be sent again.

    Args:
        cluster: for messages.
        chunk: the documents.
        items: the second answer: what the first one stored is a conflict in it.
        fate: where to note it.
        stored: how many the first one stored.
    """
    again, wrong = [], 0
    for number, item in enumerate(items):
        created = item["create"]
        status = created["status"]
        if status < 300:
            stored += 1
        elif status in _BUSY:
            again.append(number)
        elif status in (401, 403) or _about_the_index(created):
            raise StoreError(
                _("The cluster refuses ({status}): {reason}.").format(status=status, reason=told(created)),
                where=cluster.place,
            )
        elif status != 409:
            wrong += 1
            fate.refused.append((chunk.document(number), told(created)))
    fate.stored += stored
    fate.duplicates += len(chunk) - stored - wrong - len(again)
    return chunk.only(again)


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


def _too_large(cluster: Cluster, chunk: Chunk, reason: str, fate: Fate) -> Chunk:
    """Send a request that the cluster finds too large in halves; one document alone is refused."""
    if len(chunk) == 1:
        fate.refused.append((chunk.document(0), reason))
        return chunk.none()
    first, second = chunk.halves()
    return _once(cluster, first, fate).joined(_once(cluster, second, fate))


def _wait(attempt: int) -> None:
    """Wait twice as long after each attempt, up to half of it by chance, so that many do not come at once."""
    longest = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
    time.sleep(longest * random.uniform(0.5, 1.0))  # noqa: S311  no secret depends on it
