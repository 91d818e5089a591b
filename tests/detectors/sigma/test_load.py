"""From files to verdicts: bounds, refusals that name the reason, a cache that cannot be stale."""

from __future__ import annotations

import copyreg
import subprocess
import sys

import orjson
import pytest

from citysoc.detectors.sigma import SigmaDetector, load
from citysoc.detectors.sigma.load import MAX_BYTES, rule_files
from citysoc.detectors.sigma.plan import compile_document

RULE = """\
title: Thử
id: 00000000-0000-4000-8000-00000000000{n}
level: {level}
logsource: {{category: antivirus}}
detection:
  selection: {{Signature|contains: thu}}
  condition: selection
"""
EVENT = {
    "@timestamp": "2026-10-05T01:00:00Z",
    "agency.id": "xvy",
    "event.category": ["malware"],
    "event.id": "e1",
    "host.name": "PC-01",
    "log.offset": 7,
    "source.ip": "10.1.1.1",
    "threat.software.name": "W32.THU",
}


@pytest.fixture
def rules(tmp_path):
    folder = tmp_path / "rules"
    folder.mkdir()
    return folder


def write(folder, text, name="a.yml"):
    (folder / name).write_text(text, "utf-8")


def only(folder, **options):
    (check,) = load([folder], cache_dir=None, **options).checks
    return check


def test_a_finding_says_all_that_an_alert_needs(rules):
    write(rules, RULE.format(n=1, level="high"))
    (finding,) = load([rules], cache_dir=None).detector.detect([EVENT])
    assert (finding.rule[-1], finding.level, finding.agency, finding.event_id) == ("1", "high", "xvy", "e1")
    assert finding.matched == {"threat.software.name": "W32.THU"}
    assert finding.group == {"host.name": "PC-01"}
    assert finding.entity == "host:PC-01"
    assert finding.offset == 7
    assert finding.timestamp.isoformat() == "2026-10-05T01:00:00+00:00"


def test_a_rule_says_itself_what_makes_one_alert(rules):
    own = (
        "citysoc: {entity: source.ip, group_by: [source.ip, user.name], window_seconds: 60, title_vi: Thử}\n"
    )
    write(rules, RULE.format(n=1, level="low") + own)
    loaded = load([rules], cache_dir=None)
    (finding,) = loaded.detector.detect([EVENT])
    assert (finding.entity, finding.group, finding.window_seconds) == (
        "ip:10.1.1.1",
        {"source.ip": "10.1.1.1"},
        60,
    )
    assert loaded.checks[0].title_vi == "Thử"


def test_findings_are_ordered_by_event_then_rule(rules):
    for n in (3, 1, 2):
        write(rules, RULE.format(n=n, level="low"), f"{9 - n}.yml")
    detector = load([rules], cache_dir=None).detector
    found = [(f.event_id, f.rule[-1]) for f in detector.detect([EVENT, EVENT | {"event.id": "e2"}])]
    assert found == [("e1", "1"), ("e1", "2"), ("e1", "3"), ("e2", "1"), ("e2", "2"), ("e2", "3")]


def test_levels_and_disabled_rules(rules):
    write(rules, RULE.format(n=1, level="low"), "a.yml")
    write(rules, RULE.format(n=2, level="high"), "b.yml")
    assert load([rules], cache_dir=None, min_level="medium").detector.rules == 1
    checks = load([rules], cache_dir=None, disabled=["00000000-0000-4000-8000-000000000002"]).checks
    assert [(check.status, check.in_use) for check in checks] == [("ok", True), ("ok", False)]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("title: [", "YAML is broken"),
        ("title: x\nid: !!python/object:os.system x\n", "YAML is broken"),
        ("- 1\n", "not a mapping"),
        ("title: x\nlogsource: {category: antivirus}\n", ""),
        ("title: x\ncorrelation: {type: event_count}\n", "timespan"),
        ("title: x\nfilter: {rules: any}\n", "logsource"),
        ("title: x\nlogsource: {category: la}\ndetection: {s: {a: b}, condition: s}\n", "logsource"),
        ("title: x\nlogsource: {product: a}\ndetection: {s: {a|la: b}, condition: s}\n", "modifier"),
        ("title: x\nlogsource: {product: a}\ndetection: {s: {a: b}, condition: t}\n", "not defined"),
        ("title: x\nlogsource: {product: a}\ndetection: {s: {a: b}, condition: s and}\n", ""),
        ("title: x\nlogsource: {product: a}\ndetection: {off: {a: b}, condition: off}\n", "quote it"),
        ("title: x\nlogsource: {product: a}\ndetection: {s: {a|expand: '%la%'}, condition: s}\n", "%la%"),
        (
            "title: x\nlogsource: {product: a}\ndetection: {s: {a|re: '(?=(a+)+)b'}, condition: s}\n",
            "without end",
        ),
        ("title: x\nlogsource: {product: a}\ndetection: {s: {a|re: '('}, condition: s}\n", ""),
        ("title: x\nlogsource: {product: a}\ndetection: {s: ['*'], condition: s}\n", "keyword"),
        ("title: x\nlogsource: {product: a}\ndetection: {s: {a|cidr: 10.0.0.1/8}, condition: s}\n", "CIDR"),
        (
            "title: x\nlogsource: {product: a}\ndetection: {s: {a|wide|base64: 'x*'}, condition: s}\n",
            "wildcards",
        ),
        (
            "a: &a [x, x, x, x, x, x, x, x, x]\n"
            + "".join(
                f"{n}: &{n} [{', '.join(['*' + m] * 9)}]\n"
                for m, n in zip("abcdefgh", "bcdefghi", strict=True)
            ),
            "too large",
        ),
        ("a: &a [*a]\n", "too large"),
    ],
)
def test_what_cannot_be_honoured_is_refused_with_a_reason(rules, text, reason):
    write(rules, text)
    check = only(rules)
    assert check.status == "refused"
    assert check.reason
    assert reason in check.reason


