"""The report reads like a Vietnamese document: its title, period, numbers, sentences, also where nothing happened."""

from __future__ import annotations

import dataclasses
import datetime as dt
import re
from html import unescape
from zoneinfo import ZoneInfo

import pytest

from citysoc import i18n
from citysoc.alerts.intake import take
from citysoc.config.load import load
from citysoc.config.models import Alerts
from citysoc.config.reports import Reports
from citysoc.ecs.schema import to_table
from citysoc.flow import Finding
from citysoc.reports import text
from citysoc.reports.build import build, month_period
from citysoc.reports.figures import Compared, Period
from citysoc.reports.sections import document, letterhead
from citysoc.reports.sections.words import change
from citysoc.state import State
from citysoc.stores.local import LocalStore

ZONE = "Asia/Ho_Chi_Minh"
T0 = dt.datetime(2026, 10, 5, 1, 0, tzinfo=dt.UTC)


def event(number, when=T0, **more):
    return {
        "@timestamp": when,
        "event.id": f"{when:%Y%m%d}-{number:024}",
        "event.ingested": when,
        "event.dataset": "fortigate.utm",
        "agency.id": "so-y-te",
        "citysoc.class": "EXPL",
        "citysoc.threat": "attack",
        "citysoc.outcome": "blocked",
    } | more


@pytest.fixture
def city(tmp_path):
    (tmp_path / "agencies.yaml").write_text("agencies:\n  - {id: so-y-te, name: Sở Y tế}\n", encoding="utf-8")
    (tmp_path / "sources").mkdir()
    (tmp_path / "citysoc.yaml").write_text("{}", encoding="utf-8")
    return load(tmp_path / "citysoc.yaml")


def reported(config, events=(), findings=(), period=None):
    """Return the figures of a month, and the text of its Vietnamese and English page."""
    state, store = State(config.state_path), LocalStore(config.store_path)
    if events:
        store.append(to_table(list(events)), 1)
    with state.transaction() as db:
        take(db, list(findings), policy=Alerts(), webhooks=(), now=T0)
    options = {
        "languages": ("vi", "en"),
        "formats": ("html",),
        "now": dt.datetime(2026, 11, 3, tzinfo=dt.UTC),
    }
    built = build(config, state, store, period or month_period(2026, 10, ZONE), **options)
    state.close()
    return built.figures, *(plain(path.read_text(encoding="utf-8")) for path in built.files[1:])


