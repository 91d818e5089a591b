"""Where rules and their compiled form live."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import citysoc.rules

if TYPE_CHECKING:
    from citysoc.config.load import Config
    from citysoc.pipeline import Work


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
    from citysoc.pipeline import Work

    rules = config.settings.rules
    return Work(
        rules=rule_paths(config),
        overrides=states.read(own_folder(config)),
        cache_dir=cache_dir(),
        disabled=rules.disabled,
        min_level=rules.min_level,
        agency_facts=facts(config.registry),
    )
