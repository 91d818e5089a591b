"""Plans to predicates: each node of a plan becomes a function of one event's view.

The meaning of every node is fixed in the module docstring of ``plan``; this is the plain engine, exact and
easy to read. What makes it fast enough is that it is asked seldom (``detector`` routes first).
"""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
import operator
import zoneinfo
from typing import TYPE_CHECKING, Any, TypeAlias

from citysoc.clock import UTC
from citysoc.detectors.sigma.expressions import as_written, searcher
from citysoc.detectors.sigma.plan import MAX_LOOK_CHARS
from citysoc.detectors.sigma.text import compose, fold, is_only_null, texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from citysoc.detectors.sigma.plan import Node

Predicate: TypeAlias = "Callable[[View], bool]"
Teller: TypeAlias = "Callable[[View, dict[str, Any]], None]"

_NOT_SAID = ("agency.", "citysoc.", "ecs.")
_NOT_SAID_NAMES = frozenset(
    {
        *("event.id", "event.ingested", "event.module", "event.dataset", "event.kind", "event.category"),
        *("event.type", "event.original", "log.file.path", "log.offset", "@timestamp"),
    }
)
"""What we say about a record; keywords look at what the record says."""


_OBJECTS = ("{", "[", "<Event")
_BETWEEN = "\0\uffff\0"
"""Stands between texts that are searched as one; not a character, so no word holds it."""


class View:
    """One event as rules look at it: values as folded text, made when first asked for.

    Args:
        event: the event.
        plain: its names have no spaces, or are written without them already.
    """

    __slots__ = ("_folded", "_joined", "_said", "event")

    def __init__(self, event: Mapping[str, Any], *, plain: bool = False) -> None:
        self.event = event if plain else with_plain_names(event)
        self._folded: dict[str, tuple[str, ...]] = {}
        self._said: dict[bool, tuple[str, ...]] = {}
        self._joined: dict[bool, str] = {}

    def folded(self, field: str) -> tuple[str, ...]:
        """Return the folded texts of a field; none where it is absent."""
        found = self._folded.get(field)
        if found is None:
            found = self._folded[field] = tuple([fold(text) for text in texts(self.event.get(field))])
        return found

    def cased(self, field: str) -> tuple[str, ...]:
        """Return the texts of a field with their case."""
        return tuple([compose(text) for text in texts(self.event.get(field))])

    def said(self, *, cased: bool) -> tuple[str, ...]:
        """Return every text that the record itself says: its values, and its original line."""
        found = self._said.get(cased)
        if found is None:
            shape = compose if cased else fold
            found = self._said[cased] = tuple([shape(text) for text in _said(self.event)])
        return found

    def all_said(self, *, cased: bool) -> str:
        """Return what the record says as one text, for words that are looked for anywhere."""
        found = self._joined.get(cased)
        if found is None:
            found = self._joined[cased] = _BETWEEN.join(self.said(cased=cased))
        return found


_MAX_KNOWN_NAMES = 20_000
_plain_names: set[str] = set()
"""Names seen that have no space: most events hold nothing else, and this is how that is seen in one step."""


