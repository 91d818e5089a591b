"""Why a rule matched an event, or why not: every test of every selection, with what the event had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citysoc.detectors.sigma.detector import SigmaDetector
from citysoc.detectors.sigma.match import View, field_of, predicate
from citysoc.detectors.sigma.plan import compile_document, selections
from citysoc.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from citysoc.detectors.sigma.plan import Node
    from citysoc.flow import Event

_MAX_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Step:
    """One test of a rule on one event.

    Args:
        selection: the selection it belongs to; ``logsource`` and ``condition`` frame them.
        test: what is asked, for a person.
        field: the field it looks at; empty where it looks at none, or all.
        value: what the event has there.
        holds: whether it holds.
        depth: how deep it stands within its selection.
    """

    selection: str
    test: str
    field: str
    value: Any
    holds: bool
    depth: int = 0


def explain(document: Any, event: Event) -> list[Step]:
    """Return the steps of a rule on an event, the verdict last.

    Raises:
        RuleError: the rule cannot be honoured.
    """
    plan = compile_document(document, "rule")
    if plan["status"] == "refused":
        raise RuleError(plan["reason"])
    if plan["kind"] != "rule":
        raise RuleError("only rules that look at one event are explained: name one of those below it")
    detector = SigmaDetector([plan])
    seen = detector.sees(event)
    view = View(event)
    source = document.get("logsource", {})
    wanted = ", ".join(
        f"{name}: {source[name]}" for name in ("product", "category", "service") if name in source
    )
    steps = [Step("logsource", f"the rule sees the event ({wanted})", "", None, seen)]
    for name, node in selections(document).items():
        steps += _steps(name, node, view, 0)
    condition = document["detection"].get("condition", "")
    holds = predicate(plan["test"])(view)
    steps.append(Step("condition", _text(condition), "", None, holds))
    steps.append(Step("verdict", "the rule matches", "", None, seen and holds))
    return steps


def _steps(name: str, node: Node, view: View, depth: int) -> Iterator[Step]:
    kind = node[0]
    holds = predicate(node)(view)
    if kind in {"all", "any"}:
        words = "all of these hold" if kind == "all" else "one of these holds"
        yield Step(name, words, "", None, holds, depth)
        for part in node[1][:_MAX_SHOWN]:
            yield from _steps(name, part, view, depth + 1)
    elif kind == "not":
        yield Step(name, "this does not hold", "", None, holds, depth)
        yield from _steps(name, node[1], view, depth + 1)
    else:
        field = field_of(node)
        yield Step(name, _asked(node), field, view.event.get(field), holds, depth)


_HOW = {"is": "is", "starts": "starts with", "ends": "ends with", "has": "contains"}


def _asked(node: Node) -> str:  # noqa: PLR0911  one line a kind
    """Return a leaf as words."""
    kind = node[0]
    if kind == "text":
        shown = [repr(text) for text in node[4][:_MAX_SHOWN]]
        more = len(node[4]) - len(shown)
        return f"{_HOW[node[1]]} {' or '.join(shown)}{f' or {more} more' if more else ''}"
    if kind in {"like", "keyword"}:
        pieces = "".join(piece if isinstance(piece, str) else piece[0] for piece in node[-1])
        return f"{'is like' if kind == 'like' else 'some value is like'} {pieces!r}"
    if kind in {"re", "keyword_re"}:
        return f"matches /{node[-2]}/{node[-1]}"
    if kind == "ref":
        return f"{_HOW[node[2]]} the value of {node[4]}"
    if kind == "cidr":
        return f"is in {' or '.join(node[2])}"
    if kind == "number":
        return f"{node[2]} {node[3]}"
    if kind == "part":
        return f"has the {node[2]} {node[3]} {node[4]}"
    return "is there" if kind == "exists" else "is absent"


def _text(condition: Any) -> str:
    return " or ".join(map(str, condition)) if isinstance(condition, list) else str(condition)
