"""Every rule-event pair on real Windows events: ours against a plain evaluation that shares no code with the engine.

What the two disagree on must be of the kinds that docs/rules.md names; anything else is a mistake of one of them.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter

import orjson
import pytest

from citysoc.detectors.sigma import load
from citysoc.flow import Batch
from citysoc.framing.base import Limits
from citysoc.framing.evtx import frame_evtx
from citysoc.parsers.run import parse_batch
from tests.conformance import naive
from tests.corpus import CORPUS, needs_corpus

pytestmark = [pytest.mark.corpus, needs_corpus]
ARRIVED = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
SYSTEM = {
    *("EventID", "Channel", "Provider_Name", "Computer", "EventRecordID", "SystemTime", "Level", "Task"),
    *("Opcode", "Keywords", "Version"),
}

LEVELS = {"1": "critical", "2": "error", "3": "warning", "4": "information", "5": "verbose"}
KEYWORDS = {"0x8010000000000000": ["Audit Failure"], "0x8020000000000000": ["Audit Success"]}


def records_of(paths):
    for path in paths:
        with path.open("rb") as stream:
            for run in frame_evtx(stream, start=0, header=b"", final=True, limits=Limits()):
                yield from run.records


def flat(record):
    """Return an event as one object with the names that Windows gives."""
    inner = orjson.loads(record)
    inner = inner.get("Event", inner)
    found = {}
    for name, value in inner["System"].items():
        if name == "Provider":
            attributes = (value or {}).get("#attributes", {})
            found["Provider_Name"] = attributes.get("Name") or attributes.get("EventSourceName")
        elif name == "TimeCreated":
            found["SystemTime"] = (value or {}).get("#attributes", {}).get("SystemTime")
        elif isinstance(value, dict):
            found[name] = value.get("#text")
        else:
            found[name] = value
    below(found, inner.get("EventData") or {})
    below(found, inner.get("UserData") or {})
    return {name: value for name, value in found.items() if value is not None}


def below(found, value):
    for name, item in value.items() if isinstance(value, dict) else ():
        if name == "#attributes" or name.startswith(("xmlns", "@xmlns")):
            continue
        if isinstance(item, dict) and "#text" not in item:
            below(found, item)
        else:
            found.setdefault(name, item["#text"] if isinstance(item, dict) else item)


def beat(one):
    """Return an event as Winlogbeat writes it."""
    data = {name: value for name, value in one.items() if name not in SYSTEM}
    return {
        "@timestamp": one.get("SystemTime"),
        "log": {"level": LEVELS[str(one["Level"])]} if str(one.get("Level")) in LEVELS else {},
        "winlog": {
            "event_id": one.get("EventID"),
            "channel": one.get("Channel"),
            "provider_name": one.get("Provider_Name"),
            "computer_name": one.get("Computer"),
            "keywords": KEYWORDS.get(one.get("Keywords")),
            "event_data": data,
        },
    }


def identified(record):
    """Return an event whose id is an object, as converters from XML write an element that has attributes."""
    event = orjson.loads(record)
    system = event.get("Event", event)["System"]
    code = system["EventID"]
    system["EventID"] = {"#text": str(code["#text"] if isinstance(code, dict) else code)}
    return event


def named(record):
    """Return an event whose data are a list of elements with names."""
    event = orjson.loads(record)
    inner = event.get("Event", event)
    data = inner.get("EventData")
    if isinstance(data, dict) and data and not any(isinstance(v, dict | list) for v in data.values()):
        inner["EventData"] = {"Data": [{"@Name": name, "#text": value} for name, value in data.items()]}
    return event


def found_in(detector, records, parser):
    pairs = set()
    for start in range(0, len(records), 1000):
        part = tuple(records[start : start + 1000])
        batch = Batch("t/s", "t", parser, part, tuple(range(len(part))), ARRIVED, "x", "x")
        events = parse_batch(batch)
        for number, event in enumerate(events, start):
            event["event.id"] = str(number)
        good = [event for event in events if "citysoc.unparsed" not in event]
        pairs |= {(finding.rule, int(finding.event_id)) for finding in detector.detect(good)}
    return pairs


class Naive:
    def __init__(self):
        self.rules = [
            naive.Rule(text)
            for path in sorted((CORPUS / "sigma").glob("rules*/**/*.yml"))
            if b"product: windows" in (text := path.read_bytes()) and b"|expand" not in text
        ]
        self.seen = {}

    def pairs(self, events):
        for number, event in enumerate(map(naive.Event, events)):
            key = (event.channel, event.code)
            if key not in self.seen:
                self.seen[key] = [rule for rule in self.rules if rule.sees(event)]
            for rule in self.seen[key]:
                if rule.matches(event):
                    yield rule.id, number


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    return load(sorted((CORPUS / "sigma").glob("rules*")), cache_dir=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def plain():
    return Naive()


def kinds(loaded, pairs, events):
    """Return how many pairs of ours the plain evaluation has not, by why."""
    sources = {plan["id"]: plan["logsource"] for plan in loaded.detector.plans}
    told = Counter()
    for rule, number in pairs:
        category = sources[rule][1]
        if category == "antivirus":
            told["antivirus"] += 1  # that evaluation has the rules of Windows only
        elif category == "process_creation" and events[number].get("EventID") == 4688:
            told["process creation by the security log"] += 1  # it maps no names
        else:
            told[rule] += 1
    return told


def test_regression_data(loaded, plain):
    records = list(records_of(sorted((CORPUS / "sigma/regression_data").rglob("*.evtx"))))
    events = [flat(record) for record in records]
    ours = found_in(loaded.detector, records, "evtx")
    theirs = set(plain.pairs(events))
    assert theirs - ours == set()
    assert kinds(loaded, ours - theirs, events).keys() <= {
        "antivirus",
        "process creation by the security log",
    }
    assert len(theirs) > 150


@pytest.mark.faults
def test_all_event_logs_in_all_their_forms(loaded, plain):
    paths = sorted((CORPUS / "evtx").rglob("*.evtx"))
    paths += sorted((CORPUS / "sigma/regression_data").rglob("*.evtx"))
    records = list(records_of(paths))
    events = [flat(record) for record in records]
    ours = found_in(loaded.detector, records, "evtx")
    theirs = set(plain.pairs(events))
    assert theirs - ours == set()
    told = kinds(loaded, ours - theirs, events)
    assert (len(records), len(ours), len(theirs), dict(told)) == (
        9131,
        2086,
        1343,
        {"process creation by the security log": 733, "antivirus": 10},
    )
    forms = {
        "flat": [orjson.dumps({**one, "EventID": str(one["EventID"])}) for one in events],
        "beat": [orjson.dumps(beat(one)) for one in events],
        "ids as objects": [orjson.dumps(identified(record)) for record in records],
        "lists of data": [orjson.dumps(named(record)) for record in records],
    }
    for name, lines in forms.items():
        assert found_in(loaded.detector, lines, "windows") == ours, name
