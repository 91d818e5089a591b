"""The plan of an index: what is worked out of the tests of some rules before values come, and may be kept.

A kept plan is a line of JSON, and what its fields ask as it is: of most of it nothing is read until a value asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from citysoc.detectors.sigma.needs import MAX_NEEDS, needs
from citysoc.detectors.sigma.outline import Outline, outline
from citysoc.detectors.sigma.written import read, written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from citysoc.detectors.sigma.chances import Expression
    from citysoc.detectors.sigma.databases import Databases
    from citysoc.detectors.sigma.nodes import Node


class Plan(NamedTuple):
    """What is worked out of the tests of some rules.

    Args:
        free: for each need the rules, one bit each, that do not have it.
        exact: the rules, one bit each, whose needs are all that they ask for.
        fields: what the rules need of each field.
    """

    free: list[int]
    exact: int
    fields: list[Outline]


def plan_of(tests: Iterable[Node]) -> Plan:
    """Return what is to be looked for to find the candidates among some rules.

    Args:
        tests: for each rule its test, as a rule's plan has it.
    """
    conditions: dict[str, dict[str, tuple[Expression, dict[int, list[int]], dict[int, list[int]]]]] = {}
    free = [0] * MAX_NEEDS
    exact = 0
    for rule, test in enumerate(tests):
        found, whole = needs(test)
        if whole and found:
            exact |= 1 << rule
        for place in range(len(found), MAX_NEEDS):
            free[place] |= 1 << rule
        for place, need in enumerate(found):
            for name, expressions in need.items():
                known = conditions.setdefault(name, {})
                for one in expressions:
                    negative = one[0] == "not"
                    expression = ["test", *one[1:]] if negative else one
                    condition = known.setdefault(repr(expression), (expression, {}, {}))
                    held = condition[2] if negative else condition[1]
                    rules = held.setdefault(place, [])
                    if rule not in rules[-1:]:
                        rules.append(rule)
    fields = [
        outline(
            name,
            [(expression, _listed(held), _listed(other)) for expression, held, other in known.values()],
        )
        for name, known in conditions.items()
    ]
    return Plan(free, exact, fields)


def _listed(rules: Mapping[int, Sequence[int]]) -> list[list[int]]:
    return [[place, *own] for place, own in rules.items()]


def kept_plan(tests: Sequence[bytes], store: Databases) -> Plan:
    """Return what is to be looked for, from the store if it has it already.

    Args:
        tests: for each rule its test, as ``written`` has it.
        store: where plans are kept.
    """
    made_of = b"\n".join(tests)
    found = store.plan(made_of)
    if found is not None:
        return _unpacked(found)
    plan = plan_of(map(read, tests))
    store.keep_plan(made_of, _packed(plan))
    return plan


def _packed(plan: Plan) -> bytes:
    head = [
        [f"{bits:x}" for bits in (*plan.free, plan.exact)],
        [[one.name, len(one.form), len(one.rules)] for one in plan.fields],
    ]
    return b"".join((written(head), b"\n", *(part for one in plan.fields for part in one[1:])))


def _unpacked(kept: bytes) -> Plan:
    begin = kept.index(b"\n") + 1
    bits, sizes = read(kept[:begin])
    fields = []
    for name, form, rules in sizes:
        middle = begin + form
        fields.append(Outline(name, kept[begin:middle], kept[middle : middle + rules]))
        begin = middle + rules
    *free, exact = (int(one, 16) for one in bits)
    return Plan(free, exact, fields)
