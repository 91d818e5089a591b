"""The report as a page: whatever text reaches it, whatever is empty, it stays whole and escaped."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import html.parser
import json

import pytest

from citysoc import i18n
from citysoc.config.load import load
from citysoc.config.reports import Reports
from citysoc.reports import html as page
from citysoc.reports import sections
from citysoc.reports.build import build, month_period
from citysoc.state import State
from citysoc.stores.local import LocalStore

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}",
    "=cmd|' /C calc'!A0",
    "\u202egnp.exe",
    "𠜎" * 50,
    "a\x00\x1b[31mb",
    "Đ" * 500,
    "&lt;b&gt;",
]
AGENCIES = """
agencies:
  - {{id: so-y-te, name: {name}, level: department, networks: [10.1.0.0/24], expects: [firewall], antivirus: {{machines: 3}}}}
"""
SOURCES = 'sources:\n  - {id: firewall, kind: files, parser: fortigate, paths: ["inbox/{agency}/*.log"]}\n'


class Tags(html.parser.HTMLParser):
    """Collects what a browser would see as elements."""

    def __init__(self):
        super().__init__()
        self.names = []
        self.open = []

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in {"meta", "hr", "br", "rect", "line", "circle", "col", "link"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.names.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def city(tmp_path, name="Sở Y tế"):
    (tmp_path / "agencies.yaml").write_text(
        AGENCIES.format(name=json.dumps(name, ensure_ascii=False)), encoding="utf-8"
    )
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "all.yaml").write_text(SOURCES, encoding="utf-8")
    (tmp_path / "citysoc.yaml").write_text("{}", encoding="utf-8")
    return load(tmp_path / "citysoc.yaml")


def built(config, **more):
    state = State(config.state_path)
    try:
        period = month_period(2026, 10, "Asia/Ho_Chi_Minh")
        options: dict = {
            "languages": ("vi", "en"),
            "now": dt.datetime(2026, 11, 3, tzinfo=dt.UTC),
            "formats": ("html",),
        } | more
        return build(config, state, LocalStore(config.store_path), period, **options)
    finally:
        state.close()


def test_an_empty_month_still_gives_a_whole_report(tmp_path):
    report = built(city(tmp_path))
    assert [path.name for path in report.files] == ["figures.json", "report.vi.html", "report.en.html"]
    for path in report.files[1:]:
        tags = Tags()
        tags.feed(path.read_text(encoding="utf-8"))
        assert tags.open == []
        assert tags.names.count("script") == 1, "our own, which sorts tables"
    assert report.figures.cases.value == 0
    assert report.figures.streams == {"ok": 0, "late": 0, "silent": 0, "never": 1}
    assert json.loads(report.files[0].read_bytes())["figures"]["completeness"]["received"] == 0


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_text(tmp_path, text):
    """Agency names, headings: nothing in them becomes an element or drives the page."""
    report = built(city(tmp_path, name=text[:200].replace("\x00", "").replace("\x1b", "")))
    settings = Reports(superior=text, issuer=text, place=text)
    for language in ("vi", "en"):
        with i18n.speaking(language):
            rendered = page.render(sections.document(report.figures, settings, {})).decode()
        tags = Tags()
        tags.feed(rendered)
        assert tags.open == []
        assert not {"img", "b>"} & set(tags.names)
        assert tags.names.count("script") == 1, "our own, which sorts tables"
        assert "\u202e" not in rendered
        assert "\x1b" not in rendered
        if "{{" in text:
            assert text in rendered, "braces are text, not a template"


def test_a_report_needs_nothing_from_outside(tmp_path):
    rendered = built(city(tmp_path)).files[1].read_text(encoding="utf-8")
    assert "http://" not in rendered.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in rendered
    assert "default-src 'none'" in rendered
    script = rendered.split("<script>")[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in rendered, "no other script runs"


def test_the_same_month_has_the_same_bytes_at_another_time_of_day(tmp_path):
    config = city(tmp_path)
    first = [path.read_bytes() for path in built(config).files]
    later = dt.datetime(2027, 2, 1, tzinfo=dt.UTC)
    assert [path.read_bytes() for path in built(config, now=later).files] == first


def test_files_are_replaced_at_one_stroke(tmp_path):
    report = built(city(tmp_path))
    assert sorted(path.name for path in report.files[0].parent.iterdir()) == sorted(
        [*(p.name for p in report.files), "texts.en.yaml", "texts.vi.yaml"]
    )
