"""``citysoc rules list``: the rules with their states, hits and costs."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import click

from citysoc import clock
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option, is_table, number
from citysoc.commands.rulesets import PATHS, config_or_none, loaded, own_folder, say_kept, shipped_rules
from citysoc.commands.times import moment
from citysoc.commands.triage import SHORT_ID
from citysoc.flow import LEVELS
from citysoc.i18n import _, language

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from citysoc.config.load import Config
    from citysoc.detectors.sigma import Check, Loaded
    from citysoc.detectors.sigma.states import Override
    from citysoc.state.ruledays import RuleSummary

_KINDS = ("rule", "correlation", "filter")
_SORTS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "path": lambda row: (row["path"], row["line"]),
    "title": lambda row: (row["title"].casefold(), row["rule"]),
    "level": lambda row: (-LEVELS.index(row["level"]), row["title"].casefold(), row["rule"]),
    "hits": lambda row: (-(row["hits_per_day"] or 0), row["rule"]),
    "last": lambda row: (-row["last_hit"].timestamp() if row["last_hit"] else 0, row["rule"]),
    "cost": lambda row: (-(row["cost_share"] or 0), row["rule"]),
}


@click.command("list")
@PATHS
@click.option(
    "--state",
    "states",
    type=click.Choice(("active", "staged", "disabled")),
    multiple=True,
    help="Only in this state.",
)
@click.option("-m", "--min-level", type=click.Choice(LEVELS), help="At least this level.")
@click.option("--kind", "kinds", type=click.Choice(_KINDS), multiple=True, help="Only this kind.")
@click.option("--tag", metavar="TAG", help="With a tag that begins so: attack.t1059, citysoc.unauth.")
@click.option("--set", "set_", metavar="NAME", help="Of this rule set: citysoc, own, or one that was added.")
@click.option("--text", metavar="TEXT", help="With this in the title or the id.")
@click.option("--never", is_flag=True, help="Only rules without a hit in the span.")
@click.option("--decided", is_flag=True, help="Only rules with an override, expired ones too.")
@click.option(
    "--sort", type=click.Choice(tuple(_SORTS)), default="path", show_default=True, help="The order."
)
@click.option(
    "--since", default="30d", show_default=True, metavar="TIME", help="Count hits from this day on."
)
@format_option
@pass_app
def list_(
    app: App, /, *, paths: Sequence[Path], since: str, sort: str, format_: str | None, **wanted: Any
) -> None:
    """List the rules: of PATH, or of the configuration (the shipped ones where there is none).

    Hits a day count from --since on (but not from before the first hit ever counted). The cost share is a rule's
    part of the time that exact evaluation takes, measured on a sample of events as they come in.

    \b
    citysoc rules list --sort hits
    citysoc rules list --state staged
    """
    found = loaded(app, paths)
    config = None if paths else config_or_none(app)
    begin = moment(since, now=clock.now())
    rows = [row for row in _rows(found, config, begin) if _is_wanted(row, **wanted)]
    rows.sort(key=_SORTS[sort])
    count = emit(map(_short, rows) if is_table(format_) else rows, _columns(), format_)
    app.say(_("{count} rules.").format(count=count))
    _say_problems(app, found, rows)
    if config is not None:
        say_kept(app, config)


def _say_problems(app: App, found: Loaded, rows: Iterable[Mapping[str, Any]]) -> None:
    for problem in found.problems:
        app.say(problem)
    for row in rows:
        for expired in row["expired"]:
            text = _("{rule}: the override of {where} ended on {day} and works no longer.")
            app.say(text.format(rule=row["title"], where=expired["where"], day=expired["expires"]))
    for check in found.checks:
        if check.expires and check.kind == "filter" and _is_over(check.expires):
            text = _("The filter {title} ended on {day} and works on events up to then only.")
            app.say(text.format(title=repr(check.title), day=check.expires))
    for row in rows:
        if row["left_out"]:
            text = _("{rule} had to leave out {what}: see docs/correlations.md.")
            app.say(text.format(rule=row["title"], what=_left_out(row["left_out"])))


def _is_over(day: str) -> bool:
    from citysoc.detectors.sigma.filters import end_of

    return end_of(day) <= clock.now()


def _left_out(lost: Mapping[str, int]) -> str:
    """Return in words what a correlation left out."""
    words = {
        "late": _("{count} events that came too late"),
        "evicted": _("{count} groups beyond the bound"),
        "truncated": _("{count} events of full groups"),
        "forced": _("{count} events judged before their time"),
    }
    return ", ".join(words[what].format(count=number(lost[what])) for what in words if what in lost)


def _columns() -> tuple[Column, ...]:
    return (
        Column("rule", _("Rule")),
        Column("level", _("Level"), kind="level"),
        Column("own_level", _("Own level"), kind="level", optional=True),
        Column("state", _("State"), kind="word"),
        Column("status", _("Status"), kind="word", optional=True),
        Column("title", _("Title")),
        Column("last_hit", _("Last hit"), kind="time", optional=True),
        Column("hits_per_day", _("Hits a day"), kind="number", optional=True),
        Column("cost_share", _("Cost"), align="right", optional=True),
        Column("owner", _("Owner"), optional=True),
        Column("expires", _("Until"), optional=True),
        Column("set", _("Set"), optional=True),
    )


def _short(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row for a narrow table."""
    share = row["cost_share"]
    return {
        **row,
        "rule": row["rule"][:SHORT_ID],
        "cost_share": "" if share is None else f"{share:.1%}",
        "status": "" if row["status"] == "ok" else row["status"],
        "set": "" if row["set"] == "citysoc" else row["set"],
    }


