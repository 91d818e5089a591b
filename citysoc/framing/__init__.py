"""Cut files into records: lines, lines with a header, rows of a sheet, Windows event records."""

from __future__ import annotations
