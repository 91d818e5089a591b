"""A simulated month on disk: ``inbox/<agency>/<source>/...`` as the example configuration reads it.

Busy logs rotate daily, others weekly; rotated files may be packed. The antivirus console exports weekly.
A file's time is that of its last record, so the month can be played week by week. Syslog is not written
but sent: see ``syslog_frames``.
"""

from __future__ import annotations

import gzip
import io
import os
import random
import zipfile
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from citysoc.simulation import defects, plan
from citysoc.simulation.formats import antivirus, zeek
from citysoc.simulation.formats.antivirus import Detection
from citysoc.simulation.stamps import DAY
from citysoc.simulation.truth import FILE_NAME, Defect, GroundTruth, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from citysoc.config.agencies import Agency
    from citysoc.simulation.attacks.plot import Payload
    from citysoc.simulation.city import Stream
    from citysoc.simulation.plan import Plan

DAILY_FROM = 3000
"""Streams with more records a month than this rotate daily, all others weekly."""

_NAMES = {
    "firewall": ("firewall-", ".log"),
    "ids": ("eve-", ".json"),
    "dns": ("dns-", ".log"),
    "web": ("access-", ".log"),
    "windows": ("events-", ".json"),
}
_PACKINGS = ("", "", "", "", "", ".gz", ".gz", ".zst", ".zst", ".zip")
_OVERLAP = 2 * DAY
_ORGANIZATION = "000.00.00.H57"


class Frame(NamedTuple):
    """One syslog message to send: from which address, over udp or tcp, what, and when.

    ``at`` is in milliseconds since the month began.
    """

    sender: str
    transport: str
    payload: bytes
    at: int = 0


def simulate(
    registry: Iterable[Agency],
    *,
    month: str = "2026-10",
    records: int = 200_000,
    seed: int = 1,
    directory: Path,
    progress: Callable[[int], None] | None = None,
) -> GroundTruth:
    """Write a month of a city's logs.

    Args:
        registry: the agencies.
        month: ``YYYY-MM``.
        records: how many good records; see ``plan.make``.
        seed: the same seed gives the same bytes.
        directory: where ``inbox/`` and ``ground-truth.json`` are written.
        progress: called after each stream with the number of records written so far.

    Returns:
        What was planted, written and broken.

    Raises:
        UsageError: the month is none.
    """
    month_plan = plan.make(registry, month=month, records=records, seed=seed)
    truth = _begin(month_plan)
    kinds: Counter[str] = Counter()
    written = 0
    for stream in month_plan.speaking():
        lines = month_plan.lines(stream, kinds)
        truth.streams[stream.id] = tally = Tally()
        if stream.source == "syslog":
            tally.written = tally.events = len(lines)
            truth.frames += len(lines)
        else:
            folder = directory / "inbox" / stream.site.agency.id / stream.source
            folder.mkdir(parents=True, exist_ok=True)
            write = _write_exports if stream.source == "antivirus" else _write_log
            truth.defects += write(folder, month_plan, stream, lines, tally)
        written += tally.written
        if progress is not None:
            progress(written)
    truth.kinds = dict(sorted(kinds.items()))
    truth.save(directory / FILE_NAME)
    return truth


def syslog_frames(
    registry: Iterable[Agency], *, month: str = "2026-10", records: int = 200_000, seed: int = 1
) -> Iterator[Frame]:
    """Yield the syslog messages that belong to ``simulate`` with the same arguments, in order of time.

    One agency in three sends over TCP, the others over UDP.
    """
    month_plan = plan.make(registry, month=month, records=records, seed=seed)
    frames = [
        (at, stream.site.number, payload, stream.site.relay)
        for stream in month_plan.speaking()
        if stream.source == "syslog"
        for at, payload in month_plan.lines(stream, Counter())
        if isinstance(payload, bytes)
    ]
    frames.sort(key=lambda frame: frame[:3])
    for at, number, payload, relay in frames:
        yield Frame(relay, "tcp" if number % 3 == 0 else "udp", payload, at)


def _begin(month_plan: Plan) -> GroundTruth:
    stamps, faults = month_plan.stamps, month_plan.faults
    return GroundTruth(
        month=stamps.month,
        seed=month_plan.seed,
        planted=month_plan.planted,
        defects=list(faults.defects),
        silent={s: stamps.iso_pair((day - 1) * DAY)[0] for s, day in sorted(faults.silent.items())},
        never=tuple(sorted(faults.never)),
    )


