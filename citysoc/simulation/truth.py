"""The ground truth: what was planted, what was written, what was broken on purpose."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import orjson

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME = "ground-truth.json"


@dataclass(frozen=True, slots=True)
class Planted:
    """One attack put into the logs.

    Args:
        id: its id, unique in the month.
        kind: what it is, for example ``sql-injection``.
        cls: its class: one of the 21 codes (SCAN, BRUTE, ...).
        agency: the agency hit; the first one where there are more.
        agencies: all agencies hit.
        entities: what it is about: ``host:…``, ``ip:…``, ``user:…``, ``domain:…``.
        start: the time of its first record, RFC 3339, UTC.
        end: the time of its last record.
        records: how many records it left.
        telling: how many of them say by themselves that something is wrong.
        streams: stream to number of records.
        needs: what it takes to see it: a rule on one event, a correlation, the anomaly model.
        chain: the attack it is a step of; empty when it stands alone.
    """

    id: str
    kind: str
    cls: str
    agency: str
    agencies: tuple[str, ...]
    entities: tuple[str, ...]
    start: str
    end: str
    records: int
    telling: int
    streams: dict[str, int]
    needs: Literal["rule", "correlation", "anomaly"] = "rule"
    chain: str = ""


@dataclass(frozen=True, slots=True)
class Defect:
    """Something broken on purpose.

    Args:
        kind: ``torn``, ``garbage``, ``encoding``, ``repeated``, ``silent``, ``never``, ``late``, ``skew``.
        stream: where.
        records: how many records it touches; for ``silent`` and ``never`` none.
        detail: one sentence for a person.
    """

    kind: str
    stream: str
    records: int
    detail: str


@dataclass(slots=True)
class Tally:
    """One stream's counts; ``written`` = ``events`` + ``repeated`` + ``broken``.

    Args:
        written: records in its files, or frames to send.
        events: records that are read well and for the first time.
        repeated: rows that an earlier export already had.
        broken: records that no parser can read.
        files: its files.
    """

    written: int = 0
    events: int = 0
    repeated: int = 0
    broken: int = 0
    files: int = 0


@dataclass(slots=True)
class GroundTruth:
    """What one simulated month holds.

    Args:
        month: ``YYYY-MM``.
        seed: the seed it was made with.
        planted: the attacks, in order of their start.
        defects: what was broken on purpose.
        streams: stream id to its counts; never-seen streams are absent.
        kinds: ``<vendor>.<kind>`` to number of records of normal life.
        silent: streams that stop before the month ends, with their last day.
        never: expected streams that never speak.
        frames: syslog frames to send; they are counted in ``streams`` too.
    """

    month: str
    seed: int
    planted: tuple[Planted, ...] = ()
    defects: list[Defect] = field(default_factory=list)
    streams: dict[str, Tally] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    silent: dict[str, str] = field(default_factory=dict)
    never: tuple[str, ...] = ()
    frames: int = 0

    @property
    def written(self) -> int:
        """All records, in files and as frames."""
        return sum(tally.written for tally in self.streams.values())

    @property
    def events(self) -> int:
        """All records that must become one event each."""
        return sum(tally.events for tally in self.streams.values())

    @property
    def repeated(self) -> int:
        """All rows that an earlier export already had."""
        return sum(tally.repeated for tally in self.streams.values())

    @property
    def broken(self) -> int:
        """All records that must end in quarantine."""
        return sum(tally.broken for tally in self.streams.values())

    def as_data(self) -> dict[str, Any]:
        """Return everything as JSON-able values, sums included."""
        sums = {name: getattr(self, name) for name in ("written", "events", "repeated", "broken")}
        return asdict(self) | {"sums": sums}

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
        path.write_bytes(orjson.dumps(self.as_data(), option=options))


def load(path: Path) -> GroundTruth:
    """Return the ground truth that ``save`` wrote."""
    data = orjson.loads(path.read_bytes())
    data.pop("sums")
    planted = tuple(
        Planted(**item | {"agencies": tuple(item["agencies"]), "entities": tuple(item["entities"])})
        for item in data.pop("planted")
    )
    defects = [Defect(**item) for item in data.pop("defects")]
    streams = {key: Tally(**value) for key, value in data.pop("streams").items()}
    never = tuple(data.pop("never"))
    return GroundTruth(planted=planted, defects=defects, streams=streams, never=never, **data)
