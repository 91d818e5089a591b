"""What the rules of all routes look for anywhere in a record: one look at many records serves them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.detectors.sigma.patterns import Glance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.detectors.sigma.databases import Databases


class Words:
    """Texts that some rule looks for anywhere.

    Args:
        store: where databases are kept.
    """

    __slots__ = ("_glance", "_store", "_wanted")

    def __init__(self, store: Databases | None = None) -> None:
        self._store = store
        self._wanted: dict[tuple[str, str], None] = {}
        self._glance: Glance | None = None

    def take(self, wanted: Sequence[tuple[str, str]], own: Glance) -> None:
        """Look for some more texts.

        Args:
            wanted: the texts, as for ``patterns.Finder``.
            own: a glance for these alone, which is quick.
        """
        known = len(self._wanted)
        self._wanted.update(dict.fromkeys(wanted))
        if len(self._wanted) == len(wanted):
            self._glance = own
        elif len(self._wanted) > known:
            self._glance = None

    def glance(self) -> Glance:
        """Return the glance for all texts that there are so far."""
        if self._glance is None:
            self._glance = Glance([*self._wanted], self._store)
        return self._glance
