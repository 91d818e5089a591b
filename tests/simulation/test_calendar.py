"""Huế's working hours, and that people's records follow them."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pytest

from citysoc.enrich.working_hours import working_hours
from citysoc.simulation import calendar, plan
from citysoc.simulation.stamps import HOUR, Stamps


@pytest.mark.parametrize(
    ("day", "spans"),
    [
        (dt.date(2026, 10, 1), ((7.5, 11.5), (13.0, 17.0))),
        (dt.date(2026, 9, 30), ((7.5, 11.5), (13.5, 17.5))),
        (dt.date(2026, 4, 1), ((7.5, 11.5), (13.5, 17.5))),
        (dt.date(2026, 10, 3), ()),
        (dt.date(2026, 4, 30), ()),
        (dt.date(2026, 2, 17), ()),
    ],
    ids=["winter", "summer's end", "summer's begin", "Saturday", "holiday", "Tết"],
)
def test_office_hours(day, spans):
    assert working_hours(day) == spans


def test_noon_is_quiet_and_the_half_hours_count():
    hours = calendar.intensity(dt.date(2026, 10, 1))
    assert hours[12] == hours[3] == calendar.OFF_HOURS
    assert hours[8] == pytest.approx(1)
    assert hours[7] == hours[11] == pytest.approx(0.51)


def test_people_log_on_in_office_hours_and_scanners_at_any_time(whole_city):
    month = plan.make(whole_city, month="2026-10", records=40_000, seed=1)
    office, scans = Counter(), Counter()
    for stream in month.speaking():
        if stream.source not in {"windows", "firewall"}:
            continue
        for at, line in month.lines(stream, Counter()):
            hour = at // HOUR % 24
            if b'"LogonType":"2"' in line:
                office[hour] += 1
            elif b"srcip=192.0.2." in line and b'action="deny"' in line:
                scans[hour] += 1
    working = sum(office[hour] for hour in (7, 8, 9, 10, 11, 13, 14, 15, 16))
    assert working / office.total() > 0.85
    assert max(scans.values()) < 1.4 * min(scans.values())


def test_stamps_agree_with_the_library():
    stamps = Stamps("2026-10")
    for at in (0, 1, 7 * HOUR - 1, 7 * HOUR, 86_399_999, 31 * 24 * HOUR - 1):
        moment = stamps.moment(at)
        local = moment + dt.timedelta(hours=7)
        assert stamps.utc(at) == f"{moment:%Y-%m-%dT%H:%M:%S}.{at % 1000:03}Z"
        assert stamps.apache(at) == f"{local:%d/%b/%Y:%H:%M:%S} +0700"
        assert stamps.vietnamese(at) == f"{local:%d/%m/%Y %H:%M:%S}"
        assert stamps.bsd(at) == f"{local:%b} {local.day:>2} {local:%H:%M:%S}"
        assert dt.datetime.fromisoformat(stamps.local(at)) == moment
