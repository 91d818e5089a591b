"""Made rules of all that Sigma can say, on made events, against the plain evaluation of ``plain.py``.

Texts are made of what is easy to get wrong: escapes, wildcards, letters in several cases and compositions, numbers as
text, dashes. Several rules share a detector and several events a batch, as they do at work.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from citysoc.detectors.sigma import SigmaDetector, databases
from citysoc.detectors.sigma.plan import compile_document
from tests.conformance import plain

FIELDS = ("a", "b", "c d", "cd", "x-y", "z.w", "Đường")
WORDS = (
    *(
        "a",
        "b",
        "A",
        "ab",
        "-a",
        "/b",
        " -a",
        "đ",
        "Đ",
        "ộ",
        "o\u0323\u0302",
        "hóa",
        "hoá",
        "K",
        "\u212a",
        "ß",
        "ss",
    ),
    *(
        "ſ",
        "É",
        "e\u0301",
        "1",
        "10",
        "0x1f",
        "5.0",
        "-3",
        "true",
        "%",
        "_",
        "[a]",
        "(b)",
        "^",
        "$",
        "\n",
        "\t",
        "\\",
    ),
    *(
        "\\\\",
        "\\*",
        "\\?",
        "*",
        "?",
        ".",
        "i",
        "İ",
        "ı",
        "I",
        "ﬁ",
        "fi",
        "–a",
        "10.1.2.3",
        "::1",
        "µ",
        "μ",
        "Σ",
        "ς",
    ),
    *("\u0344", "가", "\u1100\u1161"),
)
EXPRESSIONS = (
    *(
        "a",
        "^a",
        "b$",
        "a.b",
        "[^a]",
        "(a|b)+",
        r"\d{2}",
        "độ",
        "Đ",
        "^$",
        "a|^b",
        r"\.",
        "h.a",
        "(?i)đ",
        "ß",
    ),
    *("[A-C]", r"\s", "a(?=b)", r"(a)\1", "(?:ab)?1", r"[$a]\$$", "a$|^$"),
)
"""None of what differs between expressions' engines: which letters beyond ASCII are words, and fold into a range."""
NETWORKS = (
    *(
        "10.0.0.0/8",
        "10.1.2.3/32",
        "::/0",
        "::1/128",
        "0.0.0.0/0",
        "fe80::/10",
        "::ffff:10.0.0.0/104",
        "10.1.2.3",
    ),
)
CONDITIONS = (
    *(
        "sel_a",
        "not sel_a",
        "sel_a and sel_b",
        "sel_a or other",
        "sel_a and not sel_b",
        "not (sel_a or sel_b)",
    ),
    *("(sel_a and sel_b) or not other", "1 of sel_*", "all of sel_*", "not 1 of sel_*", "not all of sel_*"),
    *("1 of them", "all of them", "other and not 1 of sel_*", "sel_a or sel_b and other", "any of sel_*"),
    *(
        "not sel_a and not (sel_b and not other)",
        "not (not (sel_a and (sel_b or not other)))",
        "not not other",
    ),
    *("1 of *_a or all of sel*", ["sel_a", "sel_b and other"], "sel_a AND NOT (sel_b OR other)"),
)
VALUES = (
    *(
        0,
        1,
        5,
        10,
        -3,
        31,
        5.0,
        0.5,
        10.0,
        1e3,
        True,
        False,
        None,
        "",
        "10.1.2.3",
        "::1",
        "::ffff:10.1.2.3",
        "fe80::1%eth0",
    ),
    *(
        "10.1.2.3 ",
        "2026-01-01T05:00:00Z",
        "2026-12-31T17:00:00Z",
        "2026-10-05 08:01:00",
        "2026-01-01T00:00:00+09:00",
    ),
    *("YQ==", "YWI=", "//5h", "AGEAYg==", "YQBiAA==", "xYQBiAGz", "ZG9n"),
)


