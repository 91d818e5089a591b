"""The state of the correlator as rows, names to bytes: of what changed, only what changed is written.

====  =========================================================================================
row   what it holds
====  =========================================================================================
g     how far the present has come
s     a scope: up to where its matches are decided
l     a lane
k     a group: its entries since its last whole page
p     a whole page of a group's entries, written once
w     matches that came to wait, up to ``PAGE`` of them
d     which of those wait no longer
====  =========================================================================================

So a commit costs what changed, at most one page for each group that changed, however many entries a group has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from citysoc.detectors.correlate.groups import PAGE, Group

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from citysoc.detectors.correlate.arranged import Correlation, Key
    from citysoc.detectors.correlate.lanes import Lanes
    from citysoc.detectors.correlate.measures import Entry
    from citysoc.detectors.correlate.waiting import Held, Waiting

_ALL_GONE = (1 << PAGE) - 1


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
        self._page: list[bytes] = []
        self._number = 0
        self._gone: dict[int, int] = {}
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
        found.update(self._waiting(*waiting.changes()))
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

    def _waiting(self, came: Iterable[Held], went: Iterable[int]) -> Iterator[tuple[str, bytes | None]]:
        """Yield the pages that got matches, and what of pages waits no longer.

        Numbers are given in the order in which matches come, so a match's page follows from its number.
        """
        touched: set[int] = set()
        for number in went:
            page, place = divmod(number, PAGE)
            self._gone[page] = self._gone.get(page, 0) | 1 << place
            touched.add(page)
        grown: dict[int, list[bytes]] = {}
        for item in came:
            page, place = divmod(item[7], PAGE)
            if page != self._number:
                self._page, self._number = [], page
            if self._gone.get(page, 0) >> place & 1:
                continue
            time, event, (number, *group), slot, value, shown, agency, own = item
            self._page.append(
                orjson.dumps([own, self._prints[number], time, event, group, slot, value, shown, agency])
            )
            grown[page] = self._page
        for page, items in grown.items():
            yield f"w{page}", b"[" + b",".join(items) + b"]"
        for page in touched:
            if self._gone[page] == _ALL_GONE:
                del self._gone[page]
                yield f"w{page}", None
                yield f"d{page}", None
            else:
                yield f"d{page}", orjson.dumps(str(self._gone[page]))

    def resume(self, waiting: Iterable[Held], pages: Iterable[int]) -> None:
        """Go on after a restart.

        Args:
            waiting: the matches that wait.
            pages: of which there are rows.
        """
        left: dict[int, int] = {}
        for item in waiting:
            page, place = divmod(item[7], PAGE)
            left[page] = left.get(page, 0) | 1 << place
        for page in pages:
            if page in left:  # a number that nothing has will never be given again
                self._gone[page] = _ALL_GONE & ~left[page]
            else:
                self._rest[f"w{page}"] = self._rest[f"d{page}"] = None


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

    def waiting(self) -> Iterator[tuple[int, Held]]:
        """Yield the matches that wait, each with its level."""
        gone = {name: int(bits) for name, bits in self.of("d")}
        for name, content in self.of("w"):
            for own, fingerprint, time, event, group, slot, value, shown, agency in content:
                one = self._by_print.get(fingerprint)
                if one is not None and not gone.get(name, 0) >> own % PAGE & 1:
                    key = (one.number, *group)
                    yield one.level, (time, event, key, slot, tuple(value), tuple(shown), agency, own)

    def pages(self) -> set[int]:
        """Return the pages of matches that there are rows of."""
        return {int(name[1:]) for name in self._rows if name[0] in "wd"}


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
