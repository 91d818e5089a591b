"""The documents as what people get: PDF pages and fonts, DOCX by the decree's measures, sheets, templates, own words."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import zipfile
from zoneinfo import ZoneInfo

import docx
import openpyxl
import pypdf
import pypdfium2
import pytest

from citysoc import i18n
from citysoc.alerts.intake import take
from citysoc.config.load import load
from citysoc.config.models import Alerts
from citysoc.config.reports import Reports
from citysoc.ecs.schema import to_table
from citysoc.errors import ConfigError, UsageError
from citysoc.flow import Finding
from citysoc.reports import issued, pdf, sections, sheets, word
from citysoc.reports.build import build, month_period
from citysoc.reports.computing import compute
from citysoc.reports.each import build_each
from citysoc.reports.periods import before, named_period
from citysoc.reports.sections.words import during
from citysoc.state import State
from citysoc.stores.local import LocalStore

ZONE = "Asia/Ho_Chi_Minh"
T0 = dt.datetime(2026, 10, 5, 1, 0, tzinfo=dt.UTC)
NOW = dt.datetime(2026, 11, 3, tzinfo=dt.UTC)
HOSTILE = (
    "=cmd|' /C calc'!A0 <script>alert(1)</script> {{ title }} #let x = 1 \u202egnp 𠜎\x1b[31m " + "Đ" * 500
)
LETTERS = "ăâđêôơưắằẳẵặấầẩẫậếềểễệốồổỗộớờởỡợứừửữựỳỵỷỹý"
AGENCIES = """
agencies:
  - {id: so-y-te, name: "Sở Y tế", level: department, expects: [firewall], antivirus: {machines: 3}}
  - {id: phuong-vy-da, name: "Phường Vỹ Dạ", level: ward, antivirus: {machines: 20}}
