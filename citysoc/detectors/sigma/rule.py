"""A rule as the detector has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from citysoc.detectors.sigma.match import predicate
from citysoc.detectors.sigma.needs import undecided
from citysoc.detectors.sigma.nodes import fields_of, node_of
from citysoc.detectors.sigma.tell import Telling

if TYPE_CHECKING:
    from collections.abc import Mapping

    from citysoc.detectors.sigma.match import Predicate
    from citysoc.detectors.sigma.nodes import Node
    from citysoc.detectors.sigma.view import View

ENTITIES = ("host.name", "user.name", "source.ip")
FIRST = ENTITIES[0]
"""What a finding is about where its event says so, and its rule says nothing else."""


class Rule:
    """A rule that can be matched: its plan, and its predicate, made when it is first asked for.

    Args:
        plan: what ``plan.compile_document`` made of it.
    """

    __slots__ = (
        "_rest",
        "_tell",
        "_test",
        "_undecided",
        "entity",
        "group_by",
        "head",
        "level",
        "plan",
        "tail",
    )

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self.plan = plan
        self.entity: tuple[str, ...] = (plan["entity"],) if plan["entity"] else ENTITIES
        self.group_by: tuple[str, ...] = tuple(plan["group_by"])
        self.level: str = plan["level"]
        # What all findings of the rule say, before and after what differs.
        self.head = plan["id"], plan["title"], plan["level"]
        self.tail = tuple(plan["tags"]), plan["window_seconds"], plan["title_vi"]
        self._test: Predicate | None = None
        self._undecided: list[Node] | None = None
        self._rest: Predicate | None = None
        self._tell: Telling | None = None

    def asks_told(self, *, has_first: bool) -> set[str]:
        """Return the fields that a finding takes of an event that matches, and of one that has ``FIRST``."""
        others = self.entity[:1] if has_first and self.entity is ENTITIES else self.entity
        return {*self.telling().fields, *self.group_by, *others}

    def matches(self, view: View) -> bool:
        """Return whether an event matches."""
        test = self._test
        if test is None:
            test = self._test = predicate(node_of(self.plan))
        return test(view)

    def undecided(self) -> list[Node]:
        """Return what is left to be asked of an event that fulfils the needs of the rule."""
        if self._undecided is None:
            self._undecided = undecided(node_of(self.plan))
        return self._undecided

    def asks_rest(self) -> set[str]:
        """Return the fields of which that is asked; the empty name stands for all that an event says."""
        return fields_of(["all", self.undecided()])

    def holds(self, view: View) -> bool:
        """Return whether an event matches that fulfils the needs of the rule: one of its candidates, exactly told."""
        rest = self._rest
        if rest is None:
            rest = self._rest = predicate(["all", self.undecided()])
        return rest(view)

    def telling(self) -> Telling:
        """Return what says what made an event match."""
        if self._tell is None:
            self._tell = Telling(node_of(self.plan))
        return self._tell
