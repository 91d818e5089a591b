"""A correlation as a plan: what its document says, checked; ``linking`` ties it to its rules.

Read by ourselves and not by pySigma, which turns ``gt: 0.5`` into 0, refuses ranges (``gt`` and ``lte``), lists of
fields and names with dashes in conditions; ``reference`` for all of it is the Sigma correlation specification 2.1.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from citysoc.detectors.correlate.windows import MAX_CHAINS, chains_of
from citysoc.detectors.text import compose
from citysoc.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Clause: TypeAlias = "tuple[frozenset[str], frozenset[str]]"
"""Names of rules that must be present, and of rules that must be absent."""

TYPES = (
    *("event_count", "value_count", "temporal", "temporal_ordered"),
    *("value_sum", "value_avg", "value_percentile", "value_median"),
)
_COMPARISONS = ("lt", "lte", "gt", "gte", "eq", "neq")
_TIMESPAN = re.compile(r"([0-9]{1,9})([smhdwMy])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "M": 2_629_746, "y": 31_556_952}
MAX_SPAN_SECONDS = 366 * 86_400
_MAX_WINDOW_SECONDS = 31 * 86_400
MAX_RULES = 50
_MAX_CLAUSES = 64
_OWN = frozenset({"entity", "window_seconds", "title_vi", "note", "note_vi", "across_agencies"})
_KEYS = frozenset({"type", "rules", "timespan", "group-by", "condition", "aliases", "generate"})


def compile_correlation(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a correlation asks for; its rules are still names.

    Raises:
        RuleError: it cannot be honoured.
    """
    body = document["correlation"]
    if not isinstance(body, dict):
        raise RuleError("`correlation:` is a mapping")
    if unknown := sorted(str(key) for key in body if key not in _KEYS):
        raise RuleError(f"`correlation:` holds what nobody knows: {', '.join(unknown)}")
    kind = body.get("type")
    if kind not in TYPES:
        raise RuleError(f"the type is one of {', '.join(TYPES)}")
    rules = _texts(body.get("rules"), "rules")
    span = _span(body.get("timespan"))
    plan: dict[str, Any] = {
        "kind": "correlation",
        "type": kind,
        "span": span,
        "rules": rules,
        "group_by": _texts(body.get("group-by"), "group-by"),
        "aliases": _aliases(body.get("aliases")),
        "generate": _generate(document, body),
        "fields": [],
        "compare": [],
        "clauses": None,
        "percentile": None,
        **_own(document.get("citysoc"), span),
    }
    condition = body.get("condition")
    if isinstance(condition, str):
        _extended(plan, condition)
    elif condition is None and kind in {"temporal", "temporal_ordered"}:
        plan["compare"] = [["gte", len(rules)]]
    elif isinstance(condition, dict):
        _measured(plan, condition)
    else:
        raise RuleError("there must be a condition: comparisons, or for temporal types an expression")
    _check(plan)
    return kept(plan)


def kept(plan: dict[str, Any]) -> dict[str, Any]:
    """Return a plan as the cache of compiled rules gives it back, so that it is the same cold and warm.

    Raises:
        RuleError: it holds what JSON cannot.
    """
    try:
        found: dict[str, Any] = orjson.loads(orjson.dumps(plan, default=str, option=orjson.OPT_NON_STR_KEYS))
    except TypeError as error:
        raise RuleError(
            "the document holds a text that is no Unicode, or a number beyond all bounds"
        ) from error
    return found


