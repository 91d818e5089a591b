"""Suricata's EVE log: one JSON object a line, of every event type.

Field names follow Suricata's EVE JSON format; ``dns`` is read in its versions 1, 2 and 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from citysoc.clock import UTC
from citysoc.flow import Unparsed
from citysoc.parsers import envelope, jsontext, values
from citysoc.parsers.base import Context, Parser
from citysoc.parsers.times import iso

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from citysoc.flow import Event
    from citysoc.parsers.values import Table


def _time(value: Any) -> dt.datetime | None:
    return iso(value, UTC) if isinstance(value, str) else None


def _protocol(value: Any) -> str | None:
    return value.lower() if isinstance(value, str) and value != "failed" else None


def _fingerprint(value: Any) -> str | None:
    """Return a certificate's SHA-1 as ECS writes it, without colons; None where it is none."""
    text = str(value)[:80].replace(":", "").upper()
    return text if len(text) == 40 else None


def _version(value: Any) -> str | None:
    return value.removeprefix("HTTP/") if isinstance(value, str) else None


_TABLE: Table = {
    "timestamp": ("@timestamp", _time),
    "src_ip": ("source.ip", values.ip),
    "src_port": ("source.port", values.integer),
    "dest_ip": ("destination.ip", values.ip),
    "dest_port": ("destination.port", values.integer),
    "proto": ("network.transport", values.transport),
    "app_proto": ("network.protocol", _protocol),
    "community_id": ("network.community_id", None),
    "in_iface": ("observer.ingress.interface.name", None),
    "host": ("observer.hostname", values.text),
    "alert.action": ("event.action", None),
    "alert.signature": ("rule.name", None),
    "alert.signature_id": ("rule.id", values.text),
    "alert.category": ("rule.category", None),
    "alert.rev": ("rule.version", values.text),
    "alert.severity": ("event.severity", values.integer),
    "flow.bytes_toserver": ("source.bytes", values.integer),
    "flow.bytes_toclient": ("destination.bytes", values.integer),
    "flow.pkts_toserver": ("source.packets", values.integer),
    "flow.pkts_toclient": ("destination.packets", values.integer),
    "flow.start": ("event.start", _time),
    "flow.end": ("event.end", _time),
    "netflow.bytes": ("network.bytes", values.integer),
    "netflow.pkts": ("network.packets", values.integer),
    "netflow.start": ("event.start", _time),
    "netflow.end": ("event.end", _time),
    "http.hostname": ("url.domain", None),
    "http.url": ("url.original", None),
    "http.http_port": ("url.port", values.integer),
    "http.http_method": ("http.request.method", None),
    "http.http_user_agent": ("user_agent.original", None),
    "http.http_refer": ("http.request.referrer", None),
    "http.status": ("http.response.status_code", values.integer),
    "http.length": ("http.response.body.bytes", values.integer),
    "http.protocol": ("http.version", _version),
    "tls.sni": ("tls.client.server_name", None),
    "tls.fingerprint": ("tls.server.hash.sha1", _fingerprint),
    "tls.subject": ("tls.server.subject", None),
    "tls.issuerdn": ("tls.server.issuer", None),
    "tls.version": ("tls.version", None),
    "tls.notafter": ("tls.server.not_after", _time),
    "tls.ja3.hash": ("tls.client.ja3", None),
    "tls.ja3s.hash": ("tls.server.ja3s", None),
    "tls.session_resumed": ("tls.resumed", None),
    "fileinfo.filename": ("file.path", None),
    "fileinfo.size": ("file.size", values.integer),
    "fileinfo.md5": ("file.hash.md5", None),
    "fileinfo.sha1": ("file.hash.sha1", None),
    "fileinfo.sha256": ("file.hash.sha256", None),
    "fileinfo.mimetype": ("file.mime_type", None),
    "smtp.mail_from": ("email.from.address", values.listed),
    "smtp.rcpt_to": ("email.to.address", values.listed),
    "email.from": ("email.from.address", values.listed),
    "email.to": ("email.to.address", values.listed),
    "email.subject": ("email.subject", None),
    "email.message_id": ("email.message_id", None),
    "dns.id": ("dns.id", values.text),
    "dns.rcode": ("dns.response_code", None),
    "dns.rrname": ("dns.question.name", None),
    "dns.rrtype": ("dns.question.type", None),
    "krb5.cname": ("user.name", None),
    "ftp.command": ("event.action", None),
    "anomaly.event": ("event.action", None),
    "anomaly.type": ("event.reason", None),
}
_SHAPES: dict[str, tuple[list[str], list[str]]] = {
    "alert": (["intrusion_detection", "network"], ["info"]),
    "http": (["network", "web"], ["access", "protocol"]),
    "fileinfo": (["network", "file"], ["info"]),
    "smtp": (["network", "email"], ["info", "protocol"]),
    "flow": (["network"], ["connection", "end"]),
    "netflow": (["network"], ["connection"]),
    "drop": (["network"], ["connection", "denied"]),
    "krb5": (["network", "authentication"], ["info", "protocol"]),
}
_OTHER: tuple[list[str], list[str]] = (["network"], ["info", "protocol"])


