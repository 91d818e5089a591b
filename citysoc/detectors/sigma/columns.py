"""Candidates among records of one kind, by the bytes of their values (``compiled``): only new values are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from citysoc.compiled.cells import Sheet
    from citysoc.compiled.memory import Memory
    from citysoc.detectors.sigma.index import Candidates, Combinations

_MAX_COMBINATIONS = 50_000
_FEW, _NEARLY_ALL, _OFTEN, _ASK_AGAIN = 32, 0.9, 8, 64
"""Where of more than a few values nearly all were new so often, none is looked up or remembered for a while."""
UNKNOWN = 0
"""No class: the event must be made as a whole to know."""


class Column:
    """A field of the records of a kind.

    Args:
        memory: remembers the classes.
        cells: which of a record's values make the field, and whether they are lists.
        judge: returns the classes of some fields by the values that make them, a column for each cell.
    """

    __slots__ = ("_cells", "_judge", "_memory", "_number", "_places", "_unseen")

    def __init__(
        self,
        memory: Memory,
        cells: Sequence[tuple[int, bool]],
        judge: Callable[[list[list[Any]]], Sequence[int]],
    ) -> None:
        import numpy as np

        self._memory = memory
        self._number = memory.column()
        self._cells = cells
        self._places = np.array([place for place, _is_list in cells], np.int32)
        self._judge = judge
        self._unseen = 0
        """How often nearly all values were new."""

    def classes(self, sheet: Sheet, some: Any) -> Any:
        """Return the classes of some records' field, ``UNKNOWN`` among them.

        Args:
            sheet: the records.
            some: the numbers of those that are asked.
        """
        import numpy as np

        if self._unseen >= _OFTEN and len(some) > _FEW:
            self._unseen += 1
            if self._unseen <= _ASK_AGAIN:
                return np.array(self._told(sheet, some), np.int32)
            self._unseen = _OFTEN - 2  # values are remembered twice, to see whether it still is so
        found = self._memory.look(sheet, some, self._places, self._number)
        if not len(found.fresh):
            return found.said
        if len(some) > _FEW:
            self._unseen = self._unseen + 1 if len(found.fresh) > _NEARLY_ALL * len(some) else 0
        told = self._told(sheet, some[found.fresh])
        return self._memory.learn(found, np.array(told, np.int32))

    def _told(self, sheet: Sheet, some: Any) -> Sequence[int]:
        try:
            columns = [_values(sheet, some, *cell) for cell in self._cells]
        except orjson.JSONDecodeError:  # a text that is none, such as half a letter
            if len(some) == 1:
                return [UNKNOWN]
            return [self._told(sheet, some[place : place + 1])[0] for place in range(len(some))]
        return self._judge(columns)


def _values(sheet: Sheet, some: Any, place: int, is_list: bool) -> list[Any]:
    from citysoc.compiled.memory import tokens

    if is_list:  # seldom asked for, and seldom new: what stands between the brackets is an array, one by one
        return [orjson.loads(tokens(sheet, some[at : at + 1], place)) for at in range(len(some))]
    values: list[Any] = orjson.loads(tokens(sheet, some, place))
    return values


class Columns:
    """The fields that differ among the records of a kind.

    Args:
        columns: the fields.
        combinations: says the candidates of their classes.
    """

    __slots__ = ("_any", "_columns", "_combinations", "_found", "_numbers")

    def __init__(self, columns: Sequence[Column], combinations: Combinations) -> None:
        self._columns = columns
        self._combinations = combinations
        self._forget()

    def _forget(self) -> None:
        """Know nothing of any combination."""
        import numpy as np

        from citysoc.compiled.combine import Combinations as Numbers

        self._numbers = Numbers(len(self._columns), _MAX_COMBINATIONS)
        self._found: list[Candidates] = []
        self._any = np.empty(0, np.bool_)

    def candidates(self, sheet: Sheet, some: Any) -> tuple[list[tuple[int, Candidates]], list[int]]:
        """Return the places of the records that have candidates, with these; and of those whose events must be made.

        Args:
            sheet: the records.
            some: the numbers of those that are asked.
        """
        import numpy as np

        classes = np.empty((len(self._columns), len(some)), np.int32)
        for place, column in enumerate(self._columns):
            classes[place] = column.classes(sheet, some)
        numbers, begin = self._numbers.numbers(classes)
        self._learn(begin)
        found = self._found
        places = np.flatnonzero(self._any[numbers])
        pairs = zip(places.tolist(), numbers[places].tolist(), strict=True)
        whole = np.flatnonzero((classes == UNKNOWN).any(axis=0)).tolist()
        return [(place, found[number]) for place, number in pairs], whole

    def _learn(self, begin: int) -> None:
        """Work out the candidates of new combinations."""
        import numpy as np

        count = self._numbers.count - begin
        if count:
            del self._found[begin:]
            fresh = self._numbers.keys[begin : self._numbers.count].T.tolist()
            try:
                self._found += self._combinations.candidates(fresh, count)
            except BaseException:
                self._forget()  # else they would be taken for those that come next
                raise
            self._any = np.array(list(map(bool, self._found)), np.bool_)
