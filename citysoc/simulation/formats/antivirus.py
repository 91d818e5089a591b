"""Exports of an antivirus console: CSV for Vietnamese Excel, "Unicode text", a workbook, AVReport XML.

No public manual of the console names its columns; the headings are the Vietnamese ones that
administrators use, and the malware names follow what its engine is seen to report in public. The
AVReport document is the one that such a console sends to the national centre.
"""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.simulation.stamps import Stamps

DELETED = "Đã diệt"
QUARANTINED = "Đã cách ly"
CLEANED = "Đã khôi phục"
BLOCKED = "Đã chặn"
IGNORED = "Bỏ qua"
UNRESOLVED = "Chưa xử lý"
FAILED = "Diệt không thành công"
RESTART = "Cần khởi động lại"

COLUMNS = {
    "csv": (
        "Tên máy",
        "Địa chỉ IP",
        "Đơn vị",
        "Người dùng",
        "Tên virus",
        "Loại mã độc",
        "Đường dẫn",
        "Hành động",
        "Thời gian phát hiện",
        "Hệ điều hành",
        "MD5",
    ),
    "text": (
        "Tên máy tính",
        "IP",
        "Nhóm",
        "Người dùng",
        "Tên mã độc",
        "Loại",
        "Đường dẫn tệp",
        "Xử lý",
        "Thời gian",
        "Hệ điều hành",
        "Mã băm",
    ),
}
"""Headings by variant; the workbook has those of ``csv``. Both in the order of ``Detection``."""


class Detection(NamedTuple):
    """One row of the export; ``at`` is the moment, all the rest is text as shown in the console."""

    at: int
    host: str
    address: str
    unit: str
    user: str
    malware: str
    kind: str
    path: str
    action: str
    system: str
    md5: str


def cells(stamps: Stamps, row: Detection) -> tuple[str, ...]:
    """Return the row's cells as text, in the order of ``COLUMNS``."""
    return (*row[1:9], stamps.vietnamese(row.at), *row[9:])


def csv_line(stamps: Stamps, row: Detection) -> str:
    """Render a row as Excel with Vietnamese settings writes it: ``;`` between, quotes where needed."""
    return ";".join(_quoted(cell) for cell in cells(stamps, row))


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if ";" in cell or '"' in cell else cell


def csv_file(lines: Sequence[str]) -> bytes:
    """Return the whole file in UTF-8 with a byte order mark."""
    head = ";".join(COLUMNS["csv"])
    return b"\xef\xbb\xbf" + "\r\n".join((head, *lines, "")).encode()


def text_line(stamps: Stamps, row: Detection) -> str:
    """Render a row of Excel's "Unicode text": a tab between."""
    return "\t".join(cells(stamps, row))


def text_file(lines: Sequence[str]) -> bytes:
    """Return the whole file in UTF-16LE with a byte order mark."""
    head = "\t".join(COLUMNS["text"])
    return b"\xff\xfe" + "\r\n".join((head, *lines, "")).encode("utf-16-le")


_WORKBOOK = {
    "[Content_Types].xml": '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
    '<Override PartName="/xl/worksheets/sheet1.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>',
    "_rels/.rels": '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rId1" Target="xl/workbook.xml" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"/>'
    "</Relationships>",
    "xl/workbook.xml": '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
    '<sheets><sheet name="Nhật ký" sheetId="1" r:id="rId1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="rId1" Target="worksheets/sheet1.xml" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"/>'
    "</Relationships>",
}
"""The parts of the smallest workbook that spreadsheet programs open (ECMA-376)."""


def workbook(rows: Sequence[Sequence[str]]) -> bytes:
    """Return a workbook with the headings and one sheet of text cells."""
    lines = "".join(
        f'<row r="{number}">'
        + "".join(f'<c t="inlineStr"><is><t xml:space="preserve">{escape(cell)}</t></is></c>' for cell in row)
        + "</row>"
        for number, row in enumerate((COLUMNS["csv"], *rows), 1)
    )
    sheet = (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        f"{lines}</sheetData></worksheet>"
    )
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (*_WORKBOOK.items(), ("xl/worksheets/sheet1.xml", sheet)):
            # A fixed date: the same rows give the same bytes.
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), text, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


class Machine(NamedTuple):
    """One machine of an AVReport: name, address, system, last update (Unix seconds), guarded or not."""

    name: str
    address: str
    system: str
    updated: int
    protected: bool = True


def avreport(
    *,
    organization: str,
    name: str,
    at_seconds: int,
    detections: Sequence[Detection],
    machines: Sequence[Machine],
    outdated: int,
) -> bytes:
    """Return one AVReport document in its edXML envelope, unsigned, with the path and hash of 2025.

    Args:
        organization: the sender's OrganId.
        name: the sender's name.
        at_seconds: when the report was made, Unix seconds.
        detections: what was found since the last report; each becomes one ``MalwareInfo``.
        machines: the machines whose state is told.
        outdated: machines without an update for 15 days.
    """
    malware = "".join(
        f"<Machine ip={quoteattr(row.address)} name={quoteattr(row.host)}><MalwareInfo>"
        f"<MalwareName>{escape(row.malware)}</MalwareName><MalwareType>{escape(row.kind)}</MalwareType>"
        f"<MalwareBehavior>{escape(row.action)}</MalwareBehavior><TypeOfDevice>PC</TypeOfDevice>"
        f"<PathFile>{escape(row.path)}</PathFile><HashFile>{row.md5}</HashFile>"
        "<NumberFile>1</NumberFile></MalwareInfo></Machine>"
        for row in detections
    )
    systems = "".join(
        f"<Machine ip={quoteattr(machine.address)} name={quoteattr(machine.name)}>"
        f"<OSName>{escape(machine.system)}</OSName><LastUpdate>{machine.updated}</LastUpdate></Machine>"
        for machine in machines
    )
    guarded = "".join(
        f"<Machine ip={quoteattr(machine.address)} name={quoteattr(machine.name)}>"
        f"<AutoProtect>{int(machine.protected)}</AutoProtect><EnableFirewall>1</EnableFirewall></Machine>"
        for machine in machines
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<edXMLEnvelope xmlns:edXML="http://www.mic.gov.vn/TBT/QCVN_102_2016"><edXML:edXMLHeader>'
        f"<edXML:MessageHeader><edXML:From><edXML:OrganId>{escape(organization)}</edXML:OrganId>"
        f"<edXML:OrganName>{escape(name)}</edXML:OrganName></edXML:From>"
        "<edXML:Subject>Anti Virus Report</edXML:Subject></edXML:MessageHeader></edXML:edXMLHeader>"
        f'<edXML:edXMLBody><AVReport name="Endpoint"><Datetime>{at_seconds}</Datetime>'
        f"<Malware>{malware}</Malware><Connection/><Vulnerability/><OS>{systems}</OS>"
        f"<Update><NumberMachineNotUpdateOn15Day>{outdated}</NumberMachineNotUpdateOn15Day></Update>"
        f"<QualityFeature>{guarded}</QualityFeature></AVReport></edXML:edXMLBody></edXMLEnvelope>\n"
    ).encode()
