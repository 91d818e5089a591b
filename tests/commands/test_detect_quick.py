"""detect with much to judge: what goes by bytes finds, writes and says what all else does, with the compiler and without."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tests.bench import sigma_events

RULES = """\
title: Whoami
id: 00000000-0000-4000-8000-00000000000a
logsource: {product: windows}
detection:
  s: {CommandLine|contains: whoami}
  condition: s
level: medium
---
title: Whoami, many times
id: 00000000-0000-4000-8000-00000000000b
correlation:
  type: event_count
  rules: [00000000-0000-4000-8000-00000000000a]
  generate: true
  group-by: [Computer]
  timespan: 1h
  condition: {gte: 5}
level: high
---
title: A name
id: 00000000-0000-4000-8000-00000000000c
logsource: {product: windows}
detection:
  s: {User|contains: "N\u00e1m"}
  t: {Image|endswith: '\\cmd.exe', ParentImage: null}
  condition: s or t
level: low
---
title: A word anywhere
id: 00000000-0000-4000-8000-00000000000d
logsource: {product: windows}
detection:
  s: [mimikatz]
  condition: s
level: high
---
title: Not quiet
id: 00000000-0000-4000-8000-00000000000e
logsource: {product: windows, category: process_creation}
detection:
  s: {CommandLine|startswith: note}
  condition: not s
level: low
"""
PROGRAM = """
import os, sys
sys.modules.update(dict.fromkeys({absent!r}))
from citysoc.parsers.windows_cells import Forms
from citysoc.pipeline import stream
stream.SMALL_BYTES = {small}
kinds = Forms.kinds
def counted(*some):
    with open({told!r}, "ab") as file:
        file.write(b".")
    return kinds(*some)
Forms.kinds = counted
from citysoc.cli import main
sys.argv = ["citysoc", *{arguments!r}]
sys.exit(main())
"""


def event(number, **more):
    """Return a record of a process."""
    line = {
        "EventID": 4688,
        "Channel": "Security",
        "Provider_Name": "Microsoft-Windows-Security-Auditing",
        "Computer": f"pc{number % 3}",
        "SystemTime": f"2026-11-16T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z",
        "CommandLine": f"whoami /all {number}" if not number % 9 else f"note {number}",
    }
    return line | more


def lines(number):
    """Return lines of which each tenth or so is none that is expected."""
    dice = random.Random(number)
    out = []
    for own in range(number):
        plain = orjson.dumps(event(own))
        odd = [
            *(
                b"",
                b" ",
                b"{",
                plain[:-1],
                plain + b",",
                b" " + plain,
                plain + b"\r",
                plain + b" \r\r",
                b"[1]",
                b"{}",
            ),
            *(json.dumps(event(own, User="N\u00e1m")).encode(), orjson.dumps(event(own, User="Na\u0301m"))),
            *(
                plain.replace(b"note", b"n\xffte"),
                plain.replace(b"note", b"\xc2\x85 mimikatz"),
                b"\xef\xbb\xbf" + plain,
            ),
            *(
                orjson.dumps(event(own, Extra={"Image": "a\\cmd.exe"})),
                orjson.dumps(event(own, EventID=f"{own}")),
            ),
            *(
                plain[:-1] + b',"CommandLine":"whoami"}',
                b"<13>pc1 app: " + plain,
                orjson.dumps(event(own, Image="x\\cmd.exe")),
            ),
            *(
                orjson.dumps({f"Name{own}": own, **event(own)}),
                plain.replace(b":", b" : "),
                b"\xff",
                b'"\\ud800"',
            ),
        ]
        out.append(dice.choice(odd) if dice.random() < 0.15 else plain)
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quick")
    (folder / "rules.yml").write_text(RULES)
    mixed = b"\n".join(
        [*lines(2000), *sigma_events.windows(200, seed=1, shape="beat"), *sigma_events.windows(200, seed=2)]
    )
    (folder / "long.json").write_bytes(mixed * 5)  # more than one span, and no line feed at the end
    (folder / "marked.json").write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines(300)) + b"\r\n\r\n\n")
    nul = lines(300)
    nul[7] = b"\0" + nul[7] + b"\0"
    nul[90] = nul[90][:20] + b"\0\0" + nul[90][20:]
    (folder / "nul.json").write_bytes(b"\n".join(nul))
    large = orjson.dumps(event(0, Filler="x" * (3 << 20)))
    (folder / "large.json").write_bytes(b"\n".join([*lines(100), large, *lines(50), large[:-9]]))
    (folder / "packed.json.gz").write_bytes(gzip.compress(mixed, 1))
    (folder / "one.json").write_bytes(orjson.dumps(event(0)))
    for number, path in enumerate(sorted(folder.glob("*.json*"))):
        os.utime(path, (number, number))
    return folder


def detect(folder, name, *arguments, small=1, absent=(), cache="cache"):
    """Return what the command wrote to both sides, and how often records were judged by their bytes."""
    told = folder / f"{name}.told"
    given = ["--lang", "en", "detect", "-r", "rules.yml", *arguments]
    program = PROGRAM.format(small=small, told=str(told), arguments=given, absent=absent)
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=False,
        cwd=folder,
        env=os.environ
        | {"XDG_CACHE_HOME": str(folder / cache), "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr, len(told.read_bytes()) if told.exists() else 0


FILES = (
    "long.json",
    "marked.json",
    "nul.json",
    "large.json",
    "packed.json.gz",
    "one.json",
    "--as",
    "windows",
)


@pytest.fixture(scope="module")
def plainly(folder):
    out, said, count = detect(folder, "plain", *FILES, small=1 << 40)
    assert count == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert {row["rule.id"][-1] for row in rows} == {*"abcde"}
    assert len({row["log.file.path"] for row in rows if row.get("log.file.path")}) == 6
    assert said.decode().splitlines() == [f"{len(rows)} findings."]
    return out, said


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_same_by_bytes(folder, plainly, workers):
    pytest.importorskip("numba", reason="there is no compiler for this machine")
    out, said, count = detect(folder, f"quick {workers}", *FILES, "--workers", workers)
    assert count >= len(FILES) - 2
    assert (out, said) == plainly


@pytest.mark.parametrize("absent", [("numba",), ("llvmlite", "numba")], ids=["numba", "both"])
@pytest.mark.parametrize(("workers", "cache"), [("1", "fresh"), ("2", "cache")])
def test_the_same_without_the_compiler(folder, plainly, workers, cache, absent):
    """The cache may know what was compiled before."""
    name = f"absent {workers} {len(absent)}"
    out, said, _count = detect(folder, name, *FILES, "--workers", workers, absent=absent, cache=cache)
    assert (out, said) == plainly
