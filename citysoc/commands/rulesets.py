"""Where rules and their compiled form live, and how commands find them."""

from __future__ import annotations

import os
import unicodedata
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import citysoc.rules
from citysoc.commands.anomaly_events import without_model
from citysoc.errors import ConfigError, InputError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from citysoc.commands.context import App
    from citysoc.config.load import Config
    from citysoc.detectors.intel import Matcher
    from citysoc.detectors.sigma import Check, Loaded
    from citysoc.pipeline.rulebook import Sources
    from citysoc.pipeline.work import Work

PATHS = click.argument("paths", nargs=-1, type=click.Path(path_type=Path, exists=True), metavar="[PATH]...")
_SHORTEST = 4
"""So many characters of an id may stand for it."""
_SHOWN = 5


def shipped_rules() -> Path:
    """Return the directory of the rules that come with citysoc."""
    return Path(citysoc.rules.__file__).parent


def cache_dir() -> Path:
    """Return where compiled rules are kept: ``$XDG_CACHE_HOME/citysoc``, ``~/.cache/citysoc``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "citysoc"


def own_folder(config: Config) -> Path:
    """Return the house's own folder: rules, filters, rule sets, overrides."""
    return config.root / config.settings.rules.folder


def rule_paths(config: Config) -> tuple[Path, ...]:
    """Return where the rules of a configuration are; of two rules with one id, the first counts."""
    rules = config.settings.rules
    shipped = (shipped_rules(),) if rules.shipped else ()
    folder = own_folder(config)
    own = (folder,) if folder.is_dir() else ()
    return shipped + own + tuple(config.root / directory for directory in rules.directories)


def work_of(config: Config) -> Work:
    """Return what workers need to do what the configuration says."""
    from citysoc.detectors.sigma import states
    from citysoc.enrich.agencies import facts
    from citysoc.pipeline.work import Work

    rules = config.settings.rules
    return Work(
        rules=rule_paths(config),
        overrides=states.read(own_folder(config)),
        cache_dir=cache_dir(),
        disabled=rules.disabled,
        min_level=rules.min_level,
        agency_facts=facts(config.registry),
        intel=matcher_of(config),
        names=config.classification,
        **house_words_of(config),
    )


def sources_of(config: Config) -> Sources:
    """Return where the rules of a running service come from: what it watches, and how it reads it."""
    from citysoc.pipeline.rulebook import Sources

    rules = config.settings.rules
    shipped = (shipped_rules(),) if rules.shipped else ()
    lists = tuple(
        config.root / values.removeprefix("file:")
        for values in rules.placeholders.values()
        if isinstance(values, str)
    )
    folders = tuple(config.root / directory for directory in rules.directories)
    return Sources((*shipped, own_folder(config), *folders, *lists), partial(work_of, config))


def say_when(app: App) -> None:
    """Say when a running service takes notice of changed rules."""
    seconds = app.config.settings.rules.reload_seconds
    if seconds:
        app.say(_("A running service follows within {seconds} s.").format(seconds=seconds))
    else:
        app.say(_("A running service reads this when it starts again."))


def say_kept(app: App, config: Config) -> None:
    """Say where a running service works on with earlier rules, and why."""
    from citysoc.errors import StoreError
    from citysoc.pipeline.rulebook import JOB
    from citysoc.state import State

    if not config.state_path.exists():
        return
    try:
        state = State(config.state_path, read_only=True)
    except StoreError:  # of an older citysoc
        return
    try:
        rows = state.rows(
            "SELECT outcome, detail FROM jobs WHERE name = ? AND outcome <> 'nothing' ORDER BY id DESC LIMIT 1",
            (JOB,),
        )
    finally:
        state.close()
    if rows and rows[0]["outcome"] == "failed":
        text = _("The running service works on with earlier rules. {why}")
        app.say(text.format(why=rows[0]["detail"]))


def matcher_of(config: Config) -> Callable[[], Matcher]:
    """Return what makes, in a worker, what meets events with threat intelligence."""
    from citysoc.detectors.intel import Matcher

    intel = config.settings.intel
    return partial(
        Matcher,
        config.data_dir / "intel",
        window_seconds=intel.window_seconds,
        min_confidence=intel.min_confidence,
    )


def placeholders(config: Config) -> dict[str, tuple[str, ...]]:
    """Return the values of the placeholders of rules by their names.

    Raises:
        ConfigError: a file of values cannot be read.
    """
    return {
        name: _lines(config, name, values) if isinstance(values, str) else tuple(values)
        for name, values in config.settings.rules.placeholders.items()
    }


def house_words(app: App) -> dict[str, Any]:
    """Return what rules take from the configuration wherever they lie: placeholders and the zone of hours."""
    config = config_or_none(app)
    return {} if config is None else house_words_of(config)


