"""Records of Windows, rules on them, and the ways in which they are judged."""

from __future__ import annotations

import datetime as dt
from itertools import accumulate

import orjson
import pytest
from hypothesis import strategies as st

from citysoc.detectors.sigma import SigmaDetector
from citysoc.detectors.sigma.plan import compile_document
from citysoc.flow import Batch, Unread
from citysoc.parsers.rough import rough
from citysoc.pipeline import worker as pipeline
from citysoc.pipeline.work import Work
from citysoc.pipeline.worker import Worker

_BEGIN = 7


def batch(records, parser="windows", unread=None):
    """Return records as they come from a file, a line each."""
    records = tuple(records)
    offsets = accumulate((len(one) + 1 for one in records[:-1]), initial=_BEGIN)
    return Batch(
        stream="a/b",
        agency="a",
        parser=parser,
        records=records,
        offsets=tuple(offsets) if records else (),
        arrived=dt.datetime(2026, 11, 17, tzinfo=dt.UTC),
        path="a.log",
        identity="i",
        unread=unread,
    )


def uncut(records):
    """Return the same records as lines that nobody has cut yet."""
    data = b"".join(record + b"\n" for record in records)
    return batch((), unread=Unread(_BEGIN, _BEGIN + len(data), data))


class _Strict:
    """What is told where something goes wrong: that another way is taken then must not hide it."""

    def exception(self, *_said, **_more):
        raise  # noqa: PLE0704  what is being handled

    error = exception


def judged(worker, one):
    """Return what a worker finds, if nothing goes wrong."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "_log", _Strict())
        return worker.judged(one)


def as_events(worker, one):
    """Return what a worker finds in events."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "rough", lambda *_: None)
        return judged(worker, one)


def check(workers, records):
    """Judge records in all ways, and return what all of them find.

    Args:
        workers: one that goes by rows, and one that goes by bytes.
        records: none with a line feed.
    """
    rows, cells = workers
    one = batch(records)
    assert rough(one) is not None
    whole = as_events(rows, one)
    assert judged(rows, one) == whole
    assert judged(cells, one) == whole
    if records and all(one == one.strip(b"\0") for one in records):  # a line begins after NULs
        assert judged(cells, uncut(records)) == whole
    return whole


def made_worker(detections, *, much=False):
    """Return a worker with a rule for each detection, and one for what does not have it."""
    plans = []
    for number, detection in enumerate(detections):
        for condition in ("s",) if detection == ["mimikatz"] else ("s", "not s"):
            document = {"title": "t", "id": f"r{number}-{condition}", "logsource": {"product": "windows"}}
            plan = compile_document(document | {"detection": {"s": detection, "condition": condition}}, "r")
            assert plan["status"] != "refused", plan["reason"]
            plans.append(plan)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "settle", lambda: None)  # what lies about here is not ours
        made = Worker(Work(much=much))
    made.detector = SigmaDetector(plans)
    return made


def both(detections):
    """Return two workers with the same rules: one that goes by rows, and one that goes by bytes."""
    return made_worker(detections), made_worker(detections, much=True)


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
