"""What a collector that is pulled on schedule is, and what collectors are given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping
    from typing import Any

    from citysoc.flow import Batch

Identify: TypeAlias = "Callable[[bytes, str], tuple[str, str]]"
"""Given the first bytes of a file and its name: the parser's name and its framer's name."""

Emit: TypeAlias = "Callable[[Batch], Awaitable[None]]"
"""Hand a batch on; waits while the pipeline is full."""


class PullCollector(Protocol):
    """Reads what is new, then ends; is called again on schedule."""

    @property
    def stream(self) -> str:
        """Whose positions are kept: ``<agency id>/<source id>``."""

    def pull(self, positions: Mapping[str, Mapping[str, Any]]) -> Iterator[Batch]:
        """Yield what came since ``positions`` (position key to value), in order.

        Raises:
            SourceError: the source cannot be read at all; batches yielded before stay good.
        """