class Maker:
    """Makes rules and events by dice."""

    def __init__(self, dice):
        self.dice = dice

    def chance(self, share):
        return self.dice.random() < share

    def word(self, most=3):
        return "".join(self.dice.choice(WORDS) for _ in range(self.dice.randint(1, most)))

    def letters(self):
        """Return a text without wildcards and escapes, which encodings refuse."""
        return self.word().translate(dict.fromkeys(map(ord, "*?\\"))) or "a"

    def value(self):
        kind = self.dice.randint(0, 9)
        if kind < 7:
            return self.word(4)
        return self.dice.choice([self.dice.randint(-3, 12), True, False, None, "", 0.5])

    def many(self, make, least=1):
        if least == 1 and self.chance(0.4):
            return make()
        return [make() for _ in range(self.dice.randint(least, 3))]

    def text_item(self):
        modifiers = [self.dice.choice(["contains", "startswith", "endswith"])]
        modifiers += [one for one in ("cased", "windash") if self.chance(0.3)]
        self.dice.shuffle(modifiers)
        every = self.chance(0.3)
        return [*modifiers, *["all"] * every], self.many(self.word, 2 if every else 1)

    def encoded_item(self):
        encoding = self.dice.choice([[], ["utf16le"], ["wide"], ["utf16be"], ["utf16"]])
        how = self.dice.choice([["base64"], ["base64offset"], ["base64offset", "contains"]])
        return encoding + how, self.many(self.letters)

    def pattern_item(self):
        flags = [one for one in "ims" if self.chance(0.3)]
        return ["re", *flags], self.many(lambda: self.dice.choice(EXPRESSIONS))

    def reference_item(self):
        modifiers = ["fieldref", *self.dice.choice([[], ["startswith"], ["endswith"], ["contains"]])]
        modifiers += ["cased"] * self.chance(0.3)
        self.dice.shuffle(modifiers)
        return modifiers, self.dice.choice(FIELDS)

    def time_item(self):
        part = self.dice.choice(["minute", "hour", "day", "week", "month", "year"])
        part = "weekday" if self.chance(0.15) else part
        some = [1, 4, 6, 7] if part == "weekday" else [0, 1, 5, 8, 12, 31, 53, 2026]
        numbers = self.many(lambda: self.dice.choice(some))
        return [part, *self.dice.choice([[], ["gte"], ["lt"]])], numbers

    def plain_item(self):
        return [], self.many(self.value)

    def network_item(self):
        return ["cidr"], self.many(lambda: self.dice.choice(NETWORKS))

    def number_item(self):
        sign = self.dice.choice(["lt", "lte", "gt", "gte"])
        return [sign], self.many(lambda: self.dice.choice([0, 1, 5, 10, 0.5, -3, 31]))

    def item(self):
        if self.chance(0.07):
            every = ["|" + "|".join(one) for one in (["all"], ["contains"], ["cased"], ["contains", "all"])]
            return {self.dice.choice(every): [self.word().strip("*?") or "a" for _ in range(2)]}
        makers = [self.plain_item, self.plain_item, self.text_item, self.text_item, self.encoded_item]
        makers += [
            self.pattern_item,
            self.reference_item,
            self.time_item,
            self.network_item,
            self.number_item,
        ]
        makers.append(lambda: (["exists"], self.chance(0.5)))
        modifiers, wanted = self.dice.choice(makers)()
        modifiers = [*modifiers, *["neq"] * self.chance(0.15)]
        return {"|".join([self.dice.choice(FIELDS), *modifiers]): wanted}

    def map(self):
        return {name: wanted for _ in range(self.dice.randint(1, 3)) for name, wanted in self.item().items()}

    def selection(self):
        kind = self.dice.randint(0, 9)
        if kind < 6:
            return self.map()
        if kind < 8:
            return [self.map() for _ in range(self.dice.randint(1, 3))]
        words = [self.word() for _ in range(self.dice.randint(1, 3))]
        return words if kind == 8 else [self.map(), *words]

    def detection(self):
        names = ("sel_a", "sel_b", "other")
        return {name: self.selection() for name in names} | {"condition": self.dice.choice(CONDITIONS)}

    def event(self):
        def value():
            return self.word(5) if self.chance(0.6) else self.dice.choice(VALUES)

        event = {}
        for field in FIELDS:
            if self.chance(0.6):
                several = self.chance(0.2)
                event[field] = [value() for _ in range(self.dice.randint(1, 3))] if several else value()
        if "c d" in event:  # one field, spelt either way
            event.pop("cd", None)
        return event


def compiled(detections):
    """Return the plans of detections that may be used, by their rules' ids."""
    found = {}
    for number, detection in enumerate(detections):
        document = {
            "title": "t",
            "id": f"r{number:02}",
            "logsource": {"product": "thu"},
            "detection": detection,
        }
        plan = compile_document(document, "r")
        # What is made at random may be no rule: a keyword of wildcards alone, a field asked twice in other words.
        assert plan["status"] != "refused" or plan["reason"].endswith(("everything", "in a list")), plan[
            "reason"
        ]
        if plan["status"] != "refused":
            found[document["id"]] = (detection, plan)
    return found


@pytest.mark.parametrize("fast", [True, False], ids=["hyperscan", "re2"])
@settings(max_examples=150)
@given(st.integers(0, 2**40))
def test_rules_find_what_a_plain_reading_finds(fast, seed):
    dice = random.Random(seed)
    maker = Maker(dice)
    rules = compiled([maker.detection() for _ in range(dice.randint(1, 6))])
    events = [maker.event() for _ in range(dice.randint(1, 8))]
    seen = [{**event, "event.module": "thu", "event.id": str(number)} for number, event in enumerate(events)]
    wanted = {
        (rule, number)
        for rule, (detection, _plan) in rules.items()
        for number, event in enumerate(events)
        if plain.matches(detection, event)
    }
    with pytest.MonkeyPatch.context() as patch:
        if not fast:
            patch.setattr(databases, "hyperscan", None)
        detector = SigmaDetector([plan for _detection, plan in rules.values()])
        for _ in range(2):  # the second time every value was seen
            assert {(found.rule, int(found.event_id)) for found in detector.detect(seen)} == wanted


LETTERS = st.characters(exclude_categories=["Cs"])
TEXTS = st.text(LETTERS, max_size=6)


@given(
    TEXTS, TEXTS, st.sampled_from(["", "|contains", "|startswith", "|endswith", "|cased", "|contains|cased"])
)
@example("ĐỘC", "đo\u0323\u0302c", "")
@example("\u0344", "\u0308\u0301", "|contains")
@example("\u1fb3", "\u0391\u0345", "")
def test_any_letters(written, said, modifier):
    detection = {"s": {f"a{modifier}": written.replace("\\", "\\\\")}, "condition": "s"}
    ((_, plan),) = compiled([detection]).values()
    found = SigmaDetector([plan]).detect([{"event.module": "thu", "a": said}])
    assert bool(found) is plain.matches(detection, {"a": said})
