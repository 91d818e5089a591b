"""What known programs say in their syslog messages: log-ons, packet filters' verdicts, DNS questions.

Each reader adds to an event what it finds in the message; a message it does not know stays free text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from citysoc.parsers import keyvalue, values

if TYPE_CHECKING:
    from collections.abc import Callable

    from citysoc.flow import Event

_USER = r"(?P<user>\S{0,128}|.{1,128}?)"
_FROM = r"(?P<ip>[0-9A-Fa-f.:%]{3,64}|\S{1,255})"
_PORT = r"(?: port (?P<port>\d{1,5}))"
_SSH_LOGON = re.compile(
    r"(?P<verb>Accepted|Failed|Postponed) (?P<method>[\w/-]{1,64}) for (?:invalid user |illegal user )?"
    rf"{_USER} from {_FROM}{_PORT}"
)
_SSH_FAILURES = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?:Invalid|Illegal) user {_USER} from {_FROM}{_PORT}?",
        rf"Connection (?:closed|reset) by (?:authenticating|invalid) user {_USER} {_FROM}{_PORT}",
        rf"Disconnected from (?:authenticating|invalid) user {_USER} {_FROM}{_PORT}",
        (
            r"(?:error: )?maximum authentication attempts exceeded for (?:invalid user )?"
            rf"{_USER} from {_FROM}{_PORT}"
        ),
        rf"User {_USER} from {_FROM} not allowed because",
        rf"ROOT LOGIN REFUSED FROM {_FROM}{_PORT}?",
    )
)
_SSH_CONTACT = re.compile(
    r"(?:Connection (?:closed|reset|from)|Received disconnect from|Disconnected from"
    r"|Did not receive identification string from|Bad protocol version identification .{0,200} from"
    rf"|Timeout, client not responding from)(?: by)?(?: user (?P<user>\S{{1,128}}))? {_FROM}{_PORT}?"
)
_DROPBEAR = re.compile(
    r"(?P<verb>Bad password attempt|Password auth succeeded|Pubkey auth succeeded|Login attempt)(?: for)? "
    r"(?:'(?P<user>[^']{0,128})'|nonexistent user)(?: with key .{1,200}?)?"
    rf" from {_FROM}:(?P<port>\d{{1,5}})$"
)
_PAM_FAILURE = re.compile(
    r"(?:\((?P<service>[\w-]{1,64}):auth\): )?authentication failure;(?P<rest>.*)", re.DOTALL
)
_PAM_SESSION = re.compile(
    r"\((?P<service>[\w-]{1,64}):session\): "
    r"session (?P<verb>opened|closed) for user (?P<user>[^\s(]{1,128})"
)
_SUDO = re.compile(
    r"\s{0,32}(?P<user>\S{1,128}) : (?P<why>[^;=]{1,200}; )?(?:TTY=\S{1,64} ; )?PWD=(?P<pwd>.{1,1024}?) ; "
    r"USER=(?P<target>\S{1,128})(?: ; [A-Z]{1,32}=.{0,1024}?)? ; COMMAND=(?P<command>.*)",
    re.DOTALL,
)
_SU = re.compile(
    r"(?P<failed>FAILED SU |FAILED su )?(?:\(to (?P<target1>[^)]{1,128})\) (?P<user1>\S{1,128}) on"
    r"|(?P<word>Successful|BAD|FAILED|failed) su for (?P<target2>\S{1,128}) by (?P<user2>\S{1,128})"
    r"|'su (?P<target3>\S{1,128})' (?P<word3>succeeded|failed) for (?P<user3>\S{1,128}))",
    re.IGNORECASE,
)
_CLIENT = r"client (?:@0x[0-9a-f]{1,16} )?(?P<ip>[0-9A-Fa-f.:]{2,45})#(?P<port>\d{1,5})"
_NAMED_QUERY = re.compile(
    rf"{_CLIENT}(?: \(\S{{1,255}}\))?:(?: view \S{{1,128}}:)? query: (?P<name>\S{{1,255}}) "
    r"(?P<class>IN|CH|HS|ANY|CLASS\d{1,5}) (?P<type>[A-Z0-9]{1,16})"
)
_NAMED_DENIED = re.compile(rf"{_CLIENT}(?: \((?P<name>\S{{1,255}})\))?:.{{0,200}}denied")
_DNSMASQ = re.compile(
    r"(?:\d{1,12} \S{1,64} )?"
    r"(?:query\[(?P<type>[\w=]{1,16})\] (?P<name>\S{1,255}) from (?P<ip>[0-9A-Fa-f.:]{2,45})"
    r"|(?:reply|cached|config|/etc/\S{1,200}|gravity blocked|blacklisted) (?P<answered>\S{1,255}) is "
    r"(?P<answer>.{1,255}))"
)
_NETFILTER = re.compile(r"\bIN=\S{0,32} OUT=")
_UPTIME = re.compile(r"^\[ {0,8}\d{1,12}\.\d{1,9}\] ?")
_NETFILTER_PAIR = re.compile(r"\b([A-Z]{2,8})=(\S*)")


def add(event: Event, program: str, message: str) -> None:
    """Add to the event what the program's own reader finds in its message."""
    if message.startswith(("pam_", "authentication failure;")):
        _pam(event, message)
        return
    reader = _READERS.get(program)
    if reader is not None:
        reader(event, message)


