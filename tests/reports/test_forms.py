"""The reports of one incident: what is known is filled in, the rest is left to people."""

from __future__ import annotations

import datetime as dt
import io

import docx
import pypdfium2
import pytest
from click.testing import CliRunner

from citysoc.alerts import incidents
from citysoc.alerts.intake import take
from citysoc.alerts.lives import Change
from citysoc.cli import root
from citysoc.config.load import load
from citysoc.config.models import Alerts
from citysoc.errors import UsageError
from citysoc.flow import Finding
from citysoc.reports.word.places import paragraphs
from citysoc.state import State

T0 = dt.datetime(2026, 10, 5, 1, 0, tzinfo=dt.UTC)
ID = "SC-2026-00001"


@pytest.fixture
def city(tmp_path):
    (tmp_path / "agencies.yaml").write_text(
        "agencies:\n  - {id: so-y-te, name: Sở Y tế, contacts: [{role: Trực ban, telephone: '0234 000 000'}]}\n",
        encoding="utf-8",
    )
    (tmp_path / "sources").mkdir()
    (tmp_path / "citysoc.yaml").write_text("reports: {issuer: Trung tâm <giám sát>}\n", encoding="utf-8")
    config = load(tmp_path / "citysoc.yaml")
    found = Finding(
        "r",
        "Malware Not Cleaned",
        "high",
        "so-y-te",
        "e",
        T0,
        {},
        entity="host:PC-1",
        title_vi="Mã độc chưa diệt được",
    )
    state = State(config.state_path)
    with state.transaction() as db:
        take(db, [found], policy=Alerts(), webhooks=(), now=T0)
        incidents.note(db, ID, "Mở tệp đính kèm =1+1.\nChưa cập nhật.", kind="cause", who="trực", now=T0)
        incidents.note(db, ID, "Một máy tính.", kind="scope", who="trực", now=T0)
        incidents.move(db, ID, Change("in_progress", "trực", T0 + dt.timedelta(hours=1)))
        incidents.mark_sent(
            db, ID, "notice", at=T0 + dt.timedelta(hours=2), who="trực", now=T0 + dt.timedelta(hours=2)
        )
        incidents.move(db, ID, Change("closed", "trực", T0 + dt.timedelta(hours=30), "true_positive", "xong"))
    state.close()
    return config


def run(city, *arguments):
    return CliRunner().invoke(
        root, ["--config", str(city.path), "--lang", "en", "incidents", "form", *map(str, arguments)]
    )


def test_the_initial_report_as_docx(city, tmp_path):
    path = tmp_path / "initial.docx"
    result = run(city, 1, path)
    assert result.exit_code == 0, result.output
    text = "\n".join(p.text for p in paragraphs(docx.Document(io.BytesIO(path.read_bytes()))))
    assert f"Sự cố an ninh mạng {ID} (báo cáo ban đầu)" in text
    assert (
        "Phát hiện lúc 05/10/2026 08:00; hạn thông báo 06/10/2026 08:00, hạn báo cáo 08/10/2026 08:00" in text
    )
    assert "Trực ban, 0234 000 000" in text
    assert "Mã độc chưa diệt được" in text
    assert "Mở tệp đính kèm =1+1.\n" in text
    assert "máy PC-1" in text
    assert "......" in text, "what only people know is a line to fill in"
    assert "→" not in text, "the course is told at the end"
    assert "{{" not in text


def test_the_final_report_as_pdf_tells_the_course(city, tmp_path):
    path = tmp_path / "final.pdf"
    result = run(city, ID, path, "--kind", "final")
    assert result.exit_code == 0, result.output
    text = " ".join(
        " ".join(page.get_textpage().get_text_bounded().split()) for page in pypdfium2.PdfDocument(path)
    )
    assert "Kết thúc ứng phó sự cố" in text
    assert "Trung tâm <giám sát>".upper() in text
    assert "06/10/2026 14:00" in text
    assert "Đã đóng (đúng)" in text


@pytest.mark.parametrize(("incident", "name"), [("1", "a.txt"), ("99", "a.docx")])
def test_what_cannot_be_written_is_said(city, tmp_path, incident, name):
    result = run(city, incident, tmp_path / name)
    assert isinstance(result.exception, UsageError)
    assert not (tmp_path / name).exists()


def test_an_existing_file_stays(city, tmp_path):
    (tmp_path / "a.docx").write_text("mine")
    assert isinstance(run(city, 1, tmp_path / "a.docx").exception, UsageError)
    assert (tmp_path / "a.docx").read_text() == "mine"