def test_an_expression_with_look_around_is_degraded(rules):
    write(
        rules, "title: x\nlogsource: {category: antivirus}\ndetection: {s: {a|re: 'a(?!b)'}, condition: s}\n"
    )
    assert only(rules).status == "degraded"


def test_an_unknown_product_is_degraded_and_sees_its_own_events_only(rules):
    write(rules, "title: x\nlogsource: {product: la}\ndetection: {s: [bad], condition: s}\n")
    assert only(rules).status == "degraded"
    detector = load([rules], cache_dir=None).detector
    assert len(detector.detect([{"event.module": "la", "message": "bad"}])) == 1
    assert detector.detect([{"event.module": "syslog", "message": "bad"}]) == []


def test_the_second_rule_of_an_id_is_refused(rules):
    write(rules, RULE.format(n=1, level="low"), "a.yml")
    write(rules, RULE.format(n=1, level="low"), "b.yml")
    first, second = load([rules], cache_dir=None).checks
    assert (first.status, second.status) == ("ok", "refused")
    assert "a.yml" in second.reason


def test_the_line_of_a_second_document_is_named(rules):
    write(rules, RULE.format(n=1, level="low") + "---\n" + RULE.format(n=2, level="low"))
    assert [check.line for check in load([rules], cache_dir=None).checks] == [1, 9]


def test_a_changed_rule_is_compiled_again_and_a_broken_cache_is_no_harm(rules, tmp_path):
    cache = tmp_path / "cache"
    write(rules, RULE.format(n=1, level="low"))
    assert load([rules], cache_dir=cache).checks[0].level == "low"
    write(rules, RULE.format(n=1, level="high"))
    assert load([rules], cache_dir=cache).checks[0].level == "high"
    for path in cache.rglob("*.rules"):
        path.write_bytes(b"{")
    assert load([rules], cache_dir=cache).detector.detect([EVENT])


def test_a_warm_start_does_not_import_pysigma(rules, tmp_path):
    write(rules, RULE.format(n=1, level="low"))
    cache = tmp_path / "cache"
    load([rules], cache_dir=cache)
    program = (
        "import sys; from pathlib import Path; from citysoc.detectors.sigma import load;"
        f"loaded = load([Path({str(rules)!r})], cache_dir=Path({str(cache)!r}));"
        "sys.exit(0 if loaded.detector.rules == 1 and 'sigma' not in sys.modules else 1)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_detector_travels_as_plans(rules):
    write(rules, RULE.format(n=1, level="low"))
    detector = load([rules], cache_dir=None).detector
    make, arguments = detector.__reduce_ex__(4)[:2]
    again = make(*arguments)
    assert make in {SigmaDetector, copyreg.__newobj__}
    assert again.detect([EVENT]) == detector.detect([EVENT])
    assert SigmaDetector(orjson.loads(orjson.dumps(detector.plans))).detect([EVENT]) == detector.detect(
        [EVENT]
    )


PLACEHOLDER = """\
title: Thử
id: 00000000-0000-4000-8000-000000000001
logsource: {category: antivirus}
detection:
  s: {Signature: thu}
  f: {ComputerName|expand: '%lab%'}
  condition: s and not f
"""


def test_a_placeholder_without_values_is_refused_and_says_how_to_set_it(rules):
    write(rules, PLACEHOLDER.replace("thu}", "W32.Thu}"))
    check = only(rules)
    assert check.status == "refused"
    assert "%lab%" in check.reason
    assert "rules: {placeholders: {lab: [...]}}" in check.reason


def test_placeholders_that_change_compile_their_rules_again(rules, tmp_path):
    write(rules, PLACEHOLDER.replace("thu}", "W32.Thu}"))
    write(rules, RULE.format(n=2, level="low"), "b.yml")
    cache = tmp_path / "cache"
    for values, wanted in ((["PC-01"], 1), (["PC-02"], 2), (["pc-*"], 1)):
        loaded = load([rules], cache_dir=cache, placeholders={"lab": values})
        assert [check.status for check in loaded.checks] == ["ok", "ok"]
        assert len(loaded.detector.detect([EVENT])) == wanted


def test_a_filter_may_have_placeholders(rules):
    write(rules, RULE.format(n=1, level="low"))
    write(
        rules,
        "title: f\nlogsource: {category: antivirus}\n"
        "filter: {rules: any, f: {ComputerName|expand: '%lab%'}, condition: not f}\n",
        "f.yml",
    )
    found = [
        len(load([rules], cache_dir=None, placeholders={"lab": [name]}).detector.detect([EVENT]))
        for name in ("PC-01", "PC-02")
    ]
    assert found == [0, 1]


def test_the_zone_of_hours_is_the_houses(rules, tmp_path):
    write(
        rules,
        "title: t\nlogsource: {category: antivirus}\ndetection: {s: {'@timestamp|hour': 8}, condition: s}\n",
    )
    for zone, wanted in (("Asia/Ho_Chi_Minh", 1), ("UTC", 0), ("Asia/Ho_Chi_Minh", 1)):
        loaded = load([rules], cache_dir=tmp_path, timezone=zone)
        assert len(loaded.detector.detect([EVENT])) == wanted, zone


def test_the_zone_of_hours_of_a_filter_is_the_houses(rules, tmp_path):
    write(rules, RULE.format(n=1, level="low"))
    write(
        rules,
        "title: f\nlogsource: {category: antivirus}\n"
        "filter: {rules: any, f: {'@timestamp|hour': 8}, condition: not f}\n",
        "f.yml",
    )
    for zone, wanted in (("Asia/Ho_Chi_Minh", 0), ("UTC", 1), ("Asia/Ho_Chi_Minh", 0)):
        loaded = load([rules], cache_dir=tmp_path, timezone=zone)
        assert len(loaded.detector.detect([EVENT])) == wanted, zone


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (
            RULE.replace("selection: {{", "selection: {{Signature|contains: x, "),
            6,
            "'Signature|contains' is there twice",
        ),
        (RULE + "level: low\n", 8, "'level' is there twice"),
    ],
    ids=["a field", "a key of the rule"],
)
def test_a_key_that_is_there_twice_is_refused_with_its_line(rules, text, line, reason):
    write(rules, text.format(n=1, level="high"))
    check = only(rules)
    assert (check.status, check.line) == ("refused", line)
    assert reason in check.reason


