"""Findings as the rows of ``citysoc detect``: made where they are found, shown where the command runs."""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from citysoc.commands import output
from citysoc.flow import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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


def told(findings: Sequence[Finding], *, title_vi: bool) -> Told:
    """Return findings as lines; with ``title_vi`` under their Vietnamese titles."""
    if not findings:
        return Told(b"", -1)
    lines = [output.to_json(_row(finding, title_vi=title_vi)) for finding in findings]
    lines.append(b"")
    return Told(b"\n".join(lines), max(_PLACES[finding.level] for finding in findings))


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
