"""One kind of record of normal life."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from citysoc.simulation.city import Site
    from citysoc.simulation.formats.antivirus import Detection
    from citysoc.simulation.stamps import Stamps

    Write = Callable[[random.Random, Stamps, int, Site], "bytes | Detection"]


class Kind(NamedTuple):
    """One kind of record: its name, its share, whether it follows office hours, what writes it."""

    name: str
    share: float
    office: bool
    write: Write
