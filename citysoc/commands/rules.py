"""``citysoc rules``: what the rules are, what they find, what they cost, and what the house decided about them."""

from __future__ import annotations

import click

from citysoc.commands import (
    rules_backtest,
    rules_check,
    rules_coverage,
    rules_evidence,
    rules_explain,
    rules_list,
    rules_sets,
    rules_show,
    rules_states,
)


@click.group("rules", short_help="List, check, test, explain, stage and add detection rules.")
def command() -> None:
    """Detection rules: Sigma, with the fields of the Elastic Common Schema.

    RULE is an id, the beginning of one, a name or a title.
    """


for _one in (
    *(rules_list.list_, rules_show.command, rules_check.command, rules_evidence.command),
    *(rules_explain.command, rules_backtest.command, rules_coverage.command),
    *(rules_states.stage, rules_states.activate, rules_states.disable, rules_states.level),
    *(rules_states.reset, rules_sets.add, rules_sets.remove, rules_sets.sets),
):
    command.add_command(_one)
