"""Stores on the session's node, each under a prefix of its own, gone after its test."""

from __future__ import annotations

import contextlib
import itertools
import tempfile
import urllib.error
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from citysoc.config.stores import Elastic
from citysoc.stores.elastic import ElasticStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_numbers = itertools.count(1)


@contextlib.contextmanager
def elastic_store(node, **more) -> Iterator[ElasticStore]:
    """Keep an empty store open inside the block."""
    prefix = f"test-{next(_numbers)}"
    room = {name: more.pop(name) for name in ("room_seconds", "retention_days") if name in more}
    settings = Elastic(**{"urls": (node.url,), "prefix": prefix, "refresh_seconds": 3600, **more})
    with tempfile.TemporaryDirectory() as folder:
        store = ElasticStore(settings, root=Path(folder), spool=Path(folder) / "spool", **room)
        try:
            yield store
        finally:
            node.call("DELETE", f"{prefix}-*")
            with contextlib.suppress(urllib.error.HTTPError):  # nothing was ever written
                node.call("DELETE", f"_index_template/{prefix}-*")
            store.close()


@pytest.fixture
def open_store(elastic) -> Iterator[Callable[..., ElasticStore]]:
    """Return what opens further stores."""
    with contextlib.ExitStack() as stack:
        yield lambda **more: stack.enter_context(elastic_store(elastic, **more))


@pytest.fixture
def store(open_store) -> ElasticStore:
    """An empty store."""
    return open_store()
