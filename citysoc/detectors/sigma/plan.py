"""A rule as a plan: nested lists that JSON can hold and ``match`` turns into a predicate.

    ["all", [node ...]]  ["any", [node ...]]  ["not", node]
    ["text", how, cased, field, [text ...]]     how: is, starts, ends, has; any of the texts
    ["like", cased, field, [piece ...]]         wildcards: pieces of text, "*" and "?" as ["*"], ["?"]
    ["re", field, pattern, flags]               flags: some of i, m, s
    ["cidr", field, [network ...]]
    ["number", field, operator, number]         operator: lt lte gt gte
    ["part", field, part, operator, number, zone]     of a time: minute hour day weekday week month year
    ["ref", field, how, cased, other field]
    ["exists", field]  ["null", field]
    ["keyword", cased, [piece ...]]             anywhere in a value; ["keyword_re", pattern, flags]

Texts are folded already (``text.fold``) unless ``cased``. pySigma is imported here only, and only when a rule
is compiled: a warm start never needs it.
"""

from __future__ import annotations

import contextlib
import copy
import re
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from citysoc.detectors.sigma import mapping
from citysoc.detectors.sigma.ordering import in_order, mark_cased
from citysoc.detectors.sigma.placeholders import fill
from citysoc.detectors.sigma.spelling import in_all_spellings
from citysoc.detectors.sigma.text import compose, fold
from citysoc.errors import RuleError
from citysoc.flow import LEVELS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Node: TypeAlias = list[Any]

DEFAULT_ZONE = "Asia/Ho_Chi_Minh"
"""The zone of hours and days that rules name, where the configuration says no other."""
MAX_LOOK_CHARS = 16_384
"""A value's first so many characters are what an expression with look-around or references sees."""
NO_PLACEHOLDERS: Mapping[str, Sequence[str]] = MappingProxyType({})
_OWN = frozenset({"entity", "folded", "group_by", "window_seconds", "title_vi", "note", "note_vi"})
_ENTITIES = {"host": "host.name", "user": "user.name", "ip": "source.ip"}
_MAX_WINDOW_SECONDS = 31 * 86400
_DEFAULT_WINDOW_SECONDS = 3600


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
        from citysoc.detectors.sigma.correlation import compile_correlation

        return {"status": "ok", "reason": "", **compile_correlation(document)}
    if "filter" in document:
        from citysoc.detectors.sigma.filters import compile_filter

        return compile_filter(document, placeholders, timezone)
    if "action" in document and "detection" not in document:
        raise RuleError("collections with `action` are not part of Sigma 2; write whole rules")
    rule = _parse(document)
    seen = mapping.sight(rule.logsource.product, rule.logsource.category, rule.logsource.service)
    if seen is None:
        raise RuleError("no events are known for this logsource; name a product, category or service we have")
    notes = [seen.note] if seen.note else []
    alerting = _alerting(document.get("citysoc"))
    test = in_zone(_spelt(_condition(rule, notes, placeholders), document), timezone)
    return {
        "status": "degraded" if notes else "ok",
        "reason": "; ".join(dict.fromkeys(notes)),
        "sees": [
            [{k: list(v) for k, v in alternative.items()} for alternative in part] for part in seen.parts
        ],
        "logsource": [rule.logsource.product, rule.logsource.category, rule.logsource.service],
        **tested(test),
        **alerting,
    }


def _spelt(node: Node, document: Mapping[str, Any]) -> Node:
    """Return a test with its texts in all spellings where the rule asks for that."""
    own = document.get("citysoc")
    folded = isinstance(own, dict) and own.get("folded")
    return simplify(in_all_spellings(node)) if folded else node


def tested(test: Node) -> dict[str, Any]:
    """Return the part of a plan that follows from its test, and the test."""
    return {"test": test, "codes": necessary(test, "event.code")}


def condition_of(
    document: dict[str, Any],
    notes: list[str],
    placeholders: Mapping[str, Sequence[str]] = NO_PLACEHOLDERS,
) -> Node:
    """Return the test of a rule's condition, wherever its logsource leads; what it lacks goes into ``notes``.

    Raises:
        RuleError: it cannot be honoured.
    """
    return _condition(_parse(document), notes, placeholders)


