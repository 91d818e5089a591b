"""pySigma's conditions as nodes: a type of theirs, a kind of ours."""

from __future__ import annotations

from typing import Any

from citysoc.detectors.sigma.expressions import as_in_perl, is_linear, may_explode
from citysoc.detectors.sigma.nodes import DEFAULT_ZONE, MAX_LOOK_CHARS, Node
from citysoc.detectors.text import compose, fold
from citysoc.errors import RuleError


def convert(condition: Any, notes: list[str]) -> Node:
    """Return pySigma's condition tree as a node."""
    from sigma.conditions import (
        ConditionAND,
        ConditionFieldEqualsValueExpression,
        ConditionNOT,
        ConditionOR,
        ConditionValueExpression,
    )

    if isinstance(condition, ConditionFieldEqualsValueExpression):
        return _field_test(condition.field, condition.value, notes)
    if isinstance(condition, ConditionValueExpression):
        return _keyword_test(condition.value, notes)
    if isinstance(condition, ConditionNOT):
        return ["not", convert(condition.args[0], notes)]
    if isinstance(condition, ConditionAND | ConditionOR):
        kind = "all" if isinstance(condition, ConditionAND) else "any"
        return [kind, [convert(part, notes) for part in condition.args]]
    raise RuleError("the condition names no selection that exists")


def _field_test(field: str, value: Any, notes: list[str]) -> Node:  # noqa: C901, PLR0911  one line a type
    from sigma import types

    field = _spaceless(field)
    if isinstance(value, types.SigmaString):
        return _string_test(field, value)
    if isinstance(value, types.SigmaTimestampPart):
        return ["part", field, value.timestamp_part.name.lower(), "eq", value.number, DEFAULT_ZONE]
    if isinstance(value, types.SigmaNumber):
        return ["text", "is", False, field, [str(value.number)]]
    if isinstance(value, types.SigmaBool):
        return ["text", "is", False, field, ["true" if value.boolean else "false"]]
    if isinstance(value, types.SigmaRegularExpression):
        return ["re", field, *_expression(value, notes)]
    if isinstance(value, types.SigmaCIDRExpression):
        return ["cidr", field, [str(value.network)]]
    if isinstance(value, types.SigmaCompareExpression):
        operator = value.op.name.lower()
        if isinstance(value.number, types.SigmaTimestampPart):
            part = value.number.timestamp_part.name.lower()
            return ["part", field, part, operator, value.number.number, DEFAULT_ZONE]
        return ["number", field, operator, value.number.number]
    if isinstance(value, types.SigmaFieldReference):
        how = {(True, True): "has", (True, False): "starts", (False, True): "ends"}
        place = how.get((value.starts_with, value.ends_with), "is")
        return ["ref", field, place, bool(getattr(value, "cased", False)), _spaceless(value.field)]
    if isinstance(value, types.SigmaExists):
        return ["exists", field] if value else ["not", ["exists", field]]
    if isinstance(value, types.SigmaNull):
        return ["null", field]
    if isinstance(value, types.SigmaExpansion):
        return ["any", [_field_test(field, item, notes) for item in value.values]]
    raise RuleError(f"a value of the kind {type(value).__name__} cannot be matched")


def _spaceless(name: str) -> str:
    """Return a field's name as all events have it: those with spaces are seen without them, too (``match.View``)."""
    return name.replace(" ", "")


def _pieces(value: Any, *, cased: bool) -> list[Any]:
    """Return the parts of a Sigma string: texts, and wildcards as ``["*"]`` and ``["?"]``."""
    from sigma import types

    pieces: list[Any] = []
    for part in value.s:
        if part is types.SpecialChars.WILDCARD_MULTI:
            if not pieces or pieces[-1] != ["*"]:
                pieces.append(["*"])
        elif part is types.SpecialChars.WILDCARD_SINGLE:
            pieces.append(["?"])
        elif part:
            text = compose(part) if cased else fold(part)
            if pieces and isinstance(pieces[-1], str):
                pieces[-1] += text
            else:
                pieces.append(text)
    return pieces


def _string_test(field: str, value: Any) -> Node:
    from sigma import types

    cased = isinstance(value, types.SigmaCasedString)
    pieces = _pieces(value, cased=cased)
    shape = "".join("t" if isinstance(piece, str) else piece[0] for piece in pieces)
    text = next((piece for piece in pieces if isinstance(piece, str)), "")
    how = {"": "is", "t": "is", "t*": "starts", "*t": "ends", "*t*": "has"}.get(shape)
    if how is not None:
        return ["text", how, cased, field, [text]]
    if shape == "*":
        return ["exists", field]
    return ["like", cased, field, pieces]


def _keyword_test(value: Any, notes: list[str]) -> Node:
    from sigma import types

    if isinstance(value, types.SigmaRegularExpression):
        return ["keyword_re", *_expression(value, notes)]
    if isinstance(value, types.SigmaExpansion):
        return ["any", [_keyword_test(item, notes) for item in value.values]]
    if isinstance(value, types.SigmaNumber):
        return ["keyword", False, [["*"], str(value.number), ["*"]]]
    if not isinstance(value, types.SigmaString):
        raise RuleError("a keyword is a text, a number or a regular expression")
    cased = isinstance(value, types.SigmaCasedString)
    pieces = _pieces(value, cased=cased)
    if not any(isinstance(piece, str) for piece in pieces):
        raise RuleError("a keyword without a letter would match everything")
    if pieces[0] != ["*"]:
        pieces.insert(0, ["*"])
    if pieces[-1] != ["*"]:
        pieces.append(["*"])
    return ["keyword", cased, pieces]


def _expression(value: Any, notes: list[str]) -> tuple[str, str]:
    """Return pattern and flags; refuses what neither engine can run in bounded time."""
    flags = "".join(sorted({"IGNORECASE": "i", "MULTILINE": "m", "DOTALL": "s"}[f.name] for f in value.flags))
    written = compose(str(value.regexp))
    pattern = as_in_perl(written, flags)
    if not is_linear(pattern, flags):
        if may_explode(pattern, flags):
            raise RuleError(
                f"the expression /{written[:80]}/ could run without end; write it without "
                "repeats inside repeats, or without look-around"
            )
        notes.append(
            f"the expression /{written[:80]}/ needs look-around or references: it is not run in linear time and "
            f"sees the first {MAX_LOOK_CHARS} characters of a value"
        )
    return pattern, flags
