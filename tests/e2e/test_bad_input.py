"""Input that is broken or means harm: a clear reason each, and the good file beside it arrives whole."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cities import build, lines
from intake import intake

GOOD = 40
CATCH_ALL = """
title: Everything of {product}
id: 5b1f3c52-94f0-4d34-8a0c-{number:012d}
logsource: {{product: {product}}}
detection:
  any: {{message|exists: true}}
  none: {{message|exists: false}}
  condition: any or none
level: low
citysoc: {{group_by: [source.port, host.name, user.name], entity: source.ip}}
"""
PRODUCTS = ("fortigate", "syslog", "ndjson", "antivirus", "cef")


def zip_of(**members):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return data.getvalue()


LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (c + 1, b"&%c;" % c * 10) for c in range(97, 107))
    + b"]><AVReport><x>&k;</x></AVReport>"
)
OUTSIDE = b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a SYSTEM "file:///etc/passwd">]><AVReport><x>&a;</x></AVReport>'
TIMES = b"".join(
    b'{"@timestamp": "%s", "message": "when"}\n' % text
    for text in (
        b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:59Z", b"0001-01-01T00:00:00+14:00", b"9999-12-31T23:59:59-12:00",
        b"2026-02-30T00:00:00Z", b"-1", b"1e999", b"NaN", b"2026-10-05T08:30:60Z", b"253402300800000",
    )
)  # fmt: skip
PORTS = b"".join(
    b'{"source": {"ip": "10.0.0.1", "port": %s}, "message": "port"}\n' % text
    for text in (b"99999999999999999999", b"-1", b'"http"', b"1e400", b"[1,2]", b"{}", b"443.5", b"true", b"18446744073709551616", b'"\\u0000"')
)  # fmt: skip
KEYS = b'{"a": 1, "a": 2, "a.b": 3, "a": {"b": 4}, "message": "twice", "": 5, ".": 6, "a..b": 7, "agency.id": "root"}\n'
FILES = {
    "empty.log": b"",
    "newlines.log": b"\n\r\n\n",
    "nul.log": b"\0" * 100_000,
    "nuls-inside.log": b"<13>Oct  5 08:30:00 pc7 app: a\0b\0c\n",
    "random.bin": random.Random(7).randbytes(1 << 20),
    "long-line.log": b"x" * (3 << 20) + b"\n" + b"<13>Oct  5 08:30:00 pc7 app: after it\n",
    "bomb.log.gz": gzip.compress(b"\0" * (300 << 20), 6),
    "bomb.zip": zip_of(a_log=b"0" * (300 << 20)),
    "many.zip": zip_of(**{f"f{n}_log": b"x" for n in range(3000)}),
    "nested.zip": zip_of(inner_zip=zip_of(a_log=b"hello")),
    "cut.log.gz": gzip.compress(lines(0, 2000).encode())[:-700],
    "no.gz": b"\x1f\x8b but no gzip",
    "no.zip": b"PK\x03\x04 but no zip",
    "no.evtx": b"ElfFile\0" + b"\xff" * 70_000,
    "laughs.xml": LAUGHS,
    "outside.xml": OUTSIDE,
    "deep.xml": b"<AVReport>" + b"<a>" * 100_000,
    "deep.json": b"[" * 300_000 + b"\n" + b'{"a":' * 100_000 + b"\n",
    "wide.json": json.dumps({f"field{n}": n for n in range(5000)}).encode() + b"\n",
    "keys.json": KEYS,
    "times.json": TIMES,
    "ports.json": PORTS,
    "surrogates.json": b'{"message": "\\ud800", "\\udfff": "x", "host": {"name": "\\ud800"}}\n',
    "escape.log": b"<13>Oct  5 08:30:00 \x1b]0;owned\x07 app: \x1b[31mred\x1b[0m \xe2\x80\xae\n",
    "formula.csv": '"Máy tính","Địa chỉ IP","Tên virus","Thời gian"\n"=cmd|\'/c calc\'!A0","10.1.0.9","+W32.A","05/10/2026 08:00"\n'.encode(),
    "wide.csv": b"a," * 200_000 + b"\n" + b"1," * 200_000 + b"\n",
    "quote.csv": b'Computer,IP,Virus\n"never closed' + b"x\n" * 5_000,
    "utf16.log": "<13>Oct  5 08:30:00 pc7 app: xin chào\n".encode("utf-16"),
    "vendor.log": b"date=2026-10-05 time=08:00:00 devname=x logid=0000000013 type=traffic subtype=forward srcip=10.0.0.1 "
    b"srcport=99999999999999999999999 dstport=-5 sentbyte=1e999 eventtime=99999999999999999999999999\n",
    "cef.log": b"CEF:0|" * 20_000 + b"\n" + b"CEF:0|a|b|c|d|e|9999999999999999999999|src=1.2.3.4 spt=1e99 cnt=" + b"9" * 400 + b"\n",
    "regex.log": b"<13>Oct  5 08:30:00 pc7 sshd[1]: " + b"a=" * 100_000 + b"\n",
}  # fmt: skip
MUST_SAY = {
    "long-line.log": "too_long",
    "bomb.log.gz": "bomb",
    "bomb.zip": "bomb",
    "cut.log.gz": "",
    "laughs.xml": "",
    "outside.xml": "",
    "deep.xml": "",
    "no.evtx": "",
}


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    """All of them in one inbox, each between two good files, under rules that write their values down."""
    root = tmp_path_factory.mktemp("house")
    rules = (CATCH_ALL.format(product=name, number=number) for number, name in enumerate(PRODUCTS))
    (root / "all.yml").write_text("---".join(rules))
    for name, content in FILES.items():
        folder = root / "inbox" / name.replace(".", "-")
        folder.mkdir(parents=True)
        (folder / name).write_bytes(content)
        (folder / "aaa-good.log").write_text(lines(0, GOOD))
        (folder / "zzz-good.log").write_text(lines(GOOD, 2 * GOOD))
    with intake(root, rules=(root / "all.yml",)) as house:
        house.take(root / "inbox")
        house.root = root
        house.all = [*house.rows(), *house.rows(quarantine=True)]
        yield house


def test_all_of_it_is_met_by_rules_and_a_second_look_brings_nothing(house):
    events = house.rows()
    assert {row["agency.id"] for row in events} == {"unknown"}
    assert "parser.failed" not in house.reasons()
    assert house.state.rows("SELECT sum(count) AS n FROM alerts")[0]["n"] >= 2 * (GOOD - 2) * len(FILES)
    before = house.figures()
    house.take(house.root / "inbox")
    assert house.figures() == before


@pytest.mark.parametrize("name", FILES)
def test_one_bad_file_among_good_ones(house, name):
    place = f"/inbox/{name.replace('.', '-')}/"
    rows = [row for row in house.all if place in row["log.file.path"]]
    good = [row for row in rows if row["log.file.path"].endswith("good.log")]
    assert sorted(row["event.original"] for row in good) == sorted(lines(0, 2 * GOOD).splitlines())
    bad = [row for row in rows if f"/{name}" in row["log.file.path"]]
    assert len(bad) + len(good) == len(rows)
    if name in MUST_SAY:
        assert any(MUST_SAY[name] in row.get("citysoc.unparsed", "?") for row in bad)
    assert not any("root:" in row["event.original"] for row in bad)


LIMITED = r"""
import re, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from intake import intake
with intake(Path({home!r})) as house:
    house.take(Path({inbox!r}))
    peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    print(house.figures()["received"], house.reasons(), peak[1])
