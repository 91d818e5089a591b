"""An analyst's count of alerts and incidents of a month is the report's, also at its edges."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from click.testing import CliRunner

from citysoc.alerts import incidents
from citysoc.alerts.intake import take
from citysoc.cli import root
from citysoc.config.models import Alerts
from citysoc.flow import Finding
from citysoc.state import State
from tests.reports.made import ZONE, figures_of, month_period, written

OCTOBER = month_period(2026, 10, ZONE)
SECOND = dt.timedelta(seconds=1)
LATE = dt.timedelta(hours=3)
"""Between an event and its detection."""
EVENTS = {
    "before": OCTOBER.since - SECOND,  # detected in October, of September
    "first": OCTOBER.since,
    "within": OCTOBER.since + dt.timedelta(days=9),
    "merged": OCTOBER.since + dt.timedelta(days=10),
    "last": OCTOBER.until - SECOND,  # of October, detected in November
    "after": OCTOBER.until,
}


@pytest.fixture
def config(tmp_path):
    config = written(tmp_path)
    state = State(config.state_path)
    for name, at in EVENTS.items():
        found = Finding(name, name, "high", "so-y-te", name, at, {}, entity=f"host:{name}")
        with state.transaction() as db:
            take(db, [found], policy=Alerts(), webhooks=(), now=at + LATE)
    with state.transaction() as db:
        ids = {
            row["entity"].removeprefix("host:"): row["id"]
            for row in db.execute("SELECT id, entity FROM incidents")
        }
        incidents.merge(db, ids["within"], [ids["merged"]], who="a", now=OCTOBER.until)
    state.close()
    return config


def listed(config, what, *words):
    command = ["--config", str(config.path), what, "list", "-f", "ndjson", "--limit", "0", *words]
    done = CliRunner().invoke(root, command)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_month_of_alerts_and_incidents_is_the_reports(config):
    figures = figures_of(config)
    alerts = listed(config, "alerts", "--month", "2026-10")
    assert {row["rule"] for row in alerts} == {"first", "within", "merged", "last"}
    assert len(alerts) == figures.alerts.value == 4
    assert len(listed(config, "incidents", "--month", "2026-10")) == figures.incidents.value == 3


def test_either_time_can_be_asked_for(config):
    detected = listed(config, "alerts", "--month", "2026-10", "--time", "detected")
    assert {row["rule"] for row in detected} == {"before", "first", "within", "merged"}
    since = ("--since", OCTOBER.since.isoformat(), "--until", OCTOBER.until.isoformat())
    assert listed(config, "alerts", *since) == detected, "a span is about detection"
    assert len(listed(config, "alerts", *since, "--time", "event")) == 4
    assert len(listed(config, "incidents", *since)) == 4, "also what went into another"
