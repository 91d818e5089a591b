"""The parsers by name; each is loaded when it is first used. A new parser is one line here."""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, cast

from citysoc.errors import UsageError
from citysoc.i18n import _

if TYPE_CHECKING:
    from citysoc.parsers.base import Parser

PARSERS = {
    "auditd": "citysoc.parsers.auditd:PARSER",
    "antivirus": "citysoc.parsers.antivirus:CSV",
    "antivirus-xlsx": "citysoc.parsers.antivirus:XLSX",
    "avreport": "citysoc.parsers.avreport:PARSER",
    "cef": "citysoc.parsers.cef:PARSER",
    "evtx": "citysoc.parsers.windows:EVTX",
    "fortigate": "citysoc.parsers.fortigate:PARSER",
    "json": "citysoc.parsers.ndjson:DOCUMENT",
    "leef": "citysoc.parsers.leef:PARSER",
    "ndjson": "citysoc.parsers.ndjson:PARSER",
    "suricata": "citysoc.parsers.suricata:PARSER",
    "syslog": "citysoc.parsers.syslog:PARSER",
    "webaccess": "citysoc.parsers.webaccess:PARSER",
    "windows": "citysoc.parsers.windows:JSON",
    "windows-document": "citysoc.parsers.windows:JSON_DOCUMENT",
    "zeek": "citysoc.parsers.zeek:TSV",
    "zeek-json": "citysoc.parsers.zeek:JSON",
}


@functools.cache
def parser(name: str) -> Parser:
    """Return the parser of that name.

    Raises:
        UsageError: no parser has that name.
    """
    if name not in PARSERS:
        raise UsageError(
            _("There is no parser {name!r}.").format(name=name),
            hint=_("Use one of: {names}.").format(names=", ".join(PARSERS)),
        )
    module, _colon, attribute = PARSERS[name].partition(":")
    return cast("Parser", getattr(importlib.import_module(module), attribute))
