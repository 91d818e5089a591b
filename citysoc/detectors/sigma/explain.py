"""Why a rule matched an event, or why not: every test of every selection, with what the event had.

What correlations say of events is told in ``sightings``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citysoc.detectors.sigma.conditions import deciding
from citysoc.detectors.sigma.detector import SigmaDetector
from citysoc.detectors.sigma.expressions import as_written
from citysoc.detectors.sigma.filters import fits, joined
from citysoc.detectors.sigma.match import predicate
from citysoc.detectors.sigma.nodes import DEFAULT_ZONE, field_of, in_zone, node_of
from citysoc.detectors.sigma.plan import compile_document
from citysoc.detectors.sigma.selections import NO_PLACEHOLDERS, selections
from citysoc.detectors.sigma.view import View
from citysoc.errors import RuleError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from citysoc.detectors.sigma.nodes import Node
    from citysoc.flow import Event

_MAX_SHOWN = 20
_MAX_VALUE = 200
_FRAME = frozenset({"logsource", "condition", "verdict"})


@dataclass(frozen=True, slots=True)
class Step:
    """One test of a rule on one event.

    Args:
        selection: the selection it belongs to; ``logsource``, ``condition`` and ``verdict`` frame them, ``filter`` is
            one of another document.
        test: what is asked, for a person.
        field: the field it looks at; empty where it looks at none, or all.
        value: what the event has there.
        holds: whether it holds.
        depth: how deep it stands within its selection.
        decides: whether the verdict would be another if this selection (or filter, or logsource) were.
    """

    selection: str
    test: str
    field: str
    value: Any
    holds: bool
    depth: int = 0
    decides: bool = False


def explain(
    document: Any,
    event: Event,
    filters: Sequence[Mapping[str, Any]] = (),
    *,
    placeholders: Mapping[str, Sequence[str]] = NO_PLACEHOLDERS,
    timezone: str = DEFAULT_ZONE,
) -> list[Step]:
    """Return the steps of a rule on an event, the verdict last.

    Args:
        document: the rule as YAML gives it.
        event: the event.
        filters: plans of filters; those that name the rule and fit its logsource are joined to it.
        placeholders: the values of placeholders by their names.
        timezone: the zone of hours and days that the rule names.

    Raises:
        RuleError: the rule cannot be honoured.
    """
    plan = compile_document(document, "rule", placeholders, timezone)
    if plan["status"] == "refused":
        raise RuleError(plan["reason"])
    if plan["kind"] != "rule":
        raise RuleError(_("Only rules that look at one event are explained on one event."))
    seen = SigmaDetector([plan]).sees(event)
    view = View(event)
    named = {name: in_zone(node, timezone) for name, node in selections(document, placeholders).items()}
    truths = {name: predicate(node)(view) for name, node in named.items()}
    condition = _text(document["detection"].get("condition", ""))
    holds = predicate(node_of(plan))(view)
    decisive = set(deciding(_joined(document["detection"].get("condition", "")), truths)) if seen else set()
    source = document.get("logsource", {})
    wanted = ", ".join(
        f"{name}: {source[name]}" for name in ("product", "category", "service") if name in source
    )
    steps = [
        Step(
            *("logsource", _("the rule sees the event ({logsource})").format(logsource=wanted), "", None),
            holds=seen,
            decides=not seen,
        )
    ]
    for name, node in named.items():
        steps += _steps(name, node, view, 0, decides=name in decisive)
    steps.append(Step("condition", condition, "", None, holds))
    kept = True
    for one in filters_of(plan, filters):
        lets = _lets_through(one, plan, view)
        kept = kept and lets
        steps.append(_filter_step(one, holds=lets, decides=seen and holds and not lets))
    steps.append(Step("verdict", _("the rule matches"), "", None, seen and holds and kept))
    return steps


def filters_of(plan: Mapping[str, Any], filters: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return the plans of the filters that work on a rule: naming it, its logsource within theirs."""
    names = {plan["id"], plan.get("name") or plan["id"]}
    return [
        one
        for one in filters
        if one.get("kind") == "filter"
        and one["status"] != "refused"
        and (one["rules"] == "any" or names & set(one["rules"]))
        and fits(one, plan["logsource"])
    ]


def _lets_through(one: Mapping[str, Any], plan: Mapping[str, Any], view: View) -> bool:
    return predicate(joined(one, plan["logsource"]))(view)


