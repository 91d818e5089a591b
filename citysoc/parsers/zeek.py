"""Zeek's logs: tab-separated with a ``#fields`` header, or JSON; every log, the common ones mapped to ECS.

Field names and types follow the Zeek documentation ("Log Files"); the layout of a TSV file is read from its
header: separator, set separator, marks of empty and unset fields, names, types.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citysoc.flow import Unparsed
from citysoc.parsers import envelope, jsontext, values
from citysoc.parsers.base import Context, Parser
from citysoc.parsers.times import epoch, guess

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from citysoc.flow import Event
    from citysoc.parsers.values import Convert, Table

_COMMON: Table = {
    "id.orig_h": ("source.ip", values.ip),
    "id.orig_p": ("source.port", values.integer),
    "id.resp_h": ("destination.ip", values.ip),
    "id.resp_p": ("destination.port", values.integer),
    "proto": ("network.transport", values.lower),
    "user": ("user.name", None),
    "username": ("user.name", None),
    "community_id": ("network.community_id", None),
}
_FILES: Table = {
    "md5": ("file.hash.md5", None),
    "sha1": ("file.hash.sha1", None),
    "sha256": ("file.hash.sha256", None),
}
_PATHS: dict[str, Table] = {
    "conn": {
        "service": ("network.protocol", values.lower),
        "duration": ("event.duration", values.nanoseconds),
        "orig_bytes": ("source.bytes", values.integer),
        "resp_bytes": ("destination.bytes", values.integer),
        "orig_pkts": ("source.packets", values.integer),
        "resp_pkts": ("destination.packets", values.integer),
        "orig_l2_addr": ("source.mac", None),
        "resp_l2_addr": ("destination.mac", None),
    },
    "dns": {
        "query": ("dns.question.name", None),
        "qtype_name": ("dns.question.type", None),
        "qclass_name": ("dns.question.class", None),
        "rcode_name": ("dns.response_code", None),
        "answers": ("dns.answers.data", values.listed),
        "trans_id": ("dns.id", values.text),
    },
    "http": {
        "method": ("http.request.method", None),
        "host": ("url.domain", None),
        "uri": ("url.original", None),
        "referrer": ("http.request.referrer", None),
        "version": ("http.version", values.text),
        "user_agent": ("user_agent.original", None),
        "request_body_len": ("http.request.body.bytes", values.integer),
        "response_body_len": ("http.response.body.bytes", values.integer),
        "status_code": ("http.response.status_code", values.integer),
    },
    "ssl": {
        "version": ("tls.version", None),
        "cipher": ("tls.cipher", None),
        "server_name": ("tls.client.server_name", None),
        "subject": ("tls.server.subject", None),
        "issuer": ("tls.server.issuer", None),
        "established": ("tls.established", None),
        "resumed": ("tls.resumed", None),
        "ja3": ("tls.client.ja3", None),
        "ja3s": ("tls.server.ja3s", None),
    },
    "files": {
        **_FILES,
        "tx_hosts": ("zeek.tx_hosts", values.listed),
        "rx_hosts": ("zeek.rx_hosts", values.listed),
        "mime_type": ("file.mime_type", None),
        "filename": ("file.name", None),
        "seen_bytes": ("file.size", values.integer),
    },
    "x509": {
        "certificate.subject": ("tls.server.subject", None),
        "certificate.issuer": ("tls.server.issuer", None),
        "certificate.not_valid_after": ("tls.server.not_after", epoch),
    },
    "pe": {"compile_ts": ("file.created", epoch)},
    "notice": {
        "note": ("rule.name", None),
        "msg": ("message", None),
        "src": ("source.ip", values.ip),
        "dst": ("destination.ip", values.ip),
        "p": ("destination.port", values.integer),
    },
    "weird": {"name": ("event.action", None)},
    "intel": {
        "seen.indicator": ("threat.indicator.ip", values.ip),
        "seen.indicator_type": ("threat.indicator.type", None),
    },
    "ssh": {"host_key_alg": ("zeek.host_key_alg", None)},
    "smtp": {
        "mailfrom": ("email.from.address", values.listed),
        "rcptto": ("email.to.address", values.listed),
        "subject": ("email.subject", None),
        "msg_id": ("email.message_id", None),
        "user_agent": ("user_agent.original", None),
    },
    "kerberos": {"error_msg": ("event.reason", None)},
    "ntlm": {
        "hostname": ("source.domain", None),
        "domainname": ("user.domain", None),
    },
    "smb_files": {
        "action": ("event.action", None),
        "name": ("file.path", None),
        "size": ("file.size", values.integer),
    },
    "smb_mapping": {"path": ("file.path", None)},
    "dce_rpc": {"operation": ("event.action", None)},
    "ftp": {"command": ("event.action", None), "arg": ("file.path", None)},
    "syslog": {"message": ("message", None), "severity": ("log.level", values.lower)},
    "software": {"host": ("source.ip", values.ip), "unparsed_version": ("user_agent.original", None)},
    "known_hosts": {"host": ("source.ip", values.ip)},
    "known_services": {"host": ("source.ip", values.ip), "port_num": ("source.port", values.integer)},
    "known_certs": {"host": ("source.ip", values.ip), "port_num": ("source.port", values.integer)},
    "tunnel": {"action": ("event.action", None)},
    "socks": {"bound_p": ("zeek.bound_p", values.integer)},
}
_CATEGORIES = {
    "conn": ["network"],
    "http": ["network", "web"],
    "files": ["network", "file"],
    "pe": ["file"],
    "x509": ["network"],
    "notice": ["network", "intrusion_detection"],
    "intel": ["network", "threat"],
    "ssh": ["network", "authentication"],
    "kerberos": ["network", "authentication"],
    "ntlm": ["network", "authentication"],
    "rdp": ["network"],
    "smtp": ["network", "email"],
    "smb_files": ["network", "file"],
    "smb_mapping": ["network", "file"],
}
_HOUSEKEEPING = frozenset({"stats", "capture_loss", "packet_filter", "loaded_scripts", "reporter", "broker"})
_PROTOCOLS = frozenset(
    {
        "dns",
        "http",
        "ssl",
        "ssh",
        "smtp",
        "kerberos",
        "ntlm",
        "rdp",
        "dce_rpc",
        "ftp",
        "snmp",
        "ntp",
        "modbus",
    }
)
# A JSON log that does not name itself is known by a field that only it has.
_TELLING = (
    ("qtype_name", "dns"),
    ("conn_state", "conn"),
    ("status_code", "http"),
    ("uri", "http"),
    ("user_agent", "http"),
    ("cipher", "ssl"),
    ("server_name", "ssl"),
    ("auth_attempts", "ssh"),
    ("note", "notice"),
    ("certificate.subject", "x509"),
    ("analyzers", "files"),
    ("share_type", "smb_mapping"),
    ("named_pipe", "dce_rpc"),
    ("request_type", "kerberos"),
    ("ntlm", "ntlm"),
    ("mailfrom", "smtp"),
    ("security_protocol", "rdp"),
)
_ESCAPE = re.compile(r"(?:\\x[0-9a-fA-F]{2})+|\\\\")


@functools.cache
def _table(path: str) -> Table:
    return {**_COMMON, **_PATHS.get(path, {})}


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the lines of one TSV file are read: for each column its ECS field and the reader of its text."""

    path: str
    separator: str
    unset: frozenset[str]
    columns: tuple[tuple[str, str, Callable[[str], Any] | None], ...]