def _check(plan: Mapping[str, Any]) -> None:
    rules = plan["rules"]
    if not rules:
        raise RuleError("a correlation names the rules that it builds upon")
    if len(rules) > MAX_RULES or len(set(rules)) < len(rules):
        raise RuleError(f"a correlation builds upon at most {MAX_RULES} rules, each named once")
    for alias, fields in plan["aliases"].items():
        if strangers := sorted(set(fields) - set(rules)):
            raise RuleError(f"the alias {alias!r} is for a rule that is not listed: {', '.join(strangers)}")
    if plan["type"] != "temporal_ordered" or plan["clauses"] is not None:
        return
    number = 0
    for chain in chains_of(plan):
        number += 1
        if not chain or number > MAX_CHAINS:
            break
    if not 0 < number <= MAX_CHAINS or not chain:
        raise RuleError(
            "an ordered correlation asks for at least one rule and at most all of them"
            f" (`gte`, `gt` or `eq`), and for at most {MAX_CHAINS} choices of them"
        )


def _span(value: Any) -> int:
    found = _TIMESPAN.fullmatch(value) if isinstance(value, str) else None
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not 0 < seconds <= MAX_SPAN_SECONDS:
        raise RuleError("the timespan is a number and one of s, m, h, d, w, M, y, like 10m; at most 366 days")
    return seconds


def _texts(value: Any, name: str) -> list[str]:
    if value is None:
        return []
    many = value if isinstance(value, list) else [value]
    if not all(isinstance(item, str) and item for item in many):
        raise RuleError(f"`{name}` is a text or a list of texts")
    return list(dict.fromkeys(many)) if name == "group-by" else list(many)


def _aliases(value: Any) -> dict[str, dict[str, str]]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(
        isinstance(fields, dict) and all(isinstance(text, str) for pair in fields.items() for text in pair)
        for fields in value.values()
    ):
        raise RuleError("`aliases` names for each alias the field of each rule")
    return {str(alias): dict(fields) for alias, fields in value.items()}