def _filter_step(one: Mapping[str, Any], *, holds: bool, decides: bool) -> Step:
    said = "; ".join(text for text in (one["owner"], one["given"]) if text)
    text = _("the filter {title} lets it through").format(title=repr(one["title"]))
    return Step("filter", f"{text} ({said})" if said else text, "", None, holds, decides=decides)


def reason(document: Any, event: Event, **house: Any) -> str:
    """Return in one line why a rule matched an event, or why not; ``house`` as for ``explain``."""
    try:
        steps = explain(document, event, **house)
    except RuleError as error:
        return error.message
    matched = steps[-1].holds
    if not steps[0].holds:
        return _("its logsource does not see the event")
    told = [one for name in _deciding(steps) if (one := _why(name, steps, matched=matched))]
    return "; ".join(told[:4])


def _deciding(steps: Sequence[Step]) -> list[str]:
    named = [step.selection for step in steps if step.selection not in _FRAME]
    decisive = [step.selection for step in steps if step.decides]
    return list(dict.fromkeys(decisive or named))


def _why(name: str, steps: Sequence[Step], *, matched: bool) -> str:
    own = [step for step in steps if step.selection == name]
    head = own[0]
    if matched and not head.holds:
        return ""
    leaves = [step for step in own if step.field and step.holds is head.holds] or [head]
    shown = ", ".join(_leaf(step) for step in leaves[:2])
    said = _("{selection} holds") if head.holds else _("{selection} does not hold")
    return f"{said.format(selection=name)} ({shown})"


def _leaf(step: Step) -> str:
    if not step.field:
        return step.test
    value = "-" if step.value is None else repr(_short(step.value))
    return f"{step.field} = {value}: {step.test}"


def _short(value: Any) -> Any:
    text = value if isinstance(value, str) else str(value)
    return f"{text[:_MAX_VALUE]}…" if len(text) > _MAX_VALUE else value


def _steps(name: str, node: Node, view: View, depth: int, *, decides: bool = False) -> Iterator[Step]:
    kind = node[0]
    holds = predicate(node)(view)
    if kind in {"all", "any"}:
        words = _("all of these hold") if kind == "all" else _("one of these holds")
        yield Step(name, words, "", None, holds, depth, decides)
        for part in node[1][:_MAX_SHOWN]:
            yield from _steps(name, part, view, depth + 1)
    elif kind == "not":
        yield Step(name, _("this does not hold"), "", None, holds, depth, decides)
        yield from _steps(name, node[1], view, depth + 1)
    else:
        field = field_of(node)
        yield Step(name, _asked(node), field, view.event.get(field), holds, depth, decides)


def _asked(node: Node) -> str:  # noqa: PLR0911  one line a kind
    """Return a leaf as words."""
    kind = node[0]
    if kind == "text":
        shown = [repr(text) for text in node[4][:_MAX_SHOWN]]
        if more := len(node[4]) - len(shown):
            shown.append(_("{count} more").format(count=more))
        either = " {} ".format(_("or")).join(shown)
        return f"{_how(node[1])} {either}"
    if kind in {"like", "keyword"}:
        pieces = "".join(piece if isinstance(piece, str) else piece[0] for piece in node[-1])
        alike = _("is like") if kind == "like" else _("some value is like")
        return f"{alike} {pieces!r}"
    if kind in {"re", "keyword_re"}:
        return _("matches {pattern}").format(pattern=f"/{as_written(node[-2])}/{node[-1]}")
    if kind == "ref":
        return f"{_how(node[2])} " + _("the value of {field}").format(field=node[4])
    if kind == "cidr":
        return _("is in {networks}").format(networks=" {} ".format(_("or")).join(node[2]))
    if kind == "number":
        return f"{node[2]} {node[3]}"
    if kind == "part":
        return _("has the {part} {sign} {number}").format(part=node[2], sign=node[3], number=node[4])
    return _("is there") if kind == "exists" else _("is absent")


def _how(how: str) -> str:
    words = {"is": _("is"), "starts": _("starts with"), "ends": _("ends with"), "has": _("contains")}
    return words[how]


def _text(condition: Any) -> str:
    return " or ".join(map(str, condition)) if isinstance(condition, list) else str(condition)


def _joined(condition: Any) -> str:
    many = condition if isinstance(condition, list) else [condition]
    return " or ".join(f"({one})" for one in many)