def _condition(rule: Any, notes: list[str], placeholders: Mapping[str, Sequence[str]]) -> Node:
    _apply_names(rule, placeholders)
    with _taken_on_trust():
        conditions = [_convert(condition.parsed, notes) for condition in rule.detection.parsed_condition]
    return simplify(["any", conditions])


def selections(
    document: dict[str, Any], placeholders: Mapping[str, Sequence[str]] = NO_PLACEHOLDERS
) -> dict[str, Node]:
    """Return each named selection of a rule that compiles as a node of its own, for an explanation.

    Raises:
        RuleError: the rule cannot be honoured.
    """
    rule = _parse(document)
    _apply_names(rule, placeholders)
    found = {}
    for name, detection in rule.detection.detections.items():
        with _taken_on_trust():
            node = simplify(_convert(detection.postprocess(rule.detection), []))
        found[_plain_name(name, document)] = _spelt(node, document)
    return found


def _parse(document: dict[str, Any]) -> Any:
    from sigma.rule import SigmaRule

    import citysoc.detectors.sigma.modifiers  # noqa: F401  puts ours into pySigma's table

    plain = {name: value for name, value in document.items() if name not in {"citysoc", "date", "modified"}}
    if isinstance(plain.get("detection"), dict):
        _check_names(plain["detection"])
        plain["detection"] = _with_texts(_renamed(plain["detection"]))
    plain.pop("related", None)  # not looked at here, so not a reason to refuse
    plain.pop("tags", None)
    if not _is_uuid(plain.get("id")):
        plain.pop("id", None)
    plain["title"] = str(plain.get("title") or "untitled")[:250]
    if str(plain.get("level", "")).lower() not in LEVELS:
        plain.pop("level", None)
    plain.pop("status", None)
    with _taken_on_trust():
        return SigmaRule.from_dict(plain)


@contextlib.contextmanager
def _taken_on_trust() -> Iterator[None]:
    """Refuse what pySigma stumbles over: it takes a rule's shape on trust in places.

    Raises:
        RuleError: with what pySigma says.
    """
    from sigma.exceptions import SigmaError

    try:
        yield
    except SigmaError as error:
        raise RuleError(_sentence(error)) from error
    except (TypeError, ValueError, AttributeError, LookupError, re.error) as error:
        raise RuleError(f"the rule has not the shape of a Sigma rule: {_sentence(error)}") from error


def _is_uuid(value: Any) -> bool:
    return (
        isinstance(value, str)
        and re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value) is not None
    )


_OF_TEXTS = frozenset(
    {"contains", "startswith", "endswith", "cased", "base64", "base64offset", "wide", "re", "windash"}
)


def _with_texts(part: Any) -> Any:
    """Return a detection whose numbers are texts where a modifier asks for text (``contains: 404``), its modifiers in order.

    Raises:
        RuleError: a field is asked for nothing.
    """
    if isinstance(part, list):
        return [_with_texts(item) for item in part]
    if not isinstance(part, dict):
        return part
    found: dict[Any, Any] = {}
    for name, value in part.items():
        if isinstance(value, list) and not value:
            raise RuleError(f"`{name}` has an empty list of values")
        asked = name.split("|")[1:] if isinstance(name, str) else []
        value = _as_texts(value) if not _OF_TEXTS.isdisjoint(asked) else _with_texts(value)
        name, value = in_order(name, value) if asked else (name, value)
        if name in found:
            raise RuleError(
                f"`{name}` is there twice in one selection; write one of them with its values in a list"
            )
        found[name] = value
    return found


def _as_texts(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_texts(item) for item in value]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _check_names(detection: dict[Any, Any]) -> None:
    """Refuse names that YAML took for something else: an unquoted ``off`` is false there."""
    for name in detection:
        if not isinstance(name, str):
            raise RuleError(f"a selection's name is read as {name!r} by YAML; quote it or choose another")
    condition = detection.get("condition")
    for text in condition if isinstance(condition, list) else [condition]:
        if not isinstance(text, str):
            raise RuleError(f"the condition is read as {text!r} by YAML; quote it, or there is none")


_WORD = re.compile(r"[^\s()]+")
_OPERATORS = frozenset({"and", "or", "not", "of", "them", "all", "any", "1"})
_PLAIN_NAME = re.compile(r"(?!not)[A-Za-z0-9_]+")