def _generate(document: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Return whether the rules below make findings of their own; written in either of two places."""
    said = [place["generate"] for place in (body, document) if place.get("generate") is not None]
    if not all(isinstance(one, bool) for one in said):
        raise RuleError("`generate` is true or false")
    return any(said)


def _own(own: Any, span: int) -> dict[str, Any]:
    own = {} if own is None else own
    if not isinstance(own, dict) or not set(own) <= _OWN:
        raise RuleError(f"`citysoc:` of a correlation may hold {', '.join(sorted(_OWN))}, nothing else")
    if not all(isinstance(own.get(name, ""), str) for name in ("entity", "title_vi", "note", "note_vi")):
        raise RuleError("`entity`, `title_vi`, `note` and `note_vi` are texts")
    if not isinstance(own.get("across_agencies", False), bool):
        raise RuleError("`citysoc: across_agencies` is true or false")
    window = own.get("window_seconds", min(span, _MAX_WINDOW_SECONDS))
    if not isinstance(window, int) or isinstance(window, bool) or not 0 < window <= _MAX_WINDOW_SECONDS:
        raise RuleError("`citysoc: window_seconds` is a whole number of seconds, at most 31 days")
    return {
        "entity": own.get("entity", ""),
        "window_seconds": window,
        "across_agencies": own.get("across_agencies", False),
        "title_vi": compose(own.get("title_vi", "")),
        "note": compose(own.get("note", "")),
        "note_vi": compose(own.get("note_vi", "")),
    }


def _measured(plan: dict[str, Any], condition: Mapping[Any, Any]) -> None:
    """Read comparisons: one or more of them, all of which must hold."""
    kind = plan["type"]
    if unknown := sorted(str(key) for key in condition if key not in {*_COMPARISONS, "field", "percentile"}):
        raise RuleError(f"the condition holds what nobody knows: {', '.join(unknown)}")
    plan["compare"] = [[name, _number(condition[name], name)] for name in _COMPARISONS if name in condition]
    if not plan["compare"]:
        raise RuleError(f"the condition compares with one or more of {', '.join(_COMPARISONS)}")
    fields = _texts(condition.get("field"), "field")
    if kind.startswith("value_") != bool(fields):
        raise RuleError("value correlations, and only they, name a `field` in their condition")
    if len(fields) > 1 and kind != "value_count":
        raise RuleError("only value_count counts several fields together")
    plan["fields"] = fields
    if kind == "value_percentile":
        percent = _number(condition.get("percentile"), "percentile")
        if not 0 <= percent <= 100:
            raise RuleError("`percentile` lies between 0 and 100")
        plan["percentile"] = percent
    elif "percentile" in condition:
        raise RuleError("`percentile` belongs to value_percentile")


def _number(value: Any, name: str) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RuleError(f"`{name}` is a number")
    return value


def _extended(plan: dict[str, Any], text: str) -> None:
    """Read an expression of rules: ``a and (b or c) and not d``."""
    if plan["type"] not in {"temporal", "temporal_ordered"}:
        raise RuleError("only temporal correlations have an expression as condition")
    clauses, names = _Expression(text).clauses()
    rules = plan["rules"] or names
    if set(rules) != set(names):
        odd = sorted(set(rules) ^ set(names))
        raise RuleError(f"the rules and those of the condition differ: {', '.join(odd)}")
    plan["rules"] = rules
    slots = {name: slot for slot, name in enumerate(rules)}
    found = []
    for pos, neg in clauses:
        if not pos:
            raise RuleError(
                "absence alone cannot be found: some rule must be present for others to be absent"
            )
        found.append([sorted(slots[n] for n in pos), sorted(slots[n] for n in neg)])
    if not found:
        raise RuleError("the condition contradicts itself")
    plan["clauses"] = found


class _Expression:
    """An expression of names with ``and``, ``or``, ``not`` and parentheses, as alternatives of clauses."""

    def __init__(self, text: str) -> None:
        self._tokens = re.findall(r"[()]|[^\s()]+", text)[:1000]
        self._place = 0
        self._depth = 0
        self._names: dict[str, None] = {}

    def clauses(self) -> tuple[list[Clause], list[str]]:
        """Return the clauses of which one must hold, and the names in their order."""
        found = self._any(negated=False)
        if self._place < len(self._tokens):
            raise RuleError(f"the condition cannot be read from {self._tokens[self._place]!r} on")
        return list(dict.fromkeys(found)), list(self._names)

    def _next(self) -> str:
        return self._tokens[self._place].lower() if self._place < len(self._tokens) else ""

    def _any(self, *, negated: bool) -> list[Clause]:
        parts = [self._all(negated=negated)]
        while self._next() == "or":
            self._place += 1
            parts.append(self._all(negated=negated))
        return _together(parts) if negated else _either(parts)

    def _all(self, *, negated: bool) -> list[Clause]:
        parts = [self._one(negated=negated)]
        while self._next() == "and":
            self._place += 1
            parts.append(self._one(negated=negated))
        return _either(parts) if negated else _together(parts)

    def _one(self, *, negated: bool) -> list[Clause]:
        word = self._next()
        self._depth += 1
        if not word or word in {")", "and", "or"} or self._depth > 100:
            raise RuleError("the condition is no expression of rules with and, or, not and parentheses")
        name = self._tokens[self._place]
        self._place += 1
        if word == "not":
            found = self._one(negated=not negated)
        elif word == "(":
            found = self._any(negated=negated)
            if self._next() != ")":
                raise RuleError("a parenthesis of the condition is not closed")
            self._place += 1
        else:
            self._names[name] = None
            only, none = frozenset({name}), frozenset[str]()
            found = [(none, only) if negated else (only, none)]
        self._depth -= 1
        return found


def _either(parts: Sequence[list[Clause]]) -> list[Clause]:
    return [clause for part in parts for clause in part]


def _together(parts: Sequence[list[Clause]]) -> list[Clause]:
    found: list[Clause] = [(frozenset(), frozenset())]
    for part in parts:
        found = [
            (pos | more, neg | less)
            for pos, neg in found
            for more, less in part
            if not (pos | more) & (neg | less)
        ]
        if len(found) > _MAX_CLAUSES:
            raise RuleError(f"the condition has more than {_MAX_CLAUSES} alternatives")
    return found
