"""Office documents are ZIP files: written again with fixed times, so that same content is same bytes."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt


def settled(package: bytes, moment: dt.datetime) -> bytes:
    """Return a ZIP file with every member dated ``moment`` (UTC), in the order it has."""
    dated = moment.utctimetuple()[:6]
    held = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package)) as source, zipfile.ZipFile(held, "w") as target:
        for member in source.infolist():
            info = zipfile.ZipInfo(member.filename, dated)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o600 << 16
            target.writestr(info, source.read(member))
    return held.getvalue()
