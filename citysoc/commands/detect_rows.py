"""Findings as the rows of ``citysoc detect``: made where they are found, shown where the command runs."""

from __future__ import annotations

import datetime as dt
import functools
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from citysoc.commands import output
from citysoc.detectors.sigma.hit import Hit
from citysoc.flow import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from citysoc.detectors.sigma.rule import Rule
    from citysoc.flow import Finding

_TIMES = ("@timestamp", "last")
_PLACES = {level: place for place, level in enumerate(LEVELS)}
_COLUMNS = (
    output.Column("@timestamp"),
    output.Column("rule.level", kind="level"),
    output.Column("rule.title"),
    output.Column("agency.id"),
    output.Column("matched"),
    output.Column("log.file.path"),
)


class Told(NamedTuple):
    """Findings as they travel between processes.

    Args:
        lines: a JSON object each, every one with its line end.
        worst: the place of the worst level in ``LEVELS``, -1 where nothing was found.
    """

    lines: bytes
    worst: int


def told(found: Sequence[Hit | Finding], *, title_vi: bool) -> Told:
    """Return what was found as lines, one a finding; with ``title_vi`` under their Vietnamese titles."""
    lines: list[bytes] = []
    levels: set[str] = set()
    for one in found:
        if isinstance(one, Hit):
            _tell(lines, one, title_vi=title_vi)
            levels.update([rule.level for rule in one.rules])
        else:
            lines += output.to_json(_row(one, title_vi=title_vi)), b"\n"
            levels.add(one.level)
    return Told(b"".join(lines), max((_PLACES[level] for level in levels), default=-1))


def _tell(lines: list[bytes], hit: Hit, *, title_vi: bool) -> None:
    """Add a line for each rule of a hit: what ``_row`` makes of its findings, put together of what is the same for many."""
    time = b'{"@timestamp":%b' % output.to_json(hit.timestamp)
    origin = hit.place
    place = b'%b,"log.offset":%d,"matched":' % (_origin(hit.agency, origin.path), origin.offset(hit.own))
    view = hit.view
    for rule in hit.rules:
        lines += time, _head(rule, title_vi), place, output.to_json(rule.telling().matched(view)), b"}\n"


@functools.lru_cache(maxsize=8192)
def _head(rule: Rule, title_vi: bool) -> bytes:
    """Return what lines say of a rule: the middle of an object."""
    title = (title_vi and rule.plan["title_vi"]) or rule.plan["title"]
    said = {"rule.id": rule.plan["id"], "rule.title": title, "rule.level": rule.level}
    return b"," + output.to_json(said)[1:-1]


@functools.lru_cache(maxsize=256)
def _origin(agency: str, path: str) -> bytes:
    """Return what lines say of where records come from: the middle of an object."""
    return b"," + output.to_json({"agency.id": agency, "log.file.path": path})[1:-1]


def emit(lines: Iterable[bytes], format_: str | None) -> int:
    """Print findings on stdout; return how many there were.

    Args:
        lines: of ``told``.
        format_: as ``output.emit`` takes it.
    """
    if output.chosen(format_) != "ndjson":
        return output.emit(_rows(lines), _COLUMNS, format_)
    out = sys.stdout.buffer
    count = 0
    for some in lines:
        out.write(some)
        count += some.count(b"\n")
    out.flush()
    return count


def _row(finding: Finding, *, title_vi: bool) -> dict[str, Any]:
    row = {
        "@timestamp": finding.timestamp,
        "rule.id": finding.rule,
        "rule.title": (title_vi and finding.title_vi) or finding.title,
        "rule.level": finding.level,
        "agency.id": finding.agency,
        "log.file.path": finding.path,
        "log.offset": finding.offset,
        "matched": finding.matched,
    }
    if finding.count > 1:  # windows of a correlation that follow each other
        row |= {"count": finding.count, "last": finding.last}
    if finding.agencies:
        row["agencies"] = finding.agencies
    return row


def _rows(lines: Iterable[bytes]) -> Iterator[Mapping[str, Any]]:
    for some in lines:
        for line in some.splitlines():
            row = orjson.loads(line)
            for name in _TIMES:
                if name in row:
                    row[name] = dt.datetime.fromisoformat(row[name])
            yield row
