"""The page in a real browser: nothing refused, tables sort, nothing is wider than the screen, print has pages."""

from __future__ import annotations

import base64
import datetime as dt
import io

import pypdf
import pytest

from citysoc.config.load import load
from citysoc.ecs.schema import to_table
from citysoc.reports.build import build, month_period
from citysoc.state import State
from citysoc.stores.local import LocalStore
from tests.browser import needs_browser, page

pytestmark = [pytest.mark.browser, needs_browser]
T0 = dt.datetime(2026, 10, 5, 1, 0, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    root = tmp_path_factory.mktemp("city")
    names = ["Sở Y tế", "Đảng ủy <b>A</b>", "An Cựu", "Ấp Bắc", "x" * 200]
    rows = "\n".join(
        f"  - {{id: agency-{n}, name: '{name}', antivirus: {{machines: 9}}}}" for n, name in enumerate(names)
    )
    (root / "agencies.yaml").write_text(f"agencies:\n{rows}\n", encoding="utf-8")
    (root / "sources").mkdir()
    (root / "citysoc.yaml").write_text("{}", encoding="utf-8")
    config = load(root / "citysoc.yaml")
    events = [
        {
            "@timestamp": T0,
            "event.id": f"20261005-{n:024}",
            "event.ingested": T0,
            "agency.id": f"agency-{n % 3}" if n > 900 else "agency-0",
            "citysoc.class": "SCAN",
            "citysoc.threat": "attack",
        }
        for n in range(1200)
    ]
    LocalStore(config.store_path).append(to_table(events), 1)
    state = State(config.state_path)
    options = {"languages": ("vi",), "formats": ("html",), "now": dt.datetime(2026, 11, 3, tzinfo=dt.UTC)}
    try:
        period = month_period(2026, 10, "Asia/Ho_Chi_Minh")
        return build(config, state, LocalStore(config.store_path), period, **options).files[1]
    finally:
        state.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with page(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


CELLS = (
    "[...document.querySelectorAll('#table-agencies tbody tr')].map(row => row.cells[{column}].textContent)"
)
CLICK = "document.querySelectorAll('#table-agencies th [role=button]')[{column}].click()"


def test_nothing_is_refused_or_complained_of(browser, report):
    browser.open(report.as_uri())
    assert browser.complaints() == []
    assert browser.run("document.title") == "Tình hình bảo đảm an ninh mạng tháng 10 năm 2026"
    assert browser.run("document.querySelectorAll('b b').length") == 0


def test_tables_sort_by_number_and_by_vietnamese(browser, report):
    browser.open(report.as_uri())
    browser.run(CLICK.format(column=2))
    assert browser.run(CELLS.format(column=2)) == ["0", "0", "100", "100", "1.000"]
    browser.run(CLICK.format(column=2))
    assert browser.run(CELLS.format(column=2)) == ["1.000", "100", "100", "0", "0"]
    browser.run(CLICK.format(column=1))
    assert [name[:3] for name in browser.run(CELLS.format(column=1))] == ["An ", "Ấp ", "Đản", "Sở ", "xxx"]
    assert browser.run("document.querySelectorAll('[aria-sort]').length") == 1
    total = browser.run("document.querySelector('#table-agencies tfoot td:nth-child(2)').textContent")
    assert total == "Tổng cộng", "sums stay at the end"


def test_tables_sort_by_the_keyboard(browser, report):
    browser.open(report.as_uri())
    head = "document.querySelectorAll('#table-agencies th [role=button]')[2]"
    assert browser.run(f"{head}.focus(), document.activeElement === {head}")
    key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13}
    browser.call("Input.dispatchKeyEvent", type="keyDown", **key)
    assert browser.run(CELLS.format(column=2)) == ["0", "0", "100", "100", "1.000"]


@pytest.mark.parametrize("width", [360, 800, 1600])
def test_nothing_is_wider_than_the_screen(browser, report, width):
    browser.open(report.as_uri(), width=width)
    assert browser.run("document.documentElement.scrollWidth <= window.innerWidth")


def test_every_picture_and_table_has_a_name(browser, report):
    browser.open(report.as_uri())
    assert browser.run("[...document.querySelectorAll('svg')].every(one => one.getAttribute('aria-label'))")
    assert browser.run("[...document.querySelectorAll('table')].every(one => one.caption.textContent)")
    assert browser.run("[...document.querySelectorAll('th')].every(one => one.scope)")
    assert browser.run("document.documentElement.lang") == "vi"


def test_print_has_numbered_pages_and_its_annex_begins_one(browser, report):
    browser.open(report.as_uri())
    printed = base64.b64decode(browser.call("Page.printToPDF", preferCSSPageSize=True)["data"])
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(printed)).pages]
    assert len(pages) >= 3
    assert any(text.lstrip("0123456789 \n").startswith("Phụ lục I") for text in pages)
    assert pages[1].startswith("2")


def test_a_long_table_has_its_head_on_every_page_of_paper(browser, report):
    browser.open(report.as_uri())
    browser.run(
        "(() => {const body = document.querySelector('#table-agencies').tBodies[0];"
        " for (let n = 0; n < 150; n++) body.append(body.rows[0].cloneNode(true));})()"
    )
    printed = base64.b64decode(browser.call("Page.printToPDF", preferCSSPageSize=True)["data"])
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(printed)).pages]
    annex = next(n for n, text in enumerate(pages) if "Phụ lục I" in text)
    assert len(pages) > annex + 2
    assert ["Bản ghi" in " ".join(text.split()) for text in pages[annex + 1 :]] == [True] * len(
        pages[annex + 1 :]
    )