def _write_log(
    folder: Path, month_plan: Plan, stream: Stream, lines: list[tuple[int, Payload]], tally: Tally
) -> list[Defect]:
    """Write a log's files; return what was broken in them."""
    rng = random.Random(f"{month_plan.seed}/files/{stream.id}")
    records = [(at, payload) for at, payload in lines if isinstance(payload, bytes)]
    tally.events = len(records)
    found: list[Defect] = []
    if stream.id in month_plan.faults.breaking:
        found += _break(rng, stream, records, tally)
    tally.written = len(records)
    days = 1 if len(records) >= DAILY_FROM else 7
    parts = [(n, list(part)) for n, part in groupby(records, lambda record: record[0] // DAY // days)]
    late = rng.choice(parts[:-1])[0] if stream.id in month_plan.faults.late and len(parts) > 1 else None
    prefix, suffix = _NAMES[stream.source]
    for number, part in parts:
        last = number == parts[-1][0]
        packing = "" if last else rng.choice(_PACKINGS)
        day = month_plan.stamps.compact_day(number * days * DAY)
        data = b"".join((_head(month_plan, stream, number * days), *(line + b"\n" for _, line in part)))
        if stream.vendor == "zeek-dns" and not last:
            data += zeek.footer(_zeek_day(month_plan, (number + 1) * days))
        name = f"{prefix}{day}{suffix}"
        # A late file has the records of its own days but comes when the month is over.
        seen = month_plan.stamps.length - 1 if number == late else part[-1][0]
        _put(folder / (name + packing), _packed(data, packing, name), month_plan, seen)
        tally.files += 1
        if number == late:
            found.append(Defect("late", stream.id, len(part), f"{name}{packing} comes at the month's end."))
    return found


def _break(
    rng: random.Random, stream: Stream, records: list[tuple[int, bytes]], tally: Tally
) -> list[Defect]:
    """Add broken records, and wrong letters to some good ones."""
    tally.broken = rng.randrange(1, 6)
    places = [rng.randrange(len(records)) for _ in range(tally.broken)]
    json = stream.vendor in {"suricata", "winlog"}
    added = [
        (records[place][0], defects.torn(records[place][1]) if json else defects.garbage(rng))
        for place in places
    ]
    what, detail = ("torn", "Cut in the middle.") if json else ("garbage", "Bytes that are no text.")
    found = [Defect(what, stream.id, tally.broken, detail)]
    if not json:
        changed = 0
        for place in sorted(rng.sample(range(len(records)), min(4, len(records)))):
            at, line = records[place]
            records[place] = (at, defects.wrongly_encoded(line))
            changed += records[place][1] != line
        found.append(Defect("encoding", stream.id, changed, "Letters of another encoding; still readable."))
    records += added
    records.sort(key=lambda record: record[0])
    return found


def _head(month_plan: Plan, stream: Stream, day: int) -> bytes:
    return zeek.header("dns", _zeek_day(month_plan, day)) if stream.vendor == "zeek-dns" else b""


def _zeek_day(month_plan: Plan, day: int) -> str:
    return month_plan.stamps.iso_pair(day * DAY)[0] + "-00-00-00"


def _packed(data: bytes, packing: str, name: str) -> bytes:
    """Pack a file; nothing in it depends on the clock. Fast levels: this is made to be read at once."""
    if packing == ".gz":
        return gzip.compress(data, compresslevel=1, mtime=0)
    if packing == ".zst":
        import zstandard

        return bytes(zstandard.ZstdCompressor(level=1).compress(data))
    if packing == ".zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            archive.writestr(info, data, zipfile.ZIP_DEFLATED, compresslevel=1)
        return buffer.getvalue()
    return data


def _put(path: Path, data: bytes, month_plan: Plan, at: int) -> None:
    path.write_bytes(data)
    # Whoever looks at the end of the day, the week or the month sees what was written until then.
    second = (month_plan.stamps.epoch + at) // 1000 + 1
    os.utime(path, (second, second))


def _write_exports(
    folder: Path, month_plan: Plan, stream: Stream, lines: list[tuple[int, Payload]], tally: Tally
) -> list[Defect]:
    """Write the antivirus console's weekly exports; return the rows that came twice."""
    rows = [row for _, row in lines if isinstance(row, Detection)]
    overlap = _OVERLAP if stream.id in month_plan.faults.repeating else 0
    end = month_plan.end(stream)
    for start in range(0, end, plan.WEEK):
        until = min(start + plan.WEEK, end)
        new = [row for row in rows if start <= row.at < until]
        again = [row for row in rows if start - overlap <= row.at < start]
        data, suffix = _export(month_plan, stream, again + new, until)
        day = month_plan.stamps.compact_day(until - 1)
        _put(folder / f"xuat-{day}{suffix}", data, month_plan, until - 1)
        tally.files += 1
        tally.repeated += len(again)
        tally.events += len(new)
        if stream.vendor == "avreport":
            # Beside the detections: the figure of updates, each machine's last update, and its guard,
            # which is told again unchanged in every later report.
            machines = len(_machines(stream, until))
            tally.events += 1 + machines + (machines if start == 0 else 0)
            tally.repeated += 0 if start == 0 else machines
    tally.written = tally.events + tally.repeated
    if not tally.repeated:
        return []
    return [Defect("repeated", stream.id, tally.repeated, "Rows that the export before already had.")]


def _export(month_plan: Plan, stream: Stream, rows: Sequence[Detection], until: int) -> tuple[bytes, str]:
    """Return an export's bytes and the ending of its name."""
    stamps = month_plan.stamps
    if stream.vendor == "csv":
        return antivirus.csv_file([antivirus.csv_line(stamps, row) for row in rows]), ".csv"
    if stream.vendor == "text":
        return antivirus.text_file([antivirus.text_line(stamps, row) for row in rows]), ".csv"
    if stream.vendor == "xlsx":
        return antivirus.workbook([antivirus.cells(stamps, row) for row in rows]), ".xlsx"
    second = (stamps.epoch + until) // 1000
    report = antivirus.avreport(
        organization=_ORGANIZATION,
        name=stream.site.agency.name,
        at_seconds=second,
        detections=rows,
        machines=_machines(stream, second),
        outdated=len(stream.site.hosts) // 20,
    )
    return report, ".xml"


def _machines(stream: Stream, second: int) -> list[antivirus.Machine]:
    return [
        antivirus.Machine(host.name, host.address, host.system, second - 86_400 * (n + 1))
        for n, host in enumerate(stream.site.hosts[: plan.REPORTED_MACHINES])
    ]