def with_plain_names(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the event with its spaced names also written without spaces, and with underscores."""
    if _plain_names.issuperset(event):
        return event
    spaced = [name for name in event if " " in name]
    if not spaced:
        if len(_plain_names) >= _MAX_KNOWN_NAMES:
            _plain_names.clear()
        _plain_names.update(event)
        return event
    view = dict(event)
    for name in spaced:
        view.setdefault(name.replace(" ", ""), event[name])
        view.setdefault(name.replace(" ", "_"), event[name])
    return view


def _said(event: Mapping[str, Any]) -> Iterator[str]:
    for name, value in event.items():
        if name not in _NOT_SAID_NAMES and not name.startswith(_NOT_SAID):
            yield from texts(value)
    original = event.get("event.original")
    # The text of an object is its fields' names, too; its values are looked at already.
    if isinstance(original, str) and not is_object(original):
        yield original


def is_object(original: str) -> bool:
    """Return whether a record is an object, whose values are all fields of its event."""
    return original.startswith(_OBJECTS) or original.lstrip().startswith(_OBJECTS)


def predicate(node: Node) -> Predicate:
    """Return the function that says whether a node holds for an event."""
    return _MAKERS[node[0]](*node[1:])


def matched(node: Node, view: View) -> dict[str, Any]:
    """Return field to value of what made a test hold; empty where only absence did."""
    found: dict[str, Any] = {}
    teller(node)(view, found)
    return found


def teller(node: Node) -> Teller:
    """Return the function that adds to a mapping what made a node hold, where it does: field to value."""
    kind = node[0]
    if kind == "any" and len(fields := {_told(part) for part in node[1]}) == 1 and (field := fields.pop()):
        return _tell_field(field)  # whichever of them it is
    if kind in {"all", "any"}:
        return _tell_group([(predicate(part), teller(part)) for part in node[1]], each=kind == "all")
    if kind in {"keyword", "keyword_re"}:
        shown = (
            as_written(node[1]) if kind == "keyword_re" else "".join(_shown(piece) for piece in node[2][1:-1])
        )
        return lambda _view, found: found.setdefault("keywords", []).append(shown)
    field = _told(node)
    return _tell_field(field) if field else lambda _view, _found: None


def _told(node: Node) -> str:
    """Return the field that a leaf is told by; empty where there is none."""
    return "" if node[0] in {"all", "any", "not", "null"} else field_of(node)


def _tell_group(parts: Sequence[tuple[Predicate, Teller]], *, each: bool) -> Teller:
    def tell(view: View, found: dict[str, Any]) -> None:
        for test, inner in parts:
            if each or test(view):
                inner(view, found)

    return tell


def _tell_field(field: str) -> Teller:
    def tell(view: View, found: dict[str, Any]) -> None:
        if field in view.event:
            found[field] = view.event[field]

    return tell


def field_of(node: Node) -> str:
    """Return the field that a leaf looks at; empty for keywords."""
    place = {"text": 3, "like": 2, "keyword": 0, "keyword_re": 0}.get(node[0], 1)
    return str(node[place]) if place else ""


def _shown(piece: Any) -> str:
    return piece if isinstance(piece, str) else str(piece[0])


def _all(parts: Sequence[Node]) -> Predicate:
    tests = tuple(map(predicate, sorted(parts, key=cost)))

    def test(view: View) -> bool:
        for part in tests:  # noqa: SIM110  a generator costs more than the tests
            if not part(view):
                return False
        return True

    return test


def _any(parts: Sequence[Node]) -> Predicate:
    words = [part for part in parts if part[0] == "keyword" and not part[1] and _is_word(part[2])]
    others = [part for part in parts if not (part[0] == "keyword" and not part[1] and _is_word(part[2]))]
    tests = tuple(map(predicate, sorted(others, key=cost)))
    if words:
        tests = (*tests, _words([part[2][1] for part in words]))

    def test(view: View) -> bool:
        for part in tests:  # noqa: SIM110  as above
            if part(view):
                return True
        return False

    return test


def _not(node: Node) -> Predicate:
    inner = predicate(node)
    return lambda view: not inner(view)


def cost(node: Node) -> int:
    """Return how much later than others a test should be asked; the sort is stable."""
    kind = node[0]
    if kind == "text":
        return {"is": 0, "starts": 1, "ends": 1, "has": 2}[node[1]]
    return {"exists": 0, "null": 0, "not": 4, "keyword": 9, "re": 8, "keyword_re": 10}.get(kind, 3)


def _text(how: str, cased: bool, field: str, wanted: Sequence[str]) -> Predicate:
    values = View.cased if cased else View.folded
    if how == "is":
        known = frozenset(wanted)
        return lambda view: not known.isdisjoint(values(view, field))
    if how == "has":
        return _has(values, field, tuple(wanted))
    edges = tuple(wanted)
    fits = operator.methodcaller("startswith" if how == "starts" else "endswith", edges)
    return lambda view: any(map(fits, values(view, field)))


def _has(values: Callable[[View, str], tuple[str, ...]], field: str, wanted: tuple[str, ...]) -> Predicate:
    if len(wanted) == 1:
        only = wanted[0]

        def test_one(view: View) -> bool:
            for text in values(view, field):  # noqa: SIM110  as above
                if only in text:
                    return True
            return False

        return test_one

    def test(view: View) -> bool:
        for text in values(view, field):
            for part in wanted:
                if part in text:
                    return True
        return False

    return test


def _like(cased: bool, field: str, pieces: Sequence[Any]) -> Predicate:
    values = View.cased if cased else View.folded
    fits = glob(pieces)
    return lambda view: any(map(fits, values(view, field)))


def glob(pieces: Sequence[Any]) -> Callable[[str], bool]:
    """Return the test whether a whole text fits pieces of text and wildcards; linear in the text.

    Between two ``*`` the earliest place of what stands there is as good as any, so nothing is tried twice.
    """
    runs: list[list[str]] = [[]]  # between the stars; "" is one character, whatever it is
    for piece in pieces:
        if piece == ["*"]:
            runs.append([])
        elif piece == ["?"]:
            runs[-1].append("")
        else:
            runs[-1].append(piece)
    first, *rest = runs
    lengths = [sum(len(part) or 1 for part in run) for run in runs]
    if not rest:
        return lambda text: len(text) == lengths[0] and _fits(first, text, 0)
    *middle, last = rest

    def test(text: str) -> bool:
        end = len(text) - lengths[-1]
        place = lengths[0]
        if end < place or not _fits(first, text, 0) or not _fits(last, text, end):
            return False
        for run, length in zip(middle, lengths[1:-1], strict=True):
            place = _find(run, text, place, end - length)
            if place < 0:
                return False
            place += length
        return True

    return test


def _fits(run: Sequence[str], text: str, place: int) -> bool:
    for part in run:
        if part and not text.startswith(part, place):
            return False
        place += len(part) or 1
    return True


def _find(run: Sequence[str], text: str, place: int, last: int) -> int:
    """Return the first place from ``place`` to ``last`` where a run fits; -1 where none is."""
    if not run:
        return place if place <= last else -1
    lead = next((index for index, part in enumerate(run) if part), None)
    if lead is None:
        return place if place <= last else -1
    while place <= last:
        found = text.find(run[lead], place + lead)
        if found < 0 or found - lead > last:
            return -1
        if _fits(run, text, found - lead):
            return found - lead
        place = found - lead + 1
    return -1


def _re(field: str, pattern: str, flags: str) -> Predicate:
    search = searcher(pattern, flags, MAX_LOOK_CHARS)
    return lambda view: any(map(search, view.cased(field)))


def _cidr(field: str, networks: Sequence[str]) -> Predicate:
    known = [_network(network) for network in networks]

    def inside(text: str) -> bool:
        return any(
            address.version == network.version and address in network
            for address in _addresses(text)
            for network in known
        )

    return lambda view: any(map(inside, view.folded(field)))


_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
"""IPv4 as IPv6 writes it."""


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return a network; one of IPv4 that is written as IPv6 as what it is."""
    network = ipaddress.ip_network(text)
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(_MAPPED):
        mapped = int(network.network_address) & 0xFFFF_FFFF
        return ipaddress.IPv4Network((mapped, network.prefixlen - _MAPPED.prefixlen))
    return network


@functools.lru_cache(maxsize=65_536)
def _addresses(text: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]:
    """Return the address that a text is, in both forms where it has two; none where it is no address."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0].strip())
    except ValueError:
        return ()
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped, address) if mapped else (address,)


_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "eq": lambda a, b: a == b,
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
    "neq": lambda a, b: a != b,
}


def _number(field: str, sign: str, bound: float) -> Predicate:
    compare = _COMPARE[sign]

    def fits(text: str) -> bool:
        number = _as_number(text)
        return number is not None and compare(number, bound)

    return lambda view: any(map(fits, view.folded(field)))


def _as_number(text: str) -> float | int | None:
    """Return the number that a text says, in decimal or as 0x…; NaN is none."""
    text = text.strip()
    if len(text) > 40:
        return None
    try:
        return int(text, 16) if text.startswith(("0x", "-0x")) else int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    return None if number != number else number  # noqa: PLR0124  NaN only differs from itself


def _part(field: str, part: str, sign: str, bound: float, zone_name: str) -> Predicate:
    compare = _COMPARE[sign]
    zone = zoneinfo.ZoneInfo(zone_name)

    def test(view: View) -> bool:
        value = view.event.get(field)
        for item in value if isinstance(value, list | tuple) else (value,):
            moment = moment_of(item)
            if moment is not None and compare(_time_part(moment, part, zone), bound):
                return True
        return False

    return test


def moment_of(value: Any) -> dt.datetime | None:
    """Return a value of an event as a moment in UTC, None where it is none."""
    if isinstance(value, str) and 8 <= len(value) <= 64:
        try:
            value = dt.datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if not isinstance(value, dt.datetime):
        return None
    try:
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    except OverflowError:
        return None


def _time_part(moment: dt.datetime, part: str, zone: dt.tzinfo) -> int:
    """Return a part of a time in a zone; weeks and their days are those of ISO 8601."""
    try:
        there = moment.astimezone(zone)
    except OverflowError:  # the first or the last day that there is
        there = moment
    if part == "week":
        return there.isocalendar().week
    if part == "weekday":
        return there.isoweekday()
    return int(getattr(there, part))


_RELATE: dict[str, Callable[[str, str], bool]] = {
    "is": lambda a, b: a == b,
    "starts": lambda a, b: a.startswith(b),
    "ends": lambda a, b: a.endswith(b),
    "has": lambda a, b: b in a,
}


def _ref(field: str, how: str, cased: bool, other: str) -> Predicate:
    values = View.cased if cased else View.folded
    compare = _RELATE[how]
    return lambda view: any(compare(a, b) for a in values(view, field) for b in values(view, other))


def _exists(field: str) -> Predicate:
    def test(view: View) -> bool:
        value = view.event.get(field)
        return value is not None and not is_only_null(value)

    return test


def _null(field: str) -> Predicate:
    def test(view: View) -> bool:
        value = view.event.get(field)
        return value is None or value == [] or is_only_null(value)

    return test


def _is_word(pieces: Sequence[Any]) -> bool:
    """Return whether a keyword is one text with anything around it."""
    return len(pieces) == 3 and isinstance(pieces[1], str)


def _words(words: Sequence[str]) -> Predicate:
    def test(view: View) -> bool:
        said = view.all_said(cased=False)
        for word in words:  # noqa: SIM110  a generator costs more than the tests
            if word in said:
                return True
        return False

    return test


def _keyword(cased: bool, pieces: Sequence[Any]) -> Predicate:
    if _is_word(pieces):
        only = pieces[1]
        return lambda view: only in view.all_said(cased=cased)
    fits = glob(pieces)
    return lambda view: any(map(fits, view.said(cased=cased)))


def _keyword_re(pattern: str, flags: str) -> Predicate:
    search = searcher(pattern, flags, MAX_LOOK_CHARS)
    return lambda view: any(map(search, view.said(cased=True)))


_MAKERS: dict[str, Callable[..., Predicate]] = {
    "all": _all,
    "any": _any,
    "not": _not,
    "text": _text,
    "like": _like,
    "re": _re,
    "cidr": _cidr,
    "number": _number,
    "part": _part,
    "ref": _ref,
    "exists": _exists,
    "null": _null,
    "keyword": _keyword,
    "keyword_re": _keyword_re,
}
