"""An event made for every Windows rule of SigmaHQ, out of the rule itself: who reads its fields otherwise than the rule misses it.

The event has the names that the rule uses, in the channel that the rule asks for; the plain evaluation says whether it fits.
Then ours must find it, from flat JSON, from the nested form of an event log and from Winlogbeat's.
"""

from __future__ import annotations

import random

import orjson
import pytest
from sigma import types
from sigma.conditions import ConditionAND, ConditionFieldEqualsValueExpression, ConditionNOT, ConditionOR

from tests.conformance import naive
from tests.conformance.test_pairs import beat, found_in, loaded  # noqa: F401  a fixture
from tests.corpus import CORPUS, needs_corpus

pytestmark = [pytest.mark.corpus, needs_corpus]
CHANNELS = {
    naive.SYSMON: "Microsoft-Windows-Sysmon/Operational",
    "security": "Security",
    "system": "System",
    "application": "Application",
}
PROVIDERS = {naive.SYSMON: "Microsoft-Windows-Sysmon", "security": "Microsoft-Windows-Security-Auditing"}
SYSTEM = frozenset(
    {"Channel", "EventID", "Provider_Name", "Computer", "Level", "Task", "Opcode", "Keywords", "ComputerName"}
)


def text_of(parts, dice):
    filler = dice.choice(["", "x", "a b"])
    return "".join(
        filler
        if p is types.SpecialChars.WILDCARD_MULTI
        else "q"
        if p is types.SpecialChars.WILDCARD_SINGLE
        else p
        for p in parts
    )


def fulfil(node, event, dice):
    """Put into an event what a condition asks for, choosing among alternatives."""
    if isinstance(node, ConditionAND):
        for part in node.args:
            fulfil(part, event, dice)
    elif isinstance(node, ConditionOR):
        fulfil(dice.choice(node.args), event, dice)
    elif isinstance(node, ConditionFieldEqualsValueExpression):
        value = node.value
        if isinstance(value, types.SigmaExpansion):
            value = dice.choice(value.values)
        made = made_of(value, dice)
        if made is not None:
            known = event.get(node.field)
            event[node.field] = f"{known}{made}" if isinstance(known, str) and isinstance(made, str) else made
    elif not isinstance(node, ConditionNOT):
        value = dice.choice(node.value.values) if isinstance(node.value, types.SigmaExpansion) else node.value
        event["Data"] = f"{event.get('Data', '')} {made_of(value, dice)}"


def made_of(value, dice):
    if isinstance(value, types.SigmaString):
        return text_of(value.s, dice)
    if isinstance(value, types.SigmaNumber):
        return value.number
    if isinstance(value, types.SigmaBool):
        return "true" if value.boolean else "false"
    if isinstance(value, types.SigmaCIDRExpression):
        return str(value.network.network_address)
    return None


def made(rule, dice):
    """Return an event for a rule that the plain evaluation takes, or None."""
    for _ in range(30):
        event = {}
        fulfil(dice.choice(rule.conditions), event, dice)
        channels = [
            c for c in naive.CATEGORIES.get(rule.category, ()) if c[0] != "security" or "EventID" in event
        ]
        if channels:
            channel, codes = dice.choice(channels)
            event.setdefault("EventID", dice.choice(sorted(codes)))
        else:
            channel = dice.choice(naive.SERVICES.get(rule.service, ["security"]))
            event.setdefault("EventID", 1)
        event.setdefault("Channel", CHANNELS.get(channel, channel))
        event.setdefault("Provider_Name", PROVIDERS.get(channel, "Made"))
        event["SystemTime"] = "2026-10-05T01:30:00Z"
        seen = naive.Event(event)
        if rule.sees(seen) and rule.matches(seen):
            return event
    return None


def nested(event):
    system = {name: value for name, value in event.items() if name in SYSTEM and name != "Provider_Name"}
    system["Provider"] = {"#attributes": {"Name": event["Provider_Name"]}}
    data = {n: v for n, v in event.items() if n not in SYSTEM and n != "SystemTime"}
    return {"Event": {"System": system, "EventData": data}}


def test_every_rule_finds_the_event_made_for_it(loaded):  # noqa: F811  the fixture
    dice = random.Random(20)
    rules, events = [], []
    for path in sorted((CORPUS / "sigma").glob("rules*/**/*.yml")):
        text = path.read_bytes()
        if b"product: windows" in text and b"|expand" not in text:
            rule = naive.Rule(text)
            event = made(rule, dice)
            if event is not None:
                rules.append(rule.id)
                events.append(event)
    assert len(rules) > 2_600
    for shape in (dict, nested, beat):
        pairs = found_in(loaded.detector, [orjson.dumps(shape(event)) for event in events], "windows")
        missed = [(rule, events[n]) for n, rule in enumerate(rules) if (rule, n) not in pairs]
        if shape is beat:  # its levels are words of its own
            missed = [(rule, event) for rule, event in missed if event.get("Level") != "Error"]
        assert missed == []
