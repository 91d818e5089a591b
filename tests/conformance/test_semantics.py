"""What detections mean, as data; and every shape of condition against a reading of our own."""

from __future__ import annotations

import itertools
import random
import re
from pathlib import Path

import pytest
import yaml

from citysoc.detectors.sigma import SigmaDetector
from citysoc.detectors.sigma.plan import compile_document
from tests.corpus import CORPUS, needs_corpus

CASES = yaml.load(  # noqa: TID251  safe
    Path(__file__).with_name("semantics.yml").read_text("utf-8"), Loader=yaml.CSafeLoader
)


def detector(case):
    when = case["when"]
    whole = isinstance(when, dict) and "condition" in when
    document = {
        "title": "t",
        "id": "r",
        "logsource": {"category": "ids"},
        "detection": when if whole else {"selection": when, "condition": "selection"},
        "citysoc": case.get("own", {}),
    }
    zone = {"timezone": case["timezone"]} if "timezone" in case else {}
    plan = compile_document(document, "r", case.get("placeholders", {}), **zone)
    assert plan["status"] == "ok", plan["reason"]
    return SigmaDetector([plan])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_case(case):
    found = detector(case)
    seen = {"event.category": ["intrusion_detection"]}
    for event in case["hits"]:
        assert found.detect([{**seen, **event}]), event
    for event in case["misses"]:
        assert not found.detect([{**seen, **event}]), event


def test_too_many_spellings_are_refused():
    document = {
        "title": "t",
        "logsource": {"category": "ids"},
        "detection": {"s": {"message": "hóa " * 9}, "condition": "s"},
        "citysoc": {"folded": True},
    }
    plan = compile_document(document, "r")
    assert plan["status"] == "refused"
    assert "512 ways" in plan["reason"]


TOKEN = re.compile(r"\(|\)|[\w*-]+")


class Reading:
    """A condition read in our own way: words from left to right, ``not`` before ``and`` before ``or``."""

    def __init__(self, text, truths):
        self.words = TOKEN.findall(text)
        self.truths = truths
        self.place = 0

    def next(self):
        self.place += 1
        return self.words[self.place - 1]

    def peek(self):
        return self.words[self.place].lower() if self.place < len(self.words) else ""

    def either(self):
        value = self.both()
        while self.peek() == "or":
            self.next()
            value = self.both() or value
        return value

    def both(self):
        value = self.negated()
        while self.peek() == "and":
            self.next()
            value = self.negated() and value
        return value

    def negated(self):
        if self.peek() == "not":
            self.next()
            return not self.negated()
        return self.single()

    def single(self):
        word = self.next()
        if word == "(":
            value = self.either()
            assert self.next() == ")"
            return value
        if word.lower() in {"1", "any", "all"} and self.peek() == "of":
            self.next()
            return (all if word.lower() == "all" else any)(self.chosen(self.next()))
        return self.truths[word]

    def chosen(self, pattern):
        if pattern == "them":
            return [value for name, value in self.truths.items() if not name.startswith("_")]
        form = re.compile(re.escape(pattern).replace(r"\*", ".*") + r"\Z")
        return [value for name, value in self.truths.items() if form.match(name)]


def agree(condition, names):
    names = list(names)
    document = {
        "title": "t",
        "id": "r",
        "logsource": {"category": "ids"},
        "detection": {**{name: {f"host.{n}": "1"} for n, name in enumerate(names)}, "condition": condition},
    }
    plan = compile_document(document, "r")
    assert plan["status"] == "ok", (condition, plan["reason"])
    found = SigmaDetector([plan])
    every = list(itertools.islice(itertools.product((False, True), repeat=len(names)), 64))
    if len(names) > 6:
        dice = random.Random(4)
        every = [tuple(dice.random() < 0.5 for _ in names) for _ in range(64)]
    for values in every:
        event = {f"host.{n}": "1" if value else "0" for n, value in enumerate(values)}
        wanted = Reading(condition, dict(zip(names, values, strict=True))).either()
        assert bool(found.detect([event | {"event.category": ["intrusion_detection"]}])) is wanted, (
            condition,
            values,
        )


@pytest.mark.parametrize(
    "condition",
    [
        *(
            "a",
            "not a",
            "a and b",
            "a or b",
            "a and not b",
            "not a and not b",
            "a or b and c",
            "(a or b) and c",
        ),
        *("a and (b or not c)", "not (a and b) or c", "a and not (b or c)", "a or (b and not c) or not d_x"),
        *("1 of d_*", "all of d_*", "not 1 of d_*", "not all of d_*", "a and 1 of d_*", "a and not 1 of d_*"),
        *("all of d_* and not a", "1 of d_* or all of d_*", "1 of them", "all of them", "not 1 of them"),
        *("a and (1 of d_* or (b and not c))", "not (not a)", "any of d_*", "(((a)))", "a or b or c and d_x"),
    ],
)
def test_conditions(condition):
    agree(condition, ["a", "b", "c", "d_x", "d_y", "_hidden"])


def shapes():
    """Return one condition of each shape of SigmaHQ, with the names of its selections."""
    found = {}
    for path in sorted((CORPUS / "sigma").glob("rules*/**/*.yml")):
        document = next(yaml.load_all(path.read_bytes(), Loader=yaml.CSafeLoader))
        names = [name for name in document["detection"] if name != "condition"]
        conditions = document["detection"]["condition"]
        for condition in [conditions] if isinstance(conditions, str) else conditions:
            shape = " ".join("x" if word in names else word for word in TOKEN.findall(condition))
            shape = re.sub(r"of \w+\*?|of \*\w+", "of x", shape)
            found.setdefault((shape, len(names)), (condition, names))
    return [found[key] for key in sorted(found)]


@pytest.mark.corpus
@needs_corpus
def test_every_shape_of_condition_of_sigmahq():
    known = shapes()
    assert len(known) >= 130
    for condition, names in known:
        agree(condition, names)
