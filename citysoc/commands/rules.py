"""``citysoc rules``: what the rules are, whether they can be honoured, whether they hit and miss as they say."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option
from citysoc.commands.rulesets import cache_dir, shipped_rules
from citysoc.errors import ConfigError, InputError, RuleError
from citysoc.i18n import _, language

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from citysoc.detectors.sigma import Check

_PATHS = click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True), metavar="[PATH]...")
_MAX_EVENT_BYTES = 16 << 20


@click.group("rules", short_help="Check, test and explain detection rules.")
def command() -> None:
    """Detection rules: Sigma, with the fields of the Elastic Common Schema."""


@command.command("list")
@_PATHS
@format_option
@pass_app
def list_(app: App, *, paths: Sequence[Path], format_: str | None) -> None:
    """List the rules in use: of PATH, or of the configuration (the shipped ones where there is none)."""
    checks, _total = _checks(app, paths)
    emit(
        (_row(check) for check in checks if check.in_use),
        (
            Column("rule", _("Rule")),
            Column("level", _("Level"), kind="level"),
            Column("title", _("Title")),
            Column("status", _("Status"), kind="word"),
        ),
        format_,
    )


@command.command("check")
@_PATHS
@format_option
@pass_app
def check(app: App, *, paths: Sequence[Path], format_: str | None) -> None:
    """Say of every rule whether it is evaluated in full; exit with 1 if one is refused.

    ok: evaluated in full. degraded: evaluated, but less than it asks for. refused: not evaluated.
    """
    checks, total = _checks(app, paths)
    emit(
        map(_row, checks),
        (
            Column("status", _("Status"), kind="word"),
            Column("rule", _("Rule")),
            Column("title", _("Title")),
            Column("path", _("File")),
            Column("line", _("Line")),
            Column("reason", _("Reason")),
        ),
        format_,
    )
    app.say(
        _("{rules} rules: {ok} ok, {degraded} degraded, {refused} refused.").format(
            rules=len(checks), **{status: total[status] for status in ("ok", "degraded", "refused")}
        )
    )
    if total["refused"]:
        raise click.exceptions.Exit(1)


@command.command("test")
@_PATHS
@format_option
@pass_app
def test(app: App, *, paths: Sequence[Path], format_: str | None) -> None:
    """Try every rule on the events beside it; exit with 1 if one fails or there is none.

    Beside x.yml lie x.hits.ndjson and x.misses.ndjson, one flat ECS event a line. A rule without both fails.
    """
    from citysoc.detectors.sigma.evidence import trials

    tried = list(trials(list(paths) or _directories(app)))
    failed = sum(bool(trial.failures) for trial in tried)
    emit(
        (
            {
                "status": "failed" if trial.failures else "passed",
                "rule": trial.rule,
                "title": trial.title,
                "path": str(trial.path),
                "hits": trial.hits,
                "misses": trial.misses,
                "reason": "; ".join(trial.failures),
            }
            for trial in tried
        ),
        (
            Column("status", _("Status"), kind="word"),
            Column("title", _("Title")),
            Column("hits", _("Hits"), kind="number"),
            Column("misses", _("Misses"), kind="number"),
            Column("path", _("File")),
            Column("reason", _("Reason")),
        ),
        format_,
    )
    if not tried:
        app.say(_("There is no rule here, so nothing was tested."))
    else:
        app.say(
            _("{passed} rules passed, {failed} failed.").format(passed=len(tried) - failed, failed=failed)
        )
    if failed or not tried:
        raise click.exceptions.Exit(1)


@command.command("explain")
@click.argument("rule", metavar="RULE")
@click.argument("event", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@format_option
@pass_app
def explain(app: App, *, rule: str, event: Path, format_: str | None) -> None:
    """Show why RULE (an id or a file) matches the events of a file, or why not.

    EVENT holds ECS events as JSON, one a line or one alone; `-` reads them from stdin.
    """
    from citysoc.detectors.sigma.explain import explain as steps_of

    document = _document(app, rule)
    rows: list[dict[str, Any]] = []
    for number, one in enumerate(_read_events(event), start=1):
        rows += [
            {
                "event": number,
                "holds": "yes" if step.holds else "no",
                "selection": step.selection,
                "field": "  " * step.depth + step.field,
                "test": step.test,
                "value": step.value,
            }
            for step in steps_of(document, one)
        ]
    emit(
        rows,
        (
            Column("event", _("Event"), kind="number"),
            Column("holds", _("Holds"), kind="word"),
            Column("selection", _("Selection")),
            Column("field", _("Field")),
            Column("test", _("Test")),
            Column("value", _("Value")),
        ),
        format_,
    )


def _row(check: Check) -> Mapping[str, Any]:
    return {
        "rule": check.rule,
        "title": (language() == "vi" and check.title_vi) or check.title,
        "level": check.level,
        "status": check.status,
        "reason": check.reason,
        "path": str(check.path),
        "line": check.line,
        "in_use": check.in_use,
    }


def _checks(app: App, paths: Sequence[Path]) -> tuple[tuple[Check, ...], Counter[str]]:
    from citysoc.detectors.sigma import load

    disabled: Sequence[str] = ()
    min_level = "informational"
    if not paths and (config := _config(app)) is not None:
        disabled, min_level = config.settings.rules.disabled, config.settings.rules.min_level
    checks = load(
        list(paths) or _directories(app), cache_dir=cache_dir(), disabled=disabled, min_level=min_level
    ).checks
    return checks, Counter(check.status for check in checks)


def _config(app: App) -> Any:
    """Return the configuration; None where there is none and none was named: the shipped rules need none."""
    from citysoc.commands.context import find_config

    if app.config_path is None and "CITYSOC_CONFIG" not in os.environ:
        try:
            find_config(Path.cwd())
        except ConfigError:
            return None
    return app.config


def _directories(app: App) -> list[Path]:
    config = _config(app)
    if config is None:
        return [shipped_rules()]
    rules = config.settings.rules
    shipped = [shipped_rules()] if rules.shipped else []
    return shipped + [config.root / directory for directory in rules.directories]


def _document(app: App, rule: str) -> Any:
    """Return a rule's document, by its file or its id."""
    from citysoc.detectors.sigma.load import documents, rule_files

    named = Path(rule)
    paths = [named] if named.is_file() else _directories(app)
    for file in rule_files(paths):
        for document in documents(file.content):
            value = document.value
            if document.problem and named.is_file():
                raise RuleError(document.problem, where=f"{file.path}:{document.line}")
            if isinstance(value, dict) and (named.is_file() or str(value.get("id")) == rule):
                return value
    raise InputError(
        _("There is no rule {rule}.").format(rule=repr(rule)),
        hint=_("Name a file, or an id that `citysoc rules list` shows."),
    )


def _read_events(path: Path) -> list[dict[str, Any]]:
    with click.open_file(str(path), "rb") as stream:
        content = stream.read(_MAX_EVENT_BYTES)
    for lines in ([content], content.split(b"\n")):
        try:
            events = [orjson.loads(line) for line in lines if line.strip()]
        except ValueError:
            continue
        flat = [event for part in events for event in (part if isinstance(part, list) else [part])]
        if flat and all(isinstance(event, dict) for event in flat):
            return flat
    raise InputError(_("The file holds no events as JSON."), where=str(path))
