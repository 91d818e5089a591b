"""The rules of some work, loaded, and what is to be known of them without doing the work."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any, NamedTuple

from citysoc.detectors import sigma

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from citysoc.pipeline.work import Work

_COLLECT_EVERY = 100_000
"""So many new objects that may be in cycles: about a dozen batches."""


class Ruling(NamedTuple):
    """What is to be known of the rules of some work without doing it.

    Args:
        refused: what is wrong with the rules that will not be used, a line each: ``file:line: why``.
        correlations: what to correlate, as the correlator takes it.
        is_idle: no rule is left to work with.
    """

    refused: tuple[str, ...]
    correlations: tuple[Mapping[str, Any], ...]
    is_idle: bool


def loaded_of(work: Work) -> sigma.Loaded:
    """Return the rules of some work, loaded."""
    collect_seldom()
    return sigma.load(
        work.rules,
        cache_dir=work.cache_dir,
        disabled=work.disabled,
        min_level=work.min_level,
        overrides=work.overrides,
        placeholders=work.placeholders,
        timezone=work.timezone,
    )


def ruling_of(loaded: sigma.Loaded) -> Ruling:
    """Return what is to be known of rules."""
    return Ruling(_refused(loaded), loaded.correlations, not any(check.in_use for check in loaded.checks))


def refused_rules(work: Work) -> tuple[str, ...]:
    """Return what is wrong with the rules that will not be used, a line each: ``file:line: why``."""
    return _refused(loaded_of(work))


def ended_filters(work: Work, since: dt.datetime, until: dt.datetime) -> tuple[str, ...]:
    """Return the filters whose last day ended in a span of time, a line each: ``file:line: title, last day``."""
    from citysoc.detectors.sigma.filters import end_of

    return tuple(
        f"{check.path}:{check.line}: {check.title}, {check.expires}"
        for check in loaded_of(work).checks
        if check.expires and since <= end_of(check.expires) < until
    )


def _refused(loaded: sigma.Loaded) -> tuple[str, ...]:
    return loaded.problems + tuple(
        f"{check.path}:{check.line}: {check.reason}" for check in loaded.checks if check.status == "refused"
    )


def collect_seldom() -> None:
    """Let the collector of cycles come seldom: it walks over all rules, and events form no cycles."""
    gc.set_threshold(_COLLECT_EVERY, 20, 50)


def settle() -> None:
    """Let the collector of cycles come seldom, and pass by what is there already: the rules."""
    collect_seldom()
    if gc.get_freeze_count():  # rules that were there before may be no more
        gc.unfreeze()
        gc.collect()
    gc.freeze()
