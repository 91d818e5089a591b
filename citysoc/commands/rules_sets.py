"""``citysoc rules add|remove|sets``: rule sets of others, kept apart from ours."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from citysoc import clock
from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option
from citysoc.commands.rulesets import cache_dir, house_words, loaded, own_folder, say_when
from citysoc.commands.triage import by_option
from citysoc.errors import StoreError, UsageError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from citysoc.detectors.sigma import Check
    from citysoc.detectors.sigma.rulesets import Added

_SHOWN = 10


@click.command("add")
@click.argument("source", type=click.Path(path_type=Path, exists=True), metavar="DIR|ZIP")
@click.option("--as", "name", metavar="NAME", help="The set's name; that of the file or folder by default.")
@click.option("--staged", is_flag=True, help="Rules that were not there before count, and make no alert.")
@click.option(
    "--licence",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="The licence, where the source holds none.",
)
@format_option
@by_option
@pass_app
def add(
    app: App,
    *,
    source: Path,
    name: str | None,
    staged: bool,
    licence: Path | None,
    format_: str | None,
    who: str,
) -> None:
    """Bring in a set of Sigma rules, for example a release of SigmaHQ, or a newer one in its place.

    It lies in its own folder with its licence and a manifest. What you decided about its rules (stage, level,
    filters) stays. Rules whose id is in use already are left out of use. Prints what is new, changed and gone.

    \b
    citysoc rules add sigma_all_rules.zip --as sigmahq --staged
    """
    from citysoc.detectors.sigma import load, rulesets

    def judge(path: Path) -> Iterable[Check]:
        return load([path], cache_dir=cache_dir(), **house_words(app)).checks

    folder = own_folder(app.config)
    if source.resolve() in {folder.resolve(), *folder.resolve().parents}:
        raise UsageError(_("The house's own rules lie in there: they are in use already."), where=str(source))
    chosen = name or rulesets.name_of(source)
    try:
        added = rulesets.add(source, folder, chosen, judge=judge, staged=staged, owner=who, licence=licence)
    except OSError as error:
        message = _("Cannot write: {reason}.").format(reason=error.strerror or error)
        raise StoreError(message, where=str(error.filename or folder)) from error
    _record(app, chosen, "add", who, after=added.manifest["sha256"], detail=str(added.manifest["source"]))
    _tell(app, added, format_)


def _tell(app: App, added: Added, format_: str | None) -> None:
    found = loaded(app)
    titles = {check.rule: check.title for check in found.checks}
    rows = [
        {"change": change, "rule": rule, "title": titles.get(rule, "")}
        for change, rules in (("added", added.added), ("changed", added.changed), ("removed", added.removed))
        for rule in rules
    ]
    first = not added.changed and not added.removed
    if rows and not (first and len(rows) > _SHOWN and not format_):
        emit(
            rows,
            (
                Column("change", _("Change"), kind="word"),
                Column("rule", _("Rule")),
                Column("title", _("Title")),
            ),
            format_,
        )
    counts = added.manifest["counts"]
    app.say(
        _("{rules} rules: {ok} ok, {degraded} degraded, {refused} refused.").format(
            rules=sum(counts.values()), **counts
        )
    )
    app.say(
        _("{name}: {added} added, {changed} changed, {removed} removed.").format(
            name=added.name, added=len(added.added), changed=len(added.changed), removed=len(added.removed)
        )
    )
    if added.staged:
        app.say(
            _("{count} of them are staged; `citysoc rules activate` lets them make alerts.").format(
                count=len(added.staged)
            )
        )
    if not added.manifest["licences"]:
        app.say(_("There is no licence file in it; name it with --licence."))
    doubled = Counter(
        check.reason.startswith("another rule has the same id")
        for check in found.checks
        if f"/{added.name}/" in check.path.as_posix()
    )[True]
    if doubled:
        app.say(_("{count} rules are left out: their ids are in use already.").format(count=doubled))
    gone = set(added.removed)
    for problem in found.problems:
        if any(rule in problem for rule in gone):
            app.say(problem)
    say_when(app)


@click.command("remove")
@click.argument("name", metavar="NAME")
@click.option("--yes", is_flag=True, help="Do not ask.")
@by_option
@pass_app
def remove(app: App, *, name: str, yes: bool, who: str) -> None:
    """Remove a set that `rules add` brought in; what you decided about its rules stays."""
    from citysoc.detectors.sigma import rulesets

    folder = own_folder(app.config)
    if not yes and not click.confirm(_("Remove the rule set {name}?").format(name=name), err=True):
        raise UsageError(_("Nothing was removed."))
    try:
        manifest = rulesets.remove(folder, name)
    except OSError as error:
        message = _("Cannot write: {reason}.").format(reason=error.strerror or error)
        raise StoreError(message, where=str(error.filename or folder)) from error
    _record(app, name, "remove", who, before=str(manifest.get("sha256", "")))
    app.say(_("{name}: {count} rules removed.").format(name=name, count=len(manifest.get("rules", ()))))
    say_when(app)


@click.command("sets")
@format_option
@pass_app
def sets(app: App, *, format_: str | None) -> None:
    """List the rule sets that `rules add` brought in."""
    from citysoc.detectors.sigma import rulesets

    emit(
        map(_row, rulesets.manifests(own_folder(app.config))),
        (
            Column("name", _("Set")),
            Column("version", _("Version"), optional=True),
            Column("source", _("Source")),
            Column("added_at", _("Added")),
            Column("ok", "ok", kind="number"),
            Column("degraded", _("degraded"), kind="number"),
            Column("refused", _("refused"), kind="number"),
            Column("staged", _("staged"), kind="number"),
            Column("licences", _("Licence")),
        ),
        format_,
    )


def _row(manifest: Mapping[str, Any]) -> dict[str, Any]:
    counts = manifest.get("counts") or {}
    return {
        **{name: manifest.get(name, "") for name in ("name", "version", "source", "added_at", "sha256")},
        **{name: counts.get(name, 0) for name in ("ok", "degraded", "refused")},
        "staged": len(manifest.get("staged") or ()),
        "licences": manifest.get("licences") or [],
    }


def _record(
    app: App,
    name: str,
    action: str,
    who: str,
    *,
    before: str | None = None,
    after: str | None = None,
    detail: str = "",
) -> None:
    from citysoc.alerts.lives import record

    state = app.state(read_only=False)
    try:
        with state.transaction() as db:
            record(
                db,
                "ruleset",
                name,
                action,
                who=who,
                now=clock.now(),
                before=before,
                after=after,
                detail=detail,
            )
    finally:
        state.close()
