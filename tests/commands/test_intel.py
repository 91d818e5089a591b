"""Feeds as a person handles them: taken, looked at, met by events, told to a receiver, taken away again."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from werkzeug import Response

from citysoc import clock
from citysoc.config.load import load
from citysoc.pipeline import intelligence
from citysoc.state import State
from citysoc.stores.local import LocalStore

HOOK = """\
rules: {shipped: false}
webhooks:
  - {id: desk, url: "https://desk.invalid/", secret: "env:DESK", min_level: low}
intel:
  history_days: 30
"""


@pytest.fixture
def feed(house):
    def writing(text, name="feodo.csv"):
        path = house.folder / name
        path.write_text(text, "utf-8")
        return path

    return writing


def connection(seconds=0, destination="45.61.8.8", source="10.1.1.5", **more):
    moment = clock.now().replace(microsecond=0) - dt.timedelta(hours=1) + dt.timedelta(seconds=seconds)
    return {
        "@timestamp": clock.iso(moment),
        "source.ip": source,
        "destination.ip": destination,
        "message": f"{seconds} {destination}",
        **more,
    }


FEODO = (
    "first_seen_utc,dst_ip,dst_port,malware\n2026-11-01,45.61.8.8,443,QakBot\n2026-11-01,8.8.8.8,443,QakBot\n"
)


def test_from_a_feed_to_an_alert_with_feed_and_end_and_to_its_receiver(house, feed):
    house.settings(HOOK)
    result = house.run(
        "intel", "import", feed(FEODO), "--confidence", "85", "--expires-days", "7", "--no-history"
    )
    assert "feodo: 2 indicators (address 2), 2 new, 0 gone; form csv." in result.stderr
    assert "1 are on warning lists" in result.stderr
    house.ingest(
        *(connection(n) for n in range(50)),
        connection(60, source="10.1.1.6", **{"event.action": "deny"}),
        connection(61, destination="8.8.8.8"),
    )
    alerts = house.rows("alerts", "list")
    # One for the indicator and each host, not one for each event.
    assert {(one["rule"], one["entity"], one["level"], one["count"]) for one in alerts} == {
        ("intel:feodo", "ip:10.1.1.5", "high", 50),
        ("intel:feodo", "ip:10.1.1.6", "medium", 1),
    }
    (id_,) = [one["id"] for one in alerts if one["count"] == 50]
    shown = house.run("alerts", "show", id_, "-f", "table").stdout
    ends = (clock.now() + dt.timedelta(days=7)).strftime("%Y-%m-%d")
    assert "threat.feed.name=['feodo']" in shown.replace("\n", " ")
    assert ends in shown
    bodies = [json.loads(row["body"]) for row in house.state("SELECT body FROM outbox")]
    told = [one["data"] for one in bodies if one["type"] == "alert.created" and one["data"]["id"] == id_]
    assert told[0]["matched"]["threat.feed.name"] == ["feodo"]
    assert told[0]["matched"]["citysoc.intel.expires"].startswith(ends)
    assert told[0]["title"] == {
        "en": "Known malicious address 45.61.8.8 (QakBot)",
        "vi": "Địa chỉ độc hại đã biết 45.61.8.8 (QakBot)",
    }
    (row,) = house.rows("intel", "list")
    assert (row["feed"], row["indicators"], row["warned"], row["hits"]) == ("feodo", 2, 1, 51)
    stored = house.rows(
        "events", "search", "threat.feed.name:feodo AND citysoc.intel.confidence:>=80", "--limit", "0"
    )
    assert len(stored) == 51
    assert stored[0]["citysoc.intel.expires"].startswith(ends)


def test_files_meet_intelligence_without_a_store(house, feed):
    house.settings(HOOK)
    events = [connection(n, destination=to) for n, to in enumerate(["45.61.8.8", "10.1.1.9", "45.61.8.8"])]
    windows = {"EventID": 3, "Channel": "Microsoft-Windows-Sysmon/Operational", "DestinationIp": "45.61.8.8"}
    house.rule(
        "ssh",
        title="Ours",
        id="00000000-0000-4000-8000-0000000000aa",
        logsource={"product": "windows"},
        detection={"s": {"DestinationIp|cidr": "45.61.0.0/16"}, "condition": "s"},
        level="low",
    )
    (house.folder / "a.json").write_text("".join(json.dumps(one) + "\n" for one in events))
    (house.folder / "b.json").write_text(json.dumps({**windows, "Provider_Name": "Microsoft-Windows-Sysmon"}))

    def detect(*more):
        return house.rows(
            "detect", *(house.folder / n for n in ("a.json", "b.json")), "-r", house.rules, *more
        )

    assert "no threat intelligence" in house.run("detect", house.folder / "a.json", "--intel").stderr
    house.run("intel", "import", feed(FEODO), "--confidence", "85", "--no-history")
    assert [row["rule.title"] for row in detect()] == ["Ours"]
    found = detect("--intel")
    assert [row["rule.id"].partition(":")[0] for row in found] == [
        "intel",
        "intel",
        "00000000-0000-4000-8000-0000000000aa",
        "intel",
    ]
    assert [row["log.offset"] for row in found[:2]] == [
        0,
        sum(len(json.dumps(one)) + 1 for one in events[:2]),
    ]
    assert found[0]["matched"]["threat.indicator.name"] == "45.61.8.8"
    assert {row["rule.level"] for row in found} == {"high", "low"}
    assert {row["rule.level"] for row in detect("--intel", "-m", "high")} == {"high"}


def test_the_past_is_asked_about_what_is_new_only(house, feed):
    house.ingest(
        *(connection(n) for n in range(3)),
        connection(9, **{"dns.question.name": "www.c2.top"}),
        agency="so-gd",
    )
    house.ingest(connection(20, destination="45.61.8.9", source="10.1.1.7"))
    path = feed("ioc,confidence\n45.61.8.8,60\n8.8.8.8,60\nc2.top,90\n45.61.8.9,10\nnobody.top,10\n")
    rows = house.rows("intel", "import", path)
    assert [
        (one["indicator"], one["field"], one["value"], one["events"], one["agencies"]) for one in rows
    ] == [
        ("45.61.8.8", "destination.ip", "45.61.8.8", 4, ["so-gd"]),
        ("45.61.8.9", "destination.ip", "45.61.8.9", 1, ["so-y-te"]),
        ("c2.top", "dns.question.name", "www.c2.top", 1, ["so-gd"]),
    ]
    assert rows[0]["first"] < rows[0]["last"]
    assert house.rows("alerts", "list") == []
    again = house.run("intel", "import", path, "-f", "table")
    assert "0 of the new indicators would have hit 0 events" in again.stderr
    house.run("intel", "remove", "feodo")
    assert house.rows("intel", "import", path, "--since", "5m") == []


def test_alerts_of_the_past_are_those_of_the_live_line_and_made_once(house, feed):
    events = [connection(n) for n in range(3)] + [connection(5, **{"dns.question.name": "c2.top"})]
    house.ingest(*events)
    path = feed("ioc,confidence\n45.61.8.8,60\nc2.top,90\n")
    house.run("intel", "import", path, "--alert", "-f", "table")
    past = house.rows("alerts", "list")
    assert {(one["entity"], one["level"], one["count"]) for one in past} == {
        ("ip:10.1.1.5", "medium", 4),
        ("ip:10.1.1.5", "high", 1),
    }
    house.run("intel", "remove", "feodo")
    result = house.run("intel", "import", path, "--alert", "-f", "table")
    assert "0 alerts made." in result.stderr
    assert [one["count"] for one in house.rows("alerts", "list")] == [one["count"] for one in past]
    house.ingest(connection(100))  # joins the alert of the past
    assert sorted(one["count"] for one in house.rows("alerts", "list")) == [1, 5]


def test_what_is_known_of_values(house, feed):
    house.run(
        "intel", "import", feed("ioc\n45.61.0.0/16\nc2.top\n10.1.2.3\n"), "--no-history", "--confidence", "40"
    )
    lines = feed("hxxps://www[.]c2[.]top/x\n45.61.3.3\n10.1.2.3\nnever.top\nwhat?\n", "values.txt")
    rows = house.rows("intel", "check", lines, "boss@c2.top", code=1)
    assert [(one["value"], one["state"], one["indicator"], one["warning_lists"]) for one in rows] == [
        ("hxxps://www[.]c2[.]top/x", "active", "c2.top", []),
        ("45.61.3.3", "active", "45.61.0.0/16", []),
        ("10.1.2.3", "warned", "10.1.2.3", ["private and reserved networks"]),
        ("never.top", "unknown", None, []),
        ("what?", "unknown", None, []),
        ("boss@c2.top", "active", "c2.top", []),
    ]
    assert house.rows("intel", "check", "never.top")[0]["state"] == "unknown"
    (row,) = house.rows("intel", "show", "c2.top")
    assert (row["feed"], row["confidence"], row["state"]) == ("feodo", 40, "active")
    assert house.run("intel", "show", "never.top", code=1).stdout == ""


def test_wrong_input_is_told_and_leaves_nothing(house, feed):
    for arguments in (
        (feed('{"a":', "broken.json"),),
        (feed("", "empty.txt"),),
        (feed("no indicators here\n", "text.txt"),),
        ("http://127.0.0.1:1/feed",),
        ("http://169.254.169.254/latest", "--allow-private-network"),
    ):
        result = house.run("intel", "import", *arguments, code=1)
        assert "Traceback" not in result.output
    assert house.rows("intel", "list") == []
    for arguments in (
        ("nowhere.csv",),
        (),
        ("--feed", "x"),
        ("ftp://x.top/",),
        (feed("x"), "--feed", "Nguồn"),
    ):
        house.run("intel", "import", *arguments, code=2)
    house.run("intel", "remove", "nothing", code=1)


def test_warning_lists_of_the_house(house, feed):
    lists = house.folder / "lists"
    lists.mkdir()
    (lists / "cdn.json").write_text(
        json.dumps({"name": "cdn", "type": "hostname", "list": ["cdn.top"]}), "utf-8"
    )
    house.settings("rules: {shipped: false}\nintel: {warning_lists: [lists]}\n")
    house.run("intel", "import", feed("a.cdn.top\nbad.top\n"), "--no-history")
    rows = {one["name"]: one for one in house.rows("intel", "warnings")}
    assert (rows["cdn"]["entries"], rows["cdn"]["held"]) == (1, 1)
    (lists / "broken.json").write_text("{", "utf-8")
    assert "broken.json" in house.run("intel", "warnings", code=4).stderr


CONFIGURED = """\
rules: {{shipped: false}}
intel:
  history_days: 30
  feeds:
    - {{id: own, path: own.txt, confidence: 70, expires_days: 10, threat_class: BOT}}
    - {{id: far, url: "{url}", every_seconds: 60, allow_private_network: true}}
