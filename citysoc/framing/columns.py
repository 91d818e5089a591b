"""The columns of antivirus exports by the names that consoles give them, Vietnamese and English.

No console documents its export, so the names are a list of synonyms to extend; a source names its own
with the parser option ``columns``. Names are compared folded (``encodings.fold``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.framing.encodings import fold

if TYPE_CHECKING:
    from collections.abc import Sequence

_NAMES = {
    "number": "STT|TT|Số thứ tự|No|No.|Index|Row",
    "time": (
        "Thời gian|Thời gian phát hiện|Ngày giờ|Ngày giờ phát hiện|Thời điểm|Thời điểm phát hiện|"
        "Ngày phát hiện|Thời gian xảy ra|Thời gian ghi nhận|Time|Date time|Datetime|Timestamp|Detected|"
        "Detection time|Detected time|Detected at|Detection date|Event time|Event date|Occurred|Date/Time|"
        "Date and time|Occurrence time|Received time|Log time"
    ),
    "date": "Ngày|Date",
    "clock": "Giờ|Hour|Giờ phát hiện",
    "host": (
        "Tên máy|Tên máy tính|Máy tính|Máy trạm|Tên máy trạm|Tên thiết bị|Thiết bị|Computer|Computer name|"
        "Hostname|Host name|Host|Device|Device name|Endpoint|Endpoint name|Machine|Machine name|Workstation"
    ),
    "ip": (
        "Địa chỉ IP|IP|IP máy|Địa chỉ IP máy|IP máy trạm|IP address|IP addresses|Computer IP|Host IP|"
        "IPv4|IPv4 address|Device IP|Endpoint IP|Địa chỉ"
    ),
    "mac": "Địa chỉ MAC|MAC|MAC address|Physical address",
    "unit": (
        "Đơn vị|Tên đơn vị|Phòng ban|Phòng, ban|Nhóm|Nhóm máy|Nhóm máy tính|Cơ quan|Bộ phận|Chi nhánh|"
        "Group|Group name|Department|Unit|Organization|Organisation|Site"
    ),
    "user": (
        "Người dùng|Tên người dùng|Tài khoản|Người sử dụng|User|User name|Username|Account|Logged in user|"
        "Current user"
    ),
    "threat": (
        "Tên virus|Virus|Tên vi rút|Tên vi-rút|Vi rút|Tên mã độc|Mã độc|Tên phần mềm độc hại|"
        "Phần mềm độc hại|Tên mối đe dọa|Mối đe dọa|Tên malware|Virus name|Threat|Threat name|Malware|"
        "Malware name|Detection|Detection name|Infection|Risk name|Signature name|Virus/Malware"
    ),
    "type": (
        "Loại|Loại mã độc|Loại virus|Phân loại|Kiểu mã độc|Type|Threat type|Malware type|Virus type|"
        "Category|Threat category|Risk type"
    ),
    "path": (
        "Đường dẫn|Đường dẫn tệp|Đường dẫn file|Đường dẫn tập tin|Vị trí|Vị trí tệp|Đối tượng|"
        "File nhiễm|Tệp nhiễm|Tệp bị nhiễm|File path|Path|Full path|Object|Object path|Infected file|"
        "Location|File location"
    ),
    "file": "Tên tệp|Tên file|Tên tập tin|Tệp|Tệp tin|Tập tin|File|File name|Filename",
    "action": (
        "Hành động|Xử lý|Biện pháp|Biện pháp xử lý|Hình thức xử lý|Cách xử lý|Action|Action taken|"
        "Performed action|Actual action|Response"
    ),
    "result": (
        "Trạng thái|Kết quả|Kết quả xử lý|Tình trạng|Trạng thái xử lý|Tình trạng xử lý|Status|Result|"
        "Action result|Outcome|Threat status"
    ),
    "version": "Phiên bản|Phiên bản phần mềm|Phiên bản AV|Version|Product version|Agent version",
    "definitions": (
        "Mẫu nhận diện|Phiên bản mẫu|CSDL mẫu|Cơ sở dữ liệu|Database version|Definitions|Definition version|"
        "Signature version|Pattern version|Pattern"
    ),
    "updated": "Cập nhật lần cuối|Lần cập nhật cuối|Ngày cập nhật|Last update|Last updated|Update time",
    "seen": "Kết nối lần cuối|Lần kết nối cuối|Online lần cuối|Last seen|Last connection|Last online",
    "os": "Hệ điều hành|HĐH|OS|OS name|Operating system|Platform",
    "hash": "Mã băm|Hash|File hash|Checksum|Giá trị băm",
    "md5": "MD5|MD5 hash|Mã MD5",
    "sha1": "SHA1|SHA-1|SHA1 hash",
    "sha256": "SHA256|SHA-256|SHA2|SHA256 hash|Mã SHA256",
    "process": "Tiến trình|Tên tiến trình|Process|Process name|Source process",
    "scan": "Kiểu quét|Loại quét|Phương thức phát hiện|Scan type|Scanner|Detected by|Scan|Detection method",
    "severity": "Mức độ|Mức độ nguy hiểm|Mức nguy hiểm|Severity|Level|Risk level|Threat level",
    "count": "Số lượng|Số tệp|Số file|Số lần|Count|Number of files|Occurrences|Files",
}

COLUMNS = {fold(name): key for key, names in _NAMES.items() for name in names.split("|")}
"""Folded column name to the key of what the column holds."""

HEADER_ROWS = 50
"""The header is one of the first so many rows; above it stand titles, the period, the issuer."""

_NUMBERED = frozenset({"number"})
_TOTALS = ("tong", "tong cong", "tong so", "cong", "total", "grand total", "sum", "subtotal")


def known(row: Sequence[str]) -> int:
    """Return how many different known columns a row names."""
    return len({key for cell in row if len(cell) <= 60 and (key := COLUMNS.get(fold(cell)))})


def find_header(rows: Sequence[Sequence[str]]) -> int | None:
    """Return which of the rows is the header: the first to name two known columns.

    A console that names its columns in no way we know has the first row of words that is as wide as
    most rows; its source then says with ``columns`` what they hold.
    """
    for number, row in enumerate(rows):
        if known(row) >= 2:
            return number
    widths = [sum(1 for cell in row if cell.strip()) for row in rows]
    usual = max(widths, key=widths.count, default=0)
    if usual < 2 or len(rows) < 2:
        return None
    for number, row in enumerate(rows):
        if widths[number] >= usual and not any(cell.strip()[:1].isdigit() for cell in row):
            return number
    return None


def is_total(row: Sequence[str]) -> bool:
    """Tell whether a row is the sum below a table: a word for total, and little else."""
    filled = [cell.strip() for cell in row if cell.strip()]
    if not filled or len(filled) > max(2, len(row) // 3):
        return False
    first = fold(filled[0].partition(":")[0])
    return first in _TOTALS or first.startswith(("tong cong ", "tong so ", "total "))


def running_number(header: Sequence[str]) -> int | None:
    """Return which column only numbers the rows of one export, if one does.

    It is left out of the records: the same row has another number in the next export.
    """
    for number, cell in enumerate(header):
        if COLUMNS.get(fold(cell)) in _NUMBERED or cell.strip() == "#":
            return number
    return None
