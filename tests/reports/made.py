"""A small city with a month of events, and what readers of its reports see."""

from __future__ import annotations

import datetime as dt
import io

import docx
import pypdfium2

from citysoc import i18n
from citysoc.config.load import load
from citysoc.config.reports import Reports
from citysoc.reports import pdf, sections, word
from citysoc.reports.build import month_period
from citysoc.reports.computing import compute
from citysoc.state import State
from citysoc.stores.local import LocalStore

ZONE = "Asia/Ho_Chi_Minh"
T0 = dt.datetime(2026, 10, 5, 1, 0, tzinfo=dt.UTC)
NOW = dt.datetime(2026, 11, 3, tzinfo=dt.UTC)
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


def figures_of(config, **more):
    state = State(config.state_path)
    try:
        period = month_period(2026, 10, ZONE)
        return compute(config, state, LocalStore(config.store_path), period, now=NOW, **more)
    finally:
        state.close()


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
    return "\n".join(p.text for p in word.places.paragraphs(page))


def written(root, agencies=AGENCIES, sources=SOURCES, settings="{}"):
    """Write a configuration and load it."""
    (root / "agencies.yaml").write_text(agencies, encoding="utf-8")
    (root / "sources").mkdir(exist_ok=True)
    if sources:
        (root / "sources" / "all.yaml").write_text(sources, encoding="utf-8")
    (root / "citysoc.yaml").write_text(settings, encoding="utf-8")
    return load(root / "citysoc.yaml")