def _renamed(detection: dict[Any, Any]) -> dict[Any, Any]:
    """Return a detection with selections and a condition that pySigma reads as they are meant.

    It reads ``note`` as ``not e``, ``AND`` as a name, and knows no names in Vietnamese.

    Raises:
        RuleError: names could be taken for each other.
    """
    condition = detection.get("condition")
    many = condition if isinstance(condition, list) else [condition]
    change: Callable[[str], str] = str
    if _needs_names(detection):
        names = {str(name): _other_name(str(name)) for name in detection if name != "condition"}
        if len(set(names.values())) < len(names):
            raise RuleError("the names of selections are too alike; choose others")
        own = {names[str(name)]: item for name, item in detection.items() if name != "condition"}
        change = _other_name
    else:
        own = {name: item for name, item in detection.items() if name != "condition"}
    words = [
        _WORD.sub(lambda word: _operator(word[0], detection) or change(word[0]), text)
        if isinstance(text, str)
        else text
        for text in many
    ]
    return {**own, "condition": words}


def _operator(word: str, detection: Mapping[Any, Any]) -> str:
    """Return a word of a condition as the operator that it is, whatever its case; empty where it is none."""
    small = word.lower()
    return small if small in _OPERATORS and (word == small or word not in detection) else ""


def _needs_names(detection: Mapping[Any, Any]) -> bool:
    return not all(_PLAIN_NAME.fullmatch(str(name)) for name in detection)


def _other_name(name: str) -> str:
    """Return a name of letters, digits and underscores; what begins alike still does, and patterns stay patterns."""
    if name in _OPERATORS or name.startswith("*"):
        return name
    plain = re.sub(r"[^A-Za-z0-9_*]", lambda letter: f"_x{ord(letter[0]):x}_", name)
    return f"_s{plain[1:]}" if name.startswith("_") else f"s{plain}"


def _plain_name(name: str, document: Mapping[str, Any]) -> str:
    """Return a selection's name as the rule writes it."""
    detection = document.get("detection")
    if not isinstance(detection, dict) or not _needs_names(detection):
        return name
    return next((str(own) for own in detection if _other_name(str(own)) == name), name)


def _sentence(error: BaseException) -> str:
    return " ".join(str(error).split())[:500] or type(error).__name__


def _apply_names(rule: Any, placeholders: Mapping[str, Sequence[str]]) -> None:
    """Give the rule's fields the names that events have, and its placeholders their values."""
    with _taken_on_trust():
        source = rule.logsource
        mapping.pipeline(source.product, source.category, source.service).apply(rule)
    for detection in rule.detection.detections.values():
        mark_cased(detection)
        _mend(detection)
        with _taken_on_trust():
            fill(detection, placeholders)


def _mend(detection: Any) -> None:
    """A field that may be in two places is absent, or different, when it is so in both of them."""
    from sigma.conditions import ConditionAND, ConditionOR
    from sigma.rule import SigmaDetection

    items = detection.detection_items
    for item in items:
        if isinstance(item, SigmaDetection):
            _mend(item)
    if detection.item_linking is not ConditionOR or any(isinstance(i, SigmaDetection) for i in items):
        return  # only what the mapping made of one field is a choice of plain items
    absent = [_only(item, absent=True) for item in items]
    there = [_only(item, absent=False) for item in items]
    if not any(item.value for item in absent):
        if all(item.negated for item in items):
            detection.item_linking = ConditionAND
    elif not any(item.value for item in there):
        detection.item_linking = ConditionOR if items[0].negated else ConditionAND
    else:
        negated = items[0].negated
        links = (ConditionOR, ConditionAND) if negated else (ConditionAND, ConditionOR)
        detection.detection_items = [
            SigmaDetection(absent, item_linking=links[0]),
            SigmaDetection(there, item_linking=links[1]),
        ]
        detection.item_linking = ConditionAND if negated else ConditionOR


def _only(item: Any, *, absent: bool) -> Any:
    """Return an item with those of its values that ask for absence, or the others."""
    from sigma.types import SigmaExists, SigmaNull

    some = copy.copy(item)
    some.value = [
        value
        for value in item.value
        if (isinstance(value, SigmaNull) or (isinstance(value, SigmaExists) and not value)) is absent
    ]
    return some


