"""The records of a batch that need not become events to be judged: told apart by kind, made only where asked for.

For commands that want findings and nothing else. Whatever is not plain to see here is left to ``run.parse_batch``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from citysoc.flow import position_id
from citysoc.framing.block import Lines
from citysoc.parsers.run import FUTURE, clean, context_of, decode, is_believable, parser_name
from citysoc.parsers.times import guess
from citysoc.parsers.windows_cells import Forms, Found, Rows, Whole
from citysoc.parsers.windows_kinds import Kind
from citysoc.parsers.windows_rows import block_of, by_recipe, ends_of

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Iterator, Sequence

    from citysoc.compiled.cells import Sheet
    from citysoc.flow import Batch
    from citysoc.framing.block import Block
    from citysoc.parsers.windows_shapes import Recipe

_PARSER = "windows"
_MAX_KINDS = 1024
_kinds: dict[int, tuple[Recipe, Kind]] = {}


@dataclass(frozen=True, slots=True)
class Group:
    """Records of one kind.

    Args:
        kind: what they have in common.
        numbers: which records of the batch they are.
        rows: the records' values.
        sheet: where these stand, where that is known.
        some: the numbers of the records in it.
    """

    kind: Kind
    numbers: Sequence[int]
    rows: Sequence[Any] | Rows
    sheet: Sheet | None = None
    some: Any = None


class Glance(Protocol):
    """What tells which records may say what rules look for anywhere."""

    def block(self, block: bytes | bytearray, ends: Callable[[], Sequence[int]]) -> Sequence[int]:
        """Return the numbers of such records.

        Args:
            block: the records as one, see ``windows_rows.block_of``.
            ends: returns where each record ends, with its line feed.
        """


class Records(Protocol):
    """The records of a batch, by their numbers."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __getitem__(self, number: int) -> bytes:
        """Return one."""

    def offset(self, number: int) -> int:
        """Return where it stands."""


@dataclass(frozen=True, slots=True)
class _Cut:
    """The records of a batch that was cut."""

    batch: Batch

    def __len__(self) -> int:
        return len(self.batch.records)

    def __getitem__(self, number: int) -> bytes:
        return self.batch.records[number]

    def offset(self, number: int) -> int:
        return self.batch.offsets[number]


