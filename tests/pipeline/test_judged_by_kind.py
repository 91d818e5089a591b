"""Records judged by their kind, before they are events, against the same records made into events first."""

from __future__ import annotations

import datetime as dt

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from citysoc.detectors.sigma import SigmaDetector
from citysoc.detectors.sigma.plan import compile_document
from citysoc.flow import Batch
from citysoc.parsers.rough import rough
from citysoc.pipeline import worker as pipeline
from citysoc.pipeline.work import Work
from citysoc.pipeline.worker import Worker
from tests.bench import sigma_events
from tests.corpus import CORPUS, needs_corpus

RULES = tuple(CORPUS / "sigma" / name for name in ("rules", "rules-emerging-threats", "rules-threat-hunting"))


def batch(records, parser="windows"):
    records = tuple(records)
    return Batch(
        stream="a/b",
        agency="a",
        parser=parser,
        records=records,
        offsets=tuple(range(7, 7 + len(records))),
        arrived=dt.datetime(2026, 11, 17, tzinfo=dt.UTC),
        path="a.log",
        identity="i",
    )


def both(worker, one):
    """Return the findings by kind, and those of the events."""
    assert rough(one) is not None
    quick = worker.judged(one)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "rough", lambda *_: None)
        whole = worker.judged(one)
    return quick, whole


@pytest.fixture(scope="module", params=[False, True], ids=["by rows", "by bytes"])
def worker(request, tmp_path_factory):
    cache = tmp_path_factory.getbasetemp() / "rules"
    return Worker(Work(rules=RULES, cache_dir=cache, much=request.param))


@pytest.mark.corpus
@needs_corpus
@pytest.mark.parametrize("size", [1, 1000])
def test_made_windows_events(worker, size, monkeypatch):
    monkeypatch.setattr(pipeline, "_AT_ONCE", size)
    flat = list(sigma_events.windows(300, seed=11))
    beat = list(sigma_events.windows(100, seed=12, shape="beat"))
    mixed = [*flat[:200], *beat, b"nonsense", b"{broken", b"[1]", b'<13>pc1 app: {"EventID": 1}', *flat[200:]]
    quick, whole = both(worker, batch(mixed))
    assert len(whole[0]) > 100
    assert quick == whole


@pytest.mark.corpus
@needs_corpus
def test_nothing_is_made_of_events_that_no_rule_matches(worker, monkeypatch):
    made = []
    monkeypatch.setattr(worker, "events", lambda one: made.append(one) or [])
    assert worker.judged(batch(sigma_events.quiet(50))) == ([], [])
    assert made == []


NAMES = (
    *(
        "EventID",
        "Channel",
        "Provider_Name",
        "Computer",
        "SystemTime",
        "UtcTime",
        "EventTime",
        "Image",
        "ParentImage",
    ),
    *("CommandLine", "User", "Hashes", "SourceIp", "DestinationIp", "DestinationPort", "Protocol", "Message"),
    *(
        "Level",
        "ThreadID",
        "Some Name",
        "Keywords",
        "TargetUserName",
        "SubjectUserName",
        "IpAddress",
        "LogonType",
    ),
    *(
        "Description",
        "@strange",
        "winlog.event_id",
        "process.name",
        "event.kind",
        "agency.id",
        "OriginalFileName",
    ),
)
VALUES = st.one_of(
    st.sampled_from(
        [
            *(
                "C:\\Windows\\System32\\cmd.exe",
                "cmd.exe",
                "CMD.EXE",
                "/c whoami",
                "PC01\\nam",
                "-",
                "",
                "0x1f",
            ),
            *("10.1.2.3", "::ffff:10.1.2.3", "tcp", "17", "mimikatz", "mimi\0katz", "Thủ tướng", "thu\u0309"),
            *(
                "2026-11-16T01:02:03Z",
                "2026-11-16 01:02:03.004",
                "2031-01-01T00:00:00Z",
                "SHA256=AB,IMPHASH=CD",
            ),
            *('a "quoted" {brace} [list]', "a\nb", 'x": {"y', "K\u212aſ", "%%1936"),
        ]
    ),
    *(st.integers(0, 5000), st.integers(2**63, 2**64 - 1), st.booleans(), st.floats(0, 9), st.none()),
    st.just({"Inner": "cmd.exe", "CommandLine": "whoami"}),
    st.just(["whoami", "cmd.exe"]),
    st.text("aKđ\u212a\0 \\", max_size=4),
)
KINDS = st.sampled_from(
    [
        ("Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon", 1),
        ("Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon", "1"),
        ("Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon", True),
        ("Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon", 3),
        ("Security", "Microsoft-Windows-Security-Auditing", 4688),
        ("Security", "Microsoft-Windows-Security-Auditing", 4624),
        ("Application", "Some App", 1),
        ("", "Microsoft-Windows-Sysmon", 1),
        (None, "Microsoft-Windows-Windows Defender", 1117),
    ]
)


