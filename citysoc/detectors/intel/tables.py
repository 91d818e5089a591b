"""Feeds as tables: CSV and TSV, whose columns say what they are by their header, or show it by their values.

abuse.ch writes its header as a remark: ``# id,dateadded,url,...`` (URLhaus, ThreatFox, MalwareBazaar, SSLBL).
"""

from __future__ import annotations

import csv
import datetime as dt
from collections import Counter
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from citysoc.clock import UTC
from citysoc.detectors.intel.indicator import Said, short, short_tags, taken
from citysoc.detectors.intel.values import typed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from citysoc.detectors.intel.indicator import Account, Indicator

_LOOKED_AT = 200
"""So many rows show which column of a table without header holds the values."""
_MAX_CELLS = 200

_VALUES: dict[str, str] = {
    **dict.fromkeys(
        ("ioc", "ioc_value", "indicator", "indicator_value", "value", "observable", "artifact", "entity"), ""
    ),
    **dict.fromkeys(
        ("ip", "dst_ip", "dstip", "src_ip", "ip_address", "ipaddress", "address", "destination_ip", "c2_ip"),
        "address",
    ),
    **dict.fromkeys(("cidr", "network", "netblock", "subnet", "ip_range"), "network"),
    **dict.fromkeys(("domain", "domain_name", "hostname", "fqdn", "host"), "domain"),
    **dict.fromkeys(("url", "uri", "malicious_url", "phish_url"), "url"),
    **dict.fromkeys(
        ("md5", "md5_hash", "sha1", "sha1_hash", "sha256", "sha256_hash", "hash", "file_hash"), "hash"
    ),
    **dict.fromkeys(("email", "mail", "email_address", "sender"), "email"),
}
"""Names of columns that hold indicators, and of which kind."""
_CONFIDENCES = ("confidence_level", "confidence", "confidence_score")
_EXPIRIES = ("valid_until", "expires", "expires_at", "expiration", "expiry", "expiration_date", "valid_to")
_NAMES = (
    "malware_printable",
    "malware",
    "malware_family",
    "signature",
    "listingreason",
    "threat_name",
    "family",
)
_TAGS = ("threat_type", "threat", "tags", "tag", "category")
_NOTES = ("urlhaus_link", "reference", "link", "description", "comment", "note")
_EMPTY = frozenset({"", "n/a", "none", "null", "-", "unknown"})


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which column is what, by number."""

    values: tuple[tuple[int, str], ...]
    confidence: int | None = None
    expires: int | None = None
    name: tuple[int, ...] = ()
    tags: tuple[int, ...] = ()
    note: int | None = None


def read_table(lines: Iterable[tuple[int, str]], account: Account) -> Iterator[Indicator]:
    """Yield the indicators of a table.

    Args:
        lines: numbered from 1, with their ends.
        account: is told what became of each row.
    """
    source = iter(lines)
    head = list(islice(source, _LOOKED_AT))
    delimiter = _delimiter([line for _number, line in head])
    columns, header_line = _header(head, delimiter)
    rows = _rows(chain(head, source), delimiter, header_line, account)
    if columns is None:
        first = list(islice(rows, _LOOKED_AT))
        columns = _by_values([row for _number, row in first])
        rows = chain(first, rows)
    for number, row in rows:
        account.entries += 1
        yield from _indicators(row, columns, account, str(number))


def header_of(line: str, delimiter: str = ",") -> bool:
    """Return whether a line is the header of a table of indicators."""
    return _columns(_cells(line.lstrip("#; "), delimiter)) is not None


def _delimiter(lines: Sequence[str]) -> str:
    counts = Counter(mark for line in lines for mark in ",;\t|" if mark in line and not line.startswith(";"))
    return max(",;\t|", key=lambda mark: (counts[mark], mark == ",")) if counts else ","


def _header(head: Sequence[tuple[int, str]], delimiter: str) -> tuple[_Columns | None, int]:
    """Return the columns that a header names, and the number of its line."""
    found: tuple[_Columns | None, int] = (None, 0)
    for number, line in head:
        text = line.strip()
        remark = text.startswith("#")
        columns = _columns(_cells(text.lstrip("# "), delimiter))
        if columns is not None and (not remark or len(_cells(text, delimiter)) > 1):
            found = (columns, number)
        if text and not remark:
            break
    return found


def _columns(names: Sequence[str]) -> _Columns | None:
    keys = [name.strip().strip("\"'").lower().replace(" ", "_").replace("-", "_") for name in names]
    places = {key: place for place, key in reversed(list(enumerate(keys)))}
    values = tuple((place, _VALUES[key]) for place, key in enumerate(keys) if key in _VALUES)
    generic = tuple(one for one in values if not one[1])
    if not values:
        return None
    return _Columns(
        values=generic[:1] or values,
        confidence=_first(places, _CONFIDENCES),
        expires=_first(places, _EXPIRIES),
        name=_all(places, _NAMES),
        tags=_all(places, _TAGS),
        note=_first(places, _NOTES),
    )


def _first(places: dict[str, int], names: Sequence[str]) -> int | None:
    return next((places[name] for name in names if name in places), None)


def _all(places: dict[str, int], names: Sequence[str]) -> tuple[int, ...]:
    return tuple(places[name] for name in names if name in places)


def _by_values(rows: Sequence[Sequence[str]]) -> _Columns:
    """Return the column that holds indicators most often, the first of several."""
    hits: Counter[int] = Counter()
    for row in rows:
        hits.update(place for place, cell in enumerate(row[:20]) if typed(cell.strip()).kind)
    best = max(hits, key=lambda place: (hits[place], -place)) if hits else 0
    return _Columns(((best, ""),))


def _rows(
    lines: Iterable[tuple[int, str]], delimiter: str, header_line: int, account: Account
) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each line: rows of feeds do not go over several lines, whatever their quotes say."""
    for number, line in lines:
        text = line.strip()
        if not text or text.startswith(("#", "//")) or number == header_line:
            continue
        cells = _cells(text, delimiter)
        if len(cells) > _MAX_CELLS:
            account.entries += 1
            account.skip("too_many_cells", str(number))
            continue
        yield number, cells


