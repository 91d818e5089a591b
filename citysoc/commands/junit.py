"""Results of ``rules test`` as JUnit XML, as build servers read it: a suite a folder, a case a rule file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement, tostring

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.detectors.sigma.evidence import Trial

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold in any form."""


def document(tried: Sequence[Trial]) -> bytes:
    """Return the results as one XML document in UTF-8."""
    root = Element("testsuites", {"name": "citysoc rules", **_figures(tried)})
    folders: dict[str, list[Trial]] = {}
    for trial in tried:
        folders.setdefault(str(trial.path.parent), []).append(trial)
    for folder, trials in folders.items():
        suite = SubElement(root, "testsuite", {"name": _held(folder), **_figures(trials)})
        for trial in trials:
            _case(suite, folder, trial)
    xml: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return xml + b"\n"


def _case(suite: Element, folder: str, trial: Trial) -> None:
    case = SubElement(
        suite,
        "testcase",
        classname=_held(folder),
        name=_held(f"{trial.path.name}: {trial.title}"),
        file=_held(str(trial.path)),
    )
    if trial.failures:
        failure = SubElement(case, "failure", message=_held(trial.failures[0]), type="evidence")
        failure.text = _held("\n".join(trial.failures))


def _figures(trials: Sequence[Trial]) -> dict[str, str]:
    failed = sum(bool(trial.failures) for trial in trials)
    return {"tests": str(len(trials)), "failures": str(failed), "errors": "0", "skipped": "0"}


def _held(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
