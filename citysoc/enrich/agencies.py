"""What events say of their agency besides its id."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from citysoc.config.agencies import Agency


def facts(registry: Iterable[Agency]) -> Mapping[str, Mapping[str, str]]:
    """Return for each agency id the fields that its events get: its name and level at this time."""
    return {agency.id: {"agency.name": agency.name, "agency.level": agency.level} for agency in registry}
