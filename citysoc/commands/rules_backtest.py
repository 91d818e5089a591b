"""``citysoc rules backtest``: what rules would have found in stored events, and the difference in alerts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from citysoc import clock
from citysoc.commands.anomaly_events import between
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option, is_table, local_time, number, printable
from citysoc.commands.progress import counting
from citysoc.commands.rulesets import cache_dir, house_words, loaded, own_folder, place_of, rule_paths
from citysoc.commands.times import Span, span_options
from citysoc.errors import UsageError
from citysoc.flow import LEVELS
from citysoc.i18n import _, language

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from citysoc.detectors.sigma import Check, Loaded
    from citysoc.detectors.sigma.states import Overrides
    from citysoc.pipeline.backtest import Difference, Rules
    from citysoc.pipeline.differences import Row
    from citysoc.stores.base import Question

_TOP = 5
_MAX_SAMPLES = 100


@click.command("backtest")
@span_options
@click.option(
    "--with",
    "with_",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    metavar="PATH",
    help="Rules to try: a file or folder; a rule whose id is in use takes its place.",
)
@click.option("--activate", multiple=True, metavar="RULE", help="Try with this rule active.")
@click.option("--disable", multiple=True, metavar="RULE", help="Try without this rule.")
@click.option("--rule", "rules", multiple=True, metavar="RULE", help="Only this rule.")
@click.option("--agency", metavar="ID", help="Only events of this agency.")
@click.option("--all", "all_", is_flag=True, help="Show rules without a difference, too.")
@click.option(
    "--samples",
    type=click.IntRange(0, _MAX_SAMPLES),
    default=0,
    metavar="N",
    help="Show N events of new alerts a rule, and of alerts that are gone.",
)
@click.option(
    "--fail-on", type=click.Choice(LEVELS), help="End with code 1 when a new alert is of this level or above."
)
@format_option
@pass_app
def command(
    app: App,
    *,
    span: Span,
    with_: tuple[Path, ...],
    activate: tuple[str, ...],
    disable: tuple[str, ...],
    rules: tuple[str, ...],
    agency: str | None,
    all_: bool,
    samples: int,
    fail_on: str | None,
    format_: str | None,
) -> int:
    """Run stored events through rules and print the difference in alerts per rule. Writes nothing.

    With --with, --activate or --disable, the rules in use are compared with the changed ones; without them, the
    alerts that were really made with those that the rules in use would make today. Staged rules count their hits
    and make no alert. Refused rules in --with end with code 1.

    \b
    citysoc rules backtest --since 30d --with changed-rules/ --samples 3
    citysoc rules backtest --since 7d --activate "my staged rule"
    """
    from citysoc.pipeline.backtest import compare, rules_of
    from citysoc.stores.base import Question

    if span.since is None:
        raise UsageError(_("Say from when on: --since 30d."))
    changed = bool(with_ or activate or disable)
    today = loaded(app)
    other = _changed(app, today, with_, activate, disable) if changed else today
    wanted = {_id(today, other, text) for text in rules}
    question = Question(since=span.since, until=span.until or clock.now(), agency=agency)
    now = clock.now()
    staged = _overrides(app).staged(now)
    changed_staged = (_deciding(app, (today, other), with_, activate, disable)).staged(now)
    total = app.store.count(question)
    with counting(_("events"), total=total, quiet=app.quiet) as progress:
        found = compare(
            app.store,
            question,
            rules_of(other, changed_staged if changed else staged, wanted),
            before=rules_of(today, staged, wanted) if changed else _made(app),
            policy=app.config.settings.alerts,
            wanted=wanted,
            anomalies=between(app, question) if other.of_anomalies or today.of_anomalies else (),
            samples=samples,
            on_progress=progress,
        )
    checks = {
        check.rule: check for one in (today, other) for check in one.checks if check.status != "refused"
    }
    rows = _rows(
        found, checks, changed_staged if changed else staged, all_=all_ or bool(wanted), changed=changed
    )
    _show(app, rows, question, format_, samples=samples)
    _say(app, found, rows, changed=changed)
    return _code(app, other, with_, rows, fail_on)


def _made(app: App) -> Path | Rules:
    """Return what holds the alerts that were made: the state, or no rules at all where nothing was made yet."""
    from citysoc.pipeline.backtest import Rules

    path = app.config.state_path
    return path if path.exists() else Rules((), ())


def _changed(
    app: App, today: Loaded, with_: Sequence[Path], activate: Sequence[str], disable: Sequence[str]
) -> Loaded:
    """Return the rules in use with the changes."""
    from citysoc.detectors.sigma import load

    rules = app.config.settings.rules
    overrides = _deciding(app, (today, today), with_, activate, disable)
    return load(
        [*with_, *rule_paths(app.config)],
        cache_dir=cache_dir(),
        disabled=rules.disabled,
        min_level=rules.min_level,
        overrides=overrides,
        **house_words(app),
    )


def _overrides(app: App) -> Overrides:
    from citysoc.detectors.sigma import states

    return states.read(own_folder(app.config))


def _deciding(
    app: App,
    known: tuple[Loaded, Loaded],
    with_: Sequence[Path],
    activate: Sequence[str],
    disable: Sequence[str],
) -> Overrides:
    """Return the overrides in force with those that are to be tried before them."""
    from citysoc.detectors.sigma import states

    found = _overrides(app)
    for path in with_:
        if path.is_dir():
            found = found.with_first(states.read(path))
    tried = [
        states.Override(_id(*known, text), state=state, where="tried")
        for state, texts in (("active", activate), ("disabled", disable))
        for text in texts
    ]
    return found.with_first(states.Overrides(tuple(tried)))


def _id(today: Loaded, other: Loaded, text: str) -> str:
    """Return the id of the rule that a text names, among today's or the changed ones."""
    from citysoc.errors import InputError

    try:
        return today.checks[place_of(today, text)].rule
    except InputError:
        return other.checks[place_of(other, text)].rule


