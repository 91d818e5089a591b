"""Lengths of time as people write them: ``30s``, ``5m``, ``1h``, ``1d``, ``1w``."""

from __future__ import annotations

import re

from citysoc.errors import UsageError
from citysoc.i18n import _

_LENGTH = re.compile(r"([1-9][0-9]{0,5})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def seconds(text: str) -> int:
    """Return a length of time.

    Raises:
        UsageError: the text is none.

    >>> seconds("5m")
    300
    """
    if not (match := _LENGTH.fullmatch(text)):
        raise UsageError(
            _("{text} is no interval.").format(text=repr(text)), hint=_("Write 30s, 5m, 1h, 1d or 1w.")
        )
    return int(match[1]) * _SECONDS[match[2]]
