"""The fields that a query may ask for, and how one that may not is refused."""

from __future__ import annotations

import difflib
import re
from typing import NoReturn

from citysoc.ecs.fields import EXTRA, FIELDS
from citysoc.errors import UsageError
from citysoc.i18n import _
from citysoc.stores.query import TEXT_FIELDS

VENDORS = frozenset(
    (
        *("winlog", "fortigate", "suricata", "zeek", "cef", "leef", "syslog", "ndjson", "antivirus"),
        *("avreport", "windows", "webaccess"),
    )
)
"""The first words of field names that vendors own; what follows is theirs to choose."""
_FIELD_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,200}")


def refuse(message: str, column: int | None, hint: str | None = None) -> NoReturn:
    """Say what is wrong with a query, and in which column, counted from 0.

    Raises:
        UsageError: always.
    """
    raise UsageError(
        message,
        where=_("column {number}").format(number=column + 1) if column is not None else None,
        hint=hint,
    )


def check_field(name: str, column: int | None = None) -> str:
    """Return a field's name if it can be asked for.

    Args:
        name: the field.
        column: where it stands in a query, counted from 0; None where it stands in none.

    Raises:
        UsageError: it is misspelt; the hint names the field that was perhaps meant.
    """
    if name in FIELDS or ("." in name and name.split(".", 1)[0] in VENDORS and _FIELD_NAME.fullmatch(name)):
        return name
    if name == EXTRA:
        refuse(
            _("{field} holds many fields.").format(field=EXTRA),
            column,
            _("Ask for one of them by its own name."),
        )
    near = difflib.get_close_matches(name, FIELDS, n=1, cutoff=0.7) or [
        known for known in FIELDS if known.rsplit(".", 1)[-1] == name
    ]
    hint = (
        _("Did you mean {field}?").format(field=near[0])
        if near
        else _("Put the text in quotes if no field is meant.")
    )
    refuse(_("There is no field {name!r}.").format(name=name), column, hint)


def kind_of(field: str) -> str:
    """Return the type of a field; keyword where it is a vendor's."""
    if field in TEXT_FIELDS:
        return "text"
    return FIELDS[field].type if field in FIELDS else "keyword"