@pytest.mark.parametrize(
    ("selection", "reason"),
    [
        ({"a": []}, "empty list"),
        ({"a|endswith|fieldref": "b", "a|fieldref|endswith": "c"}, "twice"),
        ({"a|re|startswith": "("}, "invalid"),
        ({"a|cased|re": "a"}, "unmodified"),
        ({"a|contains": None}, "incompatible"),
        ({"a|exists": "yes"}, "incompatible"),
        ({"a|gt": "5"}, "incompatible"),
        ({"a|hour|gte|lt": 5}, "incompatible"),
        ({"a|cidr": "10.0.0.1/8"}, "host bits"),
        ({"a|weekday": 0}, "1 (Monday) to 7"),
        ({"a|weekday|gte": 8}, "1 (Monday) to 7"),
        ({"a|nosuch": "x"}, "Unknown modifier"),
        ({"a": {"b": "c"}}, "Unsupported"),
        ({}, "empty"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
def test_what_cannot_be_honoured_is_refused(selection, reason):
    document = {
        "title": "t",
        "logsource": {"product": "thu"},
        "detection": {"s": selection, "condition": "s"},
    }
    plan = compile_document(document, "r")
    assert plan["status"] == "refused"
    assert reason in plan["reason"]


def test_files_come_in_the_order_of_their_paths_without_what_is_hidden_or_an_override(tmp_path):
    names = ("b/a.yml", "b.yml", "B/z.yaml", "b/c/d.yml", "b-1.yml", "a.txt", ".h.yml", ".git/a.yml")
    for name in (*names, "overrides/o.yml", "b/overrides/o.yml", "b/overrides.yml"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("title: x\n")
    (tmp_path / "b" / "ring").symlink_to(tmp_path)
    (tmp_path / "b" / "link.yml").symlink_to(tmp_path / "b.yml")
    (tmp_path / "dir.yml").mkdir()
    files = rule_files([tmp_path / "b.yml", tmp_path])
    assert [str(file.path.relative_to(tmp_path)) for file in files] == [
        *("b.yml", "B/z.yaml", "b/a.yml", "b/c/d.yml", "b/link.yml", "b/overrides.yml", "b-1.yml", "dir.yml")
    ]
    assert [file.path.name for file in files if file.problem] == ["dir.yml"]


@pytest.mark.parametrize(
    "size", [0, 100, 32 << 10, (32 << 10) + 1, MAX_BYTES, MAX_BYTES + 1, MAX_BYTES + 99_999]
)
def test_a_file_is_read_whole_up_to_its_bound(tmp_path, size):
    path = tmp_path / "a.yml"
    path.write_bytes(bytes(range(256)) * (size // 256) + b"x" * (size % 256))
    (file,) = rule_files([path])
    if size > MAX_BYTES:
        assert "larger" in file.problem
    else:
        assert (file.problem, file.content) == ("", path.read_bytes())
