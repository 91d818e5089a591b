"""The shipped rules as documents and plans, with the events beside them."""

from __future__ import annotations

import datetime as dt
import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import yaml

import citysoc.rules
from citysoc.detectors.sigma.plan import compile_document
from citysoc.flow import Batch
from citysoc.parsers.run import parse_batch

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(citysoc.rules.__file__).parent
CORRELATIONS = ROOT / "correlations"
FILES = sorted(path for path in ROOT.rglob("*.yml") if path.parent != CORRELATIONS)
PARSERS = {
    "fortigate": "fortigate",
    "suricata": "suricata",
    "webaccess": "webaccess",
    "syslog": "syslog",
    "windows": "windows",
    "antivirus": "antivirus",
    "avreport": "avreport",
    "zeek": "zeek-json",
}
"""``event.module`` to the parser that made the events of it."""
_HEADERS = {
    "antivirus": (
        "Tên máy,Địa chỉ IP,Đơn vị,Người dùng,Tên virus,Loại mã độc,Đường dẫn,Hành động,"
        "Thời gian phát hiện,Hệ điều hành,MD5"
    )
}
"""What explains the lines of a parser: the first row of an export."""


VENDORS = tuple(
    f"{name}."
    for name in [
        "anomaly",
        "antivirus",
        "auditd",
        "avreport",
        "fortigate",
        "powershell",
        "suricata",
        "syslog",
        "winlog",
        "zeek",
    ]
)
"""Where fields of products lie that ECS has no name for."""

RETIRED = re.compile(r"t1562(\.\d{3})?|t1070\.00[12]|t1053\.001|t1547\.011|t1574\.002|t1076|t1215|t1487")
"""Techniques that version 19 replaced by others; T1562 became T1685, T1686, T1688 to T1690."""


@dataclass(frozen=True)
class Shipped:
    """One rule file."""

    path: Path
    document: dict[str, Any]
    plan: dict[str, Any]

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).with_suffix("").as_posix()


@functools.cache
def rules() -> tuple[Shipped, ...]:
    return tuple(map(_read, FILES))


def _read(path: Path) -> Shipped:
    document = yaml.load(path.read_text("utf-8"), Loader=yaml.CSafeLoader)  # noqa: TID251  safe
    return Shipped(path, document, compile_document(document, path.stem))


def evidence(path: Path, kind: str) -> list[dict[str, Any]]:
    """Return the events beside a rule; ``kind`` is ``hits`` or ``misses``."""
    lines = path.with_suffix(f".{kind}.ndjson").read_bytes().splitlines()
    return [orjson.loads(line) for line in lines if line.strip()]


_PLACES = {
    "text": 3,
    "like": 2,
    **dict.fromkeys(("re", "cidr", "number", "part", "ref", "exists", "null"), 1),
}


def fields_of(node: list[Any]) -> Iterator[str]:
    """Yield the fields that a plan's node looks at."""
    kind = node[0]
    if kind in {"all", "any"}:
        for child in node[1]:
            yield from fields_of(child)
    elif kind == "not":
        yield from fields_of(node[1])
    elif kind in _PLACES:
        yield node[_PLACES[kind]]
        if kind == "ref":
            yield node[-1]


def can_be_parsed_again(event: dict[str, Any]) -> bool:
    """Tell whether the line of an event explains itself: not so columns of Zeek, whose header is lost."""
    return event["event.module"] in PARSERS and (
        event["event.module"] != "zeek" or event["event.original"].startswith("{")
    )


def parsed_again(event: dict[str, Any]) -> dict[str, Any]:
    """Return what the parsers make today of the line that an event was made from."""
    module = event["event.module"]
    batch = Batch(
        stream="x/x",
        agency="x",
        parser=PARSERS[module],
        records=(event["event.original"].encode(),),
        header=_HEADERS.get(module, "").encode(),
        offsets=(0,),
        arrived=dt.datetime(2026, 11, 1, tzinfo=dt.UTC),
        path="x",
        identity="x",
    )
    return parse_batch(batch)[0]