"""


@pytest.mark.faults
@pytest.mark.parametrize(
    "make",
    [
        lambda file: file.truncate(256 << 20),  # one line of NULs without an end
        lambda file: [file.write(b"x" * (1 << 20)) for _ in range(128)],
        lambda file: [file.write(os.urandom(1 << 20)) for _ in range(10)],
        lambda file: file.write(gzip.compress(b"\n" * (256 << 20), 1)),
        lambda file: file.write(gzip.compress(b"{" * (256 << 20), 1)),
        lambda file: file.write(b"\n" * (64 << 20)),
    ],
    ids=["sparse", "long", "random", "lines.gz", "braces.gz", "newlines"],
)
def test_memory_stays_bounded(tmp_path, make):
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    with (inbox / "big").open("wb") as file:
        make(file)
    script = LIMITED.format(tests=str(Path(__file__).parents[1]), home=str(tmp_path), inbox=str(inbox))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) < 600 << 10, done.stdout


def test_four_mistakes_are_told_at_once(tmp_path):
    city = build(
        tmp_path / "city",
        agencies="""
agencies:
  - {id: so-y-te, name: Sở Y tế, networks: [10.1.0.0/24]}
  - {id: so-y-te, name: Twice, networks: [10.9.0.0/24]}
  - {id: Bad Id, name: Capital letters}
  - {id: so-noi-vu, name: Sở Nội vụ, networks: [10.1.0.128/25]}
  - {id: so-cong-thuong, name: Sở Công thương, netwroks: [10.4.0.0/24]}
""",
    )
    for command in (("config", "check"), ("run",), ("ingest", str(city.root))):
        told = city.run(*command, code=3).stderr + city.run(*command, code=3).stdout
        for number in (4, 5, 6, 7):
            assert f"agencies.yaml:{number}" in told, told


def test_what_a_table_shows_is_harmless(tmp_path):
    city = build(tmp_path / "city")
    (city.root / "bad.log").write_bytes(FILES["escape.log"] + b"\x1b[2J no header\n")
    city.run("ingest", str(city.root / "bad.log"))
    for command in (
        ("events", "search", "", "-f", "table"),
        ("quarantine", "list", "-f", "table"),
        ("parse", str(city.root / "bad.log"), "--unparsed", "-f", "table"),
        ("detect", str(city.root / "bad.log"), "-f", "table"),
    ):
        done = city.run(*command)
        assert "\x1b" not in done.stdout + done.stderr
        assert "\u202e" not in done.stdout
    path = city.root / "\x1b[31mred\udcff.log"
    path.write_bytes(b"\x1f\x8b\x08broken")
    for command in ("ingest", "parse", "detect"):
        done = city.run(command, str(path), code=None)
        assert "\x1b" not in done.stdout + done.stderr
    done = city.run("ingest", str(city.root / "\x1b[31mnone"), code=1)
    assert "\x1b" not in done.stderr
    assert "no such file" in done.stderr.lower()


def test_formulas_are_quoted_in_csv(tmp_path):
    city = build(tmp_path / "city")
    (city.root / "formula.csv").write_bytes(FILES["formula.csv"])
    city.run("ingest", str(city.root / "formula.csv"), "--as", "antivirus")
    text = city.run("events", "search", "", "--fields", "host.name,threat.software.name", "-f", "csv").stdout
    assert "cmd|" in text
    assert not any(cell.lstrip('"')[:1] in {"=", "+"} for row in text.splitlines() for cell in row.split(","))
