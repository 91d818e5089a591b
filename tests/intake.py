"""Files through the whole pipeline inside this process: quick, for tests of many files."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citysoc.config.models import Alerts
from citysoc.pipeline.commit import Committer
from citysoc.pipeline.line import Line
from citysoc.pipeline.pull import Pulled, given_files, pull
from citysoc.pipeline.work import Work
from citysoc.state import State
from citysoc.stores.base import Question
from citysoc.stores.local import LocalStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIGURES = ("received", "stored", "duplicate", "quarantined", "rejected")


@dataclass
class Intake:
    """A store and what leads into it."""

    state: State
    store: LocalStore
    work: Work

    def take(
        self, *paths: Path, source: str = "import", parser: str = "auto", workers: int | None = None
    ) -> Pulled:
        """Put files in; afterwards nothing may be missing from the figures."""
        committer = Committer(self.state, self.store, Alerts(), ())
        collector = given_files(paths, source=source, parser_name=parser)
        with Line(self.work, committer, workers=workers) as line:
            pulled = pull(line, self.state, [collector], flush=True)
        figures = self.figures(source)
        assert figures["received"] == sum(figures[name] for name in FIGURES[1:]), figures
        return pulled

    def figures(self, source: str = "import") -> dict[str, int]:
        """Return what became of the records of a source."""
        sums = ", ".join(f"coalesce(sum({name}), 0) AS {name}" for name in FIGURES)
        row = self.state.rows(f"SELECT {sums} FROM counters WHERE stream = ?", (f"unknown/{source}",))[0]
        return {name: row[name] for name in FIGURES}

    def rows(self, *, quarantine: bool = False) -> list[dict[str, Any]]:
        """Return the events, or the quarantined records."""
        return list(self.store.search(Question(quarantine=quarantine), newest_first=False))

    def reasons(self) -> set[str]:
        """Return why records were quarantined or refused."""
        question = Question(quarantine=True)
        return {row["citysoc.unparsed"] for row in self.store.search(question, fields=("citysoc.unparsed",))}


@contextlib.contextmanager
def intake(folder: Path, *, rules: tuple[Path, ...] = ()) -> Iterator[Intake]:
    """Keep a fresh store open inside the block."""
    state = State(folder / "citysoc.db")
    try:
        yield Intake(state, LocalStore(folder / "events"), Work(rules=rules, cache_dir=folder / "cache"))
    finally:
        state.close()