"""


def test_feeds_of_the_configuration_on_schedule(house, httpserver):
    editions = {"text": "45.61.8.8\n", "status": 200}

    def answer(request):
        if request.headers.get("if-none-match") == '"1"' and editions["status"] == 304:
            return Response(status=304)
        return Response(editions["text"], editions["status"], headers={"etag": '"1"'})

    httpserver.expect_request("/feed").respond_with_handler(answer)
    house.settings(CONFIGURED.format(url=httpserver.url_for("/feed")))
    (house.folder / "own.txt").write_text("c2.top\n", "utf-8")
    house.ingest(connection(0))
    config = load(house.folder)
    far = config.settings.intel.feeds[1]
    state = State(config.state_path)
    store = LocalStore(config.store_path)
    assert [one["indicators"] for one in house.rows("intel", "list")] == [0, 0]

    def run():
        return intelligence.scheduled(config, store, state, far, clock.now())

    try:
        assert run() == "1 indicators, 1 new, 0 gone; in 30 days 1 events, 1 alerts"
        editions["status"] = 304
        assert run() is None
        editions.update(text="", status=500)
        with pytest.raises(intelligence.InputError, match="500"):
            run()
        (row,) = [one for one in house.rows("intel", "list") if one["feed"] == "far"]
        assert (row["indicators"], row["error"]) == (1, "The feed's server answers 500.")
        editions.update(text="45.61.8.8\nbad.top\n", status=200)
        assert run() == "2 indicators, 1 new, 0 gone; in 30 days 0 events, 0 alerts"
    finally:
        state.close()
    house.run("intel", "import", "--feed", "own", "--no-history")
    house.ingest(connection(0, **{"dns.question.name": "c2.top"}))
    (alert,) = [one for one in house.rows("alerts", "list") if one["rule"] == "intel:own"]
    assert (alert["level"], alert["class"]) == ("medium", "BOT")


def test_an_import_that_fails_leaves_where_the_feed_came_from(house, feed):
    path = feed(FEODO)
    house.run("intel", "import", path, "--no-history")
    house.run(
        "intel", "import", feed("nothing here\n", "other.txt"), "--feed", "feodo", "--no-history", code=1
    )
    (row,) = house.rows("intel", "show", "45.61.8.8")
    assert row["origin"] == str(path)


def test_a_table_of_the_past_names_a_few_agencies_and_counts_the_others():
    from citysoc.commands.intel_import import _narrowed

    row = {"indicator": "x", "agencies": ["a", "b", "c"]}
    assert _narrowed(row) == row
    assert _narrowed(row | {"agencies": list("abcdef")})["agencies"] == ["a", "b", "c", "+3"]


def test_broken_rows_patterns_and_huge_lines_are_counted_and_the_rest_is_taken(house, feed):
    csv = feed(
        '"ioc_value","ioc_type"\n"hxxp://bad[.]top/a","url"\n"unclosed,domain\n"0.0.0.0/0","cidr"\n"::/0","cidr"\n'
        '"45[.]61[.]1[.]9:8080","ip:port"\n"[2a00:1450::64]:443","ip:port"\n"mã-độc.top","domain"\n,,\n',
        "broken.csv",
    )
    result = house.run("intel", "import", csv, "--no-history")
    assert "broken: 4 indicators (address 2, domain 1, url 1)" in result.stderr
    assert "too_broad: 2" in result.stderr
    huge = feed("a" * 5_000_000 + "\n45.61.3.3\n", "huge.txt")
    result = house.run("intel", "import", huge, "--no-history")
    assert "huge: 1 indicators (address 1)" in result.stderr
    assert "line_too_long: 1" in result.stderr
    patterns = ["[domain-name:value = 'a.top']", "[domain-name:value = 'b.top'", "", "[" * 50_000,
                "[a:b = 1] FOLLOWEDBY [c:d = 2]", "[ipv4-addr:value ISSUBSET '45.0.0.0/6']"]  # fmt: skip
    objects = [
        {"type": "indicator", "id": f"indicator--{n}", "pattern": text, "pattern_type": "stix"}
        for n, text in enumerate(patterns)
    ]
    stix = feed(json.dumps({"type": "bundle", "id": "bundle--1", "objects": objects}), "wrong.json")
    result = house.run("intel", "import", stix, "--no-history")
    assert "wrong: 1 indicators (domain 1)" in result.stderr
    assert "pattern.unreadable: 3" in result.stderr
    (known,) = house.rows("intel", "check", "www[.]mã-độc[.]top", code=1)
    assert (known["state"], known["feeds"]) == ("active", ["broken"])
