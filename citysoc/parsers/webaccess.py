"""Access logs of web servers and proxies: common and combined (Apache, nginx), W3C (IIS), Squid's own."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from citysoc.clock import UTC
from citysoc.flow import Unparsed
from citysoc.parsers import envelope, values
from citysoc.parsers.base import Context, Parser
from citysoc.parsers.times import epoch, iso, named

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from citysoc.flow import Event
    from citysoc.parsers.values import Table

_COMMON = re.compile(
    r"(?:(?P<vhost>[\w.-]{1,255}(?::\d{1,5})?) )??(?P<client>[^\s\[\]\"]{1,255}) \S{1,128} "
    r"(?P<user>(?!- )[^\s\[\"]{1,256}(?: [^\s\[\"]{1,64})?|-) \[(?P<time>[^\]]{10,40})\] "
    r"\"(?P<request>(?:[^\"\\]++|\\.)*+)\" "
    r"(?P<status>\d{3}|-)(?: (?P<size>\d{1,18}|-))?"
    r"(?: \"(?P<referrer>(?:[^\"\\]++|\\.)*+)\"(?: \"(?P<agent>(?:[^\"\\]++|\\.)*+)(?:\"|$))?)?(?P<rest>.*)$",
    re.DOTALL,
)
_SQUID = re.compile(
    r"(?P<time>\d{9,10}\.\d{3})\s{1,12}(?P<elapsed>-?\d{1,12}) (?P<client>\S{1,255}) "
    r"(?P<result>[A-Z_]{2,64})/(?P<status>\d{3}) (?P<size>\d{1,18}) (?P<method>\S{1,32}) (?P<url>\S+) "
    r"(?P<user>\S{1,256}) (?P<hierarchy>[A-Z_]{2,64})/(?P<peer>\S{1,255})(?: (?P<type>\S{1,255}))?"
)
_REQUEST = re.compile(
    r"(?P<method>[A-Za-z-]{1,32}) (?P<url>.*?)(?: HTTP/(?P<version>\d(?:\.\d)?))?$", re.DOTALL
)
_LOOKS_COMMON = re.compile(r"(?:\S{1,255} ){3,5}\[\d{1,2}/[A-Za-z]{3}/\d{4}:")
_PORT = re.compile(r":(\d{1,5})$")

_W3C: Table = {
    "c-ip": ("source.ip", values.ip),
    "s-ip": ("destination.ip", values.ip),
    "s-port": ("destination.port", values.integer),
    "cs-username": ("user.name", None),
    "cs-method": ("http.request.method", None),
    "cs-uri-stem": ("url.path", None),
    "cs-uri-query": ("url.query", None),
    "cs-host": ("url.domain", None),
    "cs(Referer)": ("http.request.referrer", None),
    "sc-status": ("http.response.status_code", values.integer),
    "sc-bytes": ("http.response.bytes", values.integer),
    "cs-bytes": ("http.request.bytes", values.integer),
    "s-computername": ("host.name", None),
    "s-sitename": ("service.name", None),
    "cs-version": ("http.version", lambda value: str(value).removeprefix("HTTP/")),
    "cs(User-Agent)": ("user_agent.original", lambda value: str(value).replace("+", " ")),
}
_DEFAULT_W3C = (
    *("date", "time", "s-ip", "cs-method", "cs-uri-stem", "cs-uri-query", "s-port", "cs-username", "c-ip"),
    *("cs(User-Agent)", "cs(Referer)", "sc-status", "sc-substatus", "sc-win32-status", "time-taken"),
)
_LOOKS_W3C = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S")


def recognise(line: str) -> bool:
    """Return whether a line looks like a common or combined access log line, or Squid's own."""
    if _LOOKS_COMMON.match(line):
        return True
    return line[:1].isdigit() and _SQUID.match(line) is not None


def parse_message(line: str, context: Context) -> Event | Unparsed:
    """Return the event of one line of a common, combined, Squid or W3C log."""
    columns = _w3c_columns(context.header)
    if columns is not None and not line.startswith("#"):
        return _w3c(line, columns)
    if match := _COMMON.match(line):
        return _common(match, context)
    if match := _SQUID.match(line):
        return _squid(match)
    if _LOOKS_W3C.match(line) and len(line.split(" ")) in {14, 15}:  # IIS without its header
        return _w3c(line, _DEFAULT_W3C)
    return Unparsed("webaccess.format", "The line is in none of the access log formats.")


def _base(kind: str) -> Event:
    return {
        "event.module": "webaccess",
        "event.dataset": "webaccess.access",
        "event.category": ["web"],
        "event.type": ["access"],
        "webaccess.format": kind,
    }


def _common(match: re.Match[str], context: Context) -> Event | Unparsed:
    parts = match.groupdict()
    event = _base("combined" if parts["agent"] is not None else "common")
    if moment := _moment(parts["time"], context):
        event["@timestamp"] = moment
    _set_client(event, parts["client"])
    if parts["vhost"]:
        event["url.domain"] = _PORT.sub("", parts["vhost"])
    _set_text(event, "user.name", parts["user"])
    _set_text(event, "http.request.referrer", parts["referrer"])
    _set_text(event, "user_agent.original", parts["agent"])
    request = parts["request"]
    if found := _REQUEST.match(request):
        event["http.request.method"] = found["method"]
        if found["version"]:
            event["http.version"] = found["version"]
        _set_url(event, found["url"])
    elif request not in {"", "-"}:
        event["url.original"] = request
    _set_status(event, parts["status"])
    if (size := values.integer(parts["size"])) is not None:
        event["http.response.body.bytes"] = size
    if rest := parts["rest"].strip():
        event["webaccess.rest"] = rest
    return event


