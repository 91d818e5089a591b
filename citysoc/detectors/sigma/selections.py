"""The tests of a rule as nodes: of its condition, and of each selection."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from citysoc.detectors.sigma import mapping
from citysoc.detectors.sigma.absence import mend
from citysoc.detectors.sigma.convert import convert
from citysoc.detectors.sigma.nodes import Node, kept, necessary, simplify
from citysoc.detectors.sigma.ordering import mark_cased
from citysoc.detectors.sigma.parse import parse, taken_on_trust
from citysoc.detectors.sigma.placeholders import fill
from citysoc.detectors.sigma.selection_names import plain_name
from citysoc.detectors.sigma.spelling import in_all_spellings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NO_PLACEHOLDERS: Mapping[str, Sequence[str]] = MappingProxyType({})


def condition(rule: Any, notes: list[str], placeholders: Mapping[str, Sequence[str]]) -> Node:
    """Return the test of a rule's condition, wherever its logsource leads.

    Args:
        rule: as ``parse`` returns it; its fields get the names that events have, so it can be used once.
        notes: what the test lacks is added to them.
        placeholders: the values of placeholders by their names.

    Raises:
        RuleError: it cannot be honoured.
    """
    _apply_names(rule, placeholders)
    with taken_on_trust():
        conditions = [convert(one.parsed, notes) for one in rule.detection.parsed_condition]
    return simplify(["any", conditions])


def selections(
    document: dict[str, Any], placeholders: Mapping[str, Sequence[str]] = NO_PLACEHOLDERS
) -> dict[str, Node]:
    """Return each named selection of a rule that compiles as a node of its own, for an explanation.

    Raises:
        RuleError: the rule cannot be honoured.
    """
    rule = parse(document)
    _apply_names(rule, placeholders)
    found = {}
    for name, detection in rule.detection.detections.items():
        with taken_on_trust():
            node = simplify(convert(detection.postprocess(rule.detection), []))
        found[plain_name(name, document)] = spelt(node, document)
    return found


def spelt(node: Node, document: Mapping[str, Any]) -> Node:
    """Return a test with its texts in all spellings where the rule asks for that."""
    own = document.get("citysoc")
    folded = isinstance(own, dict) and own.get("folded")
    return simplify(in_all_spellings(node)) if folded else node


def tested(test: Node) -> dict[str, Any]:
    """Return the part of a plan that follows from its test, and the test."""
    return {"test": kept(test), "codes": necessary(test, "event.code")}


def _apply_names(rule: Any, placeholders: Mapping[str, Sequence[str]]) -> None:
    """Give the rule's fields the names that events have, and its placeholders their values."""
    with taken_on_trust():
        source = rule.logsource
        mapping.pipeline(source.product, source.category, source.service).apply(rule)
    for detection in rule.detection.detections.values():
        mark_cased(detection)
        mend(detection)
        with taken_on_trust():
            fill(detection, placeholders)