def _rows(
    found: Difference, checks: Mapping[str, Check], staged: Collection[str], *, all_: bool, changed: bool
) -> list[dict[str, Any]]:
    rows = [
        _row(rule, row, checks.get(rule), staged)
        for rule, row in found.rules.items()
        if all_ or row.new or row.gone or (changed and row.hits_after != row.hits_before)
    ]
    return sorted(rows, key=lambda row: (-(row["new"] + row["gone"]), -row["hits_after"], row["rule"]))


def _row(rule: str, row: Row, check: Check | None, staged: Collection[str]) -> dict[str, Any]:
    title = "" if check is None else (language() == "vi" and check.title_vi) or check.title
    state = "removed" if check is None else "staged" if rule in staged else check.state
    agencies = sorted(row.agencies.items(), key=lambda item: (-sum(item[1]), item[0]))
    return {
        "rule": rule,
        "title": title or rule,
        "level": check.level if check else "",
        "state": state,
        **{name: value for name, value in asdict(row).items() if name != "agencies"},
        "same": row.same,
        "agencies": [{"agency": name, "new": new, "gone": gone} for name, (new, gone) in agencies],
    }


def _show(
    app: App, rows: Sequence[dict[str, Any]], question: Question, format_: str | None, *, samples: int
) -> None:
    if not is_table(format_):
        emit(rows, [Column(name) for name in (rows[0] if rows else ("rule",))], format_)
        return
    if rows:
        emit(
            ({**row, "top": _top(row)} for row in rows),
            (
                Column("level", _("Level"), kind="level"),
                Column("state", _("State"), kind="word"),
                Column("title", _("Title")),
                Column("hits_before", _("Hits before"), kind="number"),
                Column("hits_after", _("Hits after"), kind="number"),
                Column("before", _("Alerts before"), kind="number"),
                Column("after", _("Alerts after"), kind="number"),
                Column("new", _("New"), kind="number"),
                Column("gone", _("Gone"), kind="number"),
                Column("top", _("Most in"), optional=True),
            ),
            "table",
        )
    for row in rows if samples else ():
        _show_samples(app, row)
    if question.until is not None and question.since is not None:
        app.say(
            _("Events from {since} to {until}.").format(
                since=local_time(question.since), until=local_time(question.until)
            )
        )


def _top(row: Mapping[str, Any]) -> str:
    """Return the agencies with the largest differences: ``so-y-te +3 -1``."""
    shown = []
    for one in row["agencies"][:_TOP]:
        parts = [one["agency"]]
        parts += [f"+{one['new']}"] * bool(one["new"]) + [f"-{one['gone']}"] * bool(one["gone"])
        shown.append(" ".join(parts))
    return ", ".join(shown)


def _show_samples(app: App, row: Mapping[str, Any]) -> None:
    for name, sign, ids in (("new", "+", row["new_samples"]), ("gone", "-", row["gone_samples"])):
        if not ids:
            continue
        head = _("{title}: new alerts begin with") if name == "new" else _("{title}: alerts that are gone")
        click.echo(click.style(printable(head.format(title=row["title"])), bold=True))
        for id_ in ids:
            event = app.store.get(id_) or {}
            moment = event.get("@timestamp")
            time = local_time(moment) if moment else ""
            line = str(event.get("event.original") or event.get("message") or "")[:160]
            click.echo(printable(f"  {sign} {time}  {event.get('agency.id', '')}  {id_}  {line}"))


def _say(app: App, found: Difference, rows: Sequence[Mapping[str, Any]], *, changed: bool) -> None:
    against = _("today's rules") if changed else _("the alerts that were made")
    app.say(
        _("{events} events; against {against}: {new} new alerts, {gone} gone, {same} the same.").format(
            events=number(found.events),
            against=against,
            new=number(sum(row.new for row in found.rules.values())),
            gone=number(sum(row.gone for row in found.rules.values())),
            same=number(sum(row.same for row in found.rules.values())),
        )
    )
    if not rows:
        app.say(_("No rule makes a difference."))


def _code(
    app: App, other: Loaded, with_: Sequence[Path], rows: Sequence[Mapping[str, Any]], fail_on: str | None
) -> int:
    refused = [
        check
        for check in other.checks
        if check.status == "refused" and any(check.path.is_relative_to(path) for path in with_)
    ]
    for check in refused:
        app.say(f"{check.path}:{check.line}: {check.reason}")
    bad = fail_on and any(
        row["new"] and row["level"] and LEVELS.index(row["level"]) >= LEVELS.index(fail_on) for row in rows
    )
    return 1 if refused or bad else 0
