"""The small city of the anomaly tests, built once."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from citysoc.detectors.anomaly import days, train
from tests.detectors.anomaly import weeks

if TYPE_CHECKING:
    from pathlib import Path

    from citysoc.detectors.anomaly.model import Model
    from citysoc.stores.local import LocalStore

DAYS = 12


@dataclass(frozen=True)
class Small:
    """A store, its feature table, and the hours of its window."""

    store: LocalStore
    folder: Path
    first: int
    last: int


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    home = tmp_path_factory.mktemp("anomaly")
    store = weeks.fill(home / "events", DAYS)
    since = weeks.midnight(weeks.FIRST)
    until = since + (dt.timedelta(days=DAYS))
    days.refresh(store, home / "features", since=since, until=until)
    return Small(store, home / "features", days.hour_of(since), days.hour_of(until))


@pytest.fixture(scope="session")
def model(small: Small) -> Model:
    return train.train(small.folder, first=small.first, last=small.last, seed=1, budget=4)
