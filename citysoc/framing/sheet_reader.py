"""A process of its own that reads one spreadsheet: ``python -I sheet_reader.py`` with the file on stdin.

A workbook of a few hundred bytes can ask the reader for hundreds of gigabytes (two cells, far apart), and
an allocation that fails ends the process. So it is a process that may end: bounded in memory and time by
its parent's wish, it writes one JSON list a row, ``[sheet, [cells]]``, and nothing it does can stop the line.
It imports nothing of citysoc, so that it starts fast.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
from typing import Any

UNREADABLE, PASSWORD = 3, 4
"""Exit codes: the file is no workbook; the file is locked by a password."""


def main(arguments: list[str]) -> int:
    """Read the workbook on stdin; the arguments are the bounds: memory in bytes, time in seconds."""
    memory_bytes, cpu_seconds, row_chars = (int(argument) for argument in arguments)
    _bound(memory_bytes, cpu_seconds)
    import python_calamine as calamine

    out = io.TextIOWrapper(sys.stdout.buffer, "utf-8", "replace", newline="\n", write_through=False)
    try:
        book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(sys.stdin.buffer.read()))
        for number, name in enumerate(book.sheet_names):
            _write_sheet(out, number, book, name, row_chars)
    except calamine.PasswordError:
        return PASSWORD
    except (calamine.CalamineError, OSError, ValueError):
        return UNREADABLE
    finally:
        with contextlib.suppress(OSError):
            out.flush()
    return 0


def _write_sheet(out: io.TextIOWrapper, number: int, book: Any, name: str, row_chars: int) -> None:
    import python_calamine as calamine

    try:
        sheet = book.get_sheet_by_name(name)
    except calamine.WorksheetNotFound:
        return  # a sheet of charts
    for row in sheet.iter_rows():
        line = json.dumps([number, [_text(cell) for cell in row]], ensure_ascii=False)
        out.write(line if len(line) <= row_chars else json.dumps([number, None]))
        out.write("\n")


def _text(cell: Any) -> str:
    """Return a cell as text: dates as ISO 8601, whole numbers without a fraction."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    return cell.isoformat() if hasattr(cell, "isoformat") else str(cell)


def _bound(memory_bytes: int, cpu_seconds: int) -> None:
    """Bound this process where the system can; elsewhere the parent's clock remains."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    wishes = (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    )
    for kind, amount in wishes:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (amount, amount))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
