"""A rule's document as a plan: a mapping that JSON can hold, and all that is known of the rule afterwards.

Rules, correlations and filters are told apart here. pySigma is imported only when a rule is compiled: a warm start
has its plans from the cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from citysoc.detectors.sigma import mapping
from citysoc.detectors.sigma.alerting import alerting
from citysoc.detectors.sigma.correlation import compile_correlation
from citysoc.detectors.sigma.filters import compile_filter
from citysoc.detectors.sigma.nodes import DEFAULT_ZONE, in_zone
from citysoc.detectors.sigma.parse import parse
from citysoc.detectors.sigma.selections import NO_PLACEHOLDERS, condition, spelt, tested
from citysoc.detectors.text import compose
from citysoc.errors import RuleError
from citysoc.flow import LEVELS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def compile_document(
    document: Any,
    stem: str,
    placeholders: Mapping[str, Sequence[str]] = NO_PLACEHOLDERS,
    timezone: str = DEFAULT_ZONE,
) -> dict[str, Any]:
    """Return the plan of one rule; one that cannot be honoured has the status ``refused`` and the reason.

    Args:
        document: the rule as YAML gives it.
        stem: names the rule where it has no id: its file's name.
        placeholders: the values of placeholders by their names.
        timezone: the zone of hours and days that the rule names.
    """
    if not isinstance(document, dict):
        return _refused({"id": stem, "title": stem}, "the document is no rule: it is not a mapping")
    head = {
        "kind": "rule",
        "id": str(document.get("id") or document.get("name") or stem)[:200],
        "name": str(document.get("name") or "")[:200],
        "title": compose(str(document.get("title") or stem))[:500],
        "level": str(document.get("level") or "medium").lower(),
        "tags": [str(tag) for tag in document.get("tags") or () if isinstance(tag, str)][:100]
        if isinstance(document.get("tags"), list)
        else [],
    }
    if head["level"] not in LEVELS:
        head["level"] = "medium"
    try:
        return head | _compile(document, placeholders, timezone)
    except RuleError as error:
        return _refused(head, error.message)
    except RecursionError:
        return _refused(head, "the rule is nested too deep")


def _refused(head: Mapping[str, Any], reason: str) -> dict[str, Any]:
    return {
        "kind": "rule",
        "name": "",
        "level": "medium",
        "tags": [],
        **head,
        "status": "refused",
        "reason": reason,
    }


def _compile(
    document: dict[str, Any], placeholders: Mapping[str, Sequence[str]], timezone: str
) -> dict[str, Any]:
    if "correlation" in document:
        return {"status": "ok", "reason": "", **compile_correlation(document)}
    if "filter" in document:
        return compile_filter(document, placeholders, timezone)
    if "action" in document and "detection" not in document:
        raise RuleError("collections with `action` are not part of Sigma 2; write whole rules")
    rule = parse(document)
    seen = mapping.sight(rule.logsource.product, rule.logsource.category, rule.logsource.service)
    if seen is None:
        raise RuleError("no events are known for this logsource; name a product, category or service we have")
    notes = [seen.note] if seen.note else []
    own = alerting(document.get("citysoc"))
    test = in_zone(spelt(condition(rule, notes, placeholders), document), timezone)
    return {
        "status": "degraded" if notes else "ok",
        "reason": "; ".join(dict.fromkeys(notes)),
        "sees": [
            [{k: list(v) for k, v in alternative.items()} for alternative in part] for part in seen.parts
        ],
        "logsource": [rule.logsource.product, rule.logsource.category, rule.logsource.service],
        **tested(test),
        **own,
    }
