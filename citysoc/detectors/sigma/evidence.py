"""A rule's own evidence: events beside it that it must hit and must miss.

Beside ``x.yml`` lie ``x.hits.ndjson`` and ``x.misses.ndjson``: one flat ECS event (dotted names) a line, as
``citysoc parse`` prints them. A rule without both has no evidence, and fails.

For a correlation, the lines are lists of events with their ``@timestamp``, an empty line between two lists; every list of
hits must bring the correlation forth, no list of misses may. A time may be an offset from the list's first: ``"+90s"``.
``{"anomaly": "beaconing", "host.name": "pc-7"}`` stands for an anomaly of that family (``anomalous.spelt_out``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from citysoc.detectors.sigma import anomalous
from citysoc.detectors.sigma.detector import SigmaDetector
from citysoc.detectors.sigma.explain import reason
from citysoc.detectors.sigma.linking import link
from citysoc.detectors.sigma.load import documents, rule_files
from citysoc.detectors.sigma.offsets import timed
from citysoc.detectors.sigma.plan import compile_document
from citysoc.detectors.sigma.sightings import watch
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from citysoc.detectors.sigma.linking import Linked
    from citysoc.detectors.sigma.load import RuleFile
    from citysoc.flow import Event

_Line: TypeAlias = "tuple[int, Event]"
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
        kind: rule or correlation.
        title_vi: its title in Vietnamese; empty where it has none.
    """

    rule: str
    title: str
    path: Path
    hits: int
    misses: int
    failures: tuple[str, ...]
    kind: str = "rule"
    title_vi: str = ""


def trials(paths: Sequence[Path], *, aside: Sequence[Path] = (), **house: Any) -> Iterator[Trial]:
    """Try every rule file under the paths on its own events; files that hold filters alone have none.

    Args:
        paths: files and folders.
        aside: folders among them whose rules are not tried: correlations may build upon them.
        house: ``placeholders`` and ``timezone``, as for ``load``.
    """
    found = rule_files(paths)
    files = [file for file in found if not any(file.path.is_relative_to(folder) for folder in aside)]
    library = _Library(files, found, house)
    for file in files:
        plans = library.plans(file)
        failures = [file.problem] if file.problem else []
        failures += [plan["reason"] for plan in plans if plan["status"] == "refused"]
        if not plans and not failures:
            failures.append(_("the file holds no rule"))
        kinds = {plan.get("kind", "rule") for plan in plans}
        if kinds == {"filter"} and not failures:
            continue
        hits = _events(file.path.with_suffix(".hits.ndjson"), failures)
        misses = _events(file.path.with_suffix(".misses.ndjson"), failures)
        if "correlation" in kinds:
            failures += library.try_correlations(file, hits, misses)
        else:
            failures += _try_rules(library.documents(file), plans, hits, misses, house)
        # A correlation lends its name to the file that holds the rules below it, too.
        first = next(
            (plan for plan in plans if plan.get("kind") == "correlation"), plans[0] if plans else None
        )
        named = first or {"id": file.path.stem, "title": file.path.stem}
        yield Trial(
            *(named["id"], named["title"], file.path, len(hits), len(misses), tuple(failures)),
            kind=named.get("kind", "rule"),
            title_vi=named.get("title_vi", ""),
        )


def _try_rules(
    written: Sequence[Any],
    plans: Sequence[Mapping[str, Any]],
    hits: Sequence[_Line],
    misses: Sequence[_Line],
    house: Mapping[str, Any],
) -> Iterator[str]:
    pairs = [
        (document, plan)
        for document, plan in zip(written, plans, strict=True)
        if plan["status"] != "refused" and plan["kind"] == "rule"
    ]
    detector = SigmaDetector([plan for _document, plan in pairs])
    if not pairs:
        return
    for line, event in hits:
        if not detector.detect(timed([event])):
            why = "; ".join(reason(document, event, **house) for document, _plan in pairs)
            yield _("line {line} of the hits is not matched: {why}").format(line=line, why=why)
    for line, event in misses:
        if found := {finding.rule for finding in detector.detect(timed([event]))}:
            why = "; ".join(
                reason(document, event, **house) for document, plan in pairs if plan["id"] in found
            )
            yield _("line {line} of the misses is matched: {why}").format(line=line, why=why)


