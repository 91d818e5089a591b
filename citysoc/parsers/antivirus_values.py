"""The values of antivirus reports as people write them: times, actions, addresses, hashes."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from citysoc.framing.encodings import fold

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

ACTIONS = ("deleted", "quarantined", "cleaned", "blocked", "allowed", "unresolved")
"""What was done with a detected file, as ``event.action``; unresolved: it is still there."""

_ACTION_WORDS = {
    "deleted": (
        "đã diệt|đã xóa|diệt|xóa|tiêu diệt|đã tiêu diệt|xóa bỏ|đã xóa bỏ|deleted|delete|removed|remove|killed"
    ),
    "quarantined": (
        "đã cách ly|cách ly|cô lập|đã cô lập|quarantined|quarantine|isolated|moved to quarantine|"
        "file quarantined|quarantine successful"
    ),
    "cleaned": (
        "đã khôi phục|khôi phục|đã làm sạch|làm sạch|đã sửa|cleaned|clean|"
        "disinfected|disinfect|repaired|repair|healed|cured"
    ),
    "blocked": (
        "đã chặn|chặn|ngăn chặn|đã ngăn chặn|từ chối truy cập|blocked|block|denied|deny|access denied|"
        "prevented|terminated|connection blocked"
    ),
    "allowed": (
        "bỏ qua|đã bỏ qua|cho phép|loại trừ|ignored|ignore|allowed|allow|skipped|skip|excluded|no action|none"
    ),
    "unresolved": (
        "chưa xử lý|chưa diệt|diệt không thành công|không thành công|thất bại|lỗi|cần khởi động lại|"
        "chờ khởi động lại|đang xử lý|chờ xử lý|không diệt được|failed|failure|error|unresolved|not handled|"
        "unhandled|pending|active|reboot required|restart required|not cleaned|unable to clean|left alone"
    ),
}
_ACTION_OF = {fold(word): action for action, words in _ACTION_WORDS.items() for word in words.split("|")}
_HANDLED = frozenset(
    fold(word)
    for word in ("đã xử lý", "đã xử lý thành công", "xử lý thành công", "handled", "resolved", "remediated")
)
_SUCCESS = frozenset(
    fold(word)
    for word in ("thành công", "hoàn thành", "success", "successful", "succeeded", "ok", "completed", "done")
)
_NEGATIVE = re.compile(
    r"\b(khong|chua|that bai|loi|not|fail\w*|unable|error|unhandled|reboot|restart|khoi dong lai)\b"
)
_STEMS = (
    ("cach ly", "quarantined"),
    ("quarantin", "quarantined"),
    ("xoa", "deleted"),
    ("diet", "deleted"),
    ("delet", "deleted"),
    ("remov", "deleted"),
    ("lam sach", "cleaned"),
    ("khoi phuc", "cleaned"),
    ("disinfect", "cleaned"),
    ("clean", "cleaned"),
    ("chan", "blocked"),
    ("block", "blocked"),
    ("denied", "blocked"),
    ("bo qua", "allowed"),
    ("ignor", "allowed"),
    ("allow", "allowed"),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a detection.

    Args:
        action: one of ``ACTIONS``.
        outcome: ``citysoc.outcome``.
        event_outcome: ``event.outcome``.
    """

    action: str
    outcome: str
    event_outcome: str


_VERDICTS = MappingProxyType(
    {
        **{name: Verdict(name, name, "success") for name in ("deleted", "quarantined", "cleaned", "blocked")},
        "allowed": Verdict("allowed", "allowed", "unknown"),
        "unresolved": Verdict("unresolved", "failed", "failure"),
    }
)


def verdict(action: str, result: str, own: Mapping[str, str]) -> Verdict | None:
    """Return what became of a detection by the action and result columns; None where neither says.

    The result wins: a file that was to be deleted, unsuccessfully, is still there.

    Args:
        action: the cell of the action column.
        result: the cell of the result column.
        own: folded value to action, from the source's options.
    """
    done = _action(result, own)
    if done is None or done == "handled":
        done = _action(action, own) or done
    if done == "handled":  # in a way nobody names
        done = "cleaned"
    return _VERDICTS.get(done) if done else None


