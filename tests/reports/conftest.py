"""The month that most tests of documents read."""

from __future__ import annotations

import pytest

from citysoc.alerts.intake import take
from citysoc.config.models import Alerts
from citysoc.ecs.schema import to_table
from citysoc.flow import Finding
from citysoc.state import State
from citysoc.stores.local import LocalStore
from tests.reports.made import T0, detection, event, figures_of, written


@pytest.fixture(scope="session")
def city(tmp_path_factory):
    root = tmp_path_factory.mktemp("city")
    config = written(root)
    events = [event(n) for n in range(40)] + [detection(n) for n in range(100, 160)]
    # The last word on PC-0 is that it is clean.
    events += [detection(n * 7, **{"citysoc.outcome": "deleted"}) for n in range(30, 40)]
    LocalStore(config.store_path).append(to_table(events), 1)
    finding = Finding(
        "r", "Passwords", "high", "so-y-te", "e", T0, {}, entity="host:PC-1", title_vi="Dò mật khẩu"
    )
    state = State(config.state_path)
    with state.transaction() as db:
        take(db, [finding], policy=Alerts(), webhooks=(), now=T0)
    state.close()
    return config


@pytest.fixture(scope="session")
def figures(city):
    return figures_of(city)
