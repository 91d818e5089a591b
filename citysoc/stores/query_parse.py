"""From text to a query's tree.

The syntax is Lucene's, as analysts know it from Kibana: ``field:value``, quoted phrases, ``*`` and ``?``,
``[a TO b]``, ``{a TO b}``, ``>=5``, ``AND OR NOT && || ! + -``, groups and ``field:(a OR b)``. Words side by
side are all wanted (AND). Addresses, paths and times need no escaping behind ``field:``. What Lucene has and
we do not (``~`` fuzziness, ``^`` weights, ``/regular expressions/``) is refused by name, never ignored.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from citysoc import clock
from citysoc.errors import UsageError
from citysoc.i18n import _
from citysoc.stores.query import And, Everything, Node, Not, Or
from citysoc.stores.query_fields import check_field, refuse
from citysoc.stores.query_leaves import Leaves, Text, free

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

MAX_LENGTH = 10_000
MAX_DEPTH = 50
MAX_CLAUSES = 500
_SPACE = re.compile(r"\s+")
_OPERATOR = re.compile(r"(AND|OR|NOT)(?=[\s()]|$)|&&|\|\|")
_SIGN = re.compile(r"[!+-](?=\S)")
_SIGN_OR_NUMBER = re.compile(r"[!+](?=\S)|-(?=[^\s0-9])")
_FIELD = re.compile(r"((?:[^\s:()\[\]{}\"\\<>!+\-]|\\.)(?:[^\s:()\[\]{}\"\\<>]|\\.)*):")
_PHRASE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_WORD = re.compile(r"(?:[^\s()\"\\]|\\.)+", re.DOTALL)
_RANGE = re.compile(
    r"([\[{])\s*(\"(?:[^\"\\]|\\.)*\"|[^\s\]}\"]+)\s+TO\s+(\"(?:[^\"\\]|\\.)*\"|[^\s\]}\"]+)\s*([\]}])"
)
_COMPARE = re.compile(r"(>=|<=|>|<)\s*")
_REFUSED = re.compile(r"(?:\\.|[^\\])*?(~[0-9.]*|\^[0-9.]+)", re.DOTALL)


def parse(query: str, *, timezone: ZoneInfo = clock.HUE, now: dt.datetime | None = None) -> Node:
    """Return the tree of a query; of an empty one ``Everything``.

    Args:
        query: the text.
        timezone: the zone of times that name none.
        now: the moment that ``now`` stands for.

    Raises:
        UsageError: the query cannot be understood; names the column, counted from 1.
    """
    if len(query) > MAX_LENGTH:
        raise UsageError(
            _("The query is longer than {limit} characters.").format(limit=MAX_LENGTH),
            hint=_("Ask in several smaller queries."),
        )
    return _Parser(query, timezone, now or clock.now()).whole()


class _Parser:
    """Recursive descent over one query; ``_at`` is the column that is read next."""

    def __init__(self, query: str, zone: ZoneInfo, now: dt.datetime) -> None:
        self._query = query
        self._leaves = Leaves(zone, now)
        self._at = 0
        self._depth = 0
        self._clauses = 0

    def whole(self) -> Node:
        self._skip()
        if self._at == len(self._query):
            return Everything()
        node = self._either(None)
        if self._at < len(self._query):
            refuse(_("There is a {sign!r} too many.").format(sign=self._query[self._at]), self._at)
        return node

    def _skip(self) -> None:
        if match := _SPACE.match(self._query, self._at):
            self._at = match.end()

    def _take(self, expression: re.Pattern[str]) -> re.Match[str] | None:
        if match := expression.match(self._query, self._at):
            self._at = match.end()
        return match

    def _operator(self, *names: str) -> bool:
        match = _OPERATOR.match(self._query, self._at)
        if match is None or match[0] not in names:
            return False
        self._at = match.end()
        self._skip()
        return True

    def _either(self, field: str | None) -> Node:
        parts = [self._both(field)]
        while self._operator("OR", "||"):
            parts.append(self._both(field))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _both(self, field: str | None) -> Node:
        parts = [self._unary(field)]
        while True:
            if not self._operator("AND", "&&"):
                following = _OPERATOR.match(self._query, self._at)
                if self._at >= len(self._query) or self._query[self._at] == ")":
                    break
                if following and following[0] in ("OR", "||"):
                    break
            parts.append(self._unary(field))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _unary(self, field: str | None) -> Node:
        start = self._at
        if self._operator("NOT"):
            return self._deeper(lambda: Not(self._unary(field)), start)
        # A negative number stays one: ``field:(-5 OR 6)``.
        if (sign := self._take(_SIGN_OR_NUMBER if field else _SIGN)) is not None:
            return self._deeper(lambda: self._signed(sign[0], field), start)
        if (operator := _OPERATOR.match(self._query, start)) is not None:
            refuse(_("{operator} needs something on its left.").format(operator=operator[0]), start)
        return self._primary(field)

    def _signed(self, sign: str, field: str | None) -> Node:
        node = self._unary(field)
        return node if sign == "+" else Not(node)

    def _deeper(self, read: Callable[[], Node], start: int) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            refuse(_("The query is nested deeper than {limit} levels.").format(limit=MAX_DEPTH), start)
        node = read()
        self._depth -= 1
        return node

    def _group(self, field: str | None) -> Node:
        start = self._at
        self._at += 1
        self._skip()
        node = self._deeper(lambda: self._either(field), start)
        if self._query[self._at : self._at + 1] != ")":
            refuse(_("This parenthesis is not closed."), start)
        self._at += 1
        self._skip()
        return node

    def _primary(self, field: str | None) -> Node:
        if self._at >= len(self._query):
            refuse(_("The query ends too early."), self._at, _("Write a value, or quote a word like AND."))
        if self._query[self._at] == "(":
            return self._group(field)
        if field is None and (match := self._take(_FIELD)):
            name = re.sub(r"\\(.)", r"\1", match[1])
            if name not in ("agency", "_exists_"):
                check_field(name, match.start())
            self._skip()
            if self._query[self._at : self._at + 1] == "(":
                return self._group(name)
            return self._clause(name)
        return self._clause(field)

    def _clause(self, field: str | None) -> Node:
        start = self._at
        self._clauses += 1
        if self._clauses > MAX_CLAUSES:
            refuse(_("The query has more than {limit} clauses.").format(limit=MAX_CLAUSES), start)
        if field is not None and (match := self._take(_RANGE)):
            node = self._leaves.range_of(field, match)
        elif field is not None and self._query[start : start + 1] in ("[", "{"):
            refuse(
                _("This range is not complete."),
                start,
                _("Write [1 TO 9], {1 TO 9} or [1 TO *], or quote the value."),
            )
        elif field is not None and (match := self._take(_COMPARE)):
            node = self._leaves.compare(field, match[1], self._text())
        elif field is None:
            node = free(self._text())
        else:
            node = self._leaves.value(field, self._text())
        self._skip()
        return node

    def _text(self) -> Text:
        start = self._at
        if phrase := self._take(_PHRASE):
            return Text(start, phrase[1], quoted=True)
        if self._query[start : start + 1] == '"':
            refuse(_("This quotation mark is not closed."), start)
        match = self._take(_WORD)
        if match is None:
            refuse(_("A value is missing here."), start)
        if refused := _REFUSED.match(match[0]):
            refuse(
                _("{sign!r} is not supported.").format(sign=refused[1]),
                start + refused.start(1),
                _("Put the value in quotes."),
            )
        if len(match[0]) > 2 and match[0][0] == "/" and match[0][-1] == "/":
            refuse(_("Regular expressions are not supported."), start, _("Use * and ?, or quote the value."))
        if self._query[self._at : self._at + 1] in ("(", '"'):
            refuse(_("Nothing may follow a word so closely."), self._at, _("Put the value in quotes."))
        return Text(start, match[0], quoted=False)
