"""A running service follows its rules: what changes in the files takes effect without a restart, and mistakes do not."""

from __future__ import annotations

import signal

import pytest
from cities import RULE, SOURCES, build, stop, wait_for

pytestmark = pytest.mark.faults
FORBIDDEN = "7f1cf0d4-3b7d-4a3e-9d1c-0d2f3c1b7a11"
SECOND = "7f1cf0d4-3b7d-4a3e-9d1c-0d2f3c1b7a12"
PORTS = """
title: {title}
id: 7f1cf0d4-3b7d-4a3e-9d1c-0d2f3c1b7a{number}
correlation:
  type: value_count
  rules: [{rule}]
  group-by: [source.ip]
  timespan: 1h
  condition: {{gte: {least}, field: destination.ip}}
level: high
---
title: Base of {title}
id: 8f1cf0d4-3b7d-4a3e-9d1c-0d2f3c1b7a{number}
name: {rule}
logsource: {{category: firewall}}
detection:
  s: {{dst_port: {port}}}
  condition: s
"""


def line(minute, *, port, destination=7):
    return (
        f"date=2026-10-05 time=08:{minute:02d}:00 devname=fw-yte logid=0000000013 type=traffic subtype=forward "
        f"level=notice vd=root srcip=10.1.0.9 srcport=4000 dstip=198.51.100.{destination} dstport={port} "
        f"devid=FGT60F0000000001 action=accept proto=6 sessionid={minute}\n"
    )


@pytest.fixture
def city(tmp_path):
    city = build(
        tmp_path / "city",
        sources=SOURCES.replace("every_seconds: 1", "every_seconds: 1, lateness_seconds: 60"),
    )
    (city.root / "citysoc.yaml").write_text(
        "service: {commit_seconds: 0.3, workers: 1, language: en}\nrules: {shipped: false, reload_seconds: 1}\n"
    )
    return city


class Firewall:
    """Writes lines, and waits until they are committed."""

    def __init__(self, city):
        self.city = city
        self.path = city.inbox() / "a.log"
        self.count = 0

    def says(self, *said):
        with self.path.open("a") as stream:
            stream.write("".join(said))
        self.count += len(said)
        wait_for(lambda: self.city.received() == self.count, what=self.city.log())


def alerts(city):
    return {row["title"]: row["count"] for row in city.rows("alerts", "list", "--limit", "0")}


def told(city, text, times=1):
    wait_for(lambda: city.log().count(text) >= times, what=f"{text}\n{city.log()}")


def test_rules_change_without_a_restart(city):
    rules = city.root / "rules"
    firewall = Firewall(city)
    with city.running() as service:
        firewall.says(line(0, port=6666), line(1, port=7777))
        assert alerts(city) == {"Traffic to a Forbidden Port": 1}

        (rules / "second.yml").write_text(
            RULE.replace("6666", "7777").replace(FORBIDDEN, SECOND).replace("Forbidden", "Second")
        )
        told(city, "rules.changed")
        firewall.says(line(2, port=7777))
        assert alerts(city) == {"Traffic to a Forbidden Port": 1, "Traffic to a Second Port": 1}

        said = city.run("rules", "disable", SECOND, "--owner", "soc", "--reason", "noise").stderr
        assert "within 1 s" in said
        told(city, "rules.changed", 2)
        firewall.says(line(3, port=7777), line(3, port=6666))
        assert alerts(city) == {"Traffic to a Forbidden Port": 2, "Traffic to a Second Port": 1}

        (rules / "forbidden.yml").write_text(RULE.replace("level: high", "level: [high"))  # half an edit
        told(city, "rules.kept")
        wait_for(lambda: "works on with earlier rules" in city.run("rules", "list", code=None).stderr)
        firewall.says(line(4, port=6666))
        assert alerts(city)["Traffic to a Forbidden Port"] == 3

        (rules / "forbidden.yml").write_text(RULE.replace("6666", "5555"))
        service.send_signal(signal.SIGHUP)
        told(city, "rules.changed", 3)
        wait_for(lambda: "earlier rules" not in city.run("rules", "list").stderr)
        firewall.says(line(5, port=6666), line(5, port=5555))
        assert alerts(city)["Traffic to a Forbidden Port"] == 4

        assert stop(service) == 0, city.log()
    details = [row["detail"] for row in city.rows("jobs", "list", "--limit", "0") if row["job"] == "rules"]
    assert any(detail and "new 1 ('Traffic to a Second Port')" in detail for detail in details)
    assert any(detail and "gone 1" in detail for detail in details)
    assert "Traceback" not in city.log()


