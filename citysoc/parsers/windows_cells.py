"""Windows records by their kind without reading them: by where their values stand (``compiled.cells``).

Records with the same text around their values have the same names. Of each such text, and of each id, provider and
channel that come with it, it is worked out once which recipe (``windows_shapes``) makes their events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import orjson

from citysoc.parsers import windows
from citysoc.parsers.windows_kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from citysoc.compiled.cells import Frame, Sheet
    from citysoc.parsers.windows_beats import Standing
    from citysoc.parsers.windows_shapes import Recipe, Row

_QUOTE = ord('"')
_NESTED = (dict, list)
_MAX_FORMS = 1024
_MAX_KINDS = 1024
_MAX_AT_ONCE = 128
"""More forms than that in one block are left to the reader of any JSON."""
_MAX_NEW = 256
"""More new kinds than that in one block are somebody's play: to know one takes as long as to judge ten events."""
_UNKNOWN, _TOO_MANY, _FIRST = 0, 1, 2
"""Two numbers of no kind, and that of the first."""


class Records(Protocol):
    """Records by their numbers."""

    def __getitem__(self, number: int, /) -> bytes:
        """Return one."""


class Rows:
    """The values of records, read when they are asked for.

    Args:
        records: all of them.
        some: the numbers of those that are meant.
        read: returns the values of one.
    """

    def __init__(self, records: Records, some: Any, read: Callable[[dict[str, Any]], Row]) -> None:
        self._records = records
        self._some = some
        self._from = read
        self._read: dict[int, Row] = {}

    def __len__(self) -> int:
        return len(self._some)

    def __getitem__(self, place: int) -> Row:
        row = self._read.get(place)
        if row is None:
            row = self._read[place] = self._from(orjson.loads(self._records[int(self._some[place])]))
        return row


class _Form(NamedTuple):
    """Records with the same text around their values.

    Args:
        frame: the text.
        telling: which values tell the kind; None where no recipe is to be had.
        column: of these values.
        text: which value must be a text; None where none must.
        read: returns the values of a record.
        recipe: returns the recipe of a record.
        standing: where nested values stand; None where all stand in their order.
    """

    frame: Frame
    telling: Any
    column: int
    text: int | None
    read: Callable[[dict[str, Any]], Row]
    recipe: Callable[[dict[str, Any]], Recipe | None]
    standing: Standing | None


class Found(NamedTuple):
    """Records of one kind.

    Args:
        kind: the kind.
        some: the numbers of the records.
        read: returns the values of one.
    """

    kind: Kind
    some: Any
    read: Callable[[dict[str, Any]], Row]


class Whole(NamedTuple):
    """Records that are to be made into events.

    Args:
        some: the numbers of the records.
    """

    some: Any


class Forms:
    """The forms seen, and the kinds of their records."""

    def __init__(self) -> None:
        from citysoc.compiled.memory import Memory

        self._memory = Memory()
        self._forms: dict[int, _Form] = {}
        self._kinds: list[Kind] = []
        self._new_kinds = 0

    def kinds(self, sheet: Sheet, records: Records) -> Iterator[Found | Whole | Any]:
        """Yield the records of each kind, and those that are made into events; of those that must be read, their numbers.

        Args:
            sheet: the records.
            records: the same, one by one.
        """
        import numpy as np

        from citysoc.compiled.cells import alike

        if len(self._forms) > _MAX_FORMS or len(self._kinds) > _MAX_KINDS:
            self._forms.clear()
            self._kinds.clear()
            self._memory.forget()
        self._new_kinds = 0
        codes, which, counts = np.unique(sheet.names, return_inverse=True, return_counts=True)
        order = np.argsort(which, kind="stable").astype(np.int32)
        ends = np.cumsum(counts)
        for place, code in enumerate(codes.tolist()):
            some = order[ends[place] - counts[place] : ends[place]]
            if not code or place > _MAX_AT_ONCE:
                yield some
                continue
            form = self._forms.get(code) or self._new(code, sheet, int(some[0]), records)
            same = alike(sheet, some, form.frame)
            if form.telling is None:
                same[:] = False
            elif form.text is not None:
                same &= sheet.block[sheet.begin[sheet.first[some] + form.text]] == _QUOTE
            if not same.all():
                yield some[~same]
                some = some[same]
            if len(some):
                yield from self._of_form(form, sheet, some, records)

    def _new(self, code: int, sheet: Sheet, number: int, records: Records) -> _Form:
        import numpy as np

        from citysoc.compiled.cells import frame

        record = orjson.loads(records[number])
        standing = windows.standing(record)
        cells = int(sheet.first[number + 1] - sheet.first[number])
        telling: Sequence[int] | None = None
        if standing is not None and len(standing.cells) == cells:  # less where a name comes twice
            telling = [standing.cells[place] for place in standing.telling]
        elif len(record) == cells and not any(type(value) in _NESTED for value in record.values()):
            telling = windows.telling(tuple(record))
        places = None if telling is None else np.array(telling, np.int32)
        column = self._memory.column()
        known = frame(sheet, number)
        if standing is None:
            form = _Form(known, places, column, None, _values, windows.flat_recipe, None)
        else:
            text = standing.cells[standing.text]
            read, recipe = windows.nested_row, windows.nested_recipe
            form = _Form(known, places, column, text, read, recipe, standing)
        self._forms[code] = form
        return form

    def _of_form(
        self, form: _Form, sheet: Sheet, some: Any, records: Records
    ) -> Iterator[Found | Whole | Any]:
        import numpy as np

        found = self._memory.look(sheet, some, form.telling, form.column)
        fresh = [self._number(form, records[number]) for number in some[found.fresh].tolist()]
        told = self._memory.learn(found, np.array(fresh, np.int32))
        for number in np.unique(told).tolist():
            own = some[told == number]
            if number == _UNKNOWN:
                yield own
            elif number == _TOO_MANY:
                yield Whole(own)
            else:
                yield Found(self._kinds[number - _FIRST], own, form.read)

    def _number(self, form: _Form, record: bytes) -> int:
        """Return the number of the kind of a record."""
        self._new_kinds += 1
        if self._new_kinds > _MAX_NEW:
            return _TOO_MANY
        recipe = form.recipe(orjson.loads(record))
        if recipe is None:
            return _UNKNOWN
        standing = form.standing
        kind = Kind(recipe) if standing is None else Kind(recipe, standing.cells, standing.lists)
        if not kind.is_plain:
            return _UNKNOWN
        self._kinds.append(kind)
        return len(self._kinds) - 1 + _FIRST


def _values(record: dict[str, Any]) -> Row:
    return tuple(record.values())