class _Library:
    """The rules of all files, compiled when first asked for: a correlation may build upon another file's rules."""

    def __init__(
        self, files: Sequence[RuleFile], found: Sequence[RuleFile], house: Mapping[str, Any]
    ) -> None:
        self._files = files
        self._all = found
        self._house = house
        self._plans: dict[Path, list[dict[str, Any]]] = {}

    def documents(self, file: RuleFile) -> list[Any]:
        """Return the documents of a file, one for each of its plans."""
        return [document.value for document in documents(file.content)]

    def plans(self, file: RuleFile) -> list[dict[str, Any]]:
        """Return the plans of a file."""
        found = self._plans.get(file.path)
        if found is None:
            found = self._plans[file.path] = [
                {
                    "id": file.path.stem,
                    "title": file.path.stem,
                    "status": "refused",
                    "reason": document.problem,
                }
                if document.problem
                else compile_document(document.value, file.path.stem, **self._house)
                for document in documents(file.content)
            ]
        return found

    def _linked(self, file: RuleFile, files: Sequence[RuleFile]) -> Linked:
        """Return a file's correlations, linked to the rules of some files."""
        pairs = [(plan, other.path) for other in files for plan in self.plans(other) if "kind" in plan]
        if anomalous.are_named(other.content for other in files):
            pairs += [(plan, anomalous.FILE) for plan in self.plans(*rule_files([anomalous.FILE]))]
        plans = [plan for plan, _path in pairs]
        usable = [plan["status"] != "refused" for plan in plans]
        own = [path == file.path and plan["kind"] == "correlation" for plan, path in pairs]
        return link(plans, usable, own)

    def try_correlations(
        self, file: RuleFile, hits: Sequence[_Line], misses: Sequence[_Line]
    ) -> Iterator[str]:
        """Try a file's correlations: each list of hits must bring forth a finding, no list of misses may."""
        linked = self._linked(file, self._files)
        if linked.refused and len(self._all) > len(self._files):
            linked = self._linked(file, self._all)
        yield from linked.refused.values()
        loud = {plan["id"] for plan in linked.correlations if not plan["quiet"]}
        found: set[str] = set()
        for lines in _lists(hits):
            rules, why = _found(linked, loud, lines)
            found |= rules
            if not rules:
                text = _("the list of hits from line {line} on brings nothing forth: {why}")
                yield text.format(line=lines[0][0], why=why)
        for missing in sorted(loud - found if hits else ()):
            yield _("no list of hits brings {rule} forth").format(rule=missing)
        for lines in _lists(misses):
            rules, _why = _found(linked, loud, lines)
            if rules:
                text = _("the list of misses from line {line} on brings {rules} forth")
                yield text.format(line=lines[0][0], rules=", ".join(sorted(rules)))


def _lists(lines: Sequence[_Line]) -> list[list[_Line]]:
    """Return lines as lists of events that belong together: an empty line stands between two lists."""
    lists: list[list[_Line]] = []
    for line in lines:
        if lists and lists[-1][-1][0] == line[0] - 1:
            lists[-1].append(line)
        else:
            lists.append([line])
    return lists


def _found(linked: Linked, wanted: set[str], lines: Sequence[_Line]) -> tuple[set[str], str]:
    """Return which of some correlations a list of events brings forth, and why the others do not come."""
    events = timed([event for _line, event in lines])
    found, reasons = set(), []
    for rule in sorted(wanted):
        told = watch([*linked.rules, *linked.of_anomalies], linked.correlations, rule, events)
        if told.findings:
            found.add(rule)
        elif not told.base and not told.sightings:
            reasons.append(_("no event matches a rule below it"))
        elif not told.sightings:
            reasons.append(_("the events that match lack a field that it groups by"))
        else:
            best = told.sightings[0]
            group = ", ".join(f"{name}={value}" for name, value in best.group.items())
            reasons.append(f"{group}: {best.missing}" if group else best.missing)
    return found, "; ".join(dict.fromkeys(reasons))


def _events(path: Path, failures: list[str]) -> list[tuple[int, Event]]:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        failures.append(_("there is no {file}").format(file=path.name))
        return []
    except OSError as error:
        failures.append(
            _("{file} cannot be read: {reason}").format(file=path.name, reason=error.strerror or error)
        )
        return []
    if len(content) > MAX_BYTES:
        failures.append(_("{file} is larger than {limit} bytes").format(file=path.name, limit=MAX_BYTES))
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
            failures.append(_("line {line} of {file} is no event").format(line=number, file=path.name))
    if not events:
        failures.append(_("{file} holds no event").format(file=path.name))
    return events