def unescape(text: str) -> str:
    r"""Return text with Zeek's ``\xNN`` and ``\\`` undone; what is no UTF-8 then stays escaped."""
    return _ESCAPE.sub(_unescape, text) if "\\" in text else text


def _unescape(match: re.Match[str]) -> str:
    found = match[0]
    if found == "\\\\":
        return "\\"
    return bytes.fromhex(found.replace("\\x", "")).decode("utf-8", "backslashreplace")


def _boolean(text: str) -> bool | None:
    return {"T": True, "F": False}.get(text)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _list_of(item: Callable[[str], Any] | None, separator: str, empty: str) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        if text == empty:
            return []
        parts = text.split(separator)
        return parts if item is None else [item(part) for part in parts]

    return read


_READERS: dict[str, Callable[[str], Any] | None] = {
    "time": epoch,
    "interval": _number,
    "double": _number,
    "count": values.integer,
    "int": values.integer,
    "port": values.integer,
    "bool": _boolean,
    "addr": None,
    "subnet": None,
    "enum": None,
}


def _reader(kind: str, set_separator: str, empty: str) -> Callable[[str], Any] | None:
    container, _, inner = kind.partition("[")
    if container in {"set", "vector", "table", "list"}:
        return _list_of(_READERS.get(inner.rstrip("]"), unescape), set_separator, empty)
    return _READERS.get(kind, unescape)