class Rough:
    """A batch told apart by kinds.

    Args:
        batch: the batch.
        parser: the name of its parser.
        records: its records.
        forms: tells records apart by where their values stand; None reads them.
        uncut: the bytes of lines that were not cut, and where their values stand.
    """

    def __init__(
        self,
        batch: Batch,
        parser: str,
        records: Records,
        forms: Forms | None,
        uncut: tuple[bytearray, Sheet] | None = None,
    ) -> None:
        self._forms = forms
        self._batch = batch
        self._context = context_of(batch)
        self._parser = parser
        self._latest = batch.arrived + FUTURE
        self._records = records
        self._uncut_lines = uncut
        self.count = len(records)
        self.agency = batch.agency
        self.path = batch.path
        self._look: Callable[[Glance], Sequence[int]] = _nobody
        self._begin = 0
        self._said: dict[Glance, frozenset[int]] = {}

    def parts(self, most: int) -> Iterator[tuple[list[Group], list[int]]]:
        """Yield the records by their kinds, and the numbers of those that must be made into events.

        Args:
            most: so many at once, where they were cut.
        """
        if self._uncut_lines is not None:
            yield self._uncut(*self._uncut_lines)
            return
        for begin in range(0, self.count, most):
            yield self.groups(begin, begin + most)

    def groups(self, begin: int, end: int) -> tuple[list[Group], list[int]]:
        """Return some of the records by their kinds, and the numbers of those that must be made into events."""
        records = self._batch.records[begin:end]
        block = block_of(records)
        self._begin, self._said = begin, {}
        self._look = lambda glance: glance.block(block, lambda: ends_of(records))
        if self._forms is None:
            return self._by_rows(range(begin, begin + len(records)), records, block)
        from citysoc.compiled.cells import sheet_of

        read: Sequence[bytes] = records
        if not block.isascii() or b"\0" in block:
            read = [_cleaned(record) for record in records]
            block = block_of(read)
        return self._by_cells(self._forms, begin, sheet_of(read, block), read)

    def _uncut(self, data: bytearray, sheet: Sheet) -> tuple[list[Group], list[int]]:
        self._look = lambda glance: glance.block(data, sheet.lines[1:].tolist)
        if self._forms is None:
            raise AssertionError("lines that were not cut are told apart by where values stand")
        if data.isascii():
            return self._by_cells(self._forms, 0, sheet, self._records)
        from citysoc.compiled.cells import sheet_of

        read = [_cleaned(self._records[number]) for number in range(self.count)]
        return self._by_cells(self._forms, 0, sheet_of(read, block_of(read)), read)

    def _by_cells(
        self, forms: Forms, begin: int, sheet: Sheet, read: Records | Sequence[bytes]
    ) -> tuple[list[Group], list[int]]:
        """Return records by their kinds, where they stand in a sheet; the first has the number ``begin``."""
        groups: list[Group] = []
        rest: list[int] = []
        whole: list[int] = []
        for found in forms.kinds(sheet, read):
            if isinstance(found, Found):
                kind, some, values = found
                groups.append(Group(kind, some + begin, Rows(read, some, values), sheet, some))
            elif isinstance(found, Whole):
                whole += (found.some + begin).tolist()
            else:
                rest += (found + begin).tolist()
        rest = [number for number in sorted(rest) if self._records[number].strip()]
        if not rest:
            return groups, whole
        left = [self._records[number] for number in rest]
        more, others = self._by_rows(rest, left, block_of(left))
        return groups + more, whole + others

    def _by_rows(
        self, own: Sequence[int], records: Sequence[bytes], block: bytes
    ) -> tuple[list[Group], list[int]]:
        """Return records by their kinds; ``own`` are their numbers."""
        found, rest = by_recipe(records, block)
        groups = []
        for recipe, numbers, rows in found:
            kind = _kind(recipe)
            if kind is None:
                rest += numbers
            else:
                groups.append(Group(kind, [own[number] for number in numbers], rows))
        return groups, [own[number] for number in rest]

    def saying(self, glance: Glance) -> Collection[int]:
        """Return the numbers of the records, among those that were told apart last, that may say what a glance looks for."""
        said = self._said.get(glance)
        if said is None:
            said = self._said[glance] = frozenset(self._begin + number for number in self._look(glance))
        return said

    def only(self, numbers: Sequence[int]) -> Batch:
        """Return the batch with these records only."""
        offsets = tuple(self._records.offset(number) for number in numbers)
        records = tuple(self._records[number] for number in numbers)
        return replace(
            self._batch, records=records, offsets=offsets, refused=(), parser=self._parser, unread=None
        )

    def event_id(self, number: int) -> str:
        """Return the ``event.id`` of a record."""
        return position_id(self._batch.stream, self._batch.identity, self._records.offset(number))

    def offset(self, number: int) -> int:
        """Return where a record stands."""
        return self._records.offset(number)

    def moment(self, kind: Kind, row: Any) -> dt.datetime:
        """Return the ``@timestamp`` of a record."""
        for name, zone in kind.times:
            moment = guess(row[name], zone or self._context.zone, self._context.arrived)
            if moment is not None:
                return moment if is_believable(moment, self._latest) else self._batch.arrived
        return self._batch.arrived


def rough(batch: Batch, forms: Forms | None = None) -> Rough | None:
    """Return a batch told apart by kinds; None where its format has none.

    Args:
        batch: the batch.
        forms: what was learned of records before, where they need not be read.
    """
    name = parser_name(batch)
    return Rough(batch, name, _Cut(batch), forms) if _has_kinds(name, batch) else None


def is_known_uncut(batch: Batch) -> bool:
    """Return whether a batch may be told apart by kinds before its lines are read."""
    return _has_kinds(batch.parser, batch)


def rough_of(batch: Batch, block: Block, forms: Forms, *, longest: int) -> Rough | None:
    """Return a batch that is known uncut, told apart by kinds; None where its lines must be cut all the same.

    Args:
        batch: the batch.
        block: its lines.
        forms: what was learned of records before.
        longest: so many bytes a line may have.
    """
    from citysoc.compiled.cells import sheet_of_lines

    sheet = sheet_of_lines(block.data, block.size)
    lines = sheet.lines
    if (lines[1:] - lines[:-1]).max() > longest + 1:
        return None
    return Rough(batch, batch.parser, Lines(block, lines.tolist()), forms, (block.data, sheet))


def _has_kinds(parser: str, batch: Batch) -> bool:
    return parser == _PARSER and not batch.parser_options  # options may say what no record does


def _nobody(_glance: Glance) -> Sequence[int]:
    return ()


def _cleaned(record: bytes) -> bytes:
    """Return a record as it is read; empty where that cannot be written."""
    if record.isascii() and b"\0" not in record:
        return record
    try:
        return clean(decode(record)).encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return b""


def _kind(recipe: Recipe) -> Kind | None:
    """Return the kind of a recipe; None where its events depend on more."""
    found = _kinds.get(id(recipe))
    if found is None:
        if len(_kinds) >= _MAX_KINDS:
            _kinds.clear()
        found = _kinds[id(recipe)] = (
            recipe,
            Kind(recipe),
        )  # the recipe is kept, so that its id stays its own
    return found[1] if found[1].is_plain else None
