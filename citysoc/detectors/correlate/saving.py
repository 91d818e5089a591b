"""The state of the correlator as rows, names to bytes: of what changed, only what changed is written.

====  =========================================================================================
row   what it holds
====  =========================================================================================
g     how far the present has come
s     a scope: up to where its matches are decided
l     a lane
k     a group: its entries since its last whole page
p     a whole page of a group's entries, written once
w     matches that came to wait, a lot of them
d     up to when those are released
====  =========================================================================================

So a commit costs what changed, at most one page for each group that changed, however many entries a group has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from citysoc.detectors.correlate.groups import PAGE, Group
from citysoc.detectors.correlate.waiting import Lot

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from citysoc.detectors.correlate.arranged import Correlation, Key
    from citysoc.detectors.correlate.lanes import Lanes
    from citysoc.detectors.correlate.measures import Entry
    from citysoc.detectors.correlate.waiting import Waiting


class Ledger:
    """What changed since the last call, as rows.

    Args:
        correlations: by number; their fingerprints name their groups, so that a rule that changed begins anew.
    """

    def __init__(self, correlations: Sequence[Correlation]) -> None:
        self._prints = [str(one.plan["fingerprint"]) for one in correlations]
        self._levels = [one.level for one in correlations]
        self._dropped: dict[Key, tuple[int, int] | None] = {}
        self._rest: dict[str, bytes | None] = {}
        self._passed: dict[str, int] = {}
        self._times = (0, 0)
        self.changed: set[Key] = set()
        """Groups that changed."""

    def dropped(self, key: Key, group: Group) -> None:
        """Take note that a group is gone."""
        self.changed.discard(key)
        self._dropped[key] = group.pages

    def useless(self, name: str) -> None:
        """Take note of a row that nothing can be made of."""
        self._rest[name] = None

    def rows(
        self,
        groups: Mapping[Key, Group],
        lanes: Lanes,
        waiting: Waiting,
        passed: Mapping[str, int],
        times: tuple[int, int],
    ) -> dict[str, bytes | None]:
        """Return the rows that changed: name to content, None for what is gone."""
        found, self._rest = self._rest, {}
        for key, pages in self._dropped.items():
            found[self._name(key)] = None
            found.update((self._name(key, page), None) for page in range(*(pages or (0, 0))))
        self._dropped.clear()
        for key in self.changed:
            found.update(self._group(key, groups[key]))
        self.changed.clear()
        found.update((f"l{name}", content) for name, content in lanes.changes())
        found.update(self._waiting(waiting.changes()))
        before = self._passed
        moved = {scope: mark for scope, mark in passed.items() if before.get(scope) != mark}
        found.update((f"s{scope}", orjson.dumps(mark)) for scope, mark in moved.items())
        before.update(moved)
        if times != self._times:
            self._times = times
            found["g"] = orjson.dumps(times)
        return found

    def _group(self, key: Key, group: Group) -> Iterator[tuple[str, bytes | None]]:
        """Yield a group's row, its pages that became whole, and those that are forgotten."""
        entries, first = group.entries, group.first
        begins, ends = first // PAGE, (first + len(entries)) // PAGE
        low, high = group.pages or (begins, begins)
        for page in range(low, min(begins, high)):
            yield self._name(key, page), None
        for page in range(max(begins, high), ends):
            part = entries[max(page * PAGE - first, 0) : (page + 1) * PAGE - first]
            yield self._name(key, page), orjson.dumps(part)
        group.pages = (begins, ends) if begins < ends else None
        tail = entries[max(ends * PAGE - first, 0) :]
        yield (
            self._name(key),
            orjson.dumps([group.touched, group.shown, tail, first, len(entries), group.forgotten]),
        )

    def _name(self, key: Key, page: int | None = None) -> str:
        number, *rest = key
        if page is None:
            return "k" + orjson.dumps([self._prints[number], *rest]).decode()
        return "p" + orjson.dumps([page, self._prints[number], *rest]).decode()

    # -- matches that wait -------------------------------------------------------------------------------------

    def _waiting(self, lots: Iterable[Lot]) -> Iterator[tuple[str, bytes | None]]:
        """Yield the lots that got matches, and up to when others are released."""
        for lot in lots:
            name = str(lot.number)
            if not lot.size:
                if lot.is_saved:
                    yield f"w{name}", None
                    yield f"d{name}", None
            elif lot.is_fresh:
                yield f"w{name}", self._lot(lot)
                if lot.is_marked:  # what joined may be from before the mark
                    yield f"d{name}", None
                lot.is_fresh, lot.is_saved, lot.is_marked = False, True, False
            else:
                yield f"d{name}", orjson.dumps(lot.mark)
                lot.is_marked = True

    def _lot(self, lot: Lot) -> bytes:
        rules = {
            self._prints[number]: [list(groups.items()), list(lot.written.get(number, {}).items())]
            for number, groups in lot.groups.items()
        }
        return orjson.dumps([lot.place[1], rules])


