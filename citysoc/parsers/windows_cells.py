"""Flat Windows records by their kind without reading them: by where their values stand (``compiled.cells``).

Records with the same text around their values have the same names. Of each such text, and of each id, provider and
channel that come with it, it is worked out once which recipe (``windows_shapes``) makes their events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import orjson

from citysoc.parsers import windows
from citysoc.parsers.windows_kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from citysoc.compiled.cells import Frame, Sheet
    from citysoc.parsers.windows_shapes import Row

_MAX_FORMS = 1024
_MAX_KINDS = 4096
_MAX_AT_ONCE = 128
"""More forms than that in one block are left to the reader of any JSON."""


class Records(Protocol):
    """Records by their numbers."""

    def __getitem__(self, number: int, /) -> bytes:
        """Return one."""


class Rows:
    """The values of records, read when they are asked for.

    Args:
        records: all of them.
        some: the numbers of those that are meant.
    """

    def __init__(self, records: Records, some: Any) -> None:
        self._records = records
        self._some = some
        self._read: dict[int, Row] = {}

    def __len__(self) -> int:
        return len(self._some)

    def __getitem__(self, place: int) -> Row:
        row = self._read.get(place)
        if row is None:
            row = self._read[place] = tuple(orjson.loads(self._records[int(self._some[place])]).values())
        return row


class _Form(NamedTuple):
    """Records with the same text around their values.

    Args:
        names: of the values.
        frame: the text.
        telling: the places of what tells the kind; None where no recipe is to be had.
        column: of these values.
    """

    names: tuple[str, ...]
    frame: Frame
    telling: Any
    column: int


class Forms:
    """The forms seen, and the kinds of their records."""

    def __init__(self) -> None:
        from citysoc.compiled.memory import Memory

        self._memory = Memory()
        self._forms: dict[int, _Form] = {}
        self._kinds: list[Kind] = []

    def kinds(self, sheet: Sheet, records: Records) -> Iterator[tuple[Kind | None, Any]]:
        """Yield kinds and the numbers of the records of each; None for those that must be read.

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
        codes, which, counts = np.unique(sheet.names, return_inverse=True, return_counts=True)
        order = np.argsort(which, kind="stable").astype(np.int32)
        ends = np.cumsum(counts)
        for place, code in enumerate(codes.tolist()):
            some = order[ends[place] - counts[place] : ends[place]]
            if not code or place > _MAX_AT_ONCE:
                yield None, some
                continue
            form = self._forms.get(code) or self._new(code, sheet, int(some[0]), records)
            same = alike(sheet, some, form.frame)
            if not same.all():
                yield None, some[~same]
                some = some[same]
            if form.telling is None:
                yield None, some
            elif len(some):
                yield from self._of_form(form, sheet, some, records)

    def _new(self, code: int, sheet: Sheet, number: int, records: Records) -> _Form:
        import numpy as np

        from citysoc.compiled.cells import frame

        names = tuple(orjson.loads(records[number]))
        telling = windows.telling(names)
        if telling is not None and len(names) != int(sheet.first[number + 1] - sheet.first[number]):
            telling = None  # a name twice
        places = None if telling is None else np.array(telling, np.int32)
        form = _Form(names, frame(sheet, number), places, self._memory.column())
        self._forms[code] = form
        return form

    def _of_form(
        self, form: _Form, sheet: Sheet, some: Any, records: Records
    ) -> Iterator[tuple[Kind | None, Any]]:
        import numpy as np

        found = self._memory.look(sheet, some, form.telling, form.column)
        fresh = [self._number(form, records[number]) for number in some[found.fresh].tolist()]
        told = self._memory.learn(found, np.array(fresh, np.int32))
        for number in np.unique(told).tolist():
            yield self._kinds[number - 1] if number else None, some[told == number]

    def _number(self, form: _Form, record: bytes) -> int:
        """Return the number of the kind of a record, 0 where it has none."""
        row = tuple(orjson.loads(record).values())
        recipe = windows.recipe(form.names, row)
        kind = None if recipe is None else Kind(recipe)
        if kind is None or not kind.is_plain:
            return 0
        self._kinds.append(kind)
        return len(self._kinds)
