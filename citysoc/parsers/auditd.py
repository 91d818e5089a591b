"""Records of the Linux audit: the daemon's own files, and the same lines within syslog.

A record is ``type=EXECVE msg=audit(1730424600.123:77): argc=2 a0="ls" a1="-l"``; one act of the system makes several,
with the same number. The audit writes a value that has spaces or quotes in it in hexadecimal, without quotes; such
values are read back. Behind a group separator the daemon may name what it has as numbers (``SYSCALL=execve``);
where it does not, the calls that rules ask for are named here, for x86-64.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from citysoc.flow import Unparsed
from citysoc.parsers import envelope, keyvalue
from citysoc.parsers.base import Context, Parser
from citysoc.parsers.times import epoch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from citysoc.flow import Event

NOT_AUDIT = Unparsed("auditd.no_record", "The line is no record of the Linux audit.")
_RECORD = re.compile(
    r"(?:audit: )?type=(?P<type>[A-Z0-9_]{1,48}|\d{1,5}) (?:msg=)?"
    r"audit\((?P<time>\d{9,11}\.\d{1,6}):(?P<serial>\d{1,20})\): ?"
)
_QUOTE = re.compile(r"\bmsg='|'(?=\s{0,4}(?:\x1d|$))")
"""User messages nest their pairs in quotes."""
_PAIR = re.compile(r'([A-Za-z_][\w.\[\]-]{0,63})=(?:"([^"]*)"|([^\s"]\S*)?)')
_MAX_PAIRS = 1000
_HEX = re.compile(r"(?:[0-9A-F]{2})+\Z")
_ENCODED = frozenset(
    {"acct", "cmd", "comm", "cwd", "data", "exe", "file", "name", "path", "proctitle", "key", "vm"}
)
_ARGUMENT = re.compile(r"a\d{1,5}(?:\[\d{1,5}\])?\Z")
_PART = re.compile(r"(a\d{1,5})\[\d{1,5}\]\Z")
_ABSENT = frozenset({"?", "(null)", "(none)"})
_SYSCALLS = {
    "0": "read", "1": "write", "2": "open", "41": "socket", "42": "connect", "49": "bind", "56": "clone", "57": "fork",
    "58": "vfork", "59": "execve", "62": "kill", "82": "rename", "83": "mkdir", "84": "rmdir", "86": "link",
    "87": "unlink", "88": "symlink", "90": "chmod", "91": "fchmod", "92": "chown", "93": "fchown", "99": "sysinfo",
    "101": "ptrace", "103": "syslog", "105": "setuid", "106": "setgid", "133": "mknod", "135": "personality",
    "159": "adjtimex", "161": "chroot", "164": "settimeofday", "165": "mount", "166": "umount2", "169": "reboot",
    "170": "sethostname", "175": "init_module", "176": "delete_module", "188": "setxattr", "227": "clock_settime",
    "257": "openat", "259": "mknodat", "263": "unlinkat", "264": "renameat", "268": "fchmodat", "310": "process_vm_readv",
    "311": "process_vm_writev", "313": "finit_module", "317": "seccomp", "319": "memfd_create", "321": "bpf", "322": "execveat",
}  # fmt: skip
"""Numbers of calls on x86-64, from the kernel's table."""
_X86_64 = "c000003e"
_NUMBERED = {
    "1100": "USER_AUTH", "1101": "USER_ACCT", "1105": "USER_START", "1106": "USER_END", "1108": "USER_CHAUTHTOK",
    "1109": "USER_ERR", "1112": "USER_LOGIN", "1113": "USER_LOGOUT", "1114": "ADD_USER", "1115": "DEL_USER",
    "1116": "ADD_GROUP", "1117": "DEL_GROUP", "1123": "USER_CMD", "1130": "SERVICE_START", "1131": "SERVICE_STOP",
    "1300": "SYSCALL", "1302": "PATH", "1305": "CONFIG_CHANGE", "1306": "SOCKADDR", "1307": "CWD", "1309": "EXECVE",
    "1319": "TTY", "1326": "SECCOMP", "1327": "PROCTITLE", "1330": "KERN_MODULE", "1400": "AVC",
}  # fmt: skip
"""Types that are written as numbers where no daemon names them, from the kernel's ``audit.h``."""
_FIELDS = (
    ("exe", "process.executable"),
    ("comm", "process.name"),
    ("acct", "user.name"),
    ("addr", "source.address"),
    ("cwd", "process.working_directory"),
    ("name", "file.path"),
    ("proctitle", "process.command_line"),
)
_OUTCOMES = {
    **dict.fromkeys(("success", "yes", "1"), "success"),
    **dict.fromkeys(("failed", "no", "0"), "failure"),
}
_LOGONS = frozenset({"USER_AUTH", "USER_LOGIN", "USER_ERR"})


