"""Zeek logs as tab-separated values, with the full headers that explain them.

Fields and types follow the log reference in Zeek's documentation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from citysoc.simulation.formats.facts import Flow
    from citysoc.simulation.stamps import Stamps

_ID = "ts:time uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port "
FIELDS = {
    "conn": _ID
    + "proto:enum service:string duration:interval orig_bytes:count resp_bytes:count conn_state:string "
    "local_orig:bool local_resp:bool missed_bytes:count history:string orig_pkts:count "
    "orig_ip_bytes:count resp_pkts:count resp_ip_bytes:count tunnel_parents:set[string]",
    "dns": _ID
    + "proto:enum trans_id:count rtt:interval query:string qclass:count qclass_name:string qtype:count "
    "qtype_name:string rcode:count rcode_name:string AA:bool TC:bool RD:bool RA:bool Z:count "
    "answers:vector[string] TTLs:vector[interval] rejected:bool",
    "http": _ID + "trans_depth:count method:string host:string uri:string referrer:string version:string "
    "user_agent:string origin:string request_body_len:count response_body_len:count status_code:count "
    "status_msg:string info_code:count info_msg:string tags:set[enum] username:string password:string "
    "proxied:set[string] orig_fuids:vector[string] orig_filenames:vector[string] "
    "orig_mime_types:vector[string] resp_fuids:vector[string] resp_filenames:vector[string] "
    "resp_mime_types:vector[string]",
}
"""Fields with their types, by log."""

_QTYPES = {"A": 1, "AAAA": 28, "TXT": 16, "MX": 15, "PTR": 12, "NULL": 10}
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def header(path: str, opened: str) -> bytes:
    """Return the lines that begin a log; ``opened`` is a local time like ``2026-10-01-00-00-00``."""
    pairs = [field.rpartition(":") for field in FIELDS[path].split(" ")]
    names, types = "\t".join(pair[0] for pair in pairs), "\t".join(pair[2] for pair in pairs)
    return (
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n"
        f"#path\t{path}\n#open\t{opened}\n#fields\t{names}\n#types\t{types}\n"
    ).encode()


def footer(closed: str) -> bytes:
    """Return the line that ends a log."""
    return f"#close\t{closed}\n".encode()


def _uid(number: int) -> str:
    letters = []
    number = number * 2_654_435_761 + 1_099_511_628_211
    for _ in range(11):
        number, rest = divmod(number, 62)
        letters.append(_LETTERS[rest])
    return "C" + "".join(letters)


def _start(stamps: Stamps, at: int, flow: Flow) -> str:
    return f"{stamps.seconds(at)}\t{_uid(flow.number)}\t{flow.src}\t{flow.sport}\t{flow.dst}\t{flow.dport}\t"


def conn(stamps: Stamps, at: int, flow: Flow, *, application: str = "-", state: str = "SF") -> bytes:
    """Render a connection; state ``S0`` for one that nobody answered."""
    if state == "S0":
        rest = "-\t-\t-\t-\tS0\tF\tT\t0\tS\t1\t40\t0\t0\t(empty)"
    else:
        out, back = flow.sent // 900 + 1, flow.received // 1200 + 1
        rest = (
            f"{application}\t{flow.seconds}.{flow.number % 1000000:06}\t{flow.sent}\t{flow.received}\t"
            f"{state}\tT\tF\t0\tShADadfF\t{out}\t{flow.sent + 40 * out}\t{back}\t"
            f"{flow.received + 40 * back}\t(empty)"
        )
    return f"{_start(stamps, at, flow)}{flow.proto.lower()}\t{rest}".encode()


def dns(
    stamps: Stamps, at: int, flow: Flow, *, name: str, kind: str = "A", answer: str = "", rcode: int = 0
) -> bytes:
    """Render a DNS question with its answer."""
    answers, lives = (answer, "300.000000") if answer else ("-", "-")
    rname = {0: "NOERROR", 2: "SERVFAIL", 3: "NXDOMAIN"}[rcode]
    return (
        f"{_start(stamps, at, flow)}udp\t{flow.number % 65536}\t0.0{flow.number % 9 + 1}2117\t{name}\t1\t"
        f"C_INTERNET\t{_QTYPES[kind]}\t{kind}\t{rcode}\t{rname}\tF\tF\tT\tT\t0\t{answers}\t{lives}\tF"
    ).encode()


def http(
    stamps: Stamps, at: int, flow: Flow, *, host: str, path: str, method: str, status: int, agent: str
) -> bytes:
    """Render an HTTP request with its answer's status."""
    return (
        f"{_start(stamps, at, flow)}1\t{method}\t{host}\t{path}\t-\t1.1\t{agent}\t-\t{flow.sent}\t"
        f"{flow.received}\t{status}\t{'OK' if status == 200 else 'Not Found'}\t-\t-\t(empty)\t-\t-\t-"
        "\t-\t-\t-\t-\t-\ttext/html"
    ).encode()
