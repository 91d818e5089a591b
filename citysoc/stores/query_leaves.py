"""The leaves of a query's tree: what a word, a phrase or a range asks of a field, by the field's type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citysoc.ecs.fields import FIELDS
from citysoc.i18n import _, mark
from citysoc.stores import query_values as values
from citysoc.stores.query import (
    FREE_TEXT,
    Cidr,
    Contains,
    Everything,
    Exists,
    Gap,
    Node,
    Or,
    Range,
    Term,
    Wildcard,
)
from citysoc.stores.query_fields import check_field, kind_of, refuse

if TYPE_CHECKING:
    import datetime as dt
    import re
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

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


@dataclass(frozen=True, slots=True)
class Text:
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


class Leaves:
    """What the values of one query ask of their fields.

    Args:
        zone: of times that name none.
        now: the moment that ``now`` stands for.
    """

    def __init__(self, zone: ZoneInfo, now: dt.datetime) -> None:
        self._zone = zone
        self._now = now

    def value(self, field: str, text: Text) -> Node:
        """Return what a word or a phrase asks of a field."""
        if field == "_exists_":
            name = text.literal or ""
            return Exists(check_field(name, text.column))
        if field == "agency":
            return _agency(text)
        if text.pattern == (Gap.ANY,):
            return Exists(field)
        kind = kind_of(field)
        if text.literal is None:
            if kind not in ("keyword", "text", "ip"):
                refuse(
                    _("{field} holds no text, so * and ? mean nothing in it.").format(field=field),
                    text.column,
                    _("Use a range."),
                )
            return Wildcard(field, text.pattern)
        return self._exactly(field, kind, text, text.literal)

    def range_of(self, field: str, match: re.Match[str]) -> Node:
        """Return what ``[a TO b]`` asks of a field; the match has the brackets and the bounds."""
        texts = (_bound_text(match, 2), _bound_text(match, 3))
        # Between 1 and b there is text, also in a field that may hold numbers.
        text = any(t.literal is not None and not values.NUMBER.fullmatch(t.literal) for t in texts)
        low = self._bound(field, texts[0], upper=False, inclusive=match[1] == "[", text=text)
        high = self._bound(field, texts[1], upper=True, inclusive=match[4] == "]", text=text)
        return self._between(field, low, high, match.start())

    def compare(self, field: str, sign: str, text: Text) -> Node:
        """Return what a value behind ``<``, ``<=``, ``>`` or ``>=`` asks of a field."""
        upper = sign[0] == "<"
        bound = self._bound(field, text, upper=upper, inclusive=len(sign) == 2)
        if upper:
            return self._between(field, (None, True), bound, text.column)
        return self._between(field, bound, (None, True), text.column)

    def _exactly(self, field: str, kind: str, text: Text, literal: str) -> Node:
        if kind == "text":
            return Contains(field, literal)
        if kind == "keyword":
            return Term(field, literal)
        value = self._convert(field, kind, text)
        if kind == "date":
            return Range(field, value[0], value[1], with_high=False)
        return Cidr(field, value) if kind == "ip" else Term(field, value)

    def _convert(self, field: str, kind: str, text: Text) -> Any:
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
            refuse(
                _("{field} holds {kind}, not {literal!r}.").format(
                    field=field, kind=_(_HOLDS[kind]), literal=literal
                ),
                text.column,
                _(_HINTS[kind]) if kind in _HINTS else None,
            )

    def _bound(
        self, field: str, bound: Text, *, upper: bool, inclusive: bool, text: bool = False
    ) -> tuple[Any, bool]:
        """Return one bound and whether it counts itself; with ``text`` no bound of a keyword is a number."""
        kind = kind_of(field)
        if bound.pattern == (Gap.ANY,):
            return None, True
        if bound.literal is None or field in ("agency", "_exists_") or kind in ("text", "boolean"):
            refuse(_("{field} cannot be asked for a range like this.").format(field=field), bound.column)
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
            refuse(_("The two bounds are of different kinds."), column)
        return Range(field, low[0], high[0], with_low=low[1], with_high=high[1])


def free(text: Text) -> Node:
    """Return what a word or a phrase without a field asks."""
    if text.pattern == (Gap.ANY,):
        return Everything()
    literal = text.literal
    if literal is not None:
        return Or(tuple(Contains(field, literal) for field in FREE_TEXT))
    return Or(tuple(Wildcard(field, text.pattern) for field in FREE_TEXT))


def _agency(text: Text) -> Node:
    """``agency:"Sở Y tế"``: by a part of the name or by the whole id."""
    if text.pattern == (Gap.ANY,):
        return Exists("agency.id")
    if (literal := text.literal) is None:
        return Or((Wildcard("agency.name", text.pattern), Wildcard("agency.id", text.pattern)))
    return Or((Contains("agency.name", literal), Term("agency.id", literal)))


def _bound_text(match: re.Match[str], group: int) -> Text:
    raw = match[group]
    quoted = raw.startswith('"')
    return Text(match.start(group), raw[1:-1] if quoted else raw, quoted=quoted)
