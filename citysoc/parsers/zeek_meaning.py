"""What the logs of Zeek mean in ECS: which log an object is of, and what its events are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from citysoc.parsers import values

if TYPE_CHECKING:
    from collections.abc import Callable

    from citysoc.flow import Event
    from citysoc.parsers.base import Context

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


def path_of(record: dict[str, Any], context: Context) -> str:
    """Return which log an object is of, by its name or by what only that log has."""
    for named in (record.get("_path"), context.options.get("path"), record.get("bro_engine")):
        if isinstance(named, str) and named:
            return named.lower()[:64]
    return next((path for field, path in _TELLING if field in record), "log")


def finish(event: Event, path: str) -> Event:
    """Give an event of a log what the log means, in place; return it."""
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