def _alerting(own: Any) -> dict[str, Any]:
    """Return what the rule's own ``citysoc:`` attribute says: how its findings become alerts, and its words."""
    own = {} if own is None else own
    if not isinstance(own, dict) or not set(own) <= _OWN:
        raise RuleError(f"`citysoc:` may hold {', '.join(sorted(_OWN))}, nothing else")
    for name in ("entity", "title_vi", "note", "note_vi"):
        if not isinstance(own.get(name, ""), str):
            raise RuleError(f"`citysoc: {name}` is a text")
    if not isinstance(own.get("folded", False), bool):
        raise RuleError("`citysoc: folded` is true or false")
    group_by = own.get("group_by", [])
    if not isinstance(group_by, list) or not all(isinstance(name, str) for name in group_by):
        raise RuleError("`citysoc: group_by` is a list of field names")
    window = own.get("window_seconds", _DEFAULT_WINDOW_SECONDS)
    if not isinstance(window, int) or isinstance(window, bool) or not 0 < window <= _MAX_WINDOW_SECONDS:
        raise RuleError("`citysoc: window_seconds` is a whole number of seconds, at most 31 days")
    entity = own.get("entity", "")
    return {
        "entity": _ENTITIES.get(entity, entity),
        "group_by": list(group_by),
        "window_seconds": window,
        "title_vi": compose(own.get("title_vi", "")),
        "note": compose(own.get("note", "")),
        "note_vi": compose(own.get("note_vi", "")),
    }


def _convert(condition: Any, notes: list[str]) -> Node:
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
        return ["not", _convert(condition.args[0], notes)]
    if isinstance(condition, ConditionAND | ConditionOR):
        kind = "all" if isinstance(condition, ConditionAND) else "any"
        return [kind, [_convert(part, notes) for part in condition.args]]
    raise RuleError("the condition names no selection that exists")


def _spaceless(name: str) -> str:
    """Return a field's name as all events have it: those with spaces are seen without them, too (``match.View``)."""
    return name.replace(" ", "")


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
    from citysoc.detectors.sigma.expressions import as_in_perl, is_linear, may_explode

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


def in_zone(node: Node, zone: str) -> Node:
    """Return the same test with its hours and days those of a zone."""
    if zone == DEFAULT_ZONE:
        return node
    if node[0] in {"all", "any"}:
        return [node[0], [in_zone(part, zone) for part in node[1]]]
    if node[0] == "not":
        return ["not", in_zone(node[1], zone)]
    return [*node[:-1], zone] if node[0] == "part" else node


def simplify(node: Node) -> Node:
    """Return the same test with fewer nodes: nested groups joined, texts of one field in one test."""
    kind = node[0]
    if kind == "not":
        inner = simplify(node[1])
        return inner[1] if inner[0] == "not" else ["not", inner]
    if kind not in {"all", "any"}:
        return node
    parts: list[Node] = []
    for part in map(simplify, node[1]):
        parts += part[1] if part[0] == kind else [part]
    if kind == "any":
        parts = _joined(parts)
    return parts[0] if len(parts) == 1 else [kind, parts]


def _joined(parts: Sequence[Node]) -> list[Node]:
    joined: list[Node] = []
    places: dict[tuple[Any, ...], Node] = {}
    for part in parts:
        key = tuple(part[:-1]) if part[0] in {"text", "cidr"} else None
        if key is not None and key in places:
            places[key][-1] += [item for item in part[-1] if item not in places[key][-1]]
            continue
        if key is not None:
            part = places[key] = [*part[:-1], list(part[-1])]
        joined.append(part)
    return joined


def necessary(node: Node, field: str) -> list[str] | None:
    """Return the values of which ``field`` must have one for the test to hold; None where it need not."""
    kind = node[0]
    if kind == "text":
        return list(node[4]) if node[1] == "is" and node[3] == field and not node[2] else None
    if kind == "all":
        known = [values for part in node[1] if (values := necessary(part, field)) is not None]
        if not known:
            return None
        return sorted(set(known[0]).intersection(*known[1:]))
    if kind == "any":
        each = [necessary(part, field) for part in node[1]]
        if any(values is None for values in each):
            return None
        return sorted({item for values in each for item in values or ()})
    return None
