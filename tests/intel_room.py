"""Feeds imported into a folder, and matchers of it."""

from __future__ import annotations

import datetime as dt

from citysoc.clock import UTC
from citysoc.detectors.intel import Matcher, importing, warning_lists
from citysoc.detectors.intel.database import Terms

NOW = dt.datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


class Room:
    """A folder of indicators."""

    def __init__(self, folder):
        self.folder = folder / "intel"
        self.source = folder / "feed"

    def take(self, *lines, feed="feed", lists=(), networks=(), **terms):
        """Import lines as a feed."""
        self.source.write_text("\n".join(lines) + "\n", "utf-8")
        warnings = warning_lists.load_lists(lists, networks)
        with importing.writing(self.folder) as database:
            result = importing.import_file(database, self.source, Terms(feed, **terms), warnings=warnings)
            importing.publish(database, self.folder, warnings)
        return result

    def matcher(self, **options):
        return Matcher(self.folder, **options)

    def marked(self, *events, matcher=None, **options):
        """Mark events; return them and their findings."""
        matcher = matcher or self.matcher(**options)
        whole = [event(number, **one) for number, one in enumerate(events)]
        matcher.mark(whole)
        return whole, matcher.findings(whole)


def event(number, **fields):
    named = {name.replace("__", "."): value for name, value in fields.items()}
    base = {"@timestamp": NOW, "event.id": f"e{number}", "agency.id": "so-y-te", "event.module": "fortigate"}
    return base | named
