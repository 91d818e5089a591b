"""Both stores give the same feature table, late data included."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from citysoc.detectors.anomaly import days, history
from citysoc.detectors.anomaly.feature import KINDS
from citysoc.ecs.schema import to_table
from citysoc.simulation import habits
from citysoc.stores.local import LocalStore
from tests.detectors.anomaly import weeks
from tests.stores.elastic.conftest import elastic_store

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.elastic


def test_both_stores_give_the_same_features_and_see_the_same_late_hours(elastic, tmp_path: Path) -> None:
    begin = weeks.midnight(weeks.FIRST) + dt.timedelta(hours=7)
    end = begin + dt.timedelta(hours=3)
    whole = weeks.whole(habits.day(weeks.town(), weeks.FIRST, 5), "x")
    at = whole["@timestamp"]
    table = whole.filter(pa.compute.and_(pa.compute.greater_equal(at, begin), pa.compute.less(at, end)))
    guard = {"@timestamp": begin, "event.dataset": "avreport.quality", "avreport.auto_protect": False}
    stale = {"@timestamp": begin, "event.dataset": "avreport.update", "avreport.not_updated_15_days": 7}
    names = {"agency.id": "co-quan-1", "agency.level": "commune", "host.name": "co-pc1"}
    told = to_table([{**one, **names, "event.id": f"r{n}"} for n, one in enumerate((guard, stale))])
    table = pa.concat_tables([table, told.cast(table.schema)])
    late = pa.array([n == 5 for n in range(table.num_rows)])
    assert table.num_rows > 300
    with elastic_store(elastic) as store:
        local = LocalStore(tmp_path / "events")
        for name, one, settle in (("elastic", store, store.refresh), ("local", local, lambda: None)):
            one.append(table.filter(pa.compute.invert(late)), 1)
            settle()
            done = days.refresh(one, tmp_path / name, since=begin, until=end)
            assert (done.hours, done.events) == (3, table.num_rows - 1)
            one.append(table.filter(late), 2)
            settle()
            again = days.refresh(one, tmp_path / name, since=begin, until=end)
            assert again.hours == 1
        first, last = days.hour_of(begin), days.hour_of(end)
        for kind in KINDS:
            ours, theirs = (history.read(tmp_path / n, kind, first, last) for n in ("local", "elastic"))
            assert ours.num_rows
            assert ours.equals(theirs)
        agency = history.read(tmp_path / "elastic", "agency", first, last)
        assert (max(agency["protection_off"].to_pylist()), max(agency["stale"].to_pylist())) == (1, 7)