def record(kind, fields, extra):
    channel, provider, code = kind
    text = orjson.dumps({"Channel": channel, "Provider_Name": provider, "EventID": code, **fields}).decode()
    return (text[:-1] + extra + "}").encode("utf-8", "surrogatepass")


RECORDS = st.lists(
    st.builds(
        record,
        KINDS,
        st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8),
        st.sampled_from(
            [
                "",
                "",
                "",
                ',"CommandLine":"whoami"',
                ',"User":"\\u006dimikatz"',
                ', "X" : {"Image": "cmd.exe"}',
            ]
        ),
    ).flatmap(
        lambda one: st.sampled_from([one, one, one, b" " + one, one + b" ", one[:-1], b"pc1 app: " + one])
    ),
    min_size=1,
    max_size=12,
)
DETECTIONS = (
    {"Image|endswith": "cmd.exe", "CommandLine|contains": "whoami"},
    {"CommandLine|contains": ["who", "/c"]},
    {"User|contains": "nam"},
    {"user.name": "nam"},
    {"Computer|exists": False},
    {"Image|endswith": "\\cmd.exe", "ParentImage": None},
    {"DestinationPort|gt": 100},
    {"DestinationIp|cidr": "10.0.0.0/8"},
    {"Hashes|contains": "IMPHASH=CD"},
    {"Image|fieldref": "ParentImage"},
    {"Description": ""},
    {"event.kind": "event"},
    {"process.name": "cmd.exe"},
    {"process.hash.sha256": "ab"},
    {"Level|lt": 3},
    {"Message|re": "(?i)who.*$"},
    {"TargetUserName|re": "^-$"},
    ["mimikatz"],
    {"Some Name|contains": "a"},
    {"Protocol": "tcp"},
    {"winlog.keywords": "0x8020000000000000"},
    {"winlog.level": 2},
    {"event.action": "x", "tags": "nam"},
    {"host.name": "pc1"},
    {"process.pid|gt": 10},
    {"winlog.record_id|exists": True},
)


HEADS = (
    *(
        "message",
        "tags",
        "@timestamp",
        "event.created",
        "event.kind",
        "event.action",
        "event.code",
        "event.provider",
    ),
    *(
        "event.category",
        "event.id",
        "event.ingested",
        "host.name",
        "host",
        "host.ip",
        "log.level",
        "log.file.path",
    ),
    *(
        "process.name",
        "process.executable",
        "process.pid",
        "user.name",
        "ecs.version",
        "ecs",
        "agency.id",
        "EventID",
    ),
    *(
        "winlog.computer_name",
        "winlog.record_id",
        "winlog.keywords",
        "winlog.level",
        "winlog.task",
        "winlog.user_data",
    ),
    *(
        "winlog.process.pid",
        "winlog.process",
        "winlog.event_data.Image",
        "winlog.user_data.Image",
        "ndjson.x",
        "",
    ),
    *(
        "related.user",
        "source.ip",
        "destination.port",
        "process.command_line",
        "winlog.api",
        "threat.software.name",
    ),
)
HEAD_VALUES = st.one_of(
    VALUES,
    st.sampled_from(["Information", "error", "Audit Success", "2026-11-16T01:02:03.004Z", "alert"]),
    st.sampled_from([["Audit Success"], ["Audit Failure", "x"], ["nam"], [], [None], [1], {}]),
)


def nested(kind, head, data, is_dotted):
    """Write a record as Winlogbeat does: names that hold others are objects, or all names are dotted."""
    channel, provider, code = kind
    found = {"winlog": {"channel": channel, "provider_name": provider, "event_id": code, "event_data": data}}
    found["winlog"]["computer_name"] = "pc1"
    for name, value in orjson.loads(orjson.dumps(head)).items():  # objects of its own: they are filled
        holder = found
        *above, own = [name] if is_dotted else name.split(".")
        for part in above:
            if not isinstance(holder.get(part), dict):
                holder[part] = {}
            holder = holder[part]
        holder[own] = value
    return orjson.dumps(found)


NESTED = st.lists(
    st.builds(
        nested,
        KINDS,
        st.dictionaries(st.sampled_from(HEADS), HEAD_VALUES, max_size=5),
        st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6),
        st.sampled_from([False, False, False, True]),
    ),
    min_size=1,
    max_size=8,
)
EVERYWHERE = ({"agency.id": "a"}, ["Thủ tướng"])
"""Where one of these, or that a word is nowhere, is asked for, every record must be made into an event."""


def made_worker(detections, *, much=False):
    plans = []
    for number, detection in enumerate(detections):
        for condition in ("s",) if detection == ["mimikatz"] else ("s", "not s"):
            document = {"title": "t", "id": f"r{number}-{condition}", "logsource": {"product": "windows"}}
            plan = compile_document(document | {"detection": {"s": detection, "condition": condition}}, "r")
            assert plan["status"] != "refused", plan["reason"]
            plans.append(plan)
    made = Worker(Work(much=much))
    made.detector = SigmaDetector(plans)
    return made


