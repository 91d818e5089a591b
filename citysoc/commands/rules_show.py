"""``citysoc rules show``: one rule whole: what it looks for, what to do about it, what it found, what was decided."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import click

from citysoc import clock
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import format_option, is_table
from citysoc.commands.rules_list import figures, overrides_of, set_of
from citysoc.commands.rulesets import config_or_none, document_of, find
from citysoc.commands.triage import emit_one
from citysoc.i18n import language

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from citysoc.detectors.sigma import Check, Loaded

_DAYS = 30
_SHOWN_DAYS = 10
_SHOWN_ALERTS = 5
_TEXTS = frozenset({"title_vi", "note", "note_vi", "check", "check_vi", "close", "close_vi"})


@click.command("show")
@click.argument("rule", metavar="RULE")
@format_option
@pass_app
def command(app: App, *, rule: str, format_: str | None) -> None:
    """Show one rule: what it looks for, what to check and how to close, ATT&CK, state, evidence, last hits."""
    found, place = find(app, rule)
    check = found.checks[place]
    document = document_of(check)
    config = config_or_none(app)
    value = {**_head(check, document, for_people=is_table(format_)), "set": set_of(check.path, config)}
    value |= _evidence(check) | _links(found, place)
    parts: dict[str, Sequence[Mapping[str, Any]]] = {"overrides": overrides_of(config, check.rule)}
    if config is not None and config.state_path.exists():
        value |= figures(config, check.rule, since=clock.now() - dt.timedelta(days=_DAYS))
        parts |= _last(app, check.rule)
    emit_one(value, parts, format_)


def _head(check: Check, document: Mapping[str, Any], *, for_people: bool) -> dict[str, Any]:
    own = document.get("citysoc")
    texts = {name: text for name, text in own.items() if name in _TEXTS} if isinstance(own, dict) else {}
    return {
        "rule": check.rule,
        "title": (for_people and language() == "vi" and check.title_vi) or check.title,
        "kind": check.kind,
        "level": check.level,
        "own_level": check.own_level,
        "state": check.state,
        "status": check.status,
        "in_use": check.in_use,
        "reason": check.reason,
        "description": _plain(document.get("description")),
        **(_in_language(texts) if for_people else texts),
        "attack": [tag.removeprefix("attack.") for tag in check.tags if tag.startswith("attack.")],
        "tags": list(check.tags),
        "falsepositives": _plain(document.get("falsepositives")),
        "references": _plain(document.get("references")),
        "author": _plain(document.get("author")),
        "license": _plain(document.get("license")),
        "logsource": _plain(document.get("logsource")),
        "path": f"{check.path}:{check.line}",
    }


def _in_language(texts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the rule's words in the language in force, or the other where there are none."""
    found = {}
    for name in ("note", "check", "close"):
        own, other = (f"{name}_vi", name) if language() == "vi" else (name, f"{name}_vi")
        if text := texts.get(own) or texts.get(other):
            found[name] = text
    return found


def _plain(value: Any) -> Any:
    """Return a value of a document as JSON takes it."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def _evidence(check: Check) -> dict[str, int]:
    """Return how many events lie beside a rule that it must and must not match."""
    found = {}
    for name in ("hits", "misses"):
        path = check.path.with_suffix(f".{name}.ndjson")
        try:
            with path.open("rb") as stream:
                found[f"evidence_{name}"] = sum(1 for line in stream if line.strip())
        except OSError:
            found[f"evidence_{name}"] = 0
    return found


def _links(found: Loaded, place: int) -> dict[str, list[str]]:
    """Return what a rule is joined to: filters that work on it, correlations upon it, rules below it."""
    from citysoc.detectors.sigma.explain import filters_of

    plan = found.plans[place]
    names = {plan["id"], plan.get("name")} - {"", None}
    above = [
        (language() == "vi" and check.title_vi) or check.title
        for check, other in zip(found.checks, found.plans, strict=True)
        if other.get("kind") == "correlation" and other["status"] != "refused" and names & set(other["rules"])
    ]
    filters = (
        filters_of(plan, found.plans) if plan.get("kind") == "rule" and plan["status"] != "refused" else []
    )
    return {
        "filters": [str((language() == "vi" and one.get("title_vi")) or one["title"]) for one in filters],
        "correlations": above,
        "rules": list(plan.get("rules", [])) if plan.get("kind") == "correlation" else [],
    }


def _last(app: App, rule: str) -> dict[str, list[dict[str, Any]]]:
    from citysoc.alerts import queries
    from citysoc.alerts.queries import Filter
    from citysoc.state import ruledays

    state = app.state()
    try:
        days = ruledays.days(state, rule, since=clock.now() - dt.timedelta(days=_DAYS))
        alerts = queries.alerts(state, Filter(rules=(rule,), limit=_SHOWN_ALERTS))
        trail = queries.audit_of(state, "rule", rule)
    finally:
        state.close()
    return {
        "days": [{"day": day, "hits": hits, "staged": staged} for day, hits, staged in days[:_SHOWN_DAYS]],
        "alerts": [
            {name: row[name] for name in ("id", "level", "state", "agency", "entity", "count", "last_seen")}
            for row in alerts
        ],
        "audit": trail,
    }