def plain(page):
    body = re.sub(r"<style>.*?</style>|<script>.*?</script>|<svg.*?</svg>", "", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_title_period_and_sentences_of_a_month(city):
    events = [event(n) for n in range(1234)]
    _, vi, en = reported(city, events)
    assert "BÁO CÁO Tình hình bảo đảm an ninh mạng tháng 10 năm 2026" in vi
    assert "(Số liệu từ 00 giờ 00 ngày 01/10/2026 đến 24 giờ 00 ngày 31/10/2026, giờ Việt Nam)" in vi
    assert "ghi nhận 1.234 lượt tấn công mạng, mã độc gián điệp và vi-rút; trong đó có 1.234 lượt" in vi
    assert "Tất cả đã được thiết bị ngăn chặn hoặc xử lý" in vi
    assert "Chưa có số liệu của các kỳ trước để so sánh." in vi
    assert "Huế, ngày ...... tháng ...... năm 2026" in vi
    assert "Trên đây là Báo cáo tình hình bảo đảm an ninh mạng tháng 10 năm 2026./." in vi
    assert "10/2026 năm" not in vi
    assert "Cybersecurity situation in October 2026" in en
    assert "1,234 events of attacks" in en


def test_both_comparisons_are_made(city):
    september, year_ago = T0 - dt.timedelta(days=30), T0.replace(year=2025)
    events = [event(n) for n in range(110)]
    events += [event(n, september) for n in range(100)] + [event(n, year_ago) for n in range(200)]
    figures, vi, _ = reported(city, events)
    assert figures.cases == Compared(110, 100, 200)
    assert "(tăng 10,0% so với tháng trước, giảm 45,0% so với cùng kỳ năm trước)" in vi
    assert "+10,0%" in vi
    assert "-45,0%" in vi
    assert "Chưa có số liệu" not in vi


def test_an_empty_month_is_said_in_sentences(city):
    _, vi, en = reported(city)
    assert "Không có bản ghi nhật ký nào trong kỳ này." in vi
    assert "Số lượt theo loại hình tấn công: không ghi nhận." in vi
    assert "Trong kỳ không phát hiện mã độc trên máy tính." in vi
    assert "Đơn vị chưa được cài phần mềm phòng, chống mã độc quản trị tập trung." in vi
    assert "Danh bạ không quy định nguồn nhật ký nào phải có." in vi
    assert not re.search(r"\bNone\b|\{\w+\}|nan%", vi + en)


def test_rules_and_incidents_have_the_titles_of_the_language(city):
    found = Finding(
        rule="r",
        title="Passwords Guessed",
        title_vi="Dò mật khẩu",
        level="high",
        agency="so-y-te",
        event_id="e",
        timestamp=T0,
        matched={},
        entity="host:PC-1",
    )
    _, vi, en = reported(city, [event(1)], [found])
    assert vi.count("Dò mật khẩu") == 2
    assert "Dò mật khẩu (máy PC-1)" in vi
    assert "24 giờ: hạn 06/10/2026 08:00; 72 giờ: hạn 08/10/2026 08:00" in vi
    assert "Passwords Guessed" not in vi
    assert "Passwords Guessed (computer PC-1)" in en


def test_agencies_have_the_names_of_the_language(tmp_path):
    (tmp_path / "agencies.yaml").write_text(
        "agencies:\n"
        "  - {id: so-y-te, name: Sở Y tế, name_en: Department of Health}\n"
        "  - {id: xa-a, name: Xã A}\n",
        encoding="utf-8",
    )
    (tmp_path / "sources").mkdir()
    (tmp_path / "citysoc.yaml").write_text("{}", encoding="utf-8")
    found = Finding(
        rule="r",
        title="Passwords Guessed",
        level="high",
        agency="so-y-te",
        event_id="e",
        timestamp=T0,
        matched={},
        entity="host:PC-1",
    )
    _, vi, en = reported(load(tmp_path / "citysoc.yaml"), [event(1)], [found])
    assert "Sở Y tế" in vi
    assert "Department of Health" not in vi
    assert "Department of Health" in en
    assert "Sở Y tế" not in en
    assert "Xã A" in en  # has no other name


def test_a_period_that_is_no_month_is_named_from_day_to_day(city):
    zone = ZoneInfo(ZONE)
    since, until = dt.datetime(2025, 12, 15, tzinfo=zone), dt.datetime(2026, 12, 15, tzinfo=zone)
    _, vi, _ = reported(city, [event(1)], period=Period(since, until, "", ZONE))
    assert "Tình hình bảo đảm an ninh mạng từ ngày 15/12/2025 đến ngày 14/12/2026" in vi
    assert "từ 00 giờ 00 ngày 15/12/2025 đến 24 giờ 00 ngày 14/12/2026" in vi


@pytest.mark.parametrize(
    ("figure", "vi"),
    [
        (Compared(118, 100), " (tăng 18,0% so với tháng trước)"),
        (Compared(80, 100, 100), " (giảm 20,0% so với tháng trước, giảm 20,0% so với cùng kỳ năm trước)"),
        (Compared(100, 100), " (không đổi so với tháng trước)"),
        (Compared(100_001, 100_000), " (không đổi so với tháng trước)"),  # what rounds to nothing is nothing
        (Compared(5, 0), ""),
        (Compared(5), ""),
    ],
)
def test_how_a_figure_moved(figure, vi):
    with i18n.speaking("vi"):
        assert change(figure, month=True) == vi


@pytest.mark.parametrize(
    ("day", "vi"),
    [
        (dt.date(2026, 1, 5), "tháng 01 năm 2026"),
        (dt.date(2019, 6, 29), "tháng 6 năm 2019"),
        (dt.date(2026, 2, 10), "tháng 02 năm 2026"),
    ],
)
def test_months_as_decree_30_writes_them(day, vi):
    with i18n.speaking("vi"):
        assert text.long_month(day) == vi


@pytest.mark.parametrize(
    ("entity", "vi"),
    [
        ("host:a{b}", "máy a{b}"),
        ("ip:10.1.2.3", "địa chỉ 10.1.2.3"),
        ("rule:4922", ""),
        ("agency.id:{x}", ""),
        ("agency:so-y-te", ""),
        ("file.hash.md5:{x}", "{x}"),
        ("abc", "abc"),
        ("", ""),
    ],
)
def test_what_an_incident_is_about(entity, vi):
    with i18n.speaking("vi"):
        assert text.entity_name(entity) == vi


def test_streams_of_a_past_month_are_judged_by_what_was_heard_until_its_end(city):
    """A source that spoke in November had never been heard in October."""
    state = State(city.state_path)
    with state.transaction() as db:
        db.execute(
            "INSERT INTO streams (stream, agency, source, expected, state, first_arrival, last_arrival)"
            " VALUES ('so-y-te/fw', 'so-y-te', 'fw', 1, 'ok', ?, ?)",
            ("2026-09-30T01:00:00.000000Z", "2026-11-02T01:00:00.000000Z"),
        )
        db.execute(
            "INSERT INTO counters (stream, hour, received, stored, duplicate, quarantined, rejected)"
            " VALUES ('so-y-te/fw', '2026-10-02T01:00:00.000000Z', 1, 1, 0, 0, 0)"
        )
    state.close()
    from citysoc.alerts.streams import states

    state = State(city.state_path)
    (then,) = states(state, (), now=dt.datetime(2026, 10, 31, 17, tzinfo=dt.UTC))
    (earlier,) = states(state, (), now=dt.datetime(2026, 11, 3, tzinfo=dt.UTC))
    state.close()
    assert then.last_arrival == dt.datetime(2026, 10, 2, 2, tzinfo=dt.UTC)
    assert earlier.last_arrival == dt.datetime(2026, 11, 2, 1, tzinfo=dt.UTC)


def test_a_document_is_the_same_each_time(city):
    figures, _, _ = reported(city, [event(1)])
    settings = city.settings.reports
    assert document(figures, settings, {}) == document(figures, settings, {})


NAMES = {
    "superior": "ỦY BAN NHÂN DÂN",
    "issuer": "TRUNG TÂM GIÁM SÁT",
    "place": "Huế",
    "addressee": "Lãnh đạo",
    "signer": "GIÁM ĐỐC",
    "recipients": ["Như trên", "Văn phòng"],
}
ENGLISH = {
    "superior_en": "PEOPLE'S COMMITTEE",
    "issuer_en": "MONITORING CENTRE",
    "place_en": "Hue City",
    "addressee_en": "The Leaders",
    "signer_en": "DIRECTOR",
    "recipients_en": ["As above"],
}


def head(language, **settings):
    with i18n.speaking(language):
        return letterhead(Reports(**settings), year=2026, addressee="")


def test_the_letterhead_has_the_names_of_the_language():
    vi, en = head("vi", **NAMES, **ENGLISH), head("en", **NAMES, **ENGLISH)
    assert (vi.superior, vi.issuer, vi.signer) == ("ỦY BAN NHÂN DÂN", "TRUNG TÂM GIÁM SÁT", "GIÁM ĐỐC")
    assert (en.superior, en.issuer, en.signer) == ("PEOPLE'S COMMITTEE", "MONITORING CENTRE", "DIRECTOR")
    assert en.place_and_date.startswith("Hue City, ")
    assert en.addressee == "To: The Leaders"
    assert en.recipients == ("- As above;", "- Archive: office.")
    assert vi.recipients[:2] == ("- Như trên;", "- Văn phòng;")


@pytest.mark.parametrize("name", sorted(ENGLISH))
def test_a_name_without_an_english_one_stays(name):
    """Better the right body in Vietnamese than a blank."""
    without = {other: value for other, value in ENGLISH.items() if other != name}
    same, there = head("en", **NAMES, **without), head("en", **NAMES, **ENGLISH)
    changed = {
        field.name
        for field in dataclasses.fields(there)
        if getattr(same, field.name) != getattr(there, field.name)
    }
    assert changed == {{"place_en": "place_and_date"}.get(name, name.removesuffix("_en"))}
