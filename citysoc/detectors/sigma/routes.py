"""Routes: the rules that see the same events, and what decides which rules see an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from citysoc.detectors.sigma.index import Index
from citysoc.detectors.sigma.index_plan import kept_plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from citysoc.detectors.sigma.databases import Databases
    from citysoc.detectors.sigma.field import Memory
    from citysoc.detectors.sigma.rule import Rule


class Route:
    """The rules that see the same events, and the index of them."""

    def __init__(self, rules: Sequence[Rule], memory: Memory, store: Databases) -> None:
        self.rules = rules
        plan = kept_plan([rule.plan["test"].encode() for rule in rules], store)
        self.index = Index(plan, memory, store=store)


def folded(value: Any) -> tuple[str, ...]:
    """Return a field of an event as conditions of ``logsources.yml`` are compared with it."""
    if value is None:
        return ()
    items = value if isinstance(value, list | tuple) else (value,)
    return tuple(str(item).casefold() for item in items)


def sees(
    parts: Sequence[Sequence[Mapping[str, Sequence[str]]]], facts: Mapping[str, tuple[str, ...]]
) -> bool:
    """Return whether a logsource sees an event: of each of its parts one alternative holds.

    Args:
        parts: of the logsource, as a rule's plan has them.
        facts: the fields that they ask for, as ``folded`` returns them.
    """
    return all(
        any(
            all(_has_one(facts[name], wanted) for name, wanted in alternative.items())
            for alternative in alternatives
        )
        for alternatives in parts
    )


def _has_one(values: tuple[str, ...], wanted: Sequence[str]) -> bool:
    """Return whether a field has one of the values of a condition of ``logsources.yml``."""
    return any(not _has(values, one[1:]) if one.startswith("!") else _has(values, one) for one in wanted)


def _has(values: tuple[str, ...], wanted: str) -> bool:
    if wanted.endswith("*"):
        return any(value.startswith(wanted[:-1]) for value in values)
    return wanted in values
