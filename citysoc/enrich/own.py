"""The house's own table: patterns of names and their classes, which go before all tables of ours."""

from __future__ import annotations

import fnmatch
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from citysoc.enrich.malware_names import plain
from citysoc.enrich.verdicts import Verdict, verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from citysoc.config.classification import NamePattern
    from citysoc.flow import Event

_FIELDS = {"threat": ("threat.software.name",), "signature": ("rule.name", "cef.name")}


class Own:
    """Tells what the house calls a name; remembers names it saw.

    Args:
        patterns: in the order of the file: the first that fits counts.
    """

    def __init__(self, patterns: Iterable[NamePattern]) -> None:
        self._rows = [
            (
                frozenset(_FIELDS) if row.kind == "any" else frozenset({row.kind}),
                re.compile(fnmatch.translate(plain(row.name).replace("[", "[[]"))),
                verdict(row.klass, "own", row.name),
            )
            for row in patterns
        ]
        self.named = lru_cache(maxsize=16_384)(self._named)

    def __bool__(self) -> bool:
        return bool(self._rows)

    def verdict(self, event: Event) -> Verdict | None:
        """Return what the table says of an event; None where it says nothing."""
        for kind, fields in _FIELDS.items():
            for field in fields:
                name = event.get(field)
                if isinstance(name, str) and (found := self.named(kind, name)):
                    return found
        return None

    def _named(self, kind: str, name: str) -> Verdict | None:
        """Return what the table says of a name, ``kind`` being threat or signature; None where it says nothing."""
        text = plain(name)
        return next(
            (case for kinds, pattern, case in self._rows if kind in kinds and pattern.fullmatch(text)), None
        )