@functools.lru_cache(maxsize=64)
def _layout(header: str) -> _Layout | None:
    """Return the layout that a TSV header describes; None if it names no fields."""
    raw: dict[str, str] = {}
    separator = "\t"
    for line in header.splitlines():
        if line.startswith("#separator "):
            separator = unescape(line[11:]) or "\t"
        elif line.startswith("#"):
            name, _, rest = line[1:].partition(separator)
            raw[name] = rest
    if "fields" not in raw:
        return None
    path = raw.get("path", "") or "log"
    names = raw["fields"].split(separator)
    kinds = raw.get("types", "").split(separator)
    kinds += ["string"] * (len(names) - len(kinds))
    empty = raw.get("empty_field", "(empty)")
    columns = []
    for name, kind in zip(names, kinds, strict=False):
        columns.append(_column(name, _reader(kind, raw.get("set_separator", ","), empty), _table(path)))
    return _Layout(path, separator, frozenset({raw.get("unset_field", "-"), ""}), tuple(columns))


def _column(
    name: str, read: Callable[[str], Any] | None, table: Table
) -> tuple[str, str, Callable[[str], Any] | None]:
    """Return the ECS field of a column, its name under ``zeek.``, and the reader of its text."""
    own = f"zeek.{name}"
    if name == "ts":
        return "@timestamp", own, epoch
    field, convert = table.get(name, (own, None))
    return field, own, _chain(read, convert)


def _chain(read: Callable[[str], Any] | None, convert: Convert) -> Callable[[str], Any] | None:
    if read is None or convert is None or read is convert:
        return convert or read
    if read is epoch and convert is epoch:
        return epoch

    def both(text: str) -> Any:
        return convert(read(text))

    return both


def _parse_lines(lines: Sequence[str], context: Context) -> list[Event | Unparsed]:
    layout = _layout(context.header)
    if layout is None:
        missing = Unparsed("zeek.no_header", "The file has no #fields line, which names the columns.")
        return [missing for _ in lines]
    return [_parse_row(line, layout) for line in lines]


def _parse_row(line: str, layout: _Layout) -> Event | Unparsed:
    texts = line.rstrip("\r").split(layout.separator)
    columns = layout.columns
    if len(texts) != len(columns):
        return Unparsed("zeek.columns", "The line has not as many columns as the header names.")
    event: Event = {"event.module": "zeek", "event.dataset": f"zeek.{layout.path}"}
    unset = layout.unset
    for (field, own, read), text in zip(columns, texts, strict=True):
        if text in unset:
            continue
        value = text if read is None else read(text)
        if value is None:  # not of its type: keep the text
            event[own] = text
        elif field in event:
            event[own] = value
        elif value != []:
            event[field] = value
    return _finish(event, layout.path)


def from_object(record: dict[str, Any], context: Context) -> Event | Unparsed:
    """Return the event of one object of a Zeek JSON log."""
    path = _path(record, context)
    event: Event = {"event.module": "zeek", "event.dataset": f"zeek.{path}"}
    leaves = values.flatten(record)
    values.assign(event, leaves, _table(path), "zeek.")
    stamp = event.pop("zeek.ts", None)
    if (moment := guess(stamp, context.zone, context.arrived)) is not None:
        event["@timestamp"] = moment
    return _finish(event, path)


def recognise(record: dict[str, Any]) -> bool:
    """Return whether an object is one of a Zeek JSON log."""
    if "ts" not in record:
        return False
    return "_path" in record or "id.orig_h" in record or ("uid" in record and "id" in record)


def _path(record: dict[str, Any], context: Context) -> str:
    for named in (record.get("_path"), context.options.get("path"), record.get("bro_engine")):
        if isinstance(named, str) and named:
            return named.lower()[:64]
    return next((path for field, path in _TELLING if field in record), "log")


