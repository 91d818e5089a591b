"""``citysoc rules stage|activate|disable|level|reset``: what the house decides about rules, with owner and reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from citysoc import clock
from citysoc.commands import words
from citysoc.commands.context import App, pass_app
from citysoc.commands.rules_list import row_of
from citysoc.commands.rulesets import loaded, own_folder, place_of, say_when
from citysoc.commands.triage import by_option
from citysoc.errors import StoreError, UsageError
from citysoc.flow import LEVELS
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from citysoc.detectors.sigma.states import Override

Function = TypeVar("Function", bound="Callable[..., Any]")


def _day(_context: click.Context, _option: click.Parameter, value: str | None) -> str:
    """Return a last day that lies ahead."""
    from citysoc.detectors.sigma.states import day

    if not value:
        return ""
    try:
        found = day(value)
    except ValueError as error:
        raise click.BadParameter(_("write a day, like 2027-03-31")) from error
    if found < f"{clock.now().astimezone(clock.HUE):%Y-%m-%d}":
        raise click.BadParameter(_("this day has passed"))
    return found


def _options(function: Function) -> Function:
    decorated: Any = function
    for option in (
        by_option,
        click.option(
            "--expires", metavar="DAY", callback=_day, help="The last day it works; for ever without."
        ),
        click.option("--reason", required=True, help="Why, in your words."),
        click.option("--owner", required=True, metavar="ROLE", help="Who answers for this."),
    ):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]  # click's decorators keep the signature


_RULES = click.argument("rules", nargs=-1, required=True, metavar="RULE...")


@click.command("stage")
@_RULES
@_options
@pass_app
def stage(app: App, /, *, rules: Sequence[str], **said: str) -> None:
    """Stage rules: what they find is counted, but makes no alert and tells nobody.

    \b
    citysoc rules stage 5f0f2a3e --owner "phòng giám sát" --reason "too noisy" --expires 2027-01-31
    """
    _decide(app, rules, {"state": "staged"}, **said)


@click.command("activate")
@click.argument("rules", nargs=-1, metavar="[RULE]...")
@click.option("--set", "set_", metavar="NAME", help="All rules of this set that `rules add --staged` staged.")
@_options
@pass_app
def activate(app: App, /, *, rules: Sequence[str], set_: str | None, **said: str) -> None:
    """Let rules make alerts: those that are staged, or disabled, here or in citysoc.yaml."""
    if bool(rules) == bool(set_):
        raise UsageError(_("Give either rules or --set."))
    if set_:
        _activate_set(app, set_, reason=said["reason"], who=said["who"])
    else:
        _decide(app, rules, {"state": "active"}, **said)


def _activate_set(app: App, name: str, *, reason: str, who: str) -> None:
    from citysoc.alerts.lives import record
    from citysoc.detectors.sigma import rulesets

    state = app.state(read_only=False)
    try:
        with state.transaction() as db:
            count = rulesets.activate(own_folder(app.config), name)
            after = _("{count} rules active").format(count=count)
            record(db, "ruleset", name, "activate", who=who, now=clock.now(), after=after, detail=reason)
    finally:
        state.close()
    app.say(_("{name}: {count} rules are active now.").format(name=name, count=count))
    say_when(app)


@click.command("disable")
@_RULES
@_options
@pass_app
def disable(app: App, /, *, rules: Sequence[str], **said: str) -> None:
    """Switch rules off: they are not evaluated, and correlations upon them neither."""
    _decide(app, rules, {"state": "disabled"}, **said)


@click.command("level")
@_RULES
@click.argument("level", type=click.Choice(LEVELS))
@_options
@pass_app
def level(app: App, /, *, rules: Sequence[str], level: str, **said: str) -> None:
    """Give rules another LEVEL than their own."""
    _decide(app, rules, {"level": level}, **said)


@click.command("reset")
@_RULES
@click.option("--reason", required=True, help="Why, in your words.")
@by_option
@pass_app
def reset(app: App, /, *, rules: Sequence[str], reason: str, who: str) -> None:
    """Take back what was decided about rules: they are as they were written."""
    from citysoc.detectors.sigma import states

    folder = own_folder(app.config)
    known = states.read(folder)
    found = loaded(app)
    state = app.state(read_only=False)
    try:
        for text in rules:
            rule = _id_of(text, known.each) or found.checks[place_of(found, text)].rule
            gone = [one for one in known.of(rule) if Path(one.where).parent == folder / states.OVERRIDES]
            by_hand = [one.where for one in gone if not _is_ours(one, rule, folder)]
            if by_hand:
                raise UsageError(_("This file was written by hand; change it there."), where=by_hand[0])
            with state.transaction() as db:
                for one in gone:
                    _record(db, rule, "reset", who, before=one.state or one.level, after=None, detail=reason)
                    Path(one.where).unlink(missing_ok=True)
            app.say(_("{rule}: {count} overrides taken back.").format(rule=rule, count=len(gone)))
    finally:
        state.close()
    say_when(app)


def _id_of(text: str, each: Sequence[Override]) -> str:
    """Return the id of an override whose rule may be gone."""
    return next((one.rule for one in each if one.rule == text), "")


def _is_ours(one: Override, rule: str, folder: Path) -> bool:
    from citysoc.detectors.sigma import states

    return Path(one.where) == states.file_of(folder, rule, "state" if one.state else "level")


def _decide(
    app: App,
    rules: Sequence[str],
    what: dict[str, str],
    *,
    owner: str,
    reason: str,
    expires: str,
    who: str,
) -> None:
    from citysoc.detectors.sigma import states

    if not owner.strip() or not reason.strip():
        raise UsageError(_("Owner and reason are not empty."))
    folder = own_folder(app.config)
    found = loaded(app)
    # All names first: one that is wrong must not leave half of them changed.
    checks = [found.checks[place_of(found, text)] for text in rules]
    state = app.state(read_only=False)
    try:
        for check in checks:
            new = states.Override(check.rule, owner=owner, reason=reason, expires=expires)
            new = replace(new, **what)
            kind, after = next(iter(what.items()))
            before = check.state if kind == "state" else check.level
            try:
                with state.transaction() as db:
                    detail = "; ".join(filter(None, (reason, owner, expires)))
                    _record(db, check.rule, kind, who, before=before, after=after, detail=detail)
                    path, _replaced = states.write(folder, new)
            except ValueError as error:
                raise UsageError(str(error)) from error
            except OSError as error:
                message = _("Cannot write: {reason}.").format(reason=error.strerror or error)
                raise StoreError(message, where=str(folder)) from error
            shown = words.word if kind == "state" else words.level
            app.say(
                _("{title} ({rule}): {before} → {after}; written to {path}.").format(
                    title=row_of(check)["title"],
                    rule=check.rule,
                    before=shown(before),
                    after=shown(after),
                    path=path,
                )
            )
            if check.status == "refused":
                app.say(_("The rule is not in use: {reason}.").format(reason=check.reason))
    finally:
        state.close()
    say_when(app)


def _record(
    db: Any, rule: str, action: str, who: str, *, before: str, after: str | None, detail: str
) -> None:
    from citysoc.alerts.lives import record

    record(db, "rule", rule, action, who=who, now=clock.now(), before=before, after=after, detail=detail)
