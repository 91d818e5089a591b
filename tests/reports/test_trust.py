"""Each figure is as complete as the sources it rests on, and says so where it stands."""

from __future__ import annotations

import datetime as dt
import json
import re

import pytest

from citysoc import i18n
from citysoc.config.reports import Reports
from citysoc.ecs.schema import to_table
from citysoc.reports import record, sections
from citysoc.reports.computing import compute
from citysoc.reports.computing.parted import Parted
from citysoc.state import State
from citysoc.stores.local import LocalStore
from tests.reports.made import NOW, ZONE, as_docx, detection, docx_text, event, month_period, written

AGENCIES = """
agencies:
  - {id: so-y-te, name: "Sở Y tế", expects: [firewall, console], antivirus: {machines: 3}}
  - {id: xa-a, name: "Xã A", expects: [firewall, console, anything], antivirus: {machines: 5}}
"""
SOURCES = """
sources:
  - {id: firewall, kind: files, parser: fortigate, paths: ["fw/{agency}/*"], silent_after_seconds: 21600}
  - {id: console, kind: files, parser: auto, paths: ["av/{agency}/*"], silent_after_seconds: 259200}
  - {id: anything, kind: files, parser: auto, paths: ["x/{agency}/*"], silent_after_seconds: 86400}
"""
PERIOD = month_period(2026, 10, ZONE)
HOUR = dt.timedelta(hours=1)


def hours(step, *, but=()):
    """Yield the moments of October, one each ``step`` hours, without some local days."""
    at = PERIOD.since
    while at < PERIOD.until:
        if at.astimezone(dt.timezone(7 * HOUR)).day not in but:
            yield at
        at += step * HOUR


def spoken(config, *, console_silent=(), firewall_silent=(), anything=True):
    """Fill a month in which each stream speaks, but for some days."""
    streams = [
        ("so-y-te/firewall", "fortigate", hours(12), event),
        ("xa-a/firewall", "fortigate", hours(3, but=firewall_silent), event),
        ("so-y-te/console", "antivirus", hours(24), detection),
        ("xa-a/console", "antivirus", hours(24, but=console_silent), detection),
        *([("xa-a/anything", "windows", hours(12), event)] if anything else []),
    ]
    some = [
        make(
            number,
            **{
                "@timestamp": at.astimezone(dt.UTC),
                "event.id": f"{place}-{number:024}",
                "event.module": module,
                "agency.id": stream.partition("/")[0],
                "citysoc.source": stream,
            },
        )
        for place, (stream, module, times, make) in enumerate(streams)
        for number, at in enumerate(times)
    ]
    LocalStore(config.store_path).append(to_table(some), 1)


def asked(config, store=None, **more):
    state = State(config.state_path)
    try:
        return compute(config, state, store or LocalStore(config.store_path), PERIOD, now=NOW, **more)
    finally:
        state.close()


def completeness(figures):
    return {
        name: meaning["completeness"]
        for name, meaning in json.loads(record.to_json(figures))["definitions"].items()
    }


@pytest.fixture
def city(tmp_path):
    return written(tmp_path, AGENCIES, SOURCES)


def test_where_all_speak_every_figure_is_complete(city):
    spoken(city)
    figures = asked(city)
    found = completeness(figures)
    assert {name for name, one in found.items() if one["complete"] is not True} == set()
    assert found["malware"]["streams_expected"] == 2, (
        "nobody knows by its parser; it is known by what it brought"
    )
    assert found["servers"]["streams_expected"] == 2
    assert found["cases"]["streams_expected"] == 5
    assert "chưa đầy đủ" not in docx_text(as_docx(figures))


def test_a_silent_console_makes_figures_of_malware_incomplete_and_no_others(city):
    spoken(city, console_silent=range(5, 15))
    figures = asked(city)
    found = completeness(figures)
    assert found["malware"] == {
        "complete": False,
        "streams_expected": 2,
        "streams_lacking": 1,
        "hours_lacking": 11 * 24,
        "hours_expected": 2 * 31 * 24,
        "records_quarantined": 0,
        "records_rejected": 0,
        "records_unaccounted": 0,
    }
    incomplete = {name for name, one in found.items() if one["complete"] is False}
    assert incomplete >= {"malware", "coverage", "uncleaned", "cases", "virus"}
    assert incomplete.isdisjoint({"attack", "attackers", "targets", "servers", "alerts", "incidents"})
    (row,) = [row for row in figures.sources if row.gaps]
    assert (row.stream, row.gaps) == ("xa-a/console", 1)
    assert (row.longest_since, row.longest_until) == (
        "2026-10-03T17:00:00.000000Z",
        "2026-10-14T17:00:00.000000Z",
    )


