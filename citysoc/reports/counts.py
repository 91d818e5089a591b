"""Counts with their nouns, in the form that the language in force asks for: 1 alert, 5.661 máy tính."""

from __future__ import annotations

from citysoc.i18n import _, about, integer, ngettext


def events(count: int) -> str:
    """Return so many events."""
    return counted(ngettext("{count} event", "{count} events", count), count)


def about_events(count: int, *, exactly: bool = False) -> str:
    """Return about so many events, as sentences say it; with the exact number beside it where that is asked for."""
    form = ngettext("{count} event", "{count} events", count)
    said = about(count)
    if not exactly or said == integer(count):
        return form.format(count=said)
    return form.format(count=_("{about} (exactly {count})").format(about=said, count=integer(count)))


def about_records(count: int) -> str:
    """Return about so many log records, as sentences say it."""
    return ngettext("{count} log record", "{count} log records", count).format(count=about(count))


def records(count: int) -> str:
    """Return so many log records."""
    return counted(ngettext("{count} log record", "{count} log records", count), count)


def alerts(count: int) -> str:
    """Return so many alerts."""
    return counted(ngettext("{count} alert", "{count} alerts", count), count)


def incidents(count: int) -> str:
    """Return so many incidents."""
    return counted(ngettext("{count} incident", "{count} incidents", count), count)


def agencies(count: int) -> str:
    """Return so many agencies."""
    return counted(ngettext("{count} agency", "{count} agencies", count), count)


def computers(count: int) -> str:
    """Return so many computers."""
    return counted(ngettext("{count} computer", "{count} computers", count), count)


def detections(count: int) -> str:
    """Return so many detections of malware."""
    return counted(ngettext("{count} detection", "{count} detections", count), count)


def streams(count: int) -> str:
    """Return so many streams of logs."""
    return counted(ngettext("{count} stream of logs", "{count} streams of logs", count), count)


def weaknesses(count: int) -> str:
    """Return so many known weaknesses."""
    return counted(ngettext("{count} known weakness", "{count} known weaknesses", count), count)


def notices(count: int) -> str:
    """Return so many notices of incidents, due in 24 hours."""
    return counted(ngettext("{count} notice", "{count} notices", count), count)


def reports(count: int) -> str:
    """Return so many reports on incidents, due in 72 hours."""
    return counted(ngettext("{count} report", "{count} reports", count), count)


def papers(count: int) -> str:
    """Return so many notices and reports together."""
    return counted(ngettext("{count} paper", "{count} papers", count), count)


def files(count: int) -> str:
    """Return so many files."""
    return counted(ngettext("{count} file", "{count} files", count), count)


def counted(form: str, count: int) -> str:
    """Return a form of a message with its count written as the language writes numbers."""
    return form.format(count=integer(count))