def from_object(record: dict[str, Any]) -> Event | Unparsed:
    """Return the event of one EVE object."""
    kind = record.get("event_type")
    if not isinstance(kind, str) or not kind:
        return Unparsed("suricata.event_type", "The object has no event_type as Suricata's EVE log has.")
    event: Event = {"event.module": "suricata", "event.dataset": f"suricata.{kind[:64]}"}
    values.assign(event, values.flatten(record), _TABLE, "suricata.")
    event.pop("suricata.event_type", None)
    if kind == "stats":
        event["event.kind"] = "metric"
        return event
    category, types = _SHAPES.get(kind, _OTHER)
    event["event.category"] = list(category)
    event["event.type"] = list(types)
    if kind == "alert":
        _finish_alert(event)
    elif kind == "drop":
        event["citysoc.outcome"] = "blocked"
    if "url.original" in event:
        _finish_url(event)
    if isinstance(dns := record.get("dns"), dict):
        _finish_dns(event, dns)
    return event


def recognise(record: dict[str, Any]) -> bool:
    """Return whether an object is one of Suricata's EVE log."""
    kind = record.get("event_type")
    return (
        isinstance(kind, str)
        and kind.islower()
        and ("flow_id" in record or "src_ip" in record or ("timestamp" in record and "stats" in record))
    )


def _finish_alert(event: Event) -> None:
    event["event.kind"] = "alert"
    action = event.get("event.action")
    if action in {"allowed", "blocked"}:
        event["citysoc.outcome"] = action
        event["event.type"].append("denied" if action == "blocked" else "allowed")
    if signature := event.get("rule.name"):
        event["message"] = signature


def _finish_url(event: Event) -> None:
    url = event["url.original"]
    if not isinstance(url, str):
        return
    path, _, query = url.partition("?")
    if "://" in path:
        event["url.full"] = url
        path = "/" + path.partition("://")[2].partition("/")[2]
    event["url.path"] = path
    if query:
        event["url.query"] = query


def _finish_dns(event: Event, dns: dict[str, Any]) -> None:
    """Set question, type and answers, which the versions of the format put in different places."""
    kind = dns.get("type")
    if isinstance(kind, str):
        event["dns.type"] = "answer" if kind in {"answer", "response"} else "query"
    for place in ("queries", "query"):  # version 3; the query of an alert in version 2
        questions = dns.get(place)
        if "dns.question.name" not in event and isinstance(questions, list) and questions:
            first = questions[0] if isinstance(questions[0], dict) else {}
            values.assign(event, [(f"dns.{k}", v) for k, v in first.items()], _TABLE, "suricata.")
    answers = dns.get("answers")
    if isinstance(answers, list):
        data = [item.get("rdata") for item in answers if isinstance(item, dict)]
    elif isinstance(answer := dns.get("answer"), dict):
        data = [answer.get("rdata")]
    else:
        data = [dns.get("rdata")]
    texts = [item for item in data if isinstance(item, str) and item][: values.MAX_ITEMS]
    if texts:
        event["dns.answers.data"] = texts
        if addresses := [address for text in texts if (address := values.ip(text))]:
            event["dns.resolved_ip"] = addresses


def _parse(lines: Sequence[str], context: Context) -> list[Event | Unparsed]:
    return [_parse_line(line, context) for line in lines]


def _parse_line(line: str, context: Context) -> Event | Unparsed:
    header: Event = {}
    if not line.startswith("{"):
        header, line = envelope.strip(line, line.find("{"), context)
    record = jsontext.load(line)
    event = record if isinstance(record, Unparsed) else from_object(record)
    return {**header, **event} if header and not isinstance(event, Unparsed) else event


def _sniff(head: bytes, name: str) -> int:
    del name
    return 90 if any(recognise(record) for record in jsontext.objects(head)) else 0


PARSER = Parser("suricata", "Suricata EVE (JSON lines), all event types.", "lines", _sniff, _parse)
