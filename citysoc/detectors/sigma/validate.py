"""From rule files to a detector and a verdict on every rule; compiled rules are kept (``compiled_rules``)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from citysoc import clock
from citysoc.detectors.sigma import anomalous, states
from citysoc.detectors.sigma.compiled_rules import CompiledRules
from citysoc.detectors.sigma.detector import SigmaDetector
from citysoc.detectors.sigma.linking import link
from citysoc.detectors.sigma.load import rule_files
from citysoc.detectors.sigma.nodes import DEFAULT_ZONE
from citysoc.flow import LEVELS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from citysoc.detectors.sigma.linking import Linked
    from citysoc.detectors.sigma.load import RuleFile
    from citysoc.detectors.sigma.states import Override, Overrides


@dataclass(frozen=True, slots=True)
class Check:
    """The verdict on one rule.

    Args:
        rule: its id; the file's name where it has none.
        title: its title.
        level: its level.
        path: its file.
        line: the line where it begins.
        status: ``ok``; ``degraded``: evaluated, but less than it asks for; ``refused``: not evaluated.
        reason: why, where it is not ok; or why an ok rule is not in use.
        in_use: whether the detector has it.
        title_vi: its title in Vietnamese; empty where it has none.
        note: what to do about it, in English.
        note_vi: the same in Vietnamese.
        kind: rule, correlation or filter.
        state: active, staged or disabled.
        own_level: the level that the rule gives itself, where an override says another.
        tags: its tags.
        expires: the last day a filter works, ``2027-03-31``; empty for ever.
    """

    rule: str
    title: str
    level: str
    path: Path
    line: int
    status: Literal["ok", "degraded", "refused"]
    reason: str = ""
    in_use: bool = True
    title_vi: str = ""
    note: str = ""
    note_vi: str = ""
    kind: str = "rule"
    state: str = states.ACTIVE
    own_level: str = ""
    tags: tuple[str, ...] = ()
    expires: str = ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A detector, and the verdict on every rule that was looked at, ordered by path and line.

    Args:
        detector: judges events.
        checks: the verdicts.
        correlations: what to correlate of what the detector finds: plans for ``correlate``.
        plans: the plan behind each of the verdicts, with its level as overridden.
        problems: what is wrong with overrides, a line each.
        of_anomalies: plans of the rules that look at anomalies: no event of a log is shown to them.
    """

    detector: SigmaDetector
    checks: tuple[Check, ...]
    correlations: tuple[Mapping[str, Any], ...] = ()
    plans: tuple[Mapping[str, Any], ...] = ()
    problems: tuple[str, ...] = ()
    of_anomalies: tuple[Mapping[str, Any], ...] = ()


def load(
    paths: Sequence[Path],
    *,
    cache_dir: Path | None,
    disabled: Collection[str] = (),
    min_level: str = "informational",
    overrides: Overrides | None = None,
    placeholders: Mapping[str, Sequence[str]] | None = None,
    timezone: str = DEFAULT_ZONE,
) -> Loaded:
    """Load the rules under the paths.

    Args:
        paths: files and folders.
        cache_dir: where compiled rules are kept; None keeps none.
        disabled: ids of rules that are not to be used.
        min_level: rules below it are not used.
        overrides: states and levels that the house decided; they count more than ``disabled``.
        placeholders: the values of placeholders by their names.
        timezone: the zone of hours and days that rules name, an IANA name.
    """
    now = clock.now()
    overrides = overrides or states.Overrides()
    decided = overrides.in_force(now)
    off = {*(rule for rule in disabled if rule not in decided or not decided[rule].state)}
    off |= {rule for rule, one in decided.items() if one.state == states.DISABLED}
    files = rule_files(paths)
    cache = CompiledRules(cache_dir, paths, placeholders or {}, timezone)
    plans: list[Mapping[str, Any]] = []
    checks: list[Check] = []
    owners: dict[str, Path] = {}
    lowest = LEVELS.index(min_level) if min_level in LEVELS else 0
    for file in files:
        for plan in cache.plans(file):
            override = decided.get(plan["id"])
            if override and override.level:
                plan = {**plan, "level": override.level, "own_level": plan["level"]}
            checks.append(_check(file, plan, owners, off, lowest, override=override))
            plans.append(plan)
    families = _families(files, cache)
    cache.save()
    usable = [c.status != "refused" and c.rule not in off for c in checks] + [True] * len(families)
    linked = link([*plans, *families], usable, [check.in_use for check in checks] + [False] * len(families))
    return Loaded(
        SigmaDetector(linked.rules, cache_dir=cache_dir),
        tuple(_after_linking(check, linked, place) for place, check in enumerate(checks)),
        tuple(linked.correlations),
        tuple(plans),
        overrides.problems + tuple(states.unknown(overrides.each, (check.rule for check in checks))),
        tuple(linked.of_anomalies),
    )


def _families(files: Sequence[RuleFile], cache: CompiledRules) -> list[dict[str, Any]]:
    """Return the plans of the rules that stand for families of anomalies, where a file may name one."""
    if not anomalous.are_named(file.content for file in files):
        return []
    (file,) = rule_files([anomalous.FILE])
    return cache.plans(file)


def _after_linking(check: Check, linked: Linked, place: int) -> Check:
    """Return the verdict on a rule with what the other rules mean for it."""
    if place in linked.refused:
        return replace(check, status="refused", reason=linked.refused[place], in_use=False)
    if place in linked.off:
        return replace(check, reason=linked.off[place], in_use=False)
    if place in linked.noted:
        notes = [check.reason] * bool(check.reason) + linked.noted[place]
        return replace(check, status="degraded", reason="; ".join(notes))
    return check


def _check(
    file: RuleFile,
    plan: Mapping[str, Any],
    owners: dict[str, Path],
    disabled: Collection[str],
    lowest: int,
    *,
    override: Override | None,
) -> Check:
    """Return the verdict on a rule, with what the house decided about it."""
    is_disabled = False
    rule, status, reason = plan["id"], plan["status"], plan["reason"]
    in_use = status != "refused"
    if in_use and rule in owners:
        status, in_use = "refused", False
        reason = f"another rule has the same id: {owners[rule]}"
    elif in_use:
        owners[rule] = file.path
        if rule in disabled:
            in_use, is_disabled = False, True
            reason = f"disabled: {override.reason}" if override and override.state else _DISABLED
        elif LEVELS.index(plan["level"]) < lowest:
            in_use, reason = False, f"below the level {LEVELS[lowest]}"
    return Check(
        rule=rule,
        title=plan["title"],
        level=plan["level"],
        path=file.path,
        line=plan["line"],
        status=status,
        reason=reason,
        in_use=in_use,
        title_vi=plan.get("title_vi", ""),
        note=plan.get("note", ""),
        note_vi=plan.get("note_vi", ""),
        kind=plan.get("kind", "rule"),
        state=states.DISABLED if is_disabled else (override.state if override else "") or states.ACTIVE,
        own_level=plan.get("own_level", ""),
        tags=tuple(plan["tags"]),
        expires=plan.get("expires", ""),
    )


_DISABLED = "disabled by the configuration"