def recognise(text: str) -> int:
    """Return where a record begins in the first letters of a line; -1 where none does."""
    found = _RECORD.search(text[:200]) if "audit(" in text else None
    return -1 if found is None else found.start()


def add(event: Event, message: str) -> bool:
    """Add to an event what the audit record in a message says; False if there is none."""
    found = _RECORD.search(message[:200]) if "audit(" in message else None
    if found is None:
        return False
    if moment := epoch(found["time"]):
        event["@timestamp"] = moment
    kind = _NUMBERED.get(found["type"], found["type"])
    event["event.module"] = "auditd"
    event["event.dataset"] = "auditd.log"
    event["event.code"] = event["auditd.type"] = kind
    event["event.action"] = kind.lower().replace("_", "-")
    event["event.sequence"] = int(found["serial"][:18])
    told: dict[str, str] = {}
    for name, value in _pairs(message[found.end() :], kind):
        part = _PART.match(name)
        if part is not None:  # a long argument comes in parts
            told[part[1]] = told.get(part[1], "") + value
        else:
            told.setdefault(name, value)
    if "syscall" in told and "SYSCALL" not in told and told.get("arch") == _X86_64:
        known = _SYSCALLS.get(told["syscall"])
        if known:
            told["SYSCALL"] = known
    for name, value in told.items():
        event[f"auditd.{name}"] = value
    _shared(event, kind, told)
    return True


def _pairs(text: str, kind: str) -> Iterator[tuple[str, str]]:
    for number, found in enumerate(_PAIR.finditer(_QUOTE.sub(" ", text))):
        if number >= _MAX_PAIRS:
            return
        name, quoted, bare = found.groups()
        value = quoted if quoted is not None else _plain(name, bare or "", kind)
        if value:
            yield name, value


def _plain(name: str, value: str, kind: str) -> str:
    """Return a value that stands without quotes: it is text in hexadecimal where the field may be so."""
    may_be = name in _ENCODED or (kind == "EXECVE" and _ARGUMENT.match(name) is not None)
    if not may_be or _HEX.match(value) is None:
        return value
    return bytes.fromhex(value).replace(b"\0", b" ").decode("utf-8", "replace").rstrip()


def _shared(event: Event, kind: str, told: dict[str, str]) -> None:
    """Set the shared fields."""
    for name, field in _FIELDS:
        value = told.get(name)
        if value and value not in _ABSENT:
            event[field] = value
    if address := keyvalue.endpoint(event.get("source.address")):
        event["source.ip"] = address
    for name, field in (("pid", "process.pid"), ("ppid", "process.parent.pid")):
        if told.get(name, "").isdecimal():
            event[field] = int(told[name][:18])
    if outcome := _OUTCOMES.get(told.get("res", told.get("success", ""))):
        event["event.outcome"] = outcome
    if kind in _LOGONS:
        event["event.category"] = ["authentication"]
        event["event.type"] = ["start"]
    elif kind == "EXECVE":
        _command(event, told)
    elif kind == "PATH":
        event["event.category"] = ["file"]


def _command(event: Event, told: dict[str, str]) -> None:
    """Set what a record of a program's arguments says of the process."""
    event["event.category"] = ["process"]
    event["event.type"] = ["start"]
    numbers = sorted(int(name[1:]) for name in told if _ARGUMENT.match(name))
    arguments = [told[f"a{number}"] for number in numbers if f"a{number}" in told]
    if arguments:
        event["process.command_line"] = " ".join(arguments)
        if arguments[0].startswith("/"):
            event["process.executable"] = arguments[0]


def _parse(lines: Sequence[str], context: Context) -> list[Event | Unparsed]:
    return [_parse_line(line, context) for line in lines]


def _parse_line(line: str, context: Context) -> Event | Unparsed:
    start = recognise(line)
    if start < 0:
        return NOT_AUDIT
    event: Event = {}
    if start > 0:
        event, _rest = envelope.strip(line, start, context)
    event["message"] = line[start:]
    node = re.match(r"node=(\S{1,255}) ", line)
    if node is not None:
        event["host.name"] = node[1]
    add(event, line[start:])
    return event


def _sniff(head: bytes, name: str) -> int:
    del name
    lines = [line for line in head[:32768].split(b"\n")[:20] if line.strip()]
    known = sum(_HEAD.match(line) is not None for line in lines)
    return 80 if lines and known * 2 > len(lines) else 0


_HEAD = re.compile(rb"(?:node=\S{1,255} )?type=[A-Z0-9_]{1,48} msg=audit\(\d")

PARSER = Parser("auditd", "Records of the Linux audit (audit.log).", "lines", _sniff, _parse)
