"""The first bytes of a file tell its parser and framer; noise falls back to syslog lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc.framing.registry import FRAMERS
from citysoc.parsers import registry
from citysoc.parsers.sniff import identify

HEADS = [
    (
        b'date=2026-10-12 time=08:15:42 devname="F" devid="FG1" logid="1" type="traffic" srcip=10.1.1.1\n',
        "fortigate",
    ),
    (b'<189>date=2026-10-12 time=08:15:42 devname="F" devid="FG1" logid="1" type="traffic"\n', "fortigate"),
    (b"#separator \\x09\n#set_separator\t,\n#path\tconn\n#fields\tts\n", "zeek"),
    (b'{"ts":1.5,"uid":"C1","id.orig_h":"10.1.1.1"}\n', "zeek-json"),
    (b'{"timestamp":"t","event_type":"dns","src_ip":"10.1.1.1"}\n', "suricata"),
    (b"<134>Oct 12 08:00:00 h CEF:0|a|b|c|d|e|5|src=10.1.1.1\n", "cef"),
    (b"LEEF:1.0|a|b|c|d|src=10.1.1.1\n", "leef"),
    (b'{"a":1}\n{"b":2}\n', "ndjson"),
    (b'10.1.1.1 - - [12/Oct/2026:10:15:00 +0700] "GET / HTTP/1.1" 200 1\n', "webaccess"),
    (b"#Software: IIS\n#Fields: date time c-ip\n", "webaccess"),
    (b"<13>Oct 12 08:00:00 h app: x\n", "syslog"),
    (b"", "syslog"),
    (b"\x7fELF\x02\x01\x01\x00" + bytes(range(256)), "syslog"),
]


@pytest.mark.parametrize(("head", "parser"), HEADS, ids=[name for _, name in HEADS])
def test_a_head_is_recognised(head, parser):
    name, framing = identify(head, "a.log")
    assert name == parser
    assert framing == registry.parser(name).framing


@given(st.binary(max_size=2000), st.text(max_size=20))
def test_any_bytes_get_a_parser_and_a_framer(head, name):
    parser, framing = identify(head, name)
    assert parser in registry.PARSERS
    assert framing in FRAMERS


@pytest.mark.parametrize("name", registry.PARSERS)
def test_every_parser_is_described(name):
    parser = registry.parser(name)
    assert parser.name == name
    assert parser.summary
    assert parser.framing in FRAMERS
