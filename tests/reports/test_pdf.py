"""The report as PDF: pages, fonts, text."""

from __future__ import annotations

import gzip
import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pypdf
import pypdfium2
import pytest

from citysoc.config.reports import Reports
from citysoc.reports.figures import MachineRow
from tests.reports.made import as_pdf, pdf_text

SETTINGS = Reports(superior="ỦY BAN NHÂN DÂN THÀNH PHỐ HUẾ", issuer="TRUNG TÂM GIÁM SÁT AN NINH MẠNG")
LETTERS = "ăâđêôơưắằẳẵặấầẩẫậếềểễệốồổỗộớờởỡợứừửữựỳỵỷỹý"


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


def test_annexes_are_numbered_by_themselves(figures):
    """The first page of an annex has no number, as the first of the report; its second is the second."""
    many = replace(figures, table=tuple(replace(figures.table[0], id=f"a{n}") for n in range(150)))
    pages = pdf_text(as_pdf(many))
    first = next(n for n, text in enumerate(pages) if "Phụ lục I " in text)
    assert pages[first].startswith("Phụ lục I")
    assert pages[first + 1].startswith("2 ")


def test_long_names_stay_in_their_column(figures):
    machine = MachineRow(
        "phuong-vy-da",
        "Vỹ Dạ",
        "PC-" + "Q" * 18,
        "A32." + "M" * 18,
        "C:\\" + "w" * 18,
        "2026-10-05T01:00:00Z",
        1,
    )
    content = pypdfium2.PdfDocument(as_pdf(replace(figures, uncleaned=(machine,))))
    page = content[len(content) - 1].get_textpage()
    ends = {}
    for letters in ("QQ", "MM", "ww"):
        found, boxes = page.search(letters, match_case=True), []
        while place := found.get_next():
            boxes += [page.get_charbox(place[0] + n) for n in range(place[1])]
        ends[letters[0]] = min(box[0] for box in boxes), max(box[2] for box in boxes)
    assert ends["Q"][1] < ends["M"][0]
    assert ends["M"][1] < ends["w"][0]


def test_pages_look_the_same_each_time(figures):
    """Rendered as pictures: a page that changes by accident is a page that differs."""
    first, second = (pypdfium2.PdfDocument(as_pdf(figures))[0].render(scale=1).to_numpy() for _ in range(2))
    assert (first == second).all()
    left_margin = first[:, : int(28 / 25.4 * 72)]
    assert (left_margin > 250).all(), "nothing stands in the left margin of 30 mm"
    assert (first < 128).any(), "the page is not empty"


@pytest.mark.faults
def test_a_service_that_sets_one_report_after_the_other_does_not_grow(figures):
    """Typst remembers the pages that it has set, 500 MiB for a city, unless it is made to forget."""
    agencies = [
        replace(figures.table[0], id=f"xa-{n}", name=f"Ủy ban nhân dân xã {n}", records=n)
        for n in range(1500)
    ]
    sizes = []
    for turn in range(3):
        as_pdf(replace(figures, table=tuple(agencies), policy=turn))
        status = Path("/proc/self/status").read_text(encoding="ascii")
        sizes.append(int(status.split("VmRSS:")[1].split()[0]) // 1024)
    assert sizes[-1] - sizes[1] < 60, sizes


GOLDEN = Path(__file__).with_name("golden")
DOTS = 0.6
"""Of a picture for each point of a page: letters are seen as grey, lines and places are seen well."""


@pytest.mark.parametrize("number", [0, 1, -1], ids=["first", "second", "last"])
def test_pages_look_like_those_that_somebody_looked_at(figures, number):
    """Compared with pictures in ``golden``; ``CITYSOC_WRITE_GOLDEN=1`` writes them anew: look at them then.

    A line that moved, another font or a table that fell apart change far more points than a renderer's rounding.
    """
    pages = pypdfium2.PdfDocument(as_pdf(figures, SETTINGS))
    seen = pages[number % len(pages)].render(scale=DOTS, grayscale=True).to_numpy()
    path = GOLDEN / f"page{number % 10}.pgm.gz"
    height, width = seen.shape[:2]
    if os.environ.get("CITYSOC_WRITE_GOLDEN"):
        path.write_bytes(gzip.compress(b"P5 %d %d 255\n" % (width, height) + seen.tobytes(), mtime=0))
    head, _line, points = gzip.decompress(path.read_bytes()).partition(b"\n")
    assert head == b"P5 %d %d 255" % (width, height)
    known = np.frombuffer(points, dtype=np.uint8).reshape(height, width).astype(int)
    differing = (abs(known - seen.reshape(height, width)) > 64).mean()
    assert differing < 0.002, f"{differing:.2%} of the page differ"
