"""Read ``key=value`` text: the pairs themselves, and the names that many vendors share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from citysoc.parsers import values
from citysoc.parsers.times import epoch, guess, iso

if TYPE_CHECKING:
    import datetime as dt
    from zoneinfo import ZoneInfo

    from citysoc.flow import Event
    from citysoc.parsers.base import Context
    from citysoc.parsers.values import Table

# A backslash before a quote escapes it, unless the quote plainly ends the value (``path="C:\dir\" next=``).
_PAIR = re.compile(
    r"""([A-Za-z_][\w.\-]{0,63})[=:]
        (?:"((?:[^"\\]++|\\(?="(?:\s{1,3}[\w.\-]{1,64}=|\s{0,3}\Z))|\\(?!"(?:\s{1,3}[\w.\-]{1,64}=|\s{0,3}\Z)).)*+)"
        |(?<==)([^\s",;|][^\s,;|]*)?)""",
    re.VERBOSE | re.DOTALL,
)
_SPACED = re.compile(
    r"""([A-Za-z_][\w.\-]{0,63})=
        (?:"((?:[^"\\]++|\\(?="(?:\s{1,3}[\w.\-]{1,64}=|\s{0,3}\Z))|\\(?!"(?:\s{1,3}[\w.\-]{1,64}=|\s{0,3}\Z)).)*+)"
        |([^\s"]\S*)?)""",
    re.VERBOSE | re.DOTALL,
)
_STARTS = re.compile(r'[A-Za-z_][\w.\-]{0,63}=("|\S)')
_ENDPOINT = re.compile(r"[\d.]{7,15}:(\d{1,5})(?::|$)")
MAX_PAIRS = 1000


def pairs(text: str) -> list[tuple[str, str]]:
    r"""Return the pairs of text such as ``a=1 b="two words" c="say \"hi\""``, in order."""
    found = _SPACED.findall(text)[:MAX_PAIRS]
    if "\\" in text:
        return [(name, quoted.replace('\\"', '"') or bare) for name, quoted, bare in found]
    return [(name, quoted or bare) for name, quoted, bare in found]


def loose_pairs(text: str) -> list[tuple[str, str]]:
    """Return pairs that commas, semicolons or bars separate, also ``key:"value"``, also with spaces."""
    if text.count("|") > text.count(" ") // 2 and "=" in text:
        found = [part.partition("=") for part in text.split("|")[:MAX_PAIRS]]
        return [(name.strip(), value) for name, sign, value in found if sign and 0 < len(name) <= 64]
    return [
        (name, (quoted or bare).replace('\\"', '"')) for name, quoted, bare in _PAIR.findall(text)[:MAX_PAIRS]
    ]


def starts_with_pair(text: str) -> bool:
    """Return whether the text is one of pairs from its first letter on."""
    return _STARTS.match(text) is not None and text.count("=") >= 3


def endpoint(value: Any) -> str | None:
    """Return the address of ``10.1.2.3:4507:WAN`` or of a plain address."""
    if (plain := values.ip(value)) is not None:
        return plain
    return values.ip(value.partition(":")[0]) if isinstance(value, str) else None


def _names(field: str, convert: values.Convert, *names: str) -> dict[str, tuple[str, values.Convert]]:
    return dict.fromkeys(names, (field, convert))


TABLE: Table = {
    **_names("source.ip", endpoint, "src", "srcip", "src_ip", "source-address", "source-ip", "sip", "s_ip"),
    **_names(
        "source.ip", endpoint, "saddr", "source_ip", "sourceip", "clientip", "client_ip", "rip", "srcv6"
    ),
    **_names("destination.ip", endpoint, "dst", "dstip", "dst_ip", "destination-address", "destination-ip"),
    **_names(
        "destination.ip", endpoint, "dip", "d_ip", "daddr", "destination_ip", "destinationip", "dest_ip"
    ),
    **_names("destination.ip", endpoint, "dstv6", "serverip", "lip"),
    **_names("source.port", values.integer, "spt", "sport", "srcport", "src_port", "source-port"),
    **_names("source.port", values.integer, "source_port", "sourceport", "s_port"),
    **_names("destination.port", values.integer, "dpt", "dport", "dstport", "dst_port", "destination-port"),
    **_names(
        "destination.port", values.integer, "destination_port", "destinationport", "dest_port", "service_port"
    ),
    **_names("network.transport", values.transport, "proto", "protocol", "protocol-id"),
    **_names("source.nat.ip", values.ip, "nat-source-address", "tran_src_ip"),
    **_names("destination.nat.ip", values.ip, "nat-destination-address", "tran_dst_ip"),
    **_names("source.bytes", values.integer, "sent_bytes", "sentbyte", "bytes-from-client", "requestsize"),
    **_names(
        "destination.bytes", values.integer, "recv_bytes", "rcvdbyte", "bytes-from-server", "responsesize"
    ),
    **_names("source.mac", None, "srcmac", "src_mac"),
    **_names("destination.mac", None, "dstmac", "dst_mac"),
    **_names("event.action", values.lower, "action", "act", "log_subtype"),
    **_names("event.reason", None, "reason"),
    **_names("user.name", None, "user", "usr", "user_name", "username", "suser", "acct"),
    **_names("message", None, "msg", "message"),
    **_names(
        "rule.name", None, "rule-name", "policy-name", "rule_name", "policy_name", "attack-name", "attack"
    ),
    **_names("rule.name", None, "signature"),
    **_names(
        "observer.ingress.interface.name", None, "in", "source-interface-name", "in_interface", "interface"
    ),
    **_names("observer.egress.interface.name", None, "out", "out_interface"),
    **_names("observer.ingress.zone", None, "source-zone-name", "srczone", "src_zone", "source-zone"),
    **_names(
        "observer.egress.zone", None, "destination-zone-name", "dstzone", "dst_zone", "destination-zone"
    ),
    **_names("url.full", None, "url"),
    **_names("http.request.method", None, "http_method", "requestmethod"),
    **_names("user_agent.original", None, "useragent", "user_agent"),
    **_names("process.executable", None, "exe"),
    **_names("process.pid", values.integer, "pid"),
    **_names("process.parent.pid", values.integer, "ppid"),
    **_names("process.name", None, "comm"),
    **_names("observer.product", None, "product"),
}
"""Names in small letters that mean the same with many vendors."""

_OUTCOMES = {
    **dict.fromkeys(
        ("deny", "denied", "drop", "dropped", "block", "blocked", "prevent", "prevented"), "blocked"
    ),
    **dict.fromkeys(("reject", "rejected", "terminated"), "blocked"),
    **dict.fromkeys(("allow", "allowed", "accept", "accepted", "permit", "permitted"), "allowed"),
    **dict.fromkeys(("pass", "passed"), "allowed"),
    **dict.fromkeys(("quarantine", "quarantined"), "quarantined"),
    **dict.fromkeys(("delete", "deleted"), "deleted"),
    **dict.fromkeys(("clean", "cleaned", "cure", "cured", "disinfect", "disinfected"), "cleaned"),
}


def settle_action(event: Event) -> None:
    """Set ``citysoc.outcome`` where the device's action says plainly what became of it."""
    action = event.get("event.action")
    if isinstance(action, str) and (outcome := _OUTCOMES.get(action.lower())):
        event["citysoc.outcome"] = outcome


def read(text: str, context: Context, prefix: str) -> Event:
    """Return what the pairs of a text say: shared names by ``TABLE``, others under ``prefix``.

    The result is empty when the text has fewer than three pairs.
    """
    found = pairs(text)
    if len(found) < 3 or "|" in text or ", " in text or ";" in text or "\t" in text:
        found = max(found, loose_pairs(text), key=len)
    if len(found) < 3:
        return {}
    event: Event = {}
    lowered = [(name.lower(), value) for name, value in found]
    values.assign(event, lowered, TABLE, prefix)
    _split_endpoints(event, lowered)
    if moment := _moment(dict(lowered), context.zone, context.arrived):
        event["@timestamp"] = moment
    settle_action(event)
    if "source.ip" in event or "destination.ip" in event:
        event.setdefault("event.category", ["network"])
    return event


def _split_endpoints(event: Event, found: list[tuple[str, str]]) -> None:
    """Set the ports of ``src=10.1.2.3:4507:WAN`` and the like."""
    for name, value in found:
        if name in {"src", "dst"} and (match := _ENDPOINT.match(value)):
            field = "source.port" if name == "src" else "destination.port"
            event.setdefault(field, int(match[1]))


def _moment(found: dict[str, str], zone: ZoneInfo, arrived: dt.datetime) -> dt.datetime | None:
    if (date := found.get("date")) and (clock := found.get("time")):
        return iso(f"{date}T{clock}", zone)
    for name in ("eventtime", "timestamp", "time"):
        value = found.get(name, "")
        if value.isdigit() and len(value) >= 10:
            return epoch(value)
        if moment := guess(value, zone, arrived):
            return moment
    return None
