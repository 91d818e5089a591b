"""Cisco's ``%FACILITY-SEVERITY-MNEMONIC: text``: ASA, FTD, PIX, IOS and relatives.

The commonest connection, denial and log-on messages of the ASA's system log guide give addresses, ports and
verdicts; of every other message the facility, severity and code.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from citysoc.parsers import keyvalue, programs, values

if TYPE_CHECKING:
    from citysoc.flow import Event

_IP = r"[0-9A-Fa-f.:]{2,45}"
_NOTE = r"(?: ?\([^)]{1,128}\))?"  # mapped addresses and user names stand in brackets


def _end(name: str, port: str = r"(?:/(?P<{0}port>\d{{1,5}}))?") -> str:
    """Return the pattern of ``interface:address/port``."""
    return (
        r"(?:(?P<{0}if>[\w./-]{{1,64}}):)?(?P<{0}ip>" + _IP.replace("{", "{{").replace("}", "}}") + ")"
    ).format(name) + port.format(name)


_BRACKETED = r"\((?P<{0}port>\d{{1,5}})\)"
_PROTO = r"(?P<proto>[\w-]{2,16})"
_HEAD = re.compile(
    r"%(?P<facility>[A-Z][A-Z0-9_]{1,31})-(?:[A-Z0-9_]{1,32}-)?(?P<severity>[0-7])-(?P<mnemonic>\w{1,64}):?\s{0,4}"
)
_CONNECTIONS = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        (
            rf"Built (?P<direction>inbound|outbound) {_PROTO} connection \d{{1,20}} for "
            rf"{_end('s')}{_NOTE}{_NOTE} to {_end('d')}"
        ),
        (
            rf"Teardown {_PROTO} connection \d{{1,20}} for {_end('s')}{_NOTE} to {_end('d')}{_NOTE}"
            r" duration (?P<duration>\d{1,6}:\d\d:\d\d) bytes (?P<bytes>\d{1,18})"
        ),
        (
            rf"(?P<deny>Deny|Denied) (?:inbound )?{_PROTO}{_NOTE} src {_end('s')}{_NOTE} dst {_end('d')}"
            r"(?:.{0,200}by access-group \"(?P<acl>[^\"]{1,128})\")?"
        ),
        rf"(?P<deny>Deny) {_PROTO}(?: reverse path check)?{_NOTE} from {_end('s')} to {_end('d')}",
        (
            rf"access-list (?P<acl>\S{{1,128}}) (?P<verdict>permitted|denied|est-allowed) {_PROTO} "
            rf"(?P<sif>[\w.-]{{1,64}})/(?P<sip>{_IP}){_BRACKETED.format('s')}.{{0,128}}? -> "
            rf"(?P<dif>[\w.-]{{1,64}})/(?P<dip>{_IP}){_BRACKETED.format('d')}"
        ),
        (
            rf"list (?P<acl>\S{{1,128}})(?: \S{{1,64}})? (?P<verdict>permitted|denied) {_PROTO} "
            rf"{_end('s', _BRACKETED)}.{{0,64}}? -> {_end('d', _BRACKETED)}"
        ),
        rf"{_PROTO} access (?P<verdict>permitted|denied by ACL|requested) from {_end('s')} to {_end('d')}",
        rf"Inbound {_PROTO} connection (?P<verdict>denied) from {_end('s')} to {_end('d')}",
        rf"(?P<proto>ICMP) connection for faddr (?P<dip>{_IP})/\d{{1,5}} gaddr {_IP}/\d{{1,5}} laddr (?P<sip>{_IP})",
        rf"\[(?P<sip>{_IP}):(?P<sport>\d{{1,5}}) -> (?P<dip>{_IP}):(?P<dport>\d{{1,5}})\]",
    )
)
_LOGON = re.compile(
    rf"(?:Login (?P<login>permitted|denied) from (?P<ip1>{_IP}).{{0,128}}user \"?(?P<user1>[^\"\s]{{1,128}})"
    r"|AAA user authentication (?P<aaa>Successful|Rejected)\b.{0,256}?user = (?P<user2>\S{1,128})"
    rf"(?:.{{0,64}}?user IP = (?P<ip2>{_IP}))?"
    rf"|Login (?P<ios>Success|failed) \[user: ?(?P<user3>[^\]]{{0,128}})\] \[Source: ?(?P<ip3>{_IP})\])"
)
_PAIRS = re.compile(r"\b([A-Z][A-Za-z]{2,40}): ([^,]{1,512})(?:, |$)")
_TABLE: values.Table = {
    "SrcIP": ("source.ip", values.ip),
    "SrcPort": ("source.port", values.integer),
    "DstIP": ("destination.ip", values.ip),
    "DstPort": ("destination.port", values.integer),
    "Protocol": ("network.transport", values.transport),
    "AccessControlRuleAction": ("event.action", values.lower),
    "AccessControlRuleName": ("rule.name", None),
    "IngressInterface": ("observer.ingress.interface.name", None),
    "EgressInterface": ("observer.egress.interface.name", None),
    "IngressZone": ("observer.ingress.zone", None),
    "EgressZone": ("observer.egress.zone", None),
    "InitiatorBytes": ("source.bytes", values.integer),
    "ResponderBytes": ("destination.bytes", values.integer),
    "User": ("user.name", None),
    "URL": ("url.full", None),
}
_FIELDS: tuple[tuple[str, str, values.Convert], ...] = (
    ("proto", "network.transport", values.transport),
    ("sip", "source.ip", values.ip),
    ("sport", "source.port", values.integer),
    ("dip", "destination.ip", values.ip),
    ("dport", "destination.port", values.integer),
    ("sif", "observer.ingress.interface.name", None),
    ("dif", "observer.egress.interface.name", None),
    ("acl", "rule.name", None),
    ("bytes", "network.bytes", values.integer),
)


def add(event: Event, message: str) -> bool:
    """Add what a Cisco message says; False if it is none."""
    head = _HEAD.search(message[:400])
    if head is None:
        return False
    facility = head["facility"]
    event["event.code"] = head["mnemonic"]
    event["event.severity"] = int(head["severity"])
    event["event.provider"] = facility
    event["observer.vendor"] = "Cisco"
    event["event.dataset"] = f"syslog.cisco_{facility.lower()}"
    text = message[head.end() :]
    event["message"] = text
    for pattern in _CONNECTIONS:
        if found := pattern.search(text[:1024]):
            _connection(event, found.groupdict())
            return True
    if found := _LOGON.search(text[:1024]):
        _logon(event, found)
    elif "SrcIP: " in text:
        values.assign(event, _PAIRS.findall(text)[:200], _TABLE, "syslog.")
        event["event.category"] = ["network"]
        keyvalue.settle_action(event)
    return True


def _connection(event: Event, parts: dict[str, str | None]) -> None:
    event["event.category"] = ["network"]
    for name, field, convert in _FIELDS:
        value = parts.get(name)
        if value and (converted := convert(value) if convert else value) is not None:
            event[field] = converted
    verdict = parts.get("verdict") or ""
    if parts.get("deny") or verdict.startswith("denied"):
        event["event.type"] = ["connection", "denied"]
        event["event.action"], event["citysoc.outcome"] = "deny", "blocked"
    elif verdict in {"permitted", "est-allowed"} or parts.get("direction"):
        event["event.type"] = ["connection", "allowed"]
        event["event.action"], event["citysoc.outcome"] = "permit", "allowed"
    else:
        event["event.type"] = ["connection", "end" if parts.get("duration") else "info"]


def _logon(event: Event, found: re.Match[str]) -> None:
    word = found["login"] or found["aaa"] or found["ios"]
    user = found["user1"] or found["user2"] or found["user3"]
    good = word in {"permitted", "Successful", "Success"}
    programs.logon(event, user, "success" if good else "failure")
    programs.set_address(event, found["ip1"] or found["ip2"] or found["ip3"])