def house_words_of(config: Config) -> dict[str, Any]:
    """Return what rules take from a configuration wherever they lie."""
    return {"placeholders": placeholders(config), "timezone": config.settings.service.timezone}


def _lines(config: Config, name: str, reference: str) -> tuple[str, ...]:
    """Return the values of a file: one a line, without remarks."""
    path = config.root / reference.removeprefix("file:")
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            _("The values of the placeholder {name} cannot be read: {error}").format(name=name, error=error),
            where=str(path),
        ) from error
    lines = (line.strip() for line in text.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def config_or_none(app: App) -> Config | None:
    """Return the configuration; None where there is none and none was named: the shipped rules need none."""
    from citysoc.commands.context import find_config

    if app.config_path is None and "CITYSOC_CONFIG" not in os.environ:
        try:
            find_config(Path.cwd())
        except ConfigError:
            return None
    return app.config


def directories(app: App) -> list[Path]:
    """Return where the rules in use are: of the configuration, or the shipped ones where there is none."""
    config = config_or_none(app)
    return [shipped_rules()] if config is None else list(rule_paths(config))


def loaded(app: App, paths: Sequence[Path] = (), *, before: Sequence[Path] = ()) -> Loaded:
    """Load rules.

    Args:
        app: the running command.
        paths: where they are; by default those in use, with the states and levels that the house decided.
        before: rules that count more than those in use.
    """
    from citysoc.detectors.sigma import load, states

    config = config_or_none(app)
    if config is None:
        return load([*before, *(paths or directories(app))], cache_dir=cache_dir())
    rules = config.settings.rules
    deciding: dict[str, Any] = {
        "disabled": rules.disabled,
        "min_level": rules.min_level,
        "overrides": states.read(own_folder(config)),
    }
    found = load(
        [*before, *(paths or rule_paths(config))],
        cache_dir=cache_dir(),
        **({} if paths else deciding),
        **house_words_of(config),
    )
    return found if not found.of_anomalies or _has_model(config) else without_model(found)


def _has_model(config: Config) -> bool:
    """Return whether there is an anomaly model, without loading what works with it."""
    return (config.data_dir / "anomaly" / "model.json").exists()


def place_of(found: Loaded, text: str) -> int:
    """Return the place of the rule that a text names: an id, the beginning of one, a name, a title.

    Raises:
        InputError: there is no such rule, or several.
    """
    wanted = _folded(text)
    ways: tuple[Any, ...] = (
        lambda check, plan: wanted in {check.rule.casefold(), str(plan.get("name", "")).casefold()},
        lambda check, _plan: wanted in {_folded(check.title), _folded(check.title_vi)},
        lambda check, _plan: len(wanted) >= _SHORTEST and check.rule.casefold().startswith(wanted),
        lambda check, _plan: (
            len(wanted) >= _SHORTEST and (wanted in _folded(check.title) or wanted in _folded(check.title_vi))
        ),
    )
    for way in ways:
        places = [
            place
            for place, (check, plan) in enumerate(zip(found.checks, found.plans, strict=True))
            if way(check, plan)
        ]
        good = [place for place in places if found.checks[place].status != "refused"] or places[:1]
        if len(good) == 1:
            return good[0]
        if good:
            shown = "; ".join(f"{found.checks[p].rule} {found.checks[p].title}" for p in good[:_SHOWN])
            raise InputError(
                _("{count} rules are called {rule}: {rules}").format(
                    count=len(good), rule=repr(text), rules=shown
                ),
                hint=_("Name the id."),
            )
    raise InputError(
        _("There is no rule {rule}.").format(rule=repr(text)),
        hint=_("Name a file, or an id that `citysoc rules list` shows."),
    )


def find(app: App, text: str) -> tuple[Loaded, int]:
    """Return the rules in use and the place among them of the one that a text names, which may be a file.

    Raises:
        InputError: there is no such rule, or several.
    """
    path = Path(text)
    if len(text) > 1000 or not path.is_file():
        found = loaded(app)
        return found, place_of(found, text)
    found = loaded(app, before=[path])
    own = [place for place, check in enumerate(found.checks) if check.path == path]
    if not own:
        raise InputError(_("the file holds no rule"), where=text)
    first = next((place for place in own if found.checks[place].kind == "correlation"), own[0])
    return found, first


def document_of(check: Check) -> Any:
    """Return a rule's document as its file holds it.

    Raises:
        InputError: the file changed under our hands.
    """
    from citysoc.detectors.sigma.load import documents, rule_files

    for file in rule_files([check.path]):
        for document in documents(file.content):
            if document.line == check.line and isinstance(document.value, dict):
                return document.value
    raise InputError(_("The rule is not where it was; try again."), where=f"{check.path}:{check.line}")


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold().strip()