def test_correlations_that_stay_keep_their_state_and_those_that_change_begin_anew(city):
    rules = city.root / "rules"
    (rules / "stays.yml").write_text(
        PORTS.format(title="Stays", number=21, rule="below_stays", least=3, port=1111)
    )
    changes = PORTS.format(title="Changes", number=22, rule="below_changes", least=4, port=1111)
    (rules / "changes.yml").write_text(changes)
    firewall = Firewall(city)
    with city.running() as service:
        firewall.says(*(line(minute, port=1111, destination=minute) for minute in (1, 2)), line(9, port=1))
        (rules / "changes.yml").write_text(changes.replace("gte: 4", "gte: 3"))
        told(city, "correlation.anew")
        told(city, "rules.changed")
        # The third for the one; only the first for the other, which has forgotten two.
        firewall.says(line(10, port=1111, destination=10), line(19, port=1))
        wait_for(lambda: "Stays" in alerts(city), what=city.log())
        assert "Changes" not in alerts(city)
        firewall.says(*(line(minute, port=1111, destination=minute) for minute in (20, 21)), line(29, port=1))
        wait_for(lambda: "Changes" in alerts(city), what=city.log())
        assert stop(service) == 0, city.log()
    assert "Traceback" not in city.log()


def test_a_correlation_begins_anew_when_the_rule_below_it_asks_for_something_else(city):
    rules = city.root / "rules"
    (rules / "stays.yml").write_text(
        PORTS.format(title="Stays", number=21, rule="below_stays", least=3, port=1111)
    )
    changes = PORTS.format(title="Changes", number=22, rule="below_changes", least=3, port=1111)
    (rules / "changes.yml").write_text(changes)
    firewall = Firewall(city)
    with city.running() as service:
        firewall.says(*(line(minute, port=1111, destination=minute) for minute in (1, 2)), line(9, port=1))
        (rules / "changes.yml").write_text(changes.replace("1111}", "[1111, 2222]}"))
        told(city, "correlation.anew")
        told(city, "rules.changed")
        firewall.says(line(10, port=1111, destination=10), line(19, port=1))
        wait_for(lambda: "Stays" in alerts(city), what=city.log())
        assert "Changes" not in alerts(city)  # what the rule below found before is forgotten
        firewall.says(*(line(minute, port=2222, destination=minute) for minute in (20, 21)), line(29, port=1))
        wait_for(lambda: "Changes" in alerts(city), what=city.log())
        assert stop(service) == 0, city.log()
    assert "Traceback" not in city.log()


def test_no_record_is_lost_or_judged_twice_while_rules_change(city):
    folder = city.inbox()
    records, every = 60_000, 50
    for number in range(6):
        (folder / f"{number}.log").write_text(
            "".join(
                line(0, port=6666 if n % every == 0 else 443).replace(
                    "sessionid=0", f"sessionid={number}{n:05d}"
                )
                for n in range(records // 6)
            )
        )
    third = RULE.replace(FORBIDDEN, SECOND).replace("Forbidden", "Second")
    with city.running() as service:
        wait_for(lambda: city.received() > 0, what=city.log())
        for port in range(1, 5):
            (city.root / "rules" / "second.yml").write_text(third.replace("6666", str(port)))
            told(city, "rules.changed", port)
        wait_for(lambda: city.received() == records, 120, what=city.log())
        assert stop(service) == 0, city.log()
    assert len(set(city.originals())) == records
    assert alerts(city) == {"Traffic to a Forbidden Port": records // every}
    assert "Traceback" not in city.log()
