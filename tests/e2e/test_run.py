"""The running service, seen from outside: what it collects, how it stops, and how it starts again."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import os
import re
import signal
import socket
import sqlite3
import threading
from collections import Counter

import pytest
from cities import SOURCES, build, lines, stop, wait_for
from standardwebhooks import Webhook

SECRET = "whsec_" + base64.b64encode(b"a secret for the tests of the service").decode()


@pytest.fixture
def city(tmp_path):
    return build(tmp_path / "city")


class Receiver(http.server.ThreadingHTTPServer):
    """Takes signed messages; keeps those whose signature is right."""

    daemon_threads = True

    def __init__(self, port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.messages = {}
        self.forged = 0
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            message = Webhook(SECRET).verify(body, {k.lower(): v for k, v in self.headers.items()})
            self.server.messages.setdefault(self.headers["webhook-id"], []).append(message)
        except Exception:  # noqa: BLE001  whatever is wrong with it
            self.server.forged += 1
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_the_life_of_a_service(city):
    """Files are collected on schedule, a stop commits everything, a second start goes on where it ended."""
    inbox = city.inbox()
    (inbox / "a.log").write_text(lines(0, 500))
    with city.running() as service:
        wait_for(lambda: city.received() == 500, what=city.log())
        (inbox / "b.log").write_text(lines(500, 700))
        with (inbox / "a.log").open("a") as stream:
            stream.write(lines(700, 800))
        wait_for(lambda: city.received() == 800, what=city.log())

        refused = city.run("ingest", str(inbox), code=1)
        assert "Another citysoc process is writing" in refused.stderr
        refused = city.run("run", code=1)
        assert "Another citysoc process is writing" in refused.stderr
        assert len(city.rows("events", "search", "", "--limit", "0")) == 760  # readers may look meanwhile

        with (inbox / "b.log").open("a") as stream:
            stream.write(lines(800, 900))
        assert stop(service) == 0, city.log()
    assert "everything received is committed" in city.log()
    assert "Traceback" not in city.log()

    (inbox / "c.log").write_text(lines(900, 1000))
    with city.running() as service:
        wait_for(lambda: city.received() == 1000, what=city.log())
        service.send_signal(signal.SIGKILL)
        service.wait()
    (inbox / "d.log").write_text(lines(1000, 1200))
    with city.running() as service:
        wait_for(lambda: city.received() == 1200, what=city.log())
        assert stop(service) == 0
    wanted = Counter(lines(0, 1200).splitlines())
    assert Counter(city.originals()) == wanted
    figures = city.figures("so-y-te/firewall")
    assert (figures["received"], figures["quarantined"]) == (1200, 60)

    runs = city.rows("jobs", "list", "--limit", "0")
    assert {row["job"] for row in runs} >= {"pull firewall", "watch"}
    pulled = [row["detail"] for row in runs if row["job"] == "pull firewall" and row["outcome"] == "done"]
    assert sum(int(detail.split()[0]) for detail in pulled) <= 1200
    assert not any(row["gap"] for row in runs)


def test_a_stop_in_the_middle_of_much_work_is_quick_and_loses_nothing(city):
    folder = city.inbox()
    for number in range(4):
        (folder / f"{number}.log").write_text(lines(number * 50_000, (number + 1) * 50_000))
    with city.running() as service:
        wait_for(lambda: city.received() > 0, what=city.log())
        assert stop(service, 20) == 0, city.log()
    before = city.received()
    assert 0 < before < 200_000
    assert "Traceback" not in city.log()
    assert len(city.originals()) == before


def test_a_stop_asked_for_while_it_opens_is_heeded(city):
    """It ends in order, not by the signal."""
    with city.running() as service:
        wait_for((city.root / "data" / "citysoc.db").exists, what=city.log())
        assert stop(service) == 0, city.log()
    assert "everything received is committed" in city.log()


def test_syslog_and_webhooks(tmp_path):
    """Alerts reach a receiver that was down at first, once each, signed; senders are told by address."""
    port, hook = free_port(), free_port()
    city = build(
        tmp_path / "city",
        settings=(
            f'webhooks: [{{id: desk, url: "http://127.0.0.1:{hook}/hook", secret: "file:secret", '
            "allow_private_network: true, events: [alert.created]}]\n"
        ),
        sources=SOURCES
        + f"  - {{id: syslog, kind: syslog, host: 127.0.0.1, port: {port}, transports: [udp, tcp]}}\n",
    )
    (city.root / "secret").write_text(SECRET)
    with city.running() as service:
        wait_for(lambda: "syslog.listening" in city.log(), what=city.log())
        with socket.create_connection(("127.0.0.1", port), timeout=5) as sender:
            sender.sendall("".join(f"<189>{row}\n" for row in lines(0, 1, port=6666).splitlines()).encode())
            sender.sendall(b"5 hello<13>Oct  5 08:30:00 pc7 sshd[1]: \x1b[31mFailed\x1b[0m password\n")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for number in range(20):
                sender.sendto(f"<13>Oct  5 08:30:00 pc7 app: {number}".encode(), ("127.0.0.1", port))
        wait_for(lambda: city.received("so-y-te/syslog") >= 22, what=city.log())
        wait_for(lambda: "attempt.ended" in city.log(), what="it tries while the receiver is down")
        receiver = Receiver(hook)
        with contextlib.closing(sqlite3.connect(city.root / "data" / "citysoc.db", timeout=10)) as db, db:
            db.execute("UPDATE deliveries SET due_at = '2026-01-01T00:00:00.000000Z'")  # half a minute passes
        try:
            wait_for(lambda: receiver.messages, what=city.log())
        finally:
            receiver.shutdown()
        assert stop(service) == 0, city.log()
        receiver.server_close()
    assert receiver.forged == 0
    [[message]] = receiver.messages.values()
    assert message["type"] == "alert.created"
    assert "Traffic to a Forbidden Port" in json.dumps(message["data"])
    figures = city.figures("so-y-te/syslog")
    assert figures["received"] == figures["stored"] + figures["quarantined"]
    table = city.run("events", "search", "Failed", "-f", "table").stdout
    assert "\x1b" not in table
    assert [row["state"] for row in city.rows("webhooks", "deliveries")] == ["delivered"]


def test_what_is_broken_stops_nothing_else(tmp_path):
    """A port in use, a folder without permission, a pipe, a broken rule, a name that is no text."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        city = build(
            tmp_path / "city",
            sources=SOURCES
            + f"  - {{id: syslog, kind: syslog, host: 127.0.0.1, port: {port}, transports: [tcp]}}\n"
            '  - {id: gone, kind: files, agency: so-y-te, paths: ["/proc/1/root/nowhere"], every_seconds: 1}\n'
            '  - {id: closed, kind: files, agency: so-y-te, paths: ["inbox/closed"], every_seconds: 1}\n',
        )
        (city.root / "rules" / "broken.yml").write_text("title: [\n")
        (city.root / "rules" / "condition.yml").write_text(
            "title: Off\nlogsource: {category: firewall}\ndetection: {off: {a: b}, condition: off}\n"
        )
        (city.root / "rules" / "deep.yml").write_text("[" * 200_000)
        closed = city.root / "inbox" / "closed"
        closed.mkdir(parents=True)
        closed.chmod(0)
        inbox = city.inbox()
        os.mkfifo(inbox / "pipe.log")
        (inbox / "dir.log").mkdir()
        (inbox / "loop.log").symlink_to("loop.log")
        (inbox / "line\nbreak.log").write_text(lines(0, 10))
        (inbox / os.fsdecode(b"\xff\xfe.log")).write_text(lines(10, 20))
        (inbox / "good.log").write_text(lines(20, 40, port=6666))
        with city.running() as service:
            wait_for(lambda: city.received() == 40, what=city.log())
            wait_for(lambda: "source.failed" in city.log(), what=city.log())
            taken.close()
            wait_for(lambda: "syslog.listening" in city.log(), what="it listens once the port is free")
            assert service.poll() is None
            assert stop(service) == 0, city.log()
        closed.chmod(0o755)
    assert "Traceback" not in city.log()
    details = {row["job"]: row["detail"] for row in city.rows("jobs", "list", "--limit", "0")}
    assert "could not read" in details["pull gone"]
    assert "could not read" in details["pull firewall"]
    assert city.log().count("rule.refused") == 3
    assert [row["rule"] for row in city.rows("alerts", "list", "--since", "365d")]
    detected = city.run("detect", str(inbox / "good.log"), "--rules", str(city.root / "rules"))
    assert "3 rules are refused" in detected.stderr
    assert detected.stdout.count("Forbidden Port") == 19
    checked = city.run("rules", "check", str(city.root / "rules"), code=1)
    for name in ("broken.yml", "condition.yml", "deep.yml"):
        assert name in checked.stdout + checked.stderr


def test_the_starter_configuration_runs(tmp_path):
    """``init``, drop a file, ``run``: with the 483 agencies and all shipped rules."""
    city = build(tmp_path / "unused")
    done = city.run("init", str(tmp_path / "city"))
    city.root = tmp_path / "city"
    port = free_port()
    syslog = city.root / "sources" / "syslog.yaml"
    syslog.write_text(re.sub(r"port: \d+", f"port: {port}", syslog.read_text()))
    firewall = city.root / "sources" / "firewall.yaml"
    firewall.write_text(firewall.read_text() + "    every_seconds: 1\n")
    assert "citysoc run" in done.stderr
    city.run("config", "check")
    agency = next(
        row["id"]
        for row in city.rows("agencies", "list")
        if "firewall" in (row.get("expects") or ["firewall"])
    )
    (city.inbox(agency) / "today.log").write_text(lines(0, 100))
    with city.running() as service:
        wait_for(lambda: city.received(f"{agency}/firewall") == 100, what=city.log())
        assert stop(service) == 0, city.log()
    assert "Traceback" not in city.log()
