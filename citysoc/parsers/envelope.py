"""Take the syslog header off a line: RFC 5424, RFC 3164 and what devices really send.

The header gives ``log.syslog.*``, ``host.name``, ``process.pid`` and the event's time; what follows it is the
message, in whatever format the product writes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from citysoc.parsers import values
from citysoc.parsers.times import epoch, iso, named

if TYPE_CHECKING:
    import datetime as dt

    from citysoc.flow import Event
    from citysoc.parsers.base import Context

FACILITIES = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"),
    *("ntp", "audit", "alert", "clock"),
    *(f"local{number}" for number in range(8)),
)
SEVERITIES = ("emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug")

_PRIORITY = re.compile(r"\s{0,8}<(\d{1,3})>\s{0,8}")
_RFC5424 = re.compile(
    r"(?P<version>\d{1,2}) (?P<time>-|\d{4}-\d\d-\d\dT\S{8,24}|\d{10,19}(?:\.\d{1,9})?) (?P<host>\S{1,255}) "
    r"(?P<app>\S{1,128}) (?P<pid>\S{1,128}) (?P<msgid>\S{1,128}) ?(?P<rest>.*)",
    re.DOTALL,
)
_UNVERSIONED = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\S{8,24}) (?P<host>\S{1,255}) (?P<app>[^\s:\[\]]{1,128}) (?P<pid>\d{1,10}|-) "
    r"(?P<msgid>[\w.-]{1,128}) (?P<rest>\[[\w.-]{1,64}@\d.*)",
    re.DOTALL,
)
_ELEMENT = re.compile(r"\[([^\s=\]\"]{1,128})((?:\s*[^\s=\]\"]{1,128}=\"(?:[^\"\\\]]++|\\.|\])*?\")*)\s*\]")
_PARAMETER = re.compile(r"([^\s=\]\"]{1,128})=\"((?:[^\"\\]++|\\.)*+)\"")
_COUNTER = re.compile(
    r"(?:\d{1,12}: )?(?:(?P<host>[\w.-]{1,64}): (?=[*.]?[A-Z][a-z]{2} [ \d]\d |\d{4}-))?[*.:]?"
)
_CLOCK = r"\d{1,2}:\d\d:\d\d(?:[.,]\d{1,9})?"
_STAMP = re.compile(
    r"(?:(?P<iso>\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|[+-]\d\d:?\d\d))?)"
    rf"|(?P<named>(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?(?:\d{{4}} )?[A-Z][a-z]{{2}} {{1,2}}\d{{1,2}} "
    rf"(?:\d{{4}} )?{_CLOCK}(?: [A-Z]{{3,5}}(?= \d{{4}} ))?(?: (?:19|20)\d\d(?=[\s:]))?)"
    r"|(?P<epoch>\d{10}\.\d{1,9}))"
    r"(?: (?P<zone>[A-Z]{3,4}(?=:)))?(?=[\s:]|$)(?P<mark>:?)\s{0,8}"
)
_BRACKETED = re.compile(
    r"\[(?P<iso>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|[+-]\d\d:?\d\d))?)"
    r"(?: #\d{1,10})?\](?P<mark>:?)\s{0,8}"
)
_FIRST = re.compile(r"(?P<token>[^\s]{1,255})\s*")
_TAG = re.compile(
    r"(?P<app>[A-Za-z0-9_./#@()+*-][A-Za-z0-9_./#@()+*-]{0,127})"
    r"(?:\[(?P<pid>[^\]\s]{0,32})\])?(?: <(?P<level>[A-Za-z]{3,12})>)?(?: ?-)?\s?:(?=[\s{%\[A-Za-z]|$)\s{0,8}"
)
_PID_TAG = re.compile(r"(?P<app>[A-Za-z0-9_./#@()+*-]{1,128})\[(?P<pid>\d{1,10})\]:?\s{0,8}")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.:-]{0,253}[A-Za-z0-9_])?:?$")
_LEVELS = frozenset(
    {*SEVERITIES, "emerg", "crit", "err", "warn", "info", "information", "fatal", "trace", "panic"}
)
_NO_HOST = ("CEF:", "LEEF:", "%", "{", "[", '"', "<", "-", "(", "*")


def unwrap(line: str, context: Context) -> tuple[Event, str] | None:
    """Return what the header says and the message behind it; None if the line has no syslog header.

    A line has a header if it starts with a priority (``<134>``) or with a time.
    """
    fields: Event = {}
    start = 0
    if line[:1] in "< \t" and (priority := _PRIORITY.match(line)):
        _set_priority(fields, int(priority[1]))
        start = priority.end()
    modern = _RFC5424.match(line, start)
    if modern and (start or modern["time"] != "-"):
        fields["log.syslog.version"] = modern["version"]
        return fields, _modern(fields, modern, context)
    if unversioned := _UNVERSIONED.match(line, start):
        return fields, _modern(fields, unversioned, context)
    counter = _COUNTER.match(line, start)
    stamp = _STAMP.match(line, counter.end() if counter else start)
    if stamp is None and (bracketed := _BRACKETED.match(line, start)):
        if moment := _iso(bracketed["iso"], context.zone):
            fields["@timestamp"] = moment
        return fields, line[bracketed.end() :]
    if stamp is None:
        if not start:
            return None
        return fields, _after_time(fields, line[start:], after_mark=True)
    if counter and counter["host"]:
        _set_host(fields, counter["host"])
    _set_time(fields, stamp, context)
    return fields, _after_time(fields, line[stamp.end() :], after_mark=bool(stamp["mark"]))


def strip(line: str, marker: int, context: Context) -> tuple[Event, str]:
    """Return the header of ``line`` up to ``marker``, where the product's own text begins, and that text.

    What stands before the marker is read as far as it is a syslog header; otherwise it is dropped.
    """
    if marker <= 0:
        return {}, line[max(marker, 0) :]
    opened = unwrap(f"{line[:marker]}%", context)  # something follows, or the host would pass for the text
    return (opened[0] if opened else {}), line[marker:]


def _set_priority(fields: Event, priority: int) -> None:
    facility, severity = divmod(priority, 8)
    if facility >= len(FACILITIES):
        return
    fields["log.syslog.priority"] = priority
    fields["log.syslog.facility.code"] = facility
    fields["log.syslog.facility.name"] = FACILITIES[facility]
    fields["log.syslog.severity.code"] = severity
    fields["log.syslog.severity.name"] = SEVERITIES[severity]


def _set_host(fields: Event, host: str) -> None:
    host = host.rstrip(":")
    fields["log.syslog.hostname"] = host
    fields["host.name"] = host
    if address := values.ip(host):
        fields["host.ip"] = [address]


def _set_app(fields: Event, app: str, pid: str | None) -> None:
    fields["log.syslog.appname"] = app
    if pid:
        fields["log.syslog.procid"] = pid
        if (number := values.integer(pid)) is not None:
            fields["process.pid"] = number


def _set_time(fields: Event, stamp: re.Match[str], context: Context) -> None:
    zone = context.zone
    if text := stamp["iso"]:
        moment = _iso(text, zone)
    elif text := stamp["named"]:
        if stamp["zone"] in {"UTC", "GMT"}:
            text += "Z"
        moment = named(text, zone, context.arrived)
    else:
        moment = epoch(stamp["epoch"])
    if moment:
        fields["@timestamp"] = moment


def _iso(text: str, zone: dt.tzinfo) -> dt.datetime | None:
    return iso(text[:19].replace("/", "-") + text[19:].replace(" ", "").replace(",", "."), zone)


def _modern(fields: Event, header: re.Match[str], context: Context) -> str:
    """Set the fields of an RFC 5424 header and return the message behind the structured data."""
    time = header["time"]
    moment = iso(time, context.zone) if "T" in time else epoch(time) if time != "-" else None
    if moment:
        fields["@timestamp"] = moment
    if header["host"] != "-":
        _set_host(fields, header["host"])
    app, pid, msgid = header["app"], header["pid"], header["msgid"]
    if app.startswith(("CEF:", "LEEF:", "{", "%")) or app.endswith(":"):  # no RFC 5424 after all
        return header.string[header.start("app") :]
    if app != "-":
        _set_app(fields, app, None if pid == "-" else pid)
    if msgid.startswith(("CEF:", "LEEF:", "{")):
        return header.string[header.start("msgid") :]
    if msgid != "-":
        fields["log.syslog.msgid"] = msgid
    rest = header["rest"]
    if rest.startswith("["):
        return _structured(fields, rest)
    return rest[1:].lstrip().removeprefix("\ufeff") if rest[:2] in {"-", "- "} else rest


def _structured(fields: Event, rest: str) -> str:
    end = 0
    while element := _ELEMENT.match(rest, end):
        prefix = f"log.syslog.structured_data.{element[1]}."
        for name, value in _PARAMETER.findall(element[2])[:200]:
            if "\\" in value:
                value = re.sub(r'\\(["\\\]])', r"\1", value)
            fields[prefix + name] = value
        end = element.end()
    return rest[end:].lstrip().removeprefix("\ufeff")


def _after_time(fields: Event, rest: str, *, after_mark: bool) -> str:
    """Set host and program from what follows the time and return the message."""
    rest = rest.lstrip(" \t")
    first = _FIRST.match(rest)
    if first is None:
        return rest
    token = first["token"]
    if not after_mark or "host.name" not in fields:
        rest, token = _take_level(fields, rest)
        first = _FIRST.match(rest)
        if (
            first
            and "log.level" not in fields
            and _is_host(token, rest[first.end() :], after_mark=after_mark)
        ):
            _set_host(fields, token)
            rest, _ = _take_level(fields, rest[first.end() :].removeprefix(": "))
    tag = _TAG.match(rest) or _PID_TAG.match(rest)
    if tag is None or rest.startswith(_NO_HOST[:2]):
        return rest
    _set_app(fields, tag["app"].rpartition("/")[2] or tag["app"], tag["pid"])
    if "level" in tag.re.groupindex and tag["level"]:
        fields["log.level"] = tag["level"].lower()
    return rest[tag.end() :]


def _take_level(fields: Event, rest: str) -> tuple[str, str]:
    """Take a leading level word (``err``, ``INFO``) off; return the rest and the word that leads it."""
    first = _FIRST.match(rest)
    if first and (level := first["token"].rstrip(":").lower()) in _LEVELS:
        fields["log.level"] = level
        rest = rest[first.end() :]
    return rest, rest.split(maxsplit=1)[0] if rest else ""


def _is_host(token: str, rest: str, *, after_mark: bool) -> bool:
    if token.startswith(_NO_HOST) or "=" in token or not rest or not _HOST.match(token):
        return False
    if token.endswith(":"):  # Cisco puts a colon behind the host; others behind the program
        return rest.startswith("%") or (values.ip(token[:-1]) is not None)
    # Behind a mark (``12:00:00: text``) or a bare priority, a word is a host only if a tag follows it.
    return not after_mark or _TAG.match(rest) is not None or rest.startswith((": %", "%", "CEF:", "LEEF:"))