@functools.lru_cache(maxsize=4096)
def _stamp(text: str, zone: Any, arrived: dt.datetime) -> dt.datetime | None:
    return named(text, zone, arrived) or iso(text, zone)


def _moment(text: str, context: Context) -> dt.datetime | None:
    return _stamp(text, context.zone, context.arrived)


def _squid(match: re.Match[str]) -> Event:
    event = _base("squid")
    event["@timestamp"] = epoch(match["time"])
    _set_client(event, match["client"])
    _set_text(event, "user.name", match["user"])
    event["http.request.method"] = match["method"]
    event["event.action"] = match["result"].lower()
    if "DENIED" in match["result"]:
        event["citysoc.outcome"] = "blocked"
    event["event.duration"] = int(match["elapsed"]) * 1_000_000  # from milliseconds
    event["http.response.bytes"] = int(match["size"])
    _set_text(event, "webaccess.mime_type", match["type"])
    event["webaccess.hierarchy"] = match["hierarchy"]
    if address := values.ip(match["peer"]):
        event["destination.ip"] = address
    url = match["url"]
    if match["method"] == "CONNECT":
        host, _, port = url.rpartition(":")
        event["url.original"] = url
        event["url.domain"] = host or url
        if (number := values.integer(port)) is not None:
            event["url.port"] = number
    else:
        _set_url(event, url)
    _set_status(event, match["status"])
    return event


@functools.lru_cache(maxsize=64)
def _w3c_columns(header: str) -> tuple[str, ...] | None:
    found = None
    for line in header.splitlines():
        if line.startswith("#Fields:"):
            found = tuple(line[8:].split())
    return found


def _w3c(line: str, columns: Sequence[str]) -> Event | Unparsed:
    texts = line.rstrip("\r").split("\t" if "\t" in line else " ")
    if len(texts) != len(columns):
        return Unparsed("webaccess.columns", "The line has not as many columns as the header names.")
    event = _base("w3c")
    found = {name: text for name, text in zip(columns, texts, strict=True) if text != "-"}
    if "date" in found and "time" in found:
        moment = iso(f"{found.pop('date')}T{found.pop('time')}", UTC)  # W3C logs are written in UTC
        if moment:
            event["@timestamp"] = moment
    values.assign(event, found.items(), _W3C, "webaccess.")
    if "source.ip" not in event and "c-ip" in found:
        event["source.address"] = found["c-ip"]
    if path := event.get("url.path"):
        query = event.get("url.query")
        event["url.original"] = f"{path}?{query}" if query else path
    _set_outcome(event)
    return event


def _set_client(event: Event, client: str) -> None:
    if address := values.ip(client):
        event["source.ip"] = address
    else:
        event["source.address"] = client


def _set_text(event: Event, field: str, text: str | None) -> None:
    if text and text != "-":
        event[field] = text


def _set_status(event: Event, status: str) -> None:
    if status != "-":
        event["http.response.status_code"] = int(status)
    _set_outcome(event)


def _set_outcome(event: Event) -> None:
    status = event.get("http.response.status_code")
    if isinstance(status, int):
        event["event.outcome"] = "failure" if status >= 400 else "success"


def _set_url(event: Event, url: str) -> None:
    event["url.original"] = url
    path, _, query = url.partition("?")
    scheme, sign, rest = path.partition("://")
    if sign and scheme.isalpha():
        event["url.full"] = url
        event["url.scheme"] = scheme.lower()
        host, _, below = rest.partition("/")
        host = host.rpartition("@")[2]
        if found := _PORT.search(host):
            event["url.port"] = int(found[1])
            host = host[: found.start()]
        event["url.domain"] = host
        path = f"/{below}"
    event["url.path"] = path
    if query:
        event["url.query"] = query


def _parse(lines: Sequence[str], context: Context) -> list[Event | Unparsed]:
    return [_parse_line(line, context) for line in lines]


def _parse_line(line: str, context: Context) -> Event | Unparsed:
    event = parse_message(line, context)
    if not isinstance(event, Unparsed) or (opened := envelope.unwrap(line, context)) is None:
        return event
    header, message = opened
    inner = parse_message(message, context)
    return event if isinstance(inner, Unparsed) else {**header, **inner}


def _sniff(head: bytes, name: str) -> int:
    del name
    if b"#Fields:" in head[:4096] and head.lstrip(b"\xef\xbb\xbf")[:1] == b"#":
        return 90
    lines = [line for line in head[:16384].decode("utf-8", "replace").split("\n")[:20] if line.strip()]
    hits = sum(recognise(line) for line in lines)
    return 80 if lines and hits * 2 > len(lines) else 0


PARSER = Parser("webaccess", "Web access logs: common, combined, IIS W3C, Squid.", "comments", _sniff, _parse)
