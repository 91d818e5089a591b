"""Numbers, dates and names as a report in the language in force writes them."""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from citysoc.enrich import taxonomy
from citysoc.i18n import _, about, integer, language

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "about",
    "agency_level_name",
    "balanced",
    "class_name",
    "clean",
    "date",
    "date_in_words",
    "edge",
    "entity_name",
    "integer",
    "level_name",
    "lines",
    "long_month",
    "outcome_name",
    "percent",
    "state_name",
    "time",
]

_ACCENT = "[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_PILE = re.compile(f"({_ACCENT}{{3}}){_ACCENT}+")
"""More accents on one letter than any language writes."""


def percent(value: float | None, *, signed: bool = False) -> str:
    """Return a share or a change with one digit: 11,8% in Vietnamese; a dash for None."""
    from babel.numbers import format_decimal

    if value is None:
        return "–"
    text = format_decimal(value, format="+#,##0.0;-#,##0.0" if signed else "#,##0.0", locale=language())
    return f"{text}%"


def date(moment: dt.datetime, zone: str) -> str:
    """Return a date as tables write it: 05/10/2026."""
    return f"{moment.astimezone(ZoneInfo(zone)):%d/%m/%Y}"


def time(text: str | None, zone: str) -> str:
    """Return an RFC 3339 time as tables write it: 05/10/2026 14:03; a dash for None."""
    if not text:
        return "–"
    return f"{dt.datetime.fromisoformat(text).astimezone(ZoneInfo(zone)):%d/%m/%Y %H:%M}"


def date_in_words(day: str) -> str:
    """Return a local date, ``2026-10-05``, as tables and sentences write it: 05/10/2026."""
    return f"{dt.date.fromisoformat(day):%d/%m/%Y}"


def long_month(day: dt.date) -> str:
    """Return the month of a day as titles write it: tháng 10 năm 2026.

    By Decree 30/2020 the months 1 and 2 get a leading zero, the others none.
    """
    if language() == "vi":
        return (
            f"tháng {day.month:02} năm {day.year}" if day.month <= 2 else f"tháng {day.month} năm {day.year}"
        )
    return f"{day:%B %Y}"


def edge(moment: dt.datetime, zone: str, *, end: bool = False) -> str:
    """Return where a period begins or ends as reports write it: ``00 giờ 00 ngày 01/10/2026``.

    A period that ends at midnight ends at 24:00 of the day before.
    """
    local = moment.astimezone(ZoneInfo(zone))
    hour, minute, day = local.hour, local.minute, local.date()
    if end and hour == minute == 0:
        hour, day = 24, day - dt.timedelta(days=1)
    return _("{hour}:{minute} on {date}").format(
        hour=f"{hour:02}", minute=f"{minute:02}", date=f"{day:%d/%m/%Y}"
    )


def clean(text: str, letters: int = 300) -> str:
    """Return hostile text fit for print.

    No control or direction-turning characters, no piles of accents that tower over the lines above, a
    bounded length.
    """
    kept = _PILE.sub(
        r"\1",
        "".join(
            c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in unicodedata.normalize("NFC", text)
        ),
    )
    return kept if len(kept) <= letters else kept[: letters - 1] + "…"


def lines(text: str) -> str:
    """Return a name of a letterhead: the clean lines that people wrote, four at most."""
    return "\n".join(clean(line) for line in text.strip().splitlines()[:4])


def balanced(text: str, letters: int) -> str:
    """Break a name that is too long for its line into lines of about the same length, at spaces.

    What has line breaks already is left as it is.
    """
    rows = math.ceil(len(text) / letters)
    if rows < 2 or "\n" in text:
        return text
    found: list[str] = []
    line = ""
    for word in text.split():
        # A line ends where the next word would take it further from its share than it is without.
        if line and len(found) < rows - 1 and len(line) + len(word) / 2 > len(text) / rows:
            found.append(line)
            line = word
        else:
            line = f"{line} {word}".strip()
    return "\n".join((*found, line))


def level_name(level: str) -> str:
    """Return a level in the reader's language."""
    return _named(taxonomy.SEVERITIES, level)


def agency_level_name(level: str) -> str:
    """Return the kind of body in the reader's language, as a table's first cell writes it."""
    word = _(level) if level else ""
    return word[:1].upper() + word[1:]


def outcome_name(outcome: str) -> str:
    """Return an outcome in the reader's language."""
    return _named(taxonomy.OUTCOMES, outcome)


def class_name(code: str) -> str:
    """Return a class in the reader's language."""
    return _named(taxonomy.CLASSES, code) if code else _("Not classified")


def _named(words: Mapping[str, taxonomy.Named], code: str) -> str:
    return words[code].name(language()) if code in words else clean(code, 80)


def entity_name(entity: str) -> str:
    """Return what an incident is about in the reader's language; nothing where it is the rule itself."""
    kind, _colon, name = entity.partition(":")
    texts = {
        "host": _("computer {name}"),
        "user": _("account {name}"),
        "ip": _("address {name}"),
        "domain": _("domain {name}"),
        "rule": "",
        "agency": "",  # a column of its own says which
        "agency.id": "",
    }
    return texts.get(kind, "{name}").format(name=name or kind)


def state_name(state: str, verdict: str | None = None) -> str:
    """Return the state of an alert, incident or stream in the reader's language, with the verdict behind it."""
    if verdict:
        return f"{state_name(state)} ({state_name(verdict)})"
    names = {
        "new": _("New"),
        "acknowledged": _("Acknowledged"),
        "in_progress": _("In progress"),
        "closed": _("Closed"),
        "true_positive": _("confirmed"),
        "false_positive": _("false alarm"),
        "benign": _("harmless"),
        "late": _("Late"),
        "silent": _("Silent"),
        "never": _("Never seen"),
        "ok": _("Speaking"),
    }
    return names.get(state, state)
