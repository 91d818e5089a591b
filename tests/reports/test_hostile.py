"""Hostile text in every place that text can reach: one place, one string, each format.

A month is made for each string, with the string in every place at once and a mark of the place beside it, so
that each document is rendered once and asked for every place.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import email
import io
import json
import re
import unicodedata
import zipfile
from html.parser import HTMLParser
from types import SimpleNamespace

import docx
import openpyxl
import pytest
from lxml import etree

from citysoc import i18n
from citysoc.alerts import incidents
from citysoc.alerts.intake import take
from citysoc.config.load import load
from citysoc.config.models import Alerts
from citysoc.config.reports import AvReport, MailTarget, WebhookTarget
from citysoc.ecs.schema import to_table
from citysoc.flow import Finding
from citysoc.reports import forms, html, pdf, publish, record, sections, sheets, word
from citysoc.reports.avreport import collect
from citysoc.reports.avreport import document as avreport
from citysoc.reports.computing import compute
from citysoc.reports.computing.sources import Sources
from citysoc.reports.delivery import Package, mail, webhook
from citysoc.reports.figures import Ranked, StreamRow
from citysoc.state import State
from citysoc.stores.local import LocalStore
from tests.reports.made import NOW, T0, ZONE, detection, docx_text, event, month_period, pdf_text

STRINGS = {
    "script": "<script>alert(1)</script>",
    "attribute": "\"'><img src=x onerror=alert(1)>&lt;",
    "formula": "=cmd|' /C calc'!A0",
    "formula in disguise": "\t@SUM(1+1)",
    "direction": "\u202egnp\u2066\u200f.exe",
    "four bytes": "𠜎𝕏\U0001f600",
    "control": "a\x00\x07\x1b[31mb\r\nc\u2028d\u0085e",
    "long": "Đ" * 500,
    "markup": "{{ title }} {count} %s #let x = 1 $x$ @ref *b* _i_ [c](d) \\u{41} </w:t> ]]> <!--",
    "accents": "Z" + "\u0301" * 60,
}
EVENTS = ("malware", "host", "path")
FINDINGS = ("title", "title_vi", "entity")
SETTINGS = ("superior", "issuer", "place", "addressee", "signer", "recipients")
ENGLISH = tuple(f"{name}_en" for name in SETTINGS)
REPLACED = ("stream", "weakness", "level", "outcome", "place_of_address", "address", "unknown_agency")
PLACES = (*EVENTS, *FINDINGS, *SETTINGS, *ENGLISH, *REPLACED, "agency", "agency_en", "own_words")
HOOK = {"id": "desk", "url": "https://desk.example/in", "secret": "env:DESK"}


def said(place, string):
    """Return a string with the mark of its place: in front where it would be cut off behind."""
    mark = f"Q{PLACES.index(place):02}Q"
    return (mark + string if len(string) > 50 else string + mark)[:190]


def mark(place):
    return f"Q{PLACES.index(place):02}Q"


@pytest.fixture(scope="module", params=list(STRINGS), ids=lambda name: name.replace(" ", "-"))
def month(request, tmp_path_factory):
    """A month with one string in every place: its configuration, state and figures."""
    string = STRINGS[request.param]
    root = tmp_path_factory.mktemp("hostile")
    agency = {
        "id": "xa-a",
        "name": said("agency", string),
        "name_en": said("agency_en", string),
        "antivirus": {"machines": 3},
        "contacts": [{"role": string[:150], "email": f"a@b.example\r\nBcc: {string[:50]}"}],
    }
    settings = {name: said(name, string) for name in (*SETTINGS, *ENGLISH)}
    for name in ("recipients", "recipients_en"):
        settings[name] = [settings[name]]
    (root / "agencies.yaml").write_text(
        _yaml({"agencies": [agency, {"id": "xa-b", "name": "Xã B"}]}), encoding="utf-8"
    )
    (root / "sources").mkdir()
    (root / "citysoc.yaml").write_text(_yaml({"reports": settings, "webhooks": [HOOK]}), encoding="utf-8")
    config = load(root / "citysoc.yaml")
    names = dict(zip(("threat.software.name", "host.name", "file.path"), EVENTS, strict=True))
    odd = {field: said(place, string) for field, place in names.items()} | {"agency.id": "xa-a"}
    some = [detection(n, **odd) for n in range(3)]
    some += [event(n, **{"agency.id": "xa-a", "host.name": string}) for n in range(10, 14)]
    LocalStore(config.store_path).append(to_table(some), 1)
    state = State(config.state_path)
    found = Finding(
        string[:100],
        said("title", string),
        "high",
        "xa-a",
        "e",
        T0,
        {},
        entity=f"host:{said('entity', string)}",
        title_vi=said("title_vi", string),
    )
    with state.transaction() as db:
        take(db, [found], policy=Alerts(), webhooks=(), now=T0)
        for kind in ("cause", "scope", "measure"):
            incidents.note(db, "SC-2026-00001", f"{kind} {string}", kind=kind, who="trực", now=T0)
    period = month_period(2026, 10, ZONE)
    figures = compute(config, state, LocalStore(config.store_path), period, now=NOW)
    yield SimpleNamespace(
        string=string, config=config, state=state, figures=_replaced(figures, string), root=root
    )
    state.close()


def _yaml(value):
    """Return YAML: letters of four bytes as they are, all others beyond ASCII escaped."""
    text = json.dumps(value)
    return re.sub(r"(?:\\ud[89ab]..\\ud[c-f]..)+", lambda found: json.loads(f'"{found[0]}"'), text)


def _replaced(figures, string):
    """Return the figures with the string also where configuration and parsers do not let it through."""

    def row(where, **more):
        return Ranked(said(where, string), said(where, string), 1, **more)

    return dataclasses.replace(
        figures,
        quiet=(
            StreamRow("s", "nobody", said("unknown_agency", string), said("stream", string), "late", None),
        ),
        vulnerabilities=(row("weakness"),),
        levels=(row("level", more={"events": 1}),),
        outcomes=(row("outcome"),),
        attackers=(row("address", place=said("place_of_address", string)),),
    )


def document(month, language="vi"):
    with i18n.speaking(language):
        own = {"tasks": said("own_words", month.string)}
        return sections.document(month.figures, month.config.settings.reports, own)


def harmless(text, *, but=""):
    """Return whether nothing in a text turns the direction of writing or controls a terminal."""
    return not [c for c in text if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and c not in but]


def missing(text, *, but=()):
    """Return the places whose mark a text lacks."""
    return [place for place in PLACES if mark(place) not in text and place not in but]


class Page(HTMLParser):
    """What a browser would see: elements, their attributes, text."""

    def __init__(self):
        super().__init__()
        self.elements, self.handlers, self.text, self._inside = [], [], [], ""

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self._inside = tag
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data):
        if self._inside not in {"script", "style"}:
            self.text.append(data)


def test_html(month):
    page = Page()
    with i18n.speaking("vi"):
        content = html.render(document(month)).decode()
    page.feed(content)
    assert page.elements.count("script") == 1
    assert "img" not in page.elements
    assert not page.handlers
    assert harmless(content, but="\n")
    assert not missing(content, but=("agency_en", "title", *ENGLISH))


def test_html_in_english(month):
    with i18n.speaking("en"):
        content = html.render(document(month, "en")).decode()
    assert not missing(content, but=("agency", "title_vi", *SETTINGS))


def test_pdf(month):
    with i18n.speaking("vi"):
        text = "".join(pdf_text(pdf.render(document(month)))).replace(" ", "").upper()
    assert harmless(text, but="\ufffe\u00ad\u0002")  # hyphens of lines, as the reader marks them
    assert not missing(text, but=("agency_en", "title", *ENGLISH))


def test_docx(month):
    with i18n.speaking("vi"):
        content = word.render(document(month), month.figures)
    text = docx_text(content)
    assert harmless(text, but="\n")
    assert not missing(text, but=("agency_en", "title", *ENGLISH))
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        for name in package.namelist():
            if name.endswith((".xml", ".rels")):
                etree.fromstring(package.read(name))
    properties = docx.Document(io.BytesIO(content)).core_properties
    assert harmless(properties.author + properties.title)
    assert "{{" not in text or "{{" in month.string


def test_docx_in_english(month):
    with i18n.speaking("en"):
        text = docx_text(word.render(document(month, "en"), month.figures))
    assert harmless(text, but="\n")
    assert not missing(text, but=("agency", "title_vi", *SETTINGS))


def test_a_template_with_hostile_words_of_its_own(month, tmp_path):
    """What the unit wrote stays as it wrote it; what is filled in beside it is clean."""
    page = docx.Document()
    page.add_paragraph("{{ sections }}")
    own = "".join(c for c in month.string if c.isprintable() and c not in "{}")[:100]
    page.add_paragraph(own + " {{ issuer }}")
    page.save(tmp_path / "own.docx")
    with i18n.speaking("vi"):
        content = word.render(document(month), month.figures, tmp_path / "own.docx")
    (line,) = [
        paragraph.text
        for paragraph in docx.Document(io.BytesIO(content)).paragraphs
        if mark("issuer") in paragraph.text
    ]
    assert line.startswith(own)


def test_xlsx(month):
    with i18n.speaking("vi"):
        content = sheets.workbook(document(month))
    book = openpyxl.load_workbook(io.BytesIO(content))
    cells = [cell for sheet in book for line in sheet.iter_rows() for cell in line if cell.value is not None]
    assert not [cell for cell in cells if cell.data_type == "f" or cell.hyperlink]
    text = "\n".join(str(cell.value) for cell in cells)
    assert harmless(text, but="\n")
    assert not missing(text, but=("agency_en", "title", *SETTINGS, *ENGLISH, "own_words"))


def test_csv(month):
    found = []
    for table in document(month).tables():
        content = sheets.csv(table).decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(content)))
        assert len(rows) == 1 + len(table.rows) + bool(table.foot)
        assert {len(row) for row in rows} == {len(table.columns)}
        found += [cell for row in rows for cell in row]
    assert not [cell for cell in found if cell.startswith(("=", "@", "\t", "\r"))]
    assert harmless("".join(found))
    assert not missing("\n".join(found), but=("agency_en", "title", *SETTINGS, *ENGLISH, "own_words"))


@pytest.mark.parametrize("kind", ["initial", "final"])
def test_forms_of_incidents(month, kind):
    with i18n.speaking("vi"):
        form = forms.form(month.config, forms.case_of(month.state, "SC-2026-00001"), kind)
        text, printed = docx_text(word.render(form)), "".join(pdf_text(pdf.render(form)))
    for place in ("agency", "title_vi", "entity"):
        assert mark(place) in text
        assert mark(place) in printed.replace(" ", "")
    assert harmless(text, but="\n")
    for note in ("cause", "scope", "measure"):
        assert note in text


@pytest.mark.parametrize("variant", ["edxml", "soap"])
def test_avreport(month, variant):
    period = month_period(2026, 10, ZONE)
    sources = Sources(month.config, month.state, LocalStore(month.config.store_path), period, NOW)
    snapshot = collect.snapshot(sources)
    own = dict.fromkeys(("organ_name", "in_charge", "address", "email", "telephone"), month.string[:50])
    settings = AvReport(
        organ_id=month.string[:13], product=month.string[:100], website=month.string[:99], **own
    )
    found = list(avreport.documents(snapshot, settings, variant=variant, at=NOW))
    assert len(found) == 1
    text = found[0].decode()
    etree.fromstring(found[0])
    assert harmless(text, but="\n")
    for place in EVENTS:
        assert (mark(place) in text) == (variant == "soap" or place != "path"), "2018 knew no paths"


def test_mail(month, tmp_path):
    target = MailTarget(
        id="m", kind="mail", host="h", sender="soc@hue.example", to=("a@hue.example",), scope="agencies"
    )
    path = tmp_path / "report.vi.html"
    path.write_text("x", encoding="utf-8")
    package = Package("rep_1", "10/2026", "xa-a", tmp_path, "place", (path,))
    assert mail.recipients(month.config, target, package) == [], "an address with a line break is none"
    for agency in ("xa-a", ""):
        package = dataclasses.replace(package, agency=agency)
        message = mail.compose(month.config, target, package, to=["a@hue.example"], now=NOW)
        assert message["Bcc"] is None
        assert harmless(message["Subject"])
        raw = message.as_bytes()
        assert email.message_from_bytes(raw).keys().count("Subject") == 1
        assert mark("agency" if agency else "issuer") in message["Subject"].replace("…", "")


def test_webhook_and_figures_are_json_that_holds_the_text_as_it_is(month, tmp_path):
    (tmp_path / "figures.json").write_bytes(record.to_json(month.figures))
    package = Package("rep_1", "10/2026", "", tmp_path, "place", ())
    target = WebhookTarget(id="hook", kind="webhook", webhook="desk", formats=("html",))
    webhook.deliver(month.config, month.state, target, package, now=NOW)
    (row,) = month.state.rows("SELECT body FROM outbox WHERE event = 'report.built'")
    assert json.loads(row["body"])["data"]["figures"]["cases"]["value"] == month.figures.cases.value
    assert harmless(row["body"].decode())
    figures = json.loads(record.to_json(month.figures))["figures"]
    assert figures["malware"][0]["key"] == said("malware", month.string)
    assert figures["table"][0]["name"] == said("agency", month.string)


def test_folders_are_named_by_ids_alone(month):
    period = month.figures.period
    for agency in month.config.registry:
        folder = publish.folder_of(month.config, period, agency.id).relative_to(month.config.reports_dir)
        assert folder.as_posix() == f"2026-10-01_2026-10-31/agencies/{agency.id}"


def test_a_text_is_cut_and_one_letter_cannot_tower_over_a_page():
    from citysoc.reports.text import clean

    assert len(clean("Đ" * 500)) == 300
    assert clean("a\x00\u202eb") == "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}b"
    assert len(clean(STRINGS["accents"])) < 10
    assert clean("Tiê\u0301ng Viê\u0323t") == "Tiếng Việt"


def test_the_moment_of_the_month_is_fixed(month):
    assert document(month).dated == dt.datetime(2026, 10, 31, 17, tzinfo=dt.UTC)
