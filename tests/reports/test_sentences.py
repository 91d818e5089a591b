"""What the report says in words never contradicts its figures, in either language."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from citysoc import i18n
from citysoc.reports import counts, record
from citysoc.reports.figures import Compared, IncidentRow, Ranked
from citysoc.reports.sections import incidents, malware, monitoring, overview, tasks, words
from citysoc.reports.sections.annexes import annexes
from citysoc.reports.text import balanced
from tests.reports.made import document

ROW = IncidentRow(
    id="SC-2026-00001",
    title="Passwords Guessed",
    agency="so-y-te",
    agency_name="Sở Y tế",
    entity="agency.id:so-y-te",
    severity="high",
    state="new",
    verdict=None,
    detected_at="2026-10-05T01:00:00Z",
    closed_at=None,
    notice_due_at="2026-10-06T01:00:00Z",
    report_due_at="2026-10-08T01:00:00Z",
    notice_sent_at=None,
    report_sent_at=None,
    alerts=1,
    title_vi="Dò mật khẩu",
)


def in_both(say, figures):
    said = []
    for language in ("vi", "en"):
        with i18n.speaking(language):
            said.append(" ".join(say(figures)))
    return said


@pytest.mark.parametrize(
    ("say", "one", "many", "vi"),
    [
        (counts.events, "1 event", "1,234 events", "1.234 lượt"),
        (counts.agencies, "1 agency", "1,234 agencies", "1.234 đơn vị"),
        (counts.weaknesses, "1 known weakness", "1,234 known weaknesses", "1.234 lỗ hổng đã biết"),
    ],
)
def test_counts_have_the_form_of_the_language(say, one, many, vi):
    assert (say(1), say(1234)) == (one, many)
    with i18n.speaking("vi"):
        assert say(1234) == vi


def test_one_of_everything_is_said_in_the_singular(figures):
    one = replace(
        figures,
        cases=Compared(1),
        alerts=Compared(1),
        incidents=Compared(1),
        records=Compared(1, 1, 1),
        policy=1,
        incident_rows=(replace(ROW, state="closed", verdict="false_positive"),),
    )
    _, en = in_both(lambda f: [*overview.sentences(f), *incidents.sentences(f)], one)
    assert "1 event of attacks" in en
    assert "1 alert; alerts that belong together were joined into 1 incident" in en
    assert "1 access against policy; it is" in en
    assert "1 of them turned out to be a false alarm." in en
    assert "Nothing is overdue." in en


def test_sums_of_the_annex_are_those_of_the_first_page(figures):
    """An alert of a rule that looks at several agencies belongs to none; the annex has it all the same."""
    alone = replace(figures, alerts=Compared(figures.alerts.value + 2))
    with i18n.speaking("vi"):
        levels, agencies = annexes(alone)[0].tables
    for table, column in ((levels, 3), (agencies, 4)):
        assert table.foot[column] == alone.alerts.value
        assert table.foot[column] == sum(row[column] for row in table.rows)
        assert "Liên quan nhiều đơn vị hoặc chưa xác định đơn vị" in table.rows[-1]


def test_nothing_is_compared_with_a_period_that_was_hardly_watched(figures):
    thin = replace(figures, records=Compared(1000, 17, 900), cases=Compared(500, 1, 400))
    fair = words.comparable(thin)
    assert (fair.cases, fair.records) == (Compared(500, None, 400), thin.records)
    assert all(row.events.before is None for row in fair.classes)
    vi, _ = in_both(lambda f: overview.sentences(words.comparable(f)), thin)
    assert "Kỳ trước hầu như chưa được giám sát (chỉ có 17 bản ghi nhật ký) nên không dùng để so sánh." in vi
    assert "tháng trước" not in vi
    assert "tăng 25,0% so với cùng kỳ năm trước" in vi


def test_a_period_that_is_not_over_says_so(figures):
    vi, _ = in_both(overview.sentences, replace(figures, over=False))
    assert "Kỳ báo cáo chưa kết thúc tại thời điểm lập báo cáo" in vi
    assert "chưa kết thúc" not in in_both(overview.sentences, figures)[0]
    empty = replace(figures, over=False, records=Compared(0))
    assert "chưa kết thúc" in in_both(overview.sentences, empty)[0]


@pytest.mark.parametrize(
    ("stopped", "vi"),
    [(0, "không có lượt nào được ngăn chặn"), (7, "tất cả đã"), (3, "trong đó 3 lượt đã được ngăn chặn")],
)
def test_nobody_writes_none_as_a_number(figures, stopped, vi):
    row = replace(figures.classes[0], events=Compared(7), stopped=stopped)
    with i18n.speaking("vi"):
        assert vi in monitoring._stopped(row)


def test_what_has_no_class_is_last_and_said_to_be_unknown(figures):
    known = replace(figures.classes[0], events=Compared(5))
    unknown = replace(known, code="", events=Compared(9))
    mixed = replace(figures, classes=(unknown, known), cases=Compared(14))
    assert "Trong các loại hình đã xác định, nhiều nhất là" in in_both(monitoring.sentences, mixed)[0]
    with i18n.speaking("vi"):
        assert [row[1] for row in monitoring._class_table(mixed).rows][-1] == "Chưa phân loại"


def test_causes_and_measures_stand_beside_the_incident(figures):
    noted = replace(ROW, cause="Mật khẩu yếu.", measure="Đổi mật khẩu")
    rows = replace(figures, incident_rows=(noted,), as_of="2026-10-07T00:00:00Z")
    with i18n.speaking("vi"):
        table = incidents.table_of(rows, rows.incident_rows)
    assert table.rows[0][3] == "Dò mật khẩu. Nguyên nhân: Mật khẩu yếu. Biện pháp: Đổi mật khẩu"
    assert table.rows[0][-1] == "24 giờ: quá hạn; 72 giờ: hạn 08/10/2026 08:00"


def test_a_report_of_one_agency_names_it_once(figures):
    alone = replace(figures, table=figures.table[:1], incident_rows=(ROW,))
    with i18n.speaking("vi"):
        heads = [column.title for column in incidents.table_of(alone, alone.incident_rows).columns]
    assert "Đơn vị" not in heads


def test_all_weaknesses_are_counted_not_those_of_the_table(figures):
    rows = tuple(Ranked(f"CVE-{n}", f"CVE-{n}", 1) for n in range(10))
    vi, _ = in_both(incidents.alert_sentences, replace(figures, vulnerabilities=rows, weaknesses=25))
    assert "Phát hiện 25 lỗ hổng đã biết trên các máy tính." in vi


def test_sharing_and_tasks_are_written_from_the_figures(figures):
    coverage = replace(figures.coverage, detections=40, machines_infected=7, not_updated=3, reinfected=1)
    asked = replace(figures, coverage=coverage, incident_rows=(ROW,), as_of="2026-11-01T00:00:00Z")
    made = document(asked)
    said = {section.key: " ".join(block.text for block in section.blocks) for section in made.sections[5::2]}
    assert "gồm 40 lượt phát hiện mã độc trên 7 máy tính" in said["sharing"]
    assert said["tasks"].startswith("Khẩn trương gửi 2 văn bản về sự cố đã quá hạn.")
    assert "Cập nhật phần mềm phòng, chống mã độc cho 3 máy tính" in said["tasks"]
    _, en = in_both(tasks.sentences, asked)
    assert "Find where malware keeps coming from on 1 computer." in en


def test_nobody_reads_that_no_computer_is_many(figures):
    quiet = replace(
        figures, coverage=replace(figures.coverage, not_updated=0, protection_off=0, not_cleaned=0)
    )
    vi, en = in_both(malware.sentences, quiet)
    assert "Không có máy tính nào quá 15 ngày không cập nhật. Không có máy tính nào đang tắt bảo vệ." in vi
    assert " 0 " not in f" {vi} "
    assert " 0 " not in f" {en} "


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("SỞ KHOA HỌC VÀ CÔNG NGHỆ", ["SỞ KHOA HỌC VÀ CÔNG NGHỆ"]),
        ("ỦY BAN NHÂN DÂN THÀNH PHỐ HUẾ", ["ỦY BAN NHÂN DÂN", "THÀNH PHỐ HUẾ"]),
        ("TRUNG TÂM GIÁM SÁT AN NINH MẠNG", ["TRUNG TÂM GIÁM SÁT", "AN NINH MẠNG"]),
        ("CÔNG AN\nTHÀNH PHỐ HUẾ NHƯ ĐƠN VỊ ĐÃ VIẾT", ["CÔNG AN", "THÀNH PHỐ HUẾ NHƯ ĐƠN VỊ ĐÃ VIẾT"]),
        ("x" * 60, ["x" * 60]),
    ],
)
def test_long_names_of_the_letterhead_break_in_the_middle(name, rows):
    assert balanced(name, 25).split("\n") == rows


def test_every_figure_is_defined_in_both_languages_with_its_query_and_completeness(figures):
    said = json.loads(record.to_json(figures))
    assert said["definitions"].keys() == said["figures"].keys() - {"period", "as_of", "over"}
    for name, meaning in said["definitions"].items():
        assert meaning["vi"].endswith("."), name
        assert meaning["en"].endswith("."), name
        assert meaning.get("query") or meaning.get("source"), name
        assert meaning["over"] in {"event", "arrival", "end"}
        assert meaning["rests_on"], name
        assert "complete" in meaning["completeness"], name