def _action(text: str, own: Mapping[str, str]) -> str | None:
    if not text:
        return None
    folded = fold(text[:200])
    if own and folded in own:
        return own[folded]
    return _known_action(folded)


@lru_cache(maxsize=4096)
def _known_action(folded: str) -> str | None:
    if folded in _ACTION_OF:
        return _ACTION_OF[folded]
    if folded in _HANDLED:
        return "handled"
    if folded in _SUCCESS:
        return None  # the action column says what succeeded
    if _NEGATIVE.search(folded):
        return "unresolved"
    return next((action for stem, action in _STEMS if re.search(rf"\b{stem}", folded)), None)


_CLOCK = (
    r"(?P<h>\d{1,2})[:hg](?P<mi>\d{2})(?:[:mp](?P<s>\d{2})(?:[.,](?P<f>\d{1,9}))?)?s?"
    r"(?:\s*(?P<half>sa|ch|am|pm|a\.m\.|p\.m\.|sáng|chiều|tối))?"
)
_DAY_FIRST = r"(?:ngày\s+)?(?P<d>\d{1,2})\s*[/.\-]\s*(?P<mo>\d{1,2})\s*[/.\-]\s*(?P<y>\d{4}|\d{2})"
_ZONE = r"(?P<z>Z|[+-]\d{2}:?\d{2})?"
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        rf"{_DAY_FIRST}(?:[\s,T\-]+(?:lúc\s+)?{_CLOCK})?",
        rf"{_CLOCK}[\s,\-]+{_DAY_FIRST}",
        rf"(?P<y>\d{{4}})[/.\-](?P<mo>\d{{1,2}})[/.\-](?P<d>\d{{1,2}})(?:[\s,T]+{_CLOCK}\s*{_ZONE})?",
    )
)
_ISO_FORMS = _FORMS[-1:]
_AFTERNOON = frozenset({"ch", "pm", "chieu", "toi", "p m"})
_SERIAL = re.compile(r"(\d{5})(?:[.,](\d{1,15}))?")
_EPOCH = re.compile(r"(\d{10})(\d{3})?")
_SERIAL_ZERO = dt.datetime(1899, 12, 30)  # noqa: DTZ001  a day count has no zone
_SERIAL_DAYS = (29_000, 73_050)
"""Day counts of spreadsheets that we believe: 1979 to 2099."""


@lru_cache(maxsize=16_384)
def moment(text: str, *, zone: ZoneInfo, pattern: str = "") -> dt.datetime | None:
    """Return a time as people here write it, in UTC; None where it is none.

    Day before month, always: 13/10 is a day in October and 10/13 is no date. Two-digit years are 20yy.
    Also ISO 8601, the day counts of spreadsheets, seconds since 1970; SA/CH and AM/PM halve the day.

    Args:
        text: the cell.
        zone: the zone of times that name none.
        pattern: how ``strptime`` reads it; beside it only ISO 8601 and day counts, which cannot be mistaken.
    """
    text = text.strip()[:64]
    try:
        if pattern:
            found = _patterned(text, pattern) or _written(text, _ISO_FORMS) or _counted(text)
        else:
            found = _written(text, _FORMS) or _counted(text)
        if found is None:
            return None
        if found.tzinfo is None:
            found = found.replace(tzinfo=zone)
        return found.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        return None


def _patterned(text: str, pattern: str) -> dt.datetime | None:
    try:
        return dt.datetime.strptime(text, pattern)  # noqa: DTZ007  the caller adds the zone
    except (ValueError, re.error):
        return None


def _written(text: str, forms: tuple[re.Pattern[str], ...]) -> dt.datetime | None:
    for form in forms:
        if match := form.fullmatch(text):
            return _assembled(match.groupdict())
    return None