def _finish(event: Event, path: str) -> Event:
    event["event.category"] = list(_CATEGORIES.get(path, ["network"]))
    if path in _HOUSEKEEPING:
        event["event.kind"] = "metric" if path in {"stats", "capture_loss"} else "event"
        event["event.category"] = ["host"]
    event["event.type"] = ["connection"] if path == "conn" else ["info"]
    if path in _PROTOCOLS:
        event["event.type"] = ["info", "protocol"]
        event.setdefault("network.protocol", "tls" if path == "ssl" else path)
    finish = _FINISHERS.get(path)
    if finish is not None:
        finish(event)
    return event


def _finish_dns(event: Event) -> None:
    if answers := event.get("dns.answers.data"):
        event["dns.type"] = "answer"
        if addresses := [address for text in answers if (address := values.ip(text))]:
            event["dns.resolved_ip"] = addresses
    elif "dns.question.name" in event:
        event["dns.type"] = "answer" if "dns.response_code" in event else "query"


def _finish_http(event: Event) -> None:
    url = event.get("url.original")
    if isinstance(url, str):
        path, _, query = url.partition("?")
        if "://" in path:
            path = "/" + path.partition("://")[2].partition("/")[2]
        event["url.path"] = path
        if query:
            event["url.query"] = query


def _finish_notice(event: Event) -> None:
    event["event.kind"] = "alert"
    actions = event.get("zeek.actions")
    if isinstance(actions, list) and "Notice::ACTION_DROP" in actions:
        event["citysoc.outcome"] = "blocked"


def _finish_success(event: Event) -> None:
    for name in ("zeek.auth_success", "zeek.success"):
        if isinstance(success := event.get(name), bool):
            event["event.outcome"] = "success" if success else "failure"
    if isinstance(client := event.get("zeek.client"), str) and "/" in client:  # Kerberos: user/REALM
        user, _, realm = client.partition("/")
        if user:
            event["user.name"] = user
        if realm:
            event["user.domain"] = realm


def _finish_files(event: Event) -> None:
    for name, field in (("zeek.tx_hosts", "source.ip"), ("zeek.rx_hosts", "destination.ip")):
        hosts = event.get(name)
        if isinstance(hosts, list) and hosts and field not in event and (address := values.ip(hosts[0])):
            event[field] = address


def _finish_rdp(event: Event) -> None:
    cookie = event.get("zeek.cookie")
    if isinstance(cookie, str) and cookie:
        event["user.name"] = cookie.removeprefix("mstshash=")


_FINISHERS: dict[str, Callable[[Event], None]] = {
    "dns": _finish_dns,
    "http": _finish_http,
    "notice": _finish_notice,
    "ssh": _finish_success,
    "kerberos": _finish_success,
    "ntlm": _finish_success,
    "files": _finish_files,
    "rdp": _finish_rdp,
}


def _parse_json(lines: Sequence[str], context: Context) -> list[Event | Unparsed]:
    return [_parse_json_line(line, context) for line in lines]


def _parse_json_line(line: str, context: Context) -> Event | Unparsed:
    header: Event = {}
    if not line.startswith("{"):
        header, line = envelope.strip(line, line.find("{"), context)
    record = jsontext.load(line)
    if isinstance(record, Unparsed):
        return record
    if not ("ts" in record or "_path" in record):
        return Unparsed("zeek.ts", "The object has neither ts nor _path, as Zeek writes them.")
    event = from_object(record, context)
    return {**header, **event} if header and not isinstance(event, Unparsed) else event


def _sniff_tsv(head: bytes, name: str) -> int:
    del name
    start = head.lstrip(b"\xef\xbb\xbf")[:4096]
    return 95 if start.startswith(b"#separator ") or (start[:1] == b"#" and b"\n#fields\t" in start) else 0


def _sniff_json(head: bytes, name: str) -> int:
    del name
    return 90 if any(recognise(record) for record in jsontext.objects(head)) else 0


TSV = Parser("zeek", "Zeek logs, tab-separated with their header.", "comments", _sniff_tsv, _parse_lines)
JSON = Parser("zeek-json", "Zeek logs as JSON lines.", "lines", _sniff_json, _parse_json)