"""
SOURCES = 'sources:\n  - {id: firewall, kind: files, parser: fortigate, paths: ["inbox/{agency}/*.log"]}\n'


def event(number, **more):
    return {
        "@timestamp": T0,
        "event.id": f"20261005-{number:024}",
        "event.ingested": T0,
        "event.dataset": "fortigate.utm",
        "agency.id": "so-y-te",
        "source.ip": "203.0.113.9",
        "citysoc.class": "SCAN",
        "citysoc.threat": "attack",
        "citysoc.outcome": "blocked",
    } | more


def detection(number, **more):
    return event(
        number,
        **{
            "event.module": "antivirus",
            "event.dataset": "antivirus.detection",
            "agency.id": "phuong-vy-da",
            "host.name": f"PC-{number % 7}",
            "threat.software.name": "W32.SalityVG.PE",
            "file.path": "C:\\Temp\\a.exe",
            "citysoc.class": "VIRUS",
            "citysoc.threat": "virus",
            "citysoc.outcome": "failed",
        }
        | more,
    )


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    root = tmp_path_factory.mktemp("city")
    (root / "agencies.yaml").write_text(AGENCIES, encoding="utf-8")
    (root / "sources").mkdir()
    (root / "sources" / "all.yaml").write_text(SOURCES, encoding="utf-8")
    (root / "citysoc.yaml").write_text("{}", encoding="utf-8")
    config = load(root / "citysoc.yaml")
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


def figures_of(config, **more):
    state = State(config.state_path)
    try:
        period = month_period(2026, 10, ZONE)
        return compute(config, state, LocalStore(config.store_path), period, now=NOW, **more)
    finally:
        state.close()


@pytest.fixture(scope="module")
def figures(city):
    return figures_of(city)


def document(figures, settings=None, language="vi", texts=None):
    with i18n.speaking(language):
        return sections.document(figures, settings or Reports(), texts or {})


def as_pdf(figures, *options):
    made = document(figures, *options)
    with i18n.speaking(made.language):
        return pdf.render(made)


def as_docx(figures, settings=None, template=None, **options):
    made = document(figures, settings, **options)
    with i18n.speaking(made.language):
        return word.render(made, figures, template)


def pdf_text(content):
    pages = pypdfium2.PdfDocument(content)
    return [" ".join(page.get_textpage().get_text_bounded().split()) for page in pages]


def docx_text(content):
    page = docx.Document(io.BytesIO(content))
    return "\n".join(p.text for p in word.filling._paragraphs(page))


# PDF


def test_pdf_says_what_the_figures_say_in_both_languages(figures):
    vi, en = " ".join(pdf_text(as_pdf(figures))), " ".join(pdf_text(as_pdf(figures, None, "en")))
    assert "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM" in vi
    assert "Tình hình bảo đảm an ninh mạng tháng 10 năm 2026" in vi
    assert "ghi nhận 110 lượt" in vi
    assert "VIII. NHIỆM VỤ" in vi
    assert "Dò mật khẩu" in vi
    assert "SOCIALIST REPUBLIC OF VIETNAM" in en
    assert "110 events of attacks" in en


def test_pdf_embeds_fonts_with_all_vietnamese_letters(figures):
    content = as_pdf(figures, Reports(issuer=LETTERS, superior=LETTERS.upper()))
    text = " ".join(pdf_text(content)).replace(" ", "").lower()
    assert LETTERS in text
    for page in pypdf.PdfReader(io.BytesIO(content)).pages:
        for font in page["/Resources"].get("/Font", {}).values():
            inner = font.get_object()["/DescendantFonts"][0].get_object()
            assert "Tinos" in inner["/BaseFont"]
            described = inner["/FontDescriptor"].get_object()
            assert "/FontFile2" in described or "/FontFile3" in described


def test_pdf_pages_are_a4_and_numbered_from_the_second_on(figures):
    pages = pdf_text(as_pdf(figures))
    size = pypdf.PdfReader(io.BytesIO(as_pdf(figures))).pages[0].mediabox
    assert (round(float(size.width) / 72 * 25.4), round(float(size.height) / 72 * 25.4)) == (210, 297)
    assert not pages[0].startswith("1 ")
    assert pages[1].startswith("2 ")


def test_pages_look_the_same_each_time(figures):
    """Rendered as pictures: a page that changes by accident is a page that differs."""
    first, second = (pypdfium2.PdfDocument(as_pdf(figures))[0].render(scale=1).to_numpy() for _ in range(2))
    assert (first == second).all()
    left_margin = first[:, : int(28 / 25.4 * 72)]
    assert (left_margin > 250).all(), "nothing stands in the left margin of 30 mm"
    assert (first < 128).any(), "the page is not empty"


# DOCX


def test_docx_has_the_measures_of_the_decree(figures):
    page = docx.Document(io.BytesIO(as_docx(figures)))
    for section in page.sections:
        assert (round(section.page_width.mm), round(section.page_height.mm)) == (210, 297)
        assert 20 <= round(section.top_margin.mm, 1) <= 25
        assert 20 <= round(section.bottom_margin.mm, 1) <= 25
        assert 30 <= round(section.left_margin.mm, 1) <= 35
        assert 15 <= round(section.right_margin.mm, 1) <= 20
        assert section.different_first_page_header_footer
        number = section.header.paragraphs[0]
        assert "PAGE" in number._p.xml
        assert number.alignment == 1
        assert not section.first_page_header.paragraphs[0].text
    normal = page.styles["Normal"]
    assert normal.font.name == "Times New Roman"
    assert 13 <= normal.font.size.pt <= 14
    assert normal.paragraph_format.alignment == 3
    assert round(normal.paragraph_format.first_line_indent.mm, 1) in {10, 12.7}
    assert normal.paragraph_format.space_after.pt >= 6


def styled(page, text):
    for paragraph in word.filling._paragraphs(page):
        if paragraph.text.strip() == text:
            return paragraph, paragraph.runs[0].font
    raise AssertionError(text)


@pytest.mark.parametrize(
    ("text", "points", "bold", "italic"),
    [
        ("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", {12, 13}, True, None),
        ("Độc lập - Tự do - Hạnh phúc", {13, 14}, True, None),
        ("Tình hình bảo đảm an ninh mạng tháng 10 năm 2026", {13, 14}, True, None),
        ("Huế, ngày ...... tháng ...... năm 2026", {13, 14}, None, True),
        ("Nơi nhận:", {12}, True, True),
        ("SỞ KHOA HỌC VÀ CÔNG NGHỆ", {12, 13}, True, None),
        ("ỦY BAN NHÂN DÂN THÀNH PHỐ HUẾ", {12, 13}, None, None),
    ],
)
def test_docx_letterhead(figures, text, points, bold, italic):
    settings = Reports(superior="ỦY BAN NHÂN DÂN THÀNH PHỐ HUẾ", issuer="SỞ KHOA HỌC VÀ CÔNG NGHỆ")
    page = docx.Document(io.BytesIO(as_docx(figures, settings)))
    _, font = styled(page, text)
    assert font.size.pt in points
    assert (font.bold or None, font.italic or None) == (bold, italic)
    assert font.name == "Times New Roman"


def test_docx_leaves_number_date_and_signature_blank(figures):
    text = docx_text(as_docx(figures))
    assert "Số: ....../BC-......" in text
    assert "- Lưu: " in text
    assert "{{" not in text


def test_annexes_begin_pages_of_their_own_numbered_from_one(figures):
    content = as_docx(figures)
    page = docx.Document(io.BytesIO(content))
    assert len(page.sections) == 3
    assert 'w:pgNumType w:start="1"' in page.element.body.sectPr.xml
    assert "Phụ lục II" in docx_text(content)


# Same input, same bytes


@pytest.mark.parametrize(
    "make", [as_pdf, as_docx, lambda f: sheets.workbook(document(f))], ids=["pdf", "docx", "xlsx"]
)
def test_same_figures_same_bytes(figures, make):
    assert make(figures) == make(figures)


def test_office_files_carry_no_time_of_building(figures):
    with zipfile.ZipFile(io.BytesIO(as_docx(figures))) as package:
        assert {member.date_time for member in package.infolist()} == {(2026, 10, 31, 17, 0, 0)}


# Sheets


def test_sheets_hold_numbers_as_numbers(figures):
    book = openpyxl.load_workbook(io.BytesIO(sheets.workbook(document(figures))))
    rows = list(book["classes"].iter_rows(min_row=4, values_only=True))
    assert rows[0][1:4] == ("Vi-rút, sâu máy tính", 70, pytest.approx(70 / 110))
    assert {"agencies", "uncleaned", "incidents"} <= set(book.sheetnames)


def test_csv_holds_what_the_table_holds(figures):
    (table,) = (table for table in document(figures).tables() if table.name == "agencies")
    text = sheets.csv(table).decode("utf-8-sig")
    assert text.endswith("\r\n")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[1][:4] == ["1", "Sở Y tế", "40", "40"]
    assert rows[-1][1:4] == ["Tổng cộng", "110", "110"]


# Hostile text, in every place that text can reach


def test_hostile_text_is_text_in_every_format(tmp_path):
    (tmp_path / "agencies.yaml").write_text(
        "agencies:\n  - {id: so-y-te, name: '=1+1 <b>', level: ward}\n  - {id: xa-a, name: '@SUM(A1)'}\n",
        encoding="utf-8",
    )
    (tmp_path / "sources").mkdir()
    (tmp_path / "citysoc.yaml").write_text("{}", encoding="utf-8")
    config = load(tmp_path / "citysoc.yaml")
    hosts = {"host.name": HOSTILE, "threat.software.name": HOSTILE, "file.path": HOSTILE, "agency.id": "xa-a"}
    LocalStore(config.store_path).append(to_table([detection(n, **hosts) for n in range(3)]), 1)
    state = State(config.state_path)
    with state.transaction() as db:
        found = Finding(
            HOSTILE, HOSTILE, "high", "xa-a", "e", T0, {}, entity=f"host:{HOSTILE}", title_vi=HOSTILE
        )
        take(db, [found], policy=Alerts(), webhooks=(), now=T0)
    state.close()
    figures = figures_of(config)
    words = Reports(
        superior=HOSTILE, issuer=HOSTILE, place=HOSTILE, addressee=HOSTILE[:300], signer=HOSTILE[:200]
    )
    made = document(figures, words, texts={"tasks": HOSTILE})
    with i18n.speaking("vi"):
        printed = " ".join(pdf_text(pdf.render(made)))
        written = docx_text(word.render(made, figures))
    for text in (printed, written):
        assert "<script>alert(1)</script>" in text
        assert "\u202e" not in text
        assert "\x1b" not in text
    assert "#let x = 1" in printed, "markup of the typesetter is text"
    assert "{{ title }}" in written, "what is filled in is not filled again"
    with zipfile.ZipFile(io.BytesIO(sheets.workbook(made))) as package:
        for name in package.namelist():
            if name.startswith("xl/worksheets/sheet"):
                assert b"<f>" not in package.read(name), "no formula"
    for table in made.tables():
        for row in csv.reader(io.StringIO(sheets.csv(table).decode("utf-8-sig"))):
            assert not any(cell.startswith(("=", "@")) for cell in row)


# Templates and own words


def filled(tmp_path, figures, *lines):
    page = docx.Document()
    for line in lines:
        page.add_paragraph(line)
    page.save(tmp_path / "own.docx")
    return docx_text(as_docx(figures, template=tmp_path / "own.docx"))


def test_a_template_of_ones_own_is_filled(tmp_path, figures):
    text = filled(
        tmp_path,
        figures,
        "Kính trình: {{ title }} ({{period}})",
        "Tổng: {{ figures.cases.value }} lượt, trong đó dò quét {{ figures.classes.scan.events.value }}.",
        "{{ section.tasks }}",
        "{{ sections }}",
    )
    assert "Kính trình: Tình hình bảo đảm an ninh mạng tháng 10 năm 2026 ((Số liệu từ" in text
    assert "Tổng: 110 lượt, trong đó dò quét 40." in text
    assert text.index("VIII.") < text.index("I. Tình hình chung")
    assert text.count("VIII.") == 1, "a section with a place of its own stands only there"


def test_a_placeholder_that_word_has_split_is_found(tmp_path, figures):
    page = docx.Document()
    paragraph = page.add_paragraph("Về: {{ ti")
    paragraph.add_run("tle").bold = True
    paragraph.add_run(" }} (bản 1)")
    page.save(tmp_path / "own.docx")
    assert "Về: Tình hình bảo đảm an ninh mạng tháng 10 năm 2026 (bản 1)" in docx_text(
        as_docx(figures, template=tmp_path / "own.docx")
    )


@pytest.mark.parametrize(
    "name", ["titel", "section.nothing", "figures.nothing", "figures.cases", "figures.cases.x.y"]
)
def test_a_placeholder_that_names_nothing_is_a_clear_error(tmp_path, figures, name):
    with pytest.raises(ConfigError, match=re.escape(name)) as caught:
        filled(tmp_path, figures, f"{{{{ {name} }}}}")
    assert caught.value.hint
    assert caught.value.where == str(tmp_path / "own.docx")


@pytest.mark.parametrize(
    "content", [b"", b"no zip", b"PK\x05\x06" + bytes(18)], ids=["empty", "text", "empty zip"]
)
def test_what_is_no_template_is_a_clear_error(tmp_path, figures, content):
    (tmp_path / "own.docx").write_bytes(content)
    with pytest.raises(ConfigError, match="DOCX"):
        as_docx(figures, template=tmp_path / "own.docx", language="en")


def test_own_words_replace_what_was_written_and_survive_a_rebuild(city):
    def built():
        state = State(city.state_path)
        try:
            store = LocalStore(city.store_path)
            options = {"languages": ("vi",), "formats": ("html",), "now": NOW}
            return build(city, state, store, month_period(2026, 10, ZONE), **options).files[-1]
        finally:
            state.close()

    page = built()
    texts = page.with_name("texts.vi.yaml")
    texts.write_text(
        texts.read_text(encoding="utf-8").replace('tasks: ""', "tasks: |\n  Rà soát luật.\n\n  Tập huấn."),
        encoding="utf-8",
    )
    kept = texts.read_bytes()
    text = built().read_text(encoding="utf-8")
    assert "<p>Rà soát luật.</p>" in text
    assert "<p>Tập huấn.</p>" in text
    assert texts.read_bytes() == kept


def test_own_words_for_a_section_that_there_is_not(city, tmp_path):
    from citysoc.reports import texts

    path = tmp_path / "texts.vi.yaml"
    path.write_text("overview: a\ntaks: b\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        texts.read(path, sections.KEYS, empty="")
    assert caught.value.where == f"{path}:2"


# One agency


def test_a_report_of_one_agency_is_about_it_alone(city):
    own = figures_of(city, agency="phuong-vy-da")
    assert own.cases.value == 70
    assert [row.id for row in own.table] == ["phuong-vy-da"]
    assert own.incidents.value == 0
    assert own.coverage.machines == 20
    text = docx_text(as_docx(own))
    assert "Sở Y tế" not in text
    assert "Phường Vỹ Dạ" in text


def test_uncleaned_machines_are_those_whose_last_word_is_failure(figures):
    assert {row.host for row in figures.uncleaned} == {f"PC-{n}" for n in range(1, 7)}
    assert figures.coverage.not_cleaned == 60


def test_the_reports_of_all_agencies_say_what_each_ones_own_says(city):
    """Asked once for the city and parted, or asked for each agency: the same figures."""
    state = State(city.state_path)
    try:
        options = {"languages": ("vi",), "formats": ("html",), "now": NOW}
        each = list(
            build_each(city, state, LocalStore(city.store_path), month_period(2026, 10, ZONE), **options)
        )
    finally:
        state.close()
    assert [built.files[0].parent.name for built in each] == ["so-y-te", "phuong-vy-da"]
    assert [built.figures for built in each] == [
        figures_of(city, agency=name) for name in ("so-y-te", "phuong-vy-da")
    ]


# What was issued


def test_a_month_computed_again_says_what_changed_since_it_was_issued(tmp_path):
    (tmp_path / "agencies.yaml").write_text(AGENCIES, encoding="utf-8")
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "all.yaml").write_text(SOURCES, encoding="utf-8")
    (tmp_path / "citysoc.yaml").write_text("{}", encoding="utf-8")
    config = load(tmp_path / "citysoc.yaml")
    store = LocalStore(config.store_path)

    def built():
        state = State(config.state_path)
        try:
            options = {"languages": ("vi",), "formats": ("html",), "now": NOW}
            return build(config, state, store, month_period(2026, 10, ZONE), **options)
        finally:
            state.close()

    store.append(to_table([event(n) for n in range(5)]), 1)
    first = built()
    assert issued.issue(first.files[0].parent, now=NOW) == issued.issue(first.files[0].parent, now=NOW)
    assert built().differences == ()
    store.append(to_table([event(n) for n in range(5, 8)]), 2)
    again = built()
    assert issued.Difference("cases", "", 5, 8) in again.differences
    assert issued.Difference("classes", "SCAN", 5, 8) in again.differences
    page = again.files[1].read_text(encoding="utf-8")
    assert "lượt tấn công, mã độc gián điệp và vi-rút: đã phát hành 5, nay 8" in page
    assert "03/11/2026 07:00" in page, "when it was issued, in Huế's time"


# Periods


@pytest.mark.parametrize(
    ("name", "first", "last", "title"),
    [
        ("2026-10", "2026-10-01", "2026-10-31", "tháng 10 năm 2026"),
        ("2026-W01", "2025-12-29", "2026-01-04", "tuần 1 năm 2026"),
        ("2026-Q4", "2026-10-01", "2026-12-31", "quý IV năm 2026"),
        ("2026-H1", "2026-01-01", "2026-06-30", "6 tháng đầu năm 2026"),
        ("2026", "2026-01-01", "2026-12-31", "năm 2026"),
        ("2026-law", "2025-12-15", "2026-12-14", "từ ngày 15/12/2025 đến ngày 14/12/2026"),
    ],
)
def test_periods_by_name(name, first, last, title):
    period = named_period(name, ZONE)
    zone = ZoneInfo(ZONE)
    assert period.since.astimezone(zone).isoformat() == f"{first}T00:00:00+07:00"
    assert (period.until.astimezone(zone) - dt.timedelta(days=1)).date().isoformat() == last
    with i18n.speaking("vi"):
        assert during(period) == title


@pytest.mark.parametrize(
    "name", ["2026-13", "2026-W54", "2026-Q5", "26-10", "", "2026-10-01", "0000", "tháng 10"]
)
def test_what_is_no_period(name):
    with pytest.raises(UsageError):
        named_period(name, ZONE)


@pytest.mark.parametrize(
    ("name", "earlier"), [("2026-Q1", "2025-Q4"), ("2026-10", "2026-09"), ("2026-H1", "2025-H2")]
)
def test_the_period_before_is_one_of_the_calendar(name, earlier):
    found, wanted = before(named_period(name, ZONE)), named_period(earlier, ZONE)
    assert (found.since, found.until) == (wanted.since, wanted.until)