WORKERS = {
    "by kind": made_worker(DETECTIONS),
    "by bytes": made_worker(DETECTIONS, much=True),
    "as events": made_worker(DETECTIONS + EVERYWHERE),
    "as events, by bytes": made_worker(DETECTIONS + EVERYWHERE, much=True),
}


@pytest.mark.parametrize("name", WORKERS)
@settings(max_examples=300)
@given(RECORDS)
def test_made_records(name, records):
    quick, whole = both(WORKERS[name], batch(records))
    assert quick == whole


@pytest.mark.parametrize("name", WORKERS)
@settings(max_examples=100)
@given(NESTED, RECORDS)
def test_nested_records(name, records, others):
    for mixed in (records, records * 3 + others):
        quick, whole = both(WORKERS[name], batch(mixed))
        assert quick == whole


@pytest.mark.parametrize("keywords", [["Audit Success"], "Audit Failure", None])
def test_no_event_is_made_of_a_nested_record(keywords, monkeypatch):
    worker = WORKERS["by kind"]
    monkeypatch.setattr(worker, "events", lambda _batch: pytest.fail("an event was made"))
    head = {"@timestamp": "2026-11-16T01:02:03.004Z", "ecs.version": "8.0", "log.level": "information"}
    head |= {"tags": ["beats"], "winlog.keywords": keywords} if keywords else {}
    kind = ("Security", "Microsoft-Windows-Security-Auditing", 4688)
    found = worker.judged(batch([nested(kind, head, {"CommandLine": "whoami"}, False)]))[0]
    assert {"r1-s", "r0-not s"} <= {finding.rule for finding in found}
    assert found[0].timestamp == dt.datetime(2026, 11, 16, 1, 2, 3, 4000, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("image", "parent", "found"),
    [
        *(("a.exe", "A.EXE", True), ("a.exe", "b.exe", False), ("a.exe", "ab.exe", False), ("ſ", "S", True)),
        *((17, "17", True), ("\u00e1", "a\u0301", True), (None, "a", False), ("", "a", False)),
    ],
)
@pytest.mark.parametrize("much", [False, True])
def test_values_that_must_be_the_same(image, parent, found, much):
    kind = ("Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon", 1)
    one = batch([record(kind, {"Image": image, "ParentImage": parent}, "")])
    worker = made_worker([{"Image|fieldref": "ParentImage"}], much=much)
    quick, whole = both(worker, one)
    assert quick == whole
    assert ("r0-s" in {finding.rule for finding in quick[0]}) is found


@pytest.mark.parametrize("name", ["by kind", "by bytes"])
def test_candidates_are_not_made_into_events(name, monkeypatch):
    worker = WORKERS[name]
    monkeypatch.setattr(worker, "events", lambda _batch: pytest.fail("an event was made"))
    records = [
        record(("Security", "Microsoft-Windows-Security-Auditing", 4688), {"CommandLine": "whoami"}, "")
    ]
    assert {"r1-s", "r0-not s"} <= {finding.rule for finding in worker.judged(batch(records))[0]}


FEW = [
    made_worker(DETECTIONS[begin : begin + 3], much=much)
    for begin in range(0, len(DETECTIONS), 3)
    for much in (False, True)
]


@settings(max_examples=100)
@given(st.one_of(RECORDS, NESTED), RECORDS, st.randoms(use_true_random=False))
def test_workers_with_other_rules_do_not_miss_what_one_does_not_keep(records, others, dice):
    for mixed in (records, records * 2 + others, others):
        for worker in dice.sample(FEW, 4):
            quick, whole = both(worker, batch(mixed))
            assert quick == whole


@pytest.mark.parametrize("shape", ["flat", "beat"])
def test_what_no_rule_asks_for_is_not_kept(shape):
    def width():
        return sum(len(row) for group in rough(one).groups(0, 400)[0] for row in group.rows)

    records = map(
        orjson.loads, sigma_events.windows(400, seed=3, shape=shape)
    )  # with names that no test had yet
    one = batch(orjson.dumps({**record, "Unseen": 1}) for record in records)
    narrow, wide = (made_worker([detection]) for detection in ({"user.name": "nam"}, DETECTIONS[1]))
    whole = width()
    narrow.judged(one)
    less = width()
    assert less < whole / 2
    quick, expected = both(wide, one)
    assert quick == expected
    assert {finding.rule for finding in quick[0]} == {"r0-s", "r0-not s"}
    assert less < width() < whole


def test_values_of_which_nothing_is_known_are_judged_as_events(monkeypatch):
    monkeypatch.setattr("citysoc.detectors.sigma.classifier._MAX_CLASSES", 4)
    records = list(sigma_events.windows(200, seed=4))
    for own in (DETECTIONS, DETECTIONS[:3]):
        quick, whole = both(made_worker(own), batch(records))
        assert quick == whole
        assert quick[0] or own is not DETECTIONS
