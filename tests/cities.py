"""A small installation in a folder, driven from outside as a person would: by commands and files."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

AGENCIES = """
agencies:
  - {id: so-y-te, name: Sở Y tế, level: department, networks: [10.1.0.0/24, 127.0.0.1/32], expects: [firewall]}
  - {id: so-du-lich, name: Sở Du lịch, level: department, networks: [10.2.0.0/24], expects: [firewall]}
"""

SOURCES = """
sources:
  - {id: firewall, kind: files, parser: fortigate, paths: ["inbox/{agency}/firewall/*.log"], every_seconds: 1}
"""

RULE = """
title: Traffic to a Forbidden Port
id: 7f1cf0d4-3b7d-4a3e-9d1c-0d2f3c1b7a11
status: test
description: The end-to-end tests plant it.
logsource: {category: firewall}
detection:
  forbidden: {dst_port: 6666}
  condition: forbidden
level: high
"""


def line(number: int, *, port: int = 443) -> str:
    """One firewall line; every twentieth is not understood."""
    if number % 20 == 7:
        return f"broken line {number}"
    return (
        f"date=2026-10-{1 + number % 28:02d} time=08:{number % 60:02d}:00 devname=fw-yte "
        f"logid=0000000013 type=traffic subtype=forward level=notice vd=root srcip=10.1.0.{number % 250} "
        f"srcport={1024 + number % 60000} dstip=198.51.100.7 dstport={port} "
        f"devid=FGT60F0000000001 action=accept proto=6 sessionid={number}"
    )


def lines(first: int, last: int, **more: Any) -> str:
    """Lines ``first`` to ``last``, without the last one, each with its line end."""
    return "".join(f"{line(number, **more)}\n" for number in range(first, last))


@dataclass
class City:
    """An installation: its folder, and what to say to it."""

    root: Path

    def command(self, *arguments: str) -> list[str]:
        """Return the command line."""
        return [sys.executable, "-m", "citysoc", "--config", str(self.root / "citysoc.yaml"), *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of commands: English, a cache of their own."""
        return {
            **os.environ,
            "XDG_CACHE_HOME": str(self.root / "cache"),
            "CITYSOC_LANG": "en",
            "LANG": "C.UTF-8",
        }

    def run(
        self, *arguments: str, code: int | None = 0, seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; its exit code must be ``code``, and there is never a traceback."""
        done = subprocess.run(
            self.command(*arguments),
            env=self.environment,
            capture_output=True,
            check=False,
            text=True,
            timeout=seconds,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert code is None or done.returncode == code, (done.returncode, done.stderr)
        return done

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """Run a command that lists; return its rows."""
        return [json.loads(row) for row in self.run(*arguments, "-f", "ndjson").stdout.splitlines()]

    def originals(self) -> list[str]:
        """Return every record of the store, events and quarantine, as it came."""
        events = self.rows("events", "search", "", "--limit", "0", "--fields", "event.original")
        unparsed = self.rows("quarantine", "list", "--limit", "0")
        return [row["event.original"] for row in (*events, *unparsed)]

    def figures(self, stream: str) -> dict[str, Any]:
        """Return what became of the records of a stream; the figures must add up."""
        row = next(r for r in self.rows("sources", "status") if r["stream"] == stream)
        parts = ("stored", "duplicate", "quarantined", "rejected")
        assert row["received"] == sum(row[name] for name in parts)
        return row

    def inbox(self, agency: str = "so-y-te", source: str = "firewall") -> Path:
        """Return a folder that a source looks into."""
        folder = self.root / "inbox" / agency / source
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def commits(self) -> tuple[int, bool]:
        """Return the number of the last commit that was begun, and whether it is still under way."""
        if not (self.root / "data" / "citysoc.db").exists():
            return 0, False
        with contextlib.closing(sqlite3.connect(self.root / "data" / "citysoc.db", timeout=5)) as db:
            try:
                row = db.execute(
                    "SELECT number, applied_at IS NULL FROM commits ORDER BY number DESC LIMIT 1"
                ).fetchone()
            except sqlite3.OperationalError:  # it is being made
                return 0, False
        return (row[0], bool(row[1])) if row else (0, False)

    def begun(self, process: subprocess.Popen[bytes], before: int) -> bool:
        """Wait until the process begins a commit; return whether it did before its end."""
        while process.poll() is None:
            if self.commits()[0] > before:
                return True
            time.sleep(0.002)
        return False

    @contextlib.contextmanager
    def running(self, *, log: str = "run.log") -> Iterator[subprocess.Popen[bytes]]:
        """Keep ``citysoc run`` going inside the block; at the end it is gone, one way or the other."""
        with (self.root / log).open("ab") as stderr:
            process = subprocess.Popen(
                self.command("--log-level", "info", "run"), env=self.environment, stderr=stderr
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()

    def log(self, log: str = "run.log") -> str:
        """Return what the service said so far."""
        return (self.root / log).read_text(encoding="utf-8", errors="replace")

    def started(self, log: str = "run.log") -> int:
        """Return how often a service has said that it runs."""
        return self.log(log).count("service.started")

    def received(self, stream: str = "so-y-te/firewall") -> int:
        """Return how many records of a stream are committed, without a command: for waiting."""
        path = self.root / "data" / "citysoc.db"
        if not path.exists():
            return 0
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as db:
            try:
                row = db.execute(
                    "SELECT coalesce(sum(received), 0) FROM counters WHERE stream = ?", (stream,)
                ).fetchone()
            except sqlite3.OperationalError:  # it is being made
                return 0
        return int(row[0])


def wait_for(condition: Callable[[], Any], seconds: float = 40, *, what: str = "") -> Any:
    """Wait until a condition holds; return its value."""
    ends = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < ends, what or "it did not happen in time"
        time.sleep(0.1)
    return value


def stop(process: subprocess.Popen[bytes], seconds: float = 40) -> int:
    """Ask a service to stop; return its exit code."""
    process.send_signal(signal.SIGTERM)
    return process.wait(seconds)


def build(root: Path, *, settings: str = "", sources: str = SOURCES, agencies: str = AGENCIES) -> City:
    """Write an installation with one rule of its own, and none of the shipped ones: they take their time."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "agencies.yaml").write_text(agencies, encoding="utf-8")
    (root / "sources").mkdir(exist_ok=True)
    (root / "sources" / "all.yaml").write_text(sources, encoding="utf-8")
    (root / "rules").mkdir(exist_ok=True)
    (root / "rules" / "forbidden.yml").write_text(RULE, encoding="utf-8")
    (root / "citysoc.yaml").write_text(
        "service: {commit_seconds: 0.3, workers: 1, language: en}\n"
        "rules: {shipped: false, directories: [rules]}\n" + settings,
        encoding="utf-8",
    )
    return City(root)
