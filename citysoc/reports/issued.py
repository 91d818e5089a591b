"""What was issued stays: a copy of the figures that a signed report rests on, and what changed since.

A month that is computed again later may differ: logs that arrived late, incidents that were merged. The
report then says so, figure by figure, instead of silently saying something else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.errors import StoreError
from citysoc.i18n import _, ngettext
from citysoc.reports import record
from citysoc.reports.text import class_name, integer, time

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from citysoc.reports.figures import Figures

FOLDER = "issued"
_TOTALS = ("records", "cases", "attack", "spyware", "virus", "alerts", "incidents")
MAX_SENTENCES = 12


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure that is no longer what was issued: its name, the class it is about, both values."""

    figure: str
    code: str
    issued: int
    now: int


def issue(folder: Path, *, now: dt.datetime) -> Path:
    """Keep the figures of a built report as issued; return the copy. The same figures are kept once.

    Args:
        folder: of the report.
        now: the moment of issue.

    Raises:
        StoreError: the report was not built, or the copy cannot be written.
    """
    try:
        content = (folder / "figures.json").read_bytes()
        last = latest(folder)
        if last is not None and last.read_bytes() == content:
            return last
        kept = folder / FOLDER
        kept.mkdir(exist_ok=True)
        path = kept / f"{now:%Y%m%dT%H%M%SZ}.json"
        path.write_bytes(content)
    except OSError as error:
        raise StoreError(
            _("the figures cannot be kept as issued: {reason}").format(reason=error.strerror or str(error)),
            where=str(folder),
        ) from error
    return path


def latest(folder: Path) -> Path | None:
    """Return the figures that were issued last; None where none were."""
    return max((folder / FOLDER).glob("*.json"), default=None)


def issued_at(folder: Path) -> str | None:
    """Return when a report was last issued, RFC 3339."""
    last = latest(folder)
    if last is None:
        return None
    name = last.stem
    return f"{name[:4]}-{name[4:6]}-{name[6:8]}T{name[9:11]}:{name[11:13]}:{name[13:15]}Z"


def differences(folder: Path, figures: Figures) -> tuple[Difference, ...]:
    """Return what changed since the report was issued; nothing where it was not issued.

    Raises:
        StoreError: the issued figures cannot be read.
    """
    last = latest(folder)
    if last is None:
        return ()
    try:
        before = orjson.loads(last.read_bytes())["figures"]
        return tuple(_compare(before, orjson.loads(record.to_json(figures))["figures"]))
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            _("the issued figures cannot be read"),
            where=str(last),
            hint=_("Restore the file from a backup; it is the record of what was signed."),
        ) from error


def _compare(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    for name in _TOTALS:
        yield from _differing(name, "", before[name]["value"], now[name]["value"])
    classes = [{row["code"]: row["events"]["value"] for row in side["classes"]} for side in (before, now)]
    for code in sorted(classes[0].keys() | classes[1].keys()):
        yield from _differing("classes", code, classes[0].get(code, 0), classes[1].get(code, 0))


def _differing(name: str, code: str, before: int, now: int) -> Iterator[Difference]:
    if before != now:
        yield Difference(name, code, before, now)


def sentences(found: tuple[Difference, ...], issued: str | None, zone: str) -> tuple[str, ...]:
    """Return the differences as sentences of the report's part on the quality of data."""
    if not found:
        return ()
    names = {
        "records": _("log records"),
        "cases": _("events of attacks, spyware and viruses"),
        "attack": _("events of attacks"),
        "spyware": _("events of spyware"),
        "virus": _("events of viruses"),
        "alerts": _("alerts"),
        "incidents": _("incidents"),
    }
    said = [
        _("{what}: {issued} issued, now {now}").format(
            what=class_name(one.code) if one.figure == "classes" else names[one.figure],
            issued=integer(one.issued),
            now=integer(one.now),
        )
        for one in found[:MAX_SENTENCES]
    ]
    more = len(found) - len(said)
    head = _("Since the report was issued ({time}) figures have changed: {changes}.").format(
        time=time(issued, zone), changes="; ".join(said)
    )
    if not more:
        return (head,)
    rest = ngettext("{count} further figure differs.", "{count} further figures differ.", more)
    return head, rest.format(count=integer(more))