def _cells(line: str, delimiter: str) -> list[str]:
    if '"' not in line:
        return line.split(delimiter, _MAX_CELLS + 1)
    try:
        return next(csv.reader([line.replace("\0", "")], delimiter=delimiter, skipinitialspace=True), [])
    except csv.Error:
        return []


def _indicators(row: Sequence[str], columns: _Columns, account: Account, place: str) -> Iterator[Indicator]:
    cells = [cell.strip() for cell in row]
    said = Said(
        confidence=_number(_cell(cells, columns.confidence)),
        expires=epoch(_cell(cells, columns.expires)),
        name=short(next((text for n in columns.name if (text := _cell(cells, n))), "")),
        tags=short_tags(
            [t for n in columns.tags for t in _cell(cells, n).split(",") if t.lower().strip() not in _EMPTY]
        ),
        note=short(_cell(cells, columns.note)),
    )
    filled = [(text, hint) for n, hint in columns.values if (text := _cell(cells, n))]
    if not filled:
        account.skip("empty", place, ",".join(row)[:80])
    for text, hint in filled:
        yield from taken(text, account, place, hint=hint, said=said)


def _cell(cells: Sequence[str], place: int | None) -> str:
    if place is None or place >= len(cells):
        return ""
    text = cells[place].strip("\"' ")
    return "" if text.lower() in _EMPTY else text


def _number(text: str) -> int | None:
    try:
        return min(max(round(float(text[:20].rstrip("%"))), 0), 100) if text else None
    except (ValueError, OverflowError):
        return None


def epoch(text: object) -> int | None:
    """Return a time of a feed (ISO 8601, or seconds of the epoch) as seconds of the epoch; UTC where it names no zone."""
    if isinstance(text, int | float) or (isinstance(text, str) and text.isascii() and text.isdigit()):
        try:
            number = int(text)
        except (ValueError, OverflowError):
            return None
        return number if 0 < number < _END else None
    if not isinstance(text, str) or not text:
        return None
    try:
        moment = dt.datetime.fromisoformat(text[:40].strip().removesuffix(" UTC").strip())
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        number = int(aware.timestamp())
    except (ValueError, OverflowError):
        return None
    return number if 0 < number < _END else None


_END = 253_402_300_800
"""The year 10000."""
