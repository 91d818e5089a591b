"""What is left to ask of a text: the same answers as all that was asked."""

from __future__ import annotations

import random

from citysoc.detectors.sigma.field import Field, Memory
from citysoc.detectors.sigma.outline import outline
from citysoc.detectors.sigma.remainder import remainder
from citysoc.detectors.sigma.values import decider

NAME = "process.command_line"
TEXTS = ("a", "ab", "cmd", "cmd.exe", " /c", "\\", ".exe", "a b", "x")
PATTERNS = (r"a\s*b", r"^a", r"b$", r"[^a]x", r"c+m", r"(?i)CMD")


def holds(how: str, text: str, value: str) -> bool:
    """Return whether a value has a lead."""
    if how == "re":
        return decider(["re", NAME, text, ""], NAME)(value, value)
    return {
        "is": value == text,
        "starts": value.startswith(text),
        "ends": value.endswith(text),
        "has": text in value,
    }[how]


def leaf(dice: random.Random) -> list:
    """Return a leaf of any kind that looks at one field."""
    kind = dice.choice(["text", "text", "text", "like", "re", "exists", "null", "number", "cased"])
    if kind in {"text", "cased"}:
        how = dice.choice(["is", "starts", "ends", "has"])
        return ["text", how, kind == "cased", NAME, dice.sample(TEXTS, dice.randint(1, 3))]
    if kind == "like":
        pieces = [["*"], dice.choice(TEXTS), dice.choice((["*"], ["?"])), dice.choice(TEXTS), ["*"]]
        return ["like", False, NAME, pieces[dice.randrange(2) : 4 + dice.randrange(2)]]
    if kind == "re":
        return ["re", NAME, dice.choice(PATTERNS), ""]
    return ["number", NAME, "lt", 5] if kind == "number" else [kind, NAME]


def node(dice: random.Random, depth: int = 3) -> list:
    """Return a node of one field."""
    kind = dice.choice(["leaf", "all", "any", "not"]) if depth else "leaf"
    if kind == "leaf":
        return leaf(dice)
    if kind == "not":
        return ["not", node(dice, depth - 1)]
    return [kind, [node(dice, depth - 1) for _ in range(dice.randint(1, 3))]]


def text(dice: random.Random) -> str:
    """Return a value that has some of the texts."""
    return "".join(dice.choices([*TEXTS, "", " ", "4", "?"], k=dice.randint(0, 4)))


def test_what_is_left_to_ask_answers_like_all_that_was_asked():
    leads = [(how, one) for how in ("is", "starts", "ends", "has") for one in TEXTS]
    leads += [("re", one) for one in PATTERNS]
    dice = random.Random(7)
    settled = 0
    for _ in range(4000):
        asked, value = node(dice), text(dice)
        known = set(dice.sample(leads, dice.randrange(len(leads))))
        found = {lead for lead in known if holds(*lead, value)}
        left = remainder(asked, found, known)
        settled += isinstance(left, bool)
        answer = left if isinstance(left, bool) else decider(left, NAME)(value, value)
        assert answer is decider(asked, NAME)(value, value), (asked, value, known)
    assert settled > 1000


def test_the_same_leads_give_the_right_class_each_time_they_come():
    tests = [
        ["all", [["text", "has", False, NAME, ["whoami"]], ["text", "has", False, NAME, ["/all", "/priv"]]]],
        ["any", [["text", "ends", False, NAME, [".ps1"]], ["re", NAME, r"-enc\s", ""]]],
        ["text", "has", True, NAME, ["WHOAMI"]],
    ]
    expressions = [
        ["test", tests[0], ["text", "has", "whoami"]],
        ["test", tests[1], ["or", [["text", "ends", ".ps1"], ["re", r"-enc\s", "", None]]]],
        ["test", tests[2], ["text", "has", "whoami"]],
    ]
    asked = outline(NAME, [(one, [[0, place]], []) for place, one in enumerate(expressions)])
    field = Field(asked, Memory(), fast=True, store=None)
    values = ["whoami /all", "WHOAMI /priv", "x.ps1", "y -enc z", "whoami -enc a.ps1", "whoami", "nothing"]
    for _time in range(4):
        for value, number in zip(values, field.classifier.of_texts(values), strict=True):
            rules = field.bits(number)[0]
            expected = [bool(decider(test, NAME)(value.lower(), value)) for test in tests]
            assert [bool(rules >> place & 1) for place in range(3)] == expected, value
