"""From text to a query's tree.

The syntax is Lucene's, as analysts know it from Kibana: ``field:value``, quoted phrases, ``*`` and ``?``,
``[a TO b]``, ``{a TO b}``, ``>=5``, ``AND OR NOT && || ! + -``, groups and ``field:(a OR b)``. Words side by
side are all wanted (AND). Addresses, paths and times need no escaping behind ``field:``. What Lucene has and
we do not (``~`` fuzziness, ``^`` weights, ``/regular expressions/``) is refused by name, never ignored.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from citysoc import clock
from citysoc.ecs.fields import EXTRA, FIELDS
from citysoc.errors import UsageError
from citysoc.i18n import _, mark
from citysoc.stores import query_values as values
from citysoc.stores.query import (
    FREE_TEXT,
    TEXT_FIELDS,
    And,
    Cidr,
    Contains,
    Everything,
    Exists,
    Gap,
    Node,
    Not,
    Or,
    Range,
    Term,
    Wildcard,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

MAX_LENGTH = 10_000
MAX_DEPTH = 50
MAX_CLAUSES = 500

VENDORS = frozenset(
    (
        *("winlog", "fortigate", "suricata", "zeek", "cef", "leef", "syslog", "ndjson", "antivirus"),
        *("avreport", "windows", "webaccess"),
    )
)
"""The first words of field names that vendors own; what follows is theirs to choose."""

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
_FIELD_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,200}")


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


def check_field(name: str) -> str:
    """Return a field's name if it can be asked for.

    Raises:
        UsageError: it is misspelt; the hint names the field that was perhaps meant.
    """
    _check_field(name, lambda message, hint: _refuse(message, None, hint))
    return name


def _refuse(message: str, column: int | None, hint: str | None = None) -> NoReturn:
    raise UsageError(
        message,
        where=_("column {number}").format(number=column + 1) if column is not None else None,
        hint=hint,
    )


def _check_field(name: str, refuse: Callable[[str, str], NoReturn]) -> None:
    if name in FIELDS or ("." in name and name.split(".", 1)[0] in VENDORS and _FIELD_NAME.fullmatch(name)):
        return
    if name == EXTRA:
        refuse(_("{field} holds many fields.").format(field=EXTRA), _("Ask for one of them by its own name."))
    near = difflib.get_close_matches(name, FIELDS, n=1, cutoff=0.7) or [
        known for known in FIELDS if known.rsplit(".", 1)[-1] == name
    ]
    hint = (
        _("Did you mean {field}?").format(field=near[0])
        if near
        else _("Put the text in quotes if no field is meant.")
    )
    refuse(_("There is no field {name!r}.").format(name=name), hint)


@dataclass(frozen=True, slots=True)
class _Text:
    """A word or a phrase as it stands in the query."""

    column: int
    raw: str
    quoted: bool

    @property
    def pattern(self) -> tuple[str | Gap, ...]:
        """Literal text and gaps, escapes resolved."""
        parts: list[str | Gap] = []
        literal = ""
        letters = iter(self.raw)
        for letter in letters:
            if letter == "\\":
                literal += next(letters, "\\")
            elif letter in "*?" and not self.quoted:
                parts += [literal, Gap(letter)] if literal else [Gap(letter)]
                literal = ""
            else:
                literal += letter
        return (*parts, literal) if literal or not parts else tuple(parts)

    @property
    def literal(self) -> str | None:
        """The text itself, None where it has gaps."""
        pattern = self.pattern
        return pattern[0] if len(pattern) == 1 and isinstance(pattern[0], str) else None


class _Parser:
    """Recursive descent over one query; ``_at`` is the column that is read next."""

    def __init__(self, query: str, zone: ZoneInfo, now: dt.datetime) -> None:
        self._query = query
        self._zone = zone
        self._now = now
        self._at = 0
        self._depth = 0
        self._clauses = 0

    def whole(self) -> Node:
        self._skip()
        if self._at == len(self._query):
            return Everything()
        node = self._either(None)
        if self._at < len(self._query):
            _refuse(_("There is a {sign!r} too many.").format(sign=self._query[self._at]), self._at)
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
            _refuse(_("{operator} needs something on its left.").format(operator=operator[0]), start)
        return self._primary(field)

    def _signed(self, sign: str, field: str | None) -> Node:
        node = self._unary(field)
        return node if sign == "+" else Not(node)

    def _deeper(self, read: Callable[[], Node], start: int) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            _refuse(_("The query is nested deeper than {limit} levels.").format(limit=MAX_DEPTH), start)
        node = read()
        self._depth -= 1
        return node

    def _group(self, field: str | None) -> Node:
        start = self._at
        self._at += 1
        self._skip()
        node = self._deeper(lambda: self._either(field), start)
        if self._query[self._at : self._at + 1] != ")":
            _refuse(_("This parenthesis is not closed."), start)
        self._at += 1
        self._skip()
        return node

    def _primary(self, field: str | None) -> Node:
        if self._at >= len(self._query):
            _refuse(_("The query ends too early."), self._at, _("Write a value, or quote a word like AND."))
        if self._query[self._at] == "(":
            return self._group(field)
        if field is None and (match := self._take(_FIELD)):
            name = re.sub(r"\\(.)", r"\1", match[1])
            if name not in ("agency", "_exists_"):
                _check_field(name, lambda message, hint: _refuse(message, match.start(), hint))
            self._skip()
            if self._query[self._at : self._at + 1] == "(":
                return self._group(name)
            return self._clause(name)
        return self._clause(field)

    def _clause(self, field: str | None) -> Node:
        start = self._at
        self._clauses += 1
        if self._clauses > MAX_CLAUSES:
            _refuse(_("The query has more than {limit} clauses.").format(limit=MAX_CLAUSES), start)
        if field is not None and (match := self._take(_RANGE)):
            node = self._range(field, match)
        elif field is not None and self._query[start : start + 1] in ("[", "{"):
            _refuse(
                _("This range is not complete."),
                start,
                _("Write [1 TO 9], {1 TO 9} or [1 TO *], or quote the value."),
            )
        elif field is not None and (match := self._take(_COMPARE)):
            node = self._compare(field, match[1], self._text())
        elif field is None:
            node = _free(self._text())
        else:
            node = self._value(field, self._text())
        self._skip()
        return node

    def _text(self) -> _Text:
        start = self._at
        if match := self._take(_PHRASE):
            return _Text(start, match[1], quoted=True)
        if self._query[start : start + 1] == '"':
            _refuse(_("This quotation mark is not closed."), start)
        if match := self._take(_WORD):
            if refused := _REFUSED.match(match[0]):
                _refuse(
                    _("{sign!r} is not supported.").format(sign=refused[1]),
                    start + refused.start(1),
                    _("Put the value in quotes."),
                )
            if len(match[0]) > 2 and match[0][0] == "/" and match[0][-1] == "/":
                _refuse(
                    _("Regular expressions are not supported."), start, _("Use * and ?, or quote the value.")
                )
            if self._query[self._at : self._at + 1] in ("(", '"'):
                _refuse(_("Nothing may follow a word so closely."), self._at, _("Put the value in quotes."))
            return _Text(start, match[0], quoted=False)
        _refuse(_("A value is missing here."), start)

    def _value(self, field: str, text: _Text) -> Node:
        if field == "_exists_":
            name = text.literal or ""
            _check_field(name, lambda message, hint: _refuse(message, text.column, hint))
            return Exists(name)
        if field == "agency":
            return _agency(text)
        if text.pattern == (Gap.ANY,):
            return Exists(field)
        kind = _kind(field)
        if text.literal is None:
            if kind not in ("keyword", "text", "ip"):
                _refuse(
                    _("{field} holds no text, so * and ? mean nothing in it.").format(field=field),
                    text.column,
                    _("Use a range."),
                )
            return Wildcard(field, text.pattern)
        return self._exactly(field, kind, text, text.literal)

    def _exactly(self, field: str, kind: str, text: _Text, literal: str) -> Node:
        if kind == "text":
            return Contains(field, literal)
        if kind == "keyword":
            return Term(field, literal)
        value = self._convert(field, kind, text)
        if kind == "date":
            return Range(field, value[0], value[1], with_high=False)
        return Cidr(field, value) if kind == "ip" else Term(field, value)

    def _convert(self, field: str, kind: str, text: _Text) -> Any:
        """Return a literal in its field's type: for dates a span, for addresses a network."""
        literal = text.literal
        convert: Callable[[str], Any] = {
            "long": values.long,
            "float": values.decimal,
            "boolean": values.boolean,
            "ip": values.network,
            "date": lambda value: values.span(value, self._zone, self._now),
        }[kind]
        try:
            return convert(literal or "")
        except ValueError:
            _refuse(
                _("{field} holds {kind}, not {literal!r}.").format(
                    field=field, kind=_(_HOLDS[kind]), literal=literal
                ),
                text.column,
                _(_HINTS[kind]) if kind in _HINTS else None,
            )

    def _range(self, field: str, match: re.Match[str]) -> Node:
        texts = (_bound_text(match, 2), _bound_text(match, 3))
        # Between 1 and b there is text, also in a field that may hold numbers.
        text = any(t.literal is not None and not values.NUMBER.fullmatch(t.literal) for t in texts)
        low = self._bound(field, texts[0], upper=False, inclusive=match[1] == "[", text=text)
        high = self._bound(field, texts[1], upper=True, inclusive=match[4] == "]", text=text)
        return self._between(field, low, high, match.start())

    def _compare(self, field: str, sign: str, text: _Text) -> Node:
        upper = sign[0] == "<"
        bound = self._bound(field, text, upper=upper, inclusive=len(sign) == 2)
        if upper:
            return self._between(field, (None, True), bound, text.column)
        return self._between(field, bound, (None, True), text.column)

    def _bound(
        self, field: str, bound: _Text, *, upper: bool, inclusive: bool, text: bool = False
    ) -> tuple[Any, bool]:
        """Return one bound and whether it counts itself; with ``text`` no bound of a keyword is a number."""
        kind = _kind(field)
        if bound.pattern == (Gap.ANY,):
            return None, True
        if bound.literal is None or field in ("agency", "_exists_") or kind in ("text", "boolean"):
            _refuse(_("{field} cannot be asked for a range like this.").format(field=field), bound.column)
        if kind == "keyword":
            numeric = not text and field not in FIELDS and values.NUMBER.fullmatch(bound.literal)
            return (float(bound.literal) if numeric else bound.literal), inclusive
        value = self._convert(field, kind, bound)
        if kind == "date":  # all of the named day counts, or none of it
            return value[upper == inclusive], not upper
        if kind == "ip":
            return (value[-1] if upper == inclusive else value[0]), inclusive
        return value, inclusive

    def _between(self, field: str, low: tuple[Any, bool], high: tuple[Any, bool], column: int) -> Node:
        if low[0] is None and high[0] is None:
            return Exists(field)
        if None not in (low[0], high[0]) and type(low[0]) is not type(high[0]):
            _refuse(_("The two bounds are of different kinds."), column)
        return Range(field, low[0], high[0], with_low=low[1], with_high=high[1])


