"""In which order events are shown: by fields, up or down, and always a total order; alike on every store.

An event without a value comes last, whichever way. Of a list the smallest value counts upwards, the largest
downwards. Text is ordered by its code points as it stands, addresses by number (IPv4 before the IPv6 addresses in use),
fields of vendors as text. Events alike in all of it are ordered newest first, then by id.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from citysoc import clock
from citysoc.ecs.fields import FIELDS
from citysoc.errors import UsageError
from citysoc.i18n import _
from citysoc.stores.query import TEXT_FIELDS
from citysoc.stores.query_fields import check_field
from citysoc.stores.query_match import values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.flow import Event

MAX_FIELDS = 8
LONGEST = 8191
"""Values of more characters count as none: Elasticsearch does not index them."""

_TIME, _ID = "@timestamp", "event.id"


@dataclass(frozen=True, slots=True)
class Sort:
    """One field of an order.

    Args:
        field: its name.
        descending: whether the largest comes first.
    """

    field: str
    descending: bool = False

    def __str__(self) -> str:
        """Return it as people write it."""
        return f"-{self.field}" if self.descending else self.field


def order(text: str) -> tuple[Sort, ...]:
    """Return the total order that ``source.ip,-@timestamp`` names.

    Raises:
        UsageError: it names none; tells the column, counted from 1, and the field that was perhaps meant.
    """
    found: list[Sort] = []
    column = 1
    for part in text.split(","):
        sort = Sort(part.strip().removeprefix("-"), part.strip().startswith("-"))
        where = _("column {number}").format(number=column + len(part) - len(part.lstrip()))
        if not sort.field:
            raise UsageError(_("A field is missing here."), where=where, hint=_HINT())
        try:
            check_field(sort.field)
        except UsageError as error:
            raise UsageError(error.message, where=where, hint=error.hint) from error
        if sort.field in TEXT_FIELDS:
            raise UsageError(
                _("{field} is free text; nothing is ordered by it.").format(field=sort.field), where=where
            )
        if sort.field in {each.field for each in found}:
            raise UsageError(_("{field} is there twice.").format(field=sort.field), where=where)
        found.append(sort)
        column += len(part) + 1
    if len(found) > MAX_FIELDS:
        raise UsageError(_("An order has at most {limit} fields.").format(limit=MAX_FIELDS))
    return total(found)


def _HINT() -> str:  # noqa: N802  a text that is translated when it is needed
    return _("Write for example source.ip,-@timestamp.")


def total(sorts: Sequence[Sort]) -> tuple[Sort, ...]:
    """Return an order in which no two events are alike."""
    named = {sort.field for sort in sorts}
    rest = [Sort(name, descending=True) for name in (_TIME, _ID) if name not in named]
    return (*sorts, *rest)


def key(event: Event, sorts: Sequence[Sort]) -> list[Any]:
    """Return what an event is ordered by: one value a field, None where it has none."""
    return [_value(event, sort) for sort in sorts]


def _value(event: Event, sort: Sort) -> Any:
    found = [v for v in values(event, sort.field) if not isinstance(v, str) or len(v) <= LONGEST]
    if not found:
        return None
    by = number_of if kind(sort.field) == "ip" else None
    return max(found, key=by) if sort.descending else min(found, key=by)


def kind(name: str) -> str:
    """Return the type of a field, keyword for those outside the dictionary."""
    return FIELDS[name].type if name in FIELDS else "keyword"


def number_of(address: str) -> int:
    """Return an address as a number among all addresses: IPv4 ones lie where IPv6 maps them."""
    found = ipaddress.ip_address(address)
    return int(found) if found.version == 6 else (0xFFFF << 32) + int(found)


def mark(event: Event, sorts: Sequence[Sort]) -> str:
    """Return what names an event's place in an order, for the page after it."""
    there = [clock.iso(v) if isinstance(v, dt.datetime) else v for v in key(event, sorts)]
    text = orjson.dumps([",".join(map(str, sorts)), there])
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def place(text: str, sorts: Sequence[Sort]) -> list[Any]:
    """Return the values of a mark.

    Raises:
        UsageError: it is none, or one of another order.
    """
    hint = _("Copy the mark that the page before ended with.")
    try:
        padded = text + "=" * (-len(text) % 4)
        named, there = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, TypeError, binascii.Error) as error:
        raise UsageError(_("{text} is no mark.").format(text=repr(text)), hint=hint) from error
    if named != ",".join(map(str, sorts)) or not isinstance(there, list) or len(there) != len(sorts):
        raise UsageError(_("This mark belongs to another order."), hint=hint)
    try:
        return [_read(value, sort) for value, sort in zip(there, sorts, strict=True)]
    except (ValueError, TypeError) as error:
        raise UsageError(_("{text} is no mark.").format(text=repr(text)), hint=hint) from error


def _read(value: Any, sort: Sort) -> Any:
    if value is None:
        return None
    wanted = kind(sort.field)
    if wanted == "ip":
        return str(ipaddress.ip_address(str(value)))
    if wanted == "date":
        moment = dt.datetime.fromisoformat(value)
        return moment.astimezone(dt.UTC) if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    types: tuple[type, ...] = {"long": (int,), "float": (int, float), "boolean": (bool,)}.get(wanted, (str,))
    if not isinstance(value, types) or (wanted != "boolean" and isinstance(value, bool)):
        raise TypeError
    return value