def _is_wanted(
    row: Mapping[str, Any],
    *,
    states: Sequence[str],
    min_level: str | None,
    kinds: Sequence[str],
    tag: str | None,
    set_: str | None,
    text: str | None,
    never: bool,
    decided: bool,
) -> bool:
    return (
        (row["in_use"] or row["state"] == "disabled" or bool(states or decided))
        and (not states or row["state"] in states)
        and (not min_level or LEVELS.index(row["level"]) >= LEVELS.index(min_level))
        and row["kind"] in (kinds or _KINDS)
        and (not tag or any(one.casefold().startswith(tag.casefold()) for one in row["tags"]))
        and (not set_ or row["set"] == set_)
        and (not text or text.casefold() in f"{row['title']} {row['rule']}".casefold())
        and not (never and row["hits"])
        and not (
            decided
            and all(one["where"].endswith("manifest.json") for one in row["overrides"] + row["expired"])
        )
    )


def _rows(found: Loaded, config: Config | None, since: dt.datetime) -> list[dict[str, Any]]:
    summaries, days = _summaries(config, since)
    lost = _lost(config, since)
    decided = _decided(config)
    return [
        {
            **row_of(check),
            **_figures(summaries.get(check.rule), days),
            **_overrides(decided.get(check.rule, [])),
            "left_out": lost.get(check.rule, {}),
            "set": set_of(check.path, config),
        }
        for check in found.checks
    ]


def _summaries(config: Config | None, since: dt.datetime) -> tuple[Mapping[str, RuleSummary], float]:
    """Return what each rule did, and over how many days."""
    from citysoc.errors import StoreError
    from citysoc.state import State, ruledays

    if config is None or not config.state_path.exists():
        return {}, 0
    try:
        state = State(config.state_path, read_only=True)
    except StoreError:  # of an older citysoc, which counted nothing
        return {}, 0
    try:
        first = ruledays.first_day(state)
        summaries = ruledays.summaries(state, since=since)
    finally:
        state.close()
    begin = max(since, first) if first else since
    return summaries, max((clock.now() - begin) / dt.timedelta(days=1), 1)


def _lost(config: Config | None, since: dt.datetime) -> Mapping[str, Mapping[str, int]]:
    """Return what correlations left out, by rule."""
    from citysoc.errors import StoreError
    from citysoc.state import State, losses

    if config is None or not config.state_path.exists():
        return {}
    try:
        state = State(config.state_path, read_only=True)
    except StoreError:  # of an older citysoc, which counted nothing
        return {}
    try:
        return losses.by_rule(state, since=since)
    finally:
        state.close()


def _figures(summary: RuleSummary | None, days: float) -> dict[str, Any]:
    if not days:
        return dict.fromkeys(("hits", "staged_hits", "hits_per_day", "last_hit", "tried", "cost_share"))
    return {
        "hits": summary.hits if summary else 0,
        "staged_hits": summary.staged if summary else 0,
        "hits_per_day": round(summary.hits / days, 2) if summary else 0,
        "last_hit": summary.last_hit if summary else None,
        "tried": summary.tried if summary else 0,
        "cost_share": summary.cost_share if summary else None,
    }


def _decided(config: Config | None) -> dict[str, list[Override]]:
    from citysoc.detectors.sigma import states

    found: dict[str, list[Override]] = {}
    for one in states.read(own_folder(config)).each if config else ():
        found.setdefault(one.rule, []).append(one)
    return found


def _overrides(each: Sequence[Override]) -> dict[str, Any]:
    now = clock.now()
    valid = [one for one in each if not one.is_expired(now)]
    return {
        "owner": valid[0].owner if valid else "",
        "expires": valid[0].expires if valid else "",
        "overrides": [_told(one) for one in valid],
        "expired": [_told(one) for one in each if one.is_expired(now)],
    }


def overrides_of(config: Config | None, rule: str) -> list[dict[str, Any]]:
    """Return what was decided about a rule, what has ended marked so."""
    now = clock.now()
    return [{**_told(one), "ended": one.is_expired(now)} for one in _decided(config).get(rule, [])]


def figures(config: Config, rule: str, *, since: dt.datetime) -> dict[str, Any]:
    """Return what a rule did since a day, as ``list`` shows it."""
    summaries, days = _summaries(config, since)
    return _figures(summaries.get(rule), days)


def _told(one: Override) -> dict[str, str]:
    from dataclasses import asdict

    return {name: value for name, value in asdict(one).items() if value and name != "rule"}


def set_of(path: Path, config: Config | None) -> str:
    """Return the name of the rule set that a file belongs to: ``citysoc``, one that was added, or ``own``."""
    from citysoc.detectors.sigma.states import MANIFEST

    if path.is_relative_to(shipped_rules()):
        return "citysoc"
    if config and path.is_relative_to(folder := own_folder(config)):
        name = path.relative_to(folder).parts[0]
        if (folder / name / MANIFEST).is_file():
            return name
    return "own"


def row_of(check: Check) -> dict[str, Any]:
    """Return what a verdict says."""
    return {
        "rule": check.rule,
        "title": (language() == "vi" and check.title_vi) or check.title,
        "kind": check.kind,
        "level": check.level,
        "own_level": check.own_level,
        "status": check.status,
        "reason": check.reason,
        "state": check.state,
        "tags": list(check.tags),
        "path": str(check.path),
        "line": check.line,
        "in_use": check.in_use,
    }
