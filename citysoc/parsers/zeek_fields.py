"""What the fields of Zeek's logs are called in ECS, after the Zeek documentation ("Log Files")."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from citysoc.parsers import values
from citysoc.parsers.times import epoch

if TYPE_CHECKING:
    from citysoc.parsers.values import Table

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


@functools.cache
def table_of(path: str) -> Table:
    """Return for each field of a log its name in ECS and what converts its value."""
    return {**_COMMON, **_PATHS.get(path, {})}