_HOLDS = {
    "long": mark("a whole number"),
    "float": mark("a number"),
    "boolean": mark("true or false"),
    "ip": mark("an address"),
    "date": mark("a time"),
}
_HINTS = {
    "ip": mark("Write for example 10.1.2.3 or 10.1.0.0/16."),
    "date": mark("Write for example 2026-10-01, 2026-10-01T07:30:00+07:00 or now-1d."),
}


def _kind(field: str) -> str:
    if field in TEXT_FIELDS:
        return "text"
    return FIELDS[field].type if field in FIELDS else "keyword"


def _bound_text(match: re.Match[str], group: int) -> _Text:
    raw = match[group]
    quoted = raw.startswith('"')
    return _Text(match.start(group), raw[1:-1] if quoted else raw, quoted=quoted)


def _free(text: _Text) -> Node:
    if text.pattern == (Gap.ANY,):
        return Everything()
    literal = text.literal
    if literal is not None:
        return Or(tuple(Contains(field, literal) for field in FREE_TEXT))
    return Or(tuple(Wildcard(field, text.pattern) for field in FREE_TEXT))


def _agency(text: _Text) -> Node:
    """``agency:"Sở Y tế"``: by a part of the name or by the whole id."""
    if text.pattern == (Gap.ANY,):
        return Exists("agency.id")
    if (literal := text.literal) is None:
        return Or((Wildcard("agency.name", text.pattern), Wildcard("agency.id", text.pattern)))
    return Or((Contains("agency.name", literal), Term("agency.id", literal)))
