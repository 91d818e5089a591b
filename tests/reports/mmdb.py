"""A writer of small MaxMind DB files, by the format's public specification, version 2.0.

A binary tree over the bits of addresses, records of 24 bits, a data section, and metadata behind a marker.
"""

from __future__ import annotations

import ipaddress
import struct

_MARKER = b"\xab\xcd\xefMaxMind.com"
_SEPARATOR = bytes(16)


def database(networks, *, kind="GeoLite2-Test"):
    """Return a file that says of each IPv4 network (CIDR) one record: a dict of texts, numbers and dicts."""
    tree = [[None, None]]
    data = b""
    for network, record in networks.items():
        place = len(data)
        data += _encoded(record)
        _insert(tree, ipaddress.ip_network(network), place)
    count = len(tree)

    def pointer(side):
        if side is None:
            return count
        return side if side >= 0 else count + len(_SEPARATOR) + (-side - 1)

    nodes = b"".join(pointer(side).to_bytes(3, "big") for node in tree for side in node)
    facts = {
        "node_count": (6, count),
        "record_size": (5, 24),
        "ip_version": (5, 4),
        "database_type": kind,
        "languages": ["en"],
        "binary_format_major_version": (5, 2),
        "binary_format_minor_version": (5, 0),
        "build_epoch": (9, 1_790_000_000),
        "description": {"en": "made by a test"},
    }
    return nodes + _SEPARATOR + data + _MARKER + _encoded(facts)


def _insert(tree, network, place):
    """Lead the bits of a network's prefix to its record; leaves are negative, so that they differ from nodes."""
    bits = f"{int(network.network_address):032b}"[: network.prefixlen]
    node = 0
    for bit in bits[:-1]:
        if tree[node][int(bit)] is None:
            tree.append([None, None])
            tree[node][int(bit)] = len(tree) - 1
        node = tree[node][int(bit)]
    tree[node][int(bits[-1])] = -place - 1


def _encoded(value):
    if isinstance(value, str):
        text = value.encode()
        return _control(2, len(text)) + text
    if isinstance(value, dict):
        return _control(7, len(value)) + b"".join(_encoded(k) + _encoded(v) for k, v in value.items())
    if isinstance(value, list):
        return _control(11, len(value)) + b"".join(map(_encoded, value))
    kind, number = value if isinstance(value, tuple) else (6, value)
    packed = struct.pack(">Q", number).lstrip(b"\0")
    return _control(kind, len(packed)) + packed


def _control(kind, size):
    short, more = (size, b"") if size < 29 else (29, bytes([size - 29]))
    if kind <= 7:
        return bytes([kind << 5 | short]) + more
    return bytes([short, kind - 7]) + more