def test_a_quiet_night_is_no_interruption(city):
    """A firewall that may be silent for six hours, and whose office is closed."""
    spoken(city)
    assert not [row for row in asked(city).sources if row.gaps]


def test_a_silent_firewall_makes_figures_of_the_network_incomplete(city):
    spoken(city, firewall_silent=(7,))
    found = completeness(asked(city))
    assert found["servers"]["streams_lacking"] == 1
    assert found["attackers"]["complete"] is False
    assert found["malware"]["complete"] is True


def test_what_was_never_heard_may_have_been_anything(city):
    spoken(city, anything=False)
    found = completeness(asked(city))
    assert {found[name]["streams_lacking"] for name in ("malware", "servers", "attackers", "cases")} == {1}


def test_a_silence_shorter_than_the_source_may_be_silent_is_none(city):
    spoken(city, console_silent=(5, 6))
    assert completeness(asked(city))["malware"]["complete"] is True


def test_documents_say_it_beside_the_figure(city):
    spoken(city, console_silent=range(5, 15))
    figures = asked(city)
    with i18n.speaking("vi"):
        document = sections.document(figures, Reports(), {"malware": "Lời của đơn vị."})
    tables = {table.name: table.caption for table in document.tables()}
    for name in ("malware", "coverage", "infected", "uncleaned"):
        assert tables[name].endswith("(chưa đầy đủ: 1/2 nguồn nhật ký bị gián đoạn)"), name
    for name in ("classes", "agencies"):
        assert tables[name].endswith("(chưa đầy đủ: 1/5 nguồn nhật ký bị gián đoạn)"), name
    for name in ("attackers", "gaps", "conservation"):
        assert "chưa đầy đủ" not in tables[name], name
    text = docx_text(as_docx(figures))
    assert (
        "trong 2 nguồn nhật ký làm căn cứ, có 1 nguồn bị gián đoạn, thiếu 17,7% thời gian (xem mục VII)"
        in text
    )
    assert "Nguồn nhật ký bị gián đoạn trong kỳ theo loại nguồn: phòng chống mã độc: 1/2." in text
    own = next(section for section in document.sections if section.key == "malware")
    assert own.blocks[0].text == "Lời của đơn vị."
    assert "chưa đầy đủ" in own.blocks[1].text, "also beside the unit's own words"
    english = docx_text(as_docx(figures, language="en"))
    assert re.search(r"Top malware \(incomplete: 1 of 2 streams of logs were interrupted\)", english)


def test_of_one_agency_and_of_all_at_once_the_same(city):
    spoken(city, console_silent=range(5, 15))
    parted = Parted(LocalStore(city.store_path))
    for agency in ("so-y-te", "xa-a"):
        assert asked(city, agency=agency).sources == asked(city, parted, agency=agency).sources
    assert completeness(asked(city, agency="so-y-te"))["malware"]["complete"] is True
    assert completeness(asked(city, agency="xa-a"))["malware"]["complete"] is False


def test_what_correlations_left_out_is_said_beside_alerts(city):
    spoken(city)
    state = State(city.state_path)
    with state.transaction() as db:
        db.execute(
            "INSERT INTO correlator_losses (hour, what, rule, stream, number)"
            " VALUES ('2026-10-05T01:00:00.000000Z', 'evicted', 'r1', '', 7)"
        )
    state.close()
    figures = asked(city)
    found = completeness(figures)
    assert found["alerts"] == {"complete": False, "events_left_out": 7}
    assert found["cases"]["complete"] is True
    with i18n.speaking("vi"):
        text = docx_text(as_docx(figures))
    assert "các quy tắc tương quan đã bỏ qua 7 lượt" in text


def test_a_period_that_is_not_over_lacks_nothing_of_its_future(city):
    spoken(city)
    state = State(city.state_path)
    try:
        early = compute(
            city, state, LocalStore(city.store_path), PERIOD, now=PERIOD.since + dt.timedelta(hours=2)
        )
    finally:
        state.close()
    assert not [row for row in early.sources if row.gaps]
    assert {row.hours_expected for row in early.sources} == {2}
    assert completeness(early)["cases"]["hours_expected"] == 2 * 5


def test_of_a_period_that_has_yet_to_begin_nobody_knows(city):
    state = State(city.state_path)
    try:
        store, now = LocalStore(city.store_path), PERIOD.since - dt.timedelta(days=3)
        none = compute(city, state, store, PERIOD, now=now)
    finally:
        state.close()
    assert completeness(none)["cases"]["complete"] is None
    assert "chưa đầy đủ" not in docx_text(as_docx(none))
