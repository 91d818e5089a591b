"""Suricata EVE: one JSON object a line.

Field names follow the EVE JSON format of Suricata's user guide. The signatures are made up and
carry ids from the range for local rules (1,000,000 to 1,999,999).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

if TYPE_CHECKING:
    from citysoc.simulation.formats.facts import Flow
    from citysoc.simulation.stamps import Stamps


class Signature(NamedTuple):
    """A signature: id, text, category as in ``classification.config``, severity 1 (high) to 3."""

    id: int
    text: str
    category: str
    severity: int


def _base(stamps: Stamps, at: int, kind: str, flow: Flow) -> dict[str, Any]:
    return {
        "timestamp": stamps.eve(at),
        "flow_id": 1_000_000_000_000 + flow.number,
        "in_iface": "eth1",
        "event_type": kind,
        "src_ip": flow.src,
        "src_port": flow.sport,
        "dest_ip": flow.dst,
        "dest_port": flow.dport,
        "proto": flow.proto,
    }


def alert(
    stamps: Stamps,
    at: int,
    flow: Flow,
    signature: Signature,
    *,
    blocked: bool = False,
    http: dict[str, Any] | None = None,
) -> bytes:
    """Render a signature that matched, with the request it matched in where that is known."""
    record = _base(stamps, at, "alert", flow)
    record["alert"] = {
        "action": "blocked" if blocked else "allowed",
        "gid": 1,
        "signature_id": signature.id,
        "rev": 2,
        "signature": signature.text,
        "category": signature.category,
        "severity": signature.severity,
    }
    if http is not None:
        record["http"] = http
        record["app_proto"] = "http"
    record["flow"] = {
        "pkts_toserver": 4,
        "pkts_toclient": 3,
        "bytes_toserver": flow.sent or 612,
        "bytes_toclient": flow.received or 344,
        "start": stamps.eve(at),
    }
    return orjson.dumps(record)


def dns_query(stamps: Stamps, at: int, flow: Flow, *, name: str, kind: str = "A") -> bytes:
    """Render a DNS question."""
    record = _base(stamps, at, "dns", flow)
    record["dns"] = {"type": "query", "id": flow.number % 65536, "rrname": name, "rrtype": kind, "tx_id": 0}
    return orjson.dumps(record)


def http(
    stamps: Stamps, at: int, flow: Flow, *, host: str, path: str, method: str, status: int, agent: str
) -> bytes:
    """Render an HTTP request with its answer's status."""
    record = _base(stamps, at, "http", flow)
    record["tx_id"] = 0
    record["http"] = {
        "hostname": host,
        "url": path,
        "http_user_agent": agent,
        "http_content_type": "text/html",
        "http_method": method,
        "protocol": "HTTP/1.1",
        "status": status,
        "length": flow.received,
    }
    return orjson.dumps(record)


def tls(stamps: Stamps, at: int, flow: Flow, *, name: str) -> bytes:
    """Render a TLS handshake."""
    record = _base(stamps, at, "tls", flow)
    record["tls"] = {
        "subject": f"CN={name}",
        "issuerdn": "C=VN, O=Example Trust, CN=Example Issuing CA 1",
        "serial": f"0A:{flow.number % 256:02X}:7C:11",
        "sni": name,
        "version": "TLS 1.2",
        "notbefore": "2026-01-01T00:00:00",
        "notafter": "2027-01-31T23:59:59",
    }
    return orjson.dumps(record)


def flow_end(stamps: Stamps, at: int, flow: Flow) -> bytes:
    """Render the end of a flow."""
    record = _base(stamps, at, "flow", flow)
    record["app_proto"] = "tls" if flow.dport == 443 else "failed"
    record["flow"] = {
        "pkts_toserver": flow.sent // 900 + 1,
        "pkts_toclient": flow.received // 1200 + 1,
        "bytes_toserver": flow.sent,
        "bytes_toclient": flow.received,
        "start": stamps.eve(at - flow.seconds * 1000),
        "end": stamps.eve(at),
        "age": flow.seconds,
        "state": "closed",
        "reason": "timeout",
        "alerted": False,
    }
    return orjson.dumps(record)