def add_netfilter(event: Event, message: str) -> bool:
    """Add the packet that a line of iptables or nftables describes; False if it is none."""
    start = _NETFILTER.search(message)
    if start is None:
        return False
    raw = dict(reversed(_NETFILTER_PAIR.findall(message[start.start() :])))  # the outer packet's come first
    for name, field, convert in _NETFILTER_FIELDS:
        value = raw.get(name)
        if value and (converted := convert(value) if convert else value) is not None:
            event[field] = converted
    event["event.category"] = ["network"]
    event["event.type"] = ["connection"]
    event["event.dataset"] = "syslog.netfilter"
    name = _UPTIME.sub("", message[: start.start()]).strip(" :*-[]")
    prefix = name.lower()
    if name:
        event["rule.name"] = name[:256]
        if any(word in prefix for word in ("drop", "block", "reject", "deny", "denied")):
            event["event.action"], event["citysoc.outcome"] = "drop", "blocked"
        elif any(word in prefix for word in ("accept", "allow", "permit")):
            event["event.action"], event["citysoc.outcome"] = "accept", "allowed"
    return True


_NETFILTER_FIELDS: tuple[tuple[str, str, values.Convert], ...] = (
    ("SRC", "source.ip", values.ip),
    ("DST", "destination.ip", values.ip),
    ("SPT", "source.port", values.integer),
    ("DPT", "destination.port", values.integer),
    ("PROTO", "network.transport", values.transport),
    ("IN", "observer.ingress.interface.name", None),
    ("OUT", "observer.egress.interface.name", None),
    ("LEN", "network.bytes", values.integer),
)


def set_address(event: Event, text: str | None) -> None:
    """Set the source: ``source.ip`` for an address, ``source.address`` for a name."""
    if not text:
        return
    if address := values.ip(text):
        event["source.ip"] = address
    else:
        event["source.address"] = text


def logon(event: Event, user: str | None, outcome: str) -> None:
    """Make the event a log-on of that user with that outcome."""
    event["event.category"] = ["authentication"]
    event["event.type"] = ["start"]
    event["event.outcome"] = outcome
    if user:
        event["user.name"] = user


def _sshd(event: Event, message: str) -> None:
    event["network.protocol"] = "ssh"
    if found := _SSH_LOGON.match(message):
        if found["verb"] != "Postponed":
            logon(event, found["user"], "success" if found["verb"] == "Accepted" else "failure")
        event["event.action"] = "ssh_login"
        event["syslog.auth_method"] = found["method"]
    else:
        found = next((match for pattern in _SSH_FAILURES if (match := pattern.match(message))), None)
        if found is not None:
            logon(event, found.groupdict().get("user") or None, "failure")
            event["event.action"] = "ssh_login"
        elif (found := _SSH_CONTACT.match(message)) is not None:
            event["event.category"] = ["network"]
            event["event.type"] = ["connection"]
            if found["user"]:
                event["user.name"] = found["user"]
        else:
            return
    set_address(event, found["ip"])
    if port := found.groupdict().get("port"):
        event["source.port"] = int(port)


def _dropbear(event: Event, message: str) -> None:
    event["network.protocol"] = "ssh"
    if found := _DROPBEAR.match(message):
        logon(event, found["user"], "success" if "succeeded" in found["verb"] else "failure")
        event["event.action"] = "ssh_login"
        set_address(event, found["ip"])
        event["source.port"] = int(found["port"])


def _pam(event: Event, message: str) -> None:
    if found := _PAM_FAILURE.search(message):
        raw = dict(keyvalue.pairs(found["rest"]))
        logon(event, raw.get("user"), "failure")
        set_address(event, raw.get("rhost"))
        if found["service"]:
            event["syslog.pam_service"] = found["service"]
    elif found := _PAM_SESSION.search(message):
        opened = found["verb"] == "opened"
        event["event.category"] = ["session"]
        event["event.type"] = ["start" if opened else "end"]
        event["event.action"] = f"session_{found['verb']}"
        event["event.outcome"] = "success"
        event["user.name"] = found["user"]
        event["syslog.pam_service"] = found["service"]


