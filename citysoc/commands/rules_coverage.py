"""``citysoc rules coverage``: what the rules cover of ATT&CK, and which events no rule reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson

from citysoc import clock
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option, is_table
from citysoc.commands.rulesets import PATHS, config_or_none, loaded
from citysoc.commands.times import moment
from citysoc.errors import UsageError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from citysoc.detectors.sigma import Loaded
    from citysoc.stores.base import Question

_KINDS = ("technique", "tactic", "source", "logsource")
_MAX_GROUPS = 50_000
_MAX_FIELDS = 8
"""What a store groups by at once."""
_MAX_SOURCES = 500
_SAMPLE = 100
"""So many of the newest events of each source are looked at whole."""


@click.command("coverage")
@PATHS
@click.option(
    "--layer",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write a layer for the ATT&CK Navigator, too.",
)
@click.option("--only", "kinds", type=click.Choice(_KINDS), multiple=True, help="Only this table.")
@click.option("--unread", is_flag=True, help="Of the sources, only those that no rule reads.")
@click.option(
    "--since", default="30d", show_default=True, metavar="TIME", help="Look at stored events from then on."
)
@format_option
@pass_app
def command(
    app: App,
    *,
    paths: Sequence[Path],
    layer: Path | None,
    kinds: tuple[str, ...],
    unread: bool,
    since: str,
    format_: str | None,
) -> None:
    """Show what the rules cover: techniques and tactics of ATT&CK, sources of events, log sources of rules.

    technique and tactic: rules that name it, by state. source: events in the store, and how many rules see some of
    them; those with 0 are read by no rule. logsource: of which no event came, with the rules that wait for it.
    """
    from citysoc.detectors.sigma import coverage

    found = loaded(app, paths)
    techniques, tactics = coverage.attack(found.checks)
    if layer is not None:
        _write(layer, coverage.layer(techniques, name="citysoc"))
        app.say(_("{count} techniques written to {path}.").format(count=len(techniques), path=layer))
    chosen = kinds or _KINDS
    rows = [
        {"kind": kind, "name": name, **{state: one.states[state] for state in coverage.STATES}}
        | ({"tactics": sorted(one.tactics)} if kind == "technique" else {})
        for kind, table in (("technique", techniques), ("tactic", tactics))
        if kind in chosen
        for name, one in table.items()
    ]
    if {"source", "logsource"} & set(chosen) and not paths:
        rows += [row for row in _sources(app, found, since, unread=unread) if row["kind"] in chosen]
    if not is_table(format_):
        emit(rows, [Column(name) for name in _columns_of(rows)], format_)
        return
    for kind in chosen:
        own = [row for row in rows if row["kind"] == kind]
        if own:
            click.echo(click.style(_heading(kind), bold=True))
            emit(own, _columns(kind), "table")
    if not rows:
        app.say(_("Nothing found."))


def _sources(app: App, found: Loaded, since: str, *, unread: bool) -> list[dict[str, Any]]:
    from citysoc.detectors.sigma import coverage
    from citysoc.stores.base import Question

    if config_or_none(app) is None:
        return []
    question = Question(since=moment(since, now=clock.now()))
    plans = found.detector.plans
    counts = app.store.aggregate(question, by=coverage.SOURCE)
    kinds, unseen = coverage.sources(plans, counts, _facts(app, plans, question, counts))
    if not kinds:
        app.say(_("There are no events in the store since {since}.").format(since=since))
        return []
    rows: list[dict[str, Any]] = [
        {
            "kind": "source",
            "name": one.dataset or one.module or "-",
            "module": one.module,
            "dataset": one.dataset,
            "events": one.events,
            "rules": one.rules,
        }
        for one in kinds
        if not unread or not one.rules
    ]
    rows += [
        {
            "kind": "logsource",
            "name": "/".join(one.logsource.get(part, "-") for part in ("product", "category", "service")),
            **one.logsource,
            "rules": len(one.rules),
            "titles": list(one.rules),
        }
        for one in unseen
    ]
    return rows


def _facts(
    app: App,
    plans: Sequence[Mapping[str, Any]],
    question: Question,
    counts: Sequence[Mapping[str, Any]],
) -> Iterator[Mapping[str, Any]]:
    """Yield what stored events are: all values of the fields that can be grouped by, and a sample of whole events."""
    from citysoc.detectors.sigma import coverage

    for names in coverage.questions(plans, most=_MAX_FIELDS):
        yield from app.store.aggregate(question, by=names, limit=_MAX_GROUPS)
    for row in counts[:_MAX_SOURCES]:
        parts = [
            f'{name}:"{row[name]}"' if row[name] is not None else f"NOT _exists_:{name}"
            for name in coverage.SOURCE
            if '"' not in str(row[name])
        ]
        sampled = replace(question, query=" AND ".join(parts))
        yield from app.store.search(sampled, limit=_SAMPLE)


def _heading(kind: str) -> str:
    return {
        "technique": _("Techniques of ATT&CK, by the state of their rules"),
        "tactic": _("Tactics of ATT&CK, by the state of their rules"),
        "source": _("Events in the store, and how many rules see them"),
        "logsource": _("Log sources of rules of which no event came"),
    }[kind]


def _columns(kind: str) -> tuple[Column, ...]:
    name = {
        "technique": _("Technique"),
        "tactic": _("Tactic"),
        "source": _("Source"),
        "logsource": _("Log source"),
    }[kind]
    if kind in {"technique", "tactic"}:
        return (
            Column("name", name),
            Column("active", _("active"), kind="number"),
            Column("staged", _("staged"), kind="number"),
            Column("disabled", _("disabled"), kind="number"),
            Column("refused", _("refused"), kind="number"),
            Column("tactics", _("Tactics"), optional=True),
        )
    events = (Column("events", _("Events"), kind="number"),) if kind == "source" else ()
    rules = Column("rules", _("Rules"), kind="number")
    titles = (Column("titles", _("Titles"), kind="excerpt"),) if kind == "logsource" else ()
    return (Column("name", name), *events, rules, *titles)


def _columns_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row)) or ["kind", "name"]


def _write(path: Path, layer: Mapping[str, Any]) -> None:
    try:
        path.write_bytes(orjson.dumps(layer, option=orjson.OPT_INDENT_2) + b"\n")
    except OSError as error:
        message = _("Cannot write: {reason}.").format(reason=error.strerror or error)
        raise UsageError(message, where=str(path)) from error
