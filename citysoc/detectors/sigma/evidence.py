"""A rule's own evidence: events beside it that it must hit and must miss.

Beside ``x.yml`` lie ``x.hits.ndjson`` and ``x.misses.ndjson``: one flat ECS event (dotted names) a line, as
``citysoc parse`` prints them. A rule without both has no evidence, and fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from citysoc.detectors.sigma.detector import SigmaDetector
from citysoc.detectors.sigma.load import documents, rule_files
from citysoc.detectors.sigma.plan import compile_document

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from citysoc.flow import Event

MAX_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of one rule file's evidence.

    Args:
        rule: the rule's id.
        title: its title.
        path: its file.
        hits: events that must match.
        misses: events that must not.
        failures: what is wrong, one sentence each; none where all is well.
    """

    rule: str
    title: str
    path: Path
    hits: int
    misses: int
    failures: tuple[str, ...]


def trials(paths: Sequence[Path]) -> Iterator[Trial]:
    """Try every rule file under the paths on its own events."""
    for file in rule_files(paths):
        plans = [
            {"id": file.path.stem, "title": file.path.stem, "status": "refused", "reason": document.problem}
            if document.problem
            else compile_document(document.value, file.path.stem)
            for document in documents(file.content)
        ]
        failures = [file.problem] if file.problem else []
        failures += [plan["reason"] for plan in plans if plan["status"] == "refused"]
        if not plans and not failures:
            failures.append("the file holds no rule")
        detector = SigmaDetector([plan for plan in plans if plan["status"] != "refused"])
        hits = _events(file.path.with_suffix(".hits.ndjson"), failures)
        misses = _events(file.path.with_suffix(".misses.ndjson"), failures)
        if detector.rules:
            failures += [
                f"line {line} of the hits is not matched"
                for line, event in hits
                if not detector.detect([event])
            ]
            failures += [
                f"line {line} of the misses is matched" for line, event in misses if detector.detect([event])
            ]
        first = plans[0] if plans else {"id": file.path.stem, "title": file.path.stem}
        yield Trial(first["id"], first["title"], file.path, len(hits), len(misses), tuple(failures))


def _events(path: Path, failures: list[str]) -> list[tuple[int, Event]]:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        failures.append(f"there is no {path.name}")
        return []
    except OSError as error:
        failures.append(f"{path.name} cannot be read: {error.strerror or error}")
        return []
    if len(content) > MAX_BYTES:
        failures.append(f"{path.name} is larger than {MAX_BYTES} bytes")
        return []
    events: list[tuple[int, Event]] = []
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            event = orjson.loads(line)
        except ValueError:
            event = None
        if isinstance(event, dict):
            events.append((number, event))
        else:
            failures.append(f"line {number} of {path.name} is no event")
    if not events:
        failures.append(f"{path.name} holds no event")
    return events