class Restored:
    """A saved state, read back.

    Args:
        rows: all rows.
        correlations: by number; rows of others are useless.
    """

    def __init__(self, rows: Mapping[str, bytes], correlations: Sequence[Correlation]) -> None:
        self._by_print = {str(one.plan["fingerprint"]): one for one in correlations}
        self._rows = rows
        self.useless: list[str] = []

    def of(self, kind: str) -> Iterator[tuple[str, Any]]:
        """Yield the names, without their kind, and the contents of the rows of a kind."""
        for name, content in self._rows.items():
            if name[0] == kind:
                yield name[1:], orjson.loads(content)

    def groups(self) -> Iterator[tuple[Correlation, Key, Group]]:
        """Yield the groups."""
        pages: dict[Key, list[tuple[int, list[Any]]]] = {}
        for name, content in self.of("p"):
            page, fingerprint, *rest = orjson.loads(name)
            if fingerprint in self._by_print:
                key = (self._by_print[fingerprint].number, *rest)
                pages.setdefault(key, []).append((page, content))
            else:
                self.useless.append(f"p{name}")
        for name, content in self.of("k"):
            fingerprint, *rest = orjson.loads(name)
            one = self._by_print.get(fingerprint)
            if one is None:
                self.useless.append(f"k{name}")
                continue
            key = (one.number, *rest)
            yield one, key, _group(content, sorted(pages.get(key, ())))

    def waiting(self) -> list[Lot]:
        """Return the matches that wait; a lot without a number of its own has -1."""
        marks = {name: int(mark) for name, mark in self.of("d")}
        found: list[Lot] = []
        for name, content in self.of("w"):
            if not (
                len(content) == 2 and isinstance(content[1], dict)
            ):  # of a citysoc before there were lots
                self.useless += [f"w{name}", f"d{name}"]
                continue
            scope, rules = content
            lots: dict[int, Lot] = {}
            for fingerprint, (groups, written) in rules.items():
                if (one := self._by_print.get(fingerprint)) is None:
                    continue
                lot = lots.get(one.level)
                if lot is None:
                    lot = lots[one.level] = Lot(-1 if lots else int(name), (one.level, scope))
                    lot.mark = marks.get(name, lot.mark)
                    lot.is_saved = lot.number >= 0
                    lot.is_marked = lot.is_saved and name in marks
                _put_back(lot, one, groups, written)
            for lot in lots.values():
                lot.is_fresh = len(lots) > 1  # rules that are of different levels now
                found.append(lot)
            if not any(lot.size for lot in lots.values()):
                self.useless += [f"w{name}", f"d{name}"]
        self.useless += [f"d{name}" for name in marks if f"w{name}" not in self._rows]
        return [lot for lot in found if lot.size]


def _put_back(lot: Lot, one: Correlation, groups: Iterable[Any], written: Iterable[Any]) -> None:
    """Put back what waits for a correlation, but for what was released meanwhile."""
    for group, saved in groups:
        entries = [_entry(entry) for entry in saved if entry[0] >= lot.mark]
        if entries:
            lot.groups.setdefault(one.number, {})[tuple(group)] = entries
            lot.size += len(entries)
            lot.stretch(min(entry[0] for entry in entries), max(entry[0] for entry in entries))
    for group, pairs in written:
        kept = [(_entry(entry), tuple(names)) for entry, names in pairs if entry[0] >= lot.mark]
        if kept:
            lot.written.setdefault(one.number, {})[tuple(group)] = kept


def _group(content: Any, pages: Sequence[tuple[int, list[Any]]]) -> Group:
    touched, shown, tail, first, number, forgotten = content
    group = Group(None if shown is None else tuple(shown), touched)
    taken = [entry for _page, part in pages for entry in part] + tail
    group.entries = [_entry(entry) for entry in taken[len(taken) - number :]]
    group.first, group.forgotten = first, forgotten
    group.pages = (pages[0][0], pages[-1][0] + 1) if pages else None
    return group


def _entry(entry: list[Any]) -> Entry:
    time, event, slot, value, *agency = entry
    return (time, event, slot, tuple(value), *agency)
