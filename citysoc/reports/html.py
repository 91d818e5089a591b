"""The report as one HTML page: self-contained, printable, accessible; its tables sort by a click."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from citysoc.i18n import _
from citysoc.reports.blocks import (
    Cards,
    Cell,
    Chart,
    Document,
    Moment,
    Paragraph,
    Share,
    Subheading,
    Table,
    shown,
)

if TYPE_CHECKING:
    import jinja2

_TEMPLATES = Path(__file__).with_name("templates")


def render(document: Document) -> bytes:
    """Return the report as UTF-8 HTML, in the language in force; same document, same bytes."""
    from markupsafe import Markup

    script = (_TEMPLATES / "sort.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    template = _environment().get_template("report.html.j2")
    text = template.render(
        _=_,
        d=document,
        script=Markup(script),  # noqa: S704  our own file
        script_digest=digest,
        svg=lambda chart: Markup(chart.svg),  # noqa: S704  every label in it was escaped where it was drawn
    )
    return text.encode("utf-8")


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for name, kind in (
        ("subheading", Subheading),
        ("paragraph", Paragraph),
        ("cards", Cards),
        ("table", Table),
        ("chart", Chart),
    ):
        environment.tests[name] = lambda block, kind=kind: isinstance(block, kind)
    environment.filters["shown"] = shown
    environment.filters["sort_key"] = sort_key
    environment.filters["anchor"] = lambda table: f"table-{table.name}"
    return environment


def sort_key(cell: Cell) -> str:
    """Return what a cell sorts by, where that is not its text: a number, or a time."""
    if isinstance(cell, Share):
        return "" if cell.value is None else repr(round(cell.value, 6))
    if isinstance(cell, Moment):
        return cell.at or ""
    return str(cell) if isinstance(cell, int) else ""
