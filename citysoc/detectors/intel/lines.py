"""Plain lists: one value a line, remarks behind ``#``, ``;`` or ``//``, hosts files too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.detectors.intel.indicator import taken

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from citysoc.detectors.intel.indicator import Account, Indicator

_SINKS = frozenset({"0.0.0.0", "127.0.0.1", "::", "::1"})  # noqa: S104  compared with: how hosts files begin
_REMARKS = ("#", ";", "//")


def read_list(lines: Iterable[tuple[int, str]], account: Account) -> Iterator[Indicator]:
    """Yield the indicators of a plain list.

    Args:
        lines: numbered from 1.
        account: is told what became of each.
    """
    for number, line in lines:
        text = line.strip()
        if not text or text.startswith(_REMARKS):
            continue
        account.entries += 1
        words = text.split(None, 2)
        value = words[1] if len(words) > 1 and words[0] in _SINKS else words[0]
        yield from taken(value.rstrip(",;") if len(words) > 1 else value, account, str(number))