def _sudo(event: Event, message: str) -> None:
    found = _SUDO.match(message)
    if found is None:
        return
    why = (found["why"] or "").strip(" ;")
    logon(event, found["user"], "failure" if why else "success")
    event["event.category"] = ["authentication", "process"]
    event["event.action"] = "sudo"
    event["user.effective.name"] = found["target"]
    event["process.command_line"] = found["command"]
    event["process.working_directory"] = found["pwd"]
    if why:
        event["event.reason"] = why


def _su(event: Event, message: str) -> None:
    found = _SU.search(message)
    if found is None:
        return
    word = (found["word"] or found["word3"] or "").lower()
    failed = bool(found["failed"]) or word in {"bad", "failed"}
    logon(event, found["user1"] or found["user2"] or found["user3"], "failure" if failed else "success")
    event["event.action"] = "su"
    event["user.effective.name"] = found["target1"] or found["target2"] or found["target3"]


def _named(event: Event, message: str) -> None:
    event["network.protocol"] = "dns"
    if found := _NAMED_QUERY.search(message):
        event["dns.question.name"] = found["name"].rstrip(".")
        event["dns.question.type"] = found["type"]
        event["dns.question.class"] = found["class"]
        event["dns.type"] = "query"
    elif found := _NAMED_DENIED.search(message):
        event["citysoc.outcome"] = "blocked"
        event["event.action"] = "denied"
        if found["name"]:
            event["dns.question.name"] = found["name"]
    else:
        return
    event["event.category"] = ["network"]
    event["event.type"] = ["protocol"]
    set_address(event, found["ip"])
    event["source.port"] = int(found["port"])


def _dnsmasq(event: Event, message: str) -> None:
    found = _DNSMASQ.match(message)
    if found is None:
        return
    event["network.protocol"] = "dns"
    event["event.category"] = ["network"]
    event["event.type"] = ["protocol"]
    event["dns.question.name"] = found["name"] or found["answered"]
    if found["ip"]:
        event["dns.type"] = "query"
        event["dns.question.type"] = found["type"]
        set_address(event, found["ip"])
    else:
        event["dns.type"] = "answer"
        event["dns.answers.data"] = [found["answer"]]
        if address := values.ip(found["answer"]):
            event["dns.resolved_ip"] = [address]


def _filterlog(event: Event, message: str) -> None:
    """Read pfSense's and OPNsense's filter log: comma-separated, its columns by IP version and protocol."""
    cells = message.split(",")
    if len(cells) < 20 or cells[8] not in {"4", "6"}:
        return
    event["observer.product"] = "pfSense"
    event["event.category"] = ["network"]
    event["event.type"] = ["connection", "denied" if cells[6] == "block" else "allowed"]
    event["event.action"] = cells[6]
    keyvalue.settle_action(event)
    event["network.direction"] = {"in": "inbound", "out": "outbound"}.get(cells[7], cells[7])
    event["observer.ingress.interface.name"] = cells[4]
    if cells[0]:
        event["rule.id"] = cells[0]
    # version 4 names the transport in column 16, version 6 in 12; sizes and addresses follow it
    name, start = (cells[16], 18) if cells[8] == "4" else (cells[12], 15)
    event["network.transport"] = values.transport(name) or name
    pairs = zip(("source.ip", "destination.ip"), cells[start : start + 2], strict=False)
    event.update({field: address for field, cell in pairs if (address := values.ip(cell))})
    if event["network.transport"] in {"tcp", "udp"}:
        ports = zip(("source.port", "destination.port"), cells[start + 2 : start + 4], strict=False)
        event.update({field: port for field, cell in ports if (port := values.integer(cell)) is not None})


def _kernel(event: Event, message: str) -> None:
    add_netfilter(event, message)


_READERS: dict[str, Callable[[Event, str], None]] = {
    "sshd": _sshd,
    "sshd-session": _sshd,
    "dropbear": _dropbear,
    "sudo": _sudo,
    "su": _su,
    "named": _named,
    "dnsmasq": _dnsmasq,
    "pihole": _dnsmasq,
    "filterlog": _filterlog,
    "kernel": _kernel,
    "ulogd": _kernel,
}
"""Program to its reader. A new program is one function and one line here."""