def _assembled(parts: Mapping[str, str | None]) -> dt.datetime | None:
    year = int(parts["y"] or 0)
    hour = int(parts["h"] or 0)
    if half := parts.get("half"):
        folded = fold(half)
        if folded in _AFTERNOON:
            hour = hour + 12 if hour < 12 else hour
        elif hour == 12:
            hour = 0
    fraction = ((parts["f"] or "") + "000000")[:6]
    moment = dt.datetime(  # noqa: DTZ001  the caller adds the zone
        year + 2000 if year < 100 else year,
        int(parts["mo"] or 0),
        int(parts["d"] or 0),
        hour,
        int(parts["mi"] or 0),
        int(parts["s"] or 0),
        int(fraction),
    )
    if zone := parts.get("z"):
        return dt.datetime.fromisoformat(moment.isoformat() + zone)
    return moment


def _counted(text: str) -> dt.datetime | None:
    if match := _SERIAL.fullmatch(text):
        days = float(f"{match[1]}.{match[2] or 0}")
        if _SERIAL_DAYS[0] <= days <= _SERIAL_DAYS[1]:
            return _SERIAL_ZERO + dt.timedelta(seconds=round(days * 86_400))
    if match := _EPOCH.fullmatch(text):
        return dt.datetime.fromtimestamp(int(match[1]) + int(match[2] or 0) / 1000, dt.UTC)
    return None


_HASH_FIELDS = {32: "file.hash.md5", 40: "file.hash.sha1", 64: "file.hash.sha256"}
_HEX = re.compile(r"[0-9a-f]+")


def hash_field(digest: str, prefix: str = "file") -> str | None:
    """Return the field of a lower-case digest by its length; None where it is no digest.

    >>> hash_field("d41d8cd98f00b204e9800998ecf8427e")
    'file.hash.md5'
    """
    field = _HASH_FIELDS.get(len(digest))
    if field is None or not _HEX.fullmatch(digest):
        return None
    return field if prefix == "file" else f"{prefix}{field.removeprefix('file')}"


_V4 = re.compile(r"(?<![\d.:])(\d{1,3}(?:\.\d{1,3}){3})(?![\d.])")
_V6 = re.compile(r"(?<![0-9a-fA-F:])([0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}(?:%\w+)?)(?![0-9a-fA-F:])")
_MAC = re.compile(r"(?<![0-9a-fA-F])(?:[0-9a-fA-F]{2}[:\-.]?){5}[0-9a-fA-F]{2}(?![0-9a-fA-F])")
_MAC_DOTS = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}\.[0-9a-fA-F]{4}(?![0-9a-fA-F])")


@lru_cache(maxsize=16_384)
def addresses(text: str) -> tuple[str, ...]:
    """Return the IP addresses in a cell, in order, each once: lists, ports and remarks around them go.

    >>> addresses("10.1.2.3; fe80::1 (LAN)")
    ('10.1.2.3', 'fe80::1')
    """
    found: dict[str, None] = {}
    cell = text[:400].replace("::ffff:", "").replace("::FFFF:", "")
    for match in sorted([*_V4.finditer(cell), *_V6.finditer(cell)], key=lambda match: match.start()):
        bare = match[1].partition("%")[0]
        if "." in bare:  # 010.001.002.003: zeros in front are padding here
            bare = ".".join(str(int(part)) for part in bare.split("."))
        try:
            found[str(ipaddress.ip_address(bare))] = None
        except ValueError:
            continue
    return tuple(found)


@lru_cache(maxsize=16_384)
def hardware_addresses(text: str) -> tuple[str, ...]:
    """Return the MAC addresses in a cell as ECS writes them.

    >>> hardware_addresses("00:1a:2b:3c:4d:5e")
    ('00-1A-2B-3C-4D-5E',)
    """
    found: dict[str, None] = {}
    for match in [*_MAC.finditer(text[:400]), *_MAC_DOTS.finditer(text[:400])]:
        bare = re.sub(r"[^0-9A-F]", "", match[0].upper())
        if bare.strip("0"):
            found["-".join(bare[place : place + 2] for place in range(0, 12, 2))] = None
    return tuple(found)
