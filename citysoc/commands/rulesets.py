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


def work_of(config: Config) -> Work:
    """Return what workers need to do what the configuration says."""
    from citysoc.enrich.agencies import facts
    from citysoc.pipeline import Work

    rules = config.settings.rules
    shipped = (shipped_rules(),) if rules.shipped else ()
    return Work(
        rules=shipped + tuple(config.root / directory for directory in rules.directories),
        cache_dir=cache_dir(),
        disabled=rules.disabled,
        min_level=rules.min_level,
        agency_facts=facts(config.registry),
    )
