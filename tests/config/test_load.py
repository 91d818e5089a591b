from __future__ import annotations

from pathlib import Path

import pytest

from citysoc.config.load import load, load_agencies, resolve_secret
from citysoc.config.streams import paths_of, streams
from citysoc.errors import ConfigError

AGENCIES = """\
agencies:
  - id: health
    name: Sở Y tế
    networks: [10.1.0.0/24]
    expects: [firewall, exports]
  - id: ward
    name: Phường Thuận Hóa
    networks: [10.2.0.0/24]
    expects: [firewall, syslog]
"""
SOURCES = """\
sources:
  - id: firewall
    kind: files
    paths: ["inbox/{agency}/fw/*.log", "more/{agency}.log"]
    parser: fortigate
    late_after_seconds: 60
    silent_after_seconds: 120
  - id: exports
    kind: files
    agency: health
    paths: ["exports/*.csv"]
  - id: syslog
    kind: syslog
"""


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path)


def write(folder: Path, *, main: str = "", agencies: str = AGENCIES, sources: str = SOURCES) -> Path:
    (folder / "sources").mkdir(exist_ok=True)
    (folder / "citysoc.yaml").write_text(main, encoding="utf-8")
    (folder / "agencies.yaml").write_text(agencies, encoding="utf-8")
    (folder / "sources/all.yaml").write_text(sources, encoding="utf-8")
    return folder


def mistakes(folder: Path, **files: str) -> list[str]:
    """Every mistake as ``file:line: text hint``, the folder left out."""
    write(folder, **files)
    with pytest.raises(ConfigError) as caught:
        load(folder, parsers={"fortigate", "zeek"})
    assert caught.value.exit_code == 3
    return [str(problem).replace(f"{folder}/", "") for problem in caught.value.problems]


def one(folder: Path, **files: str) -> str:
    (found,) = mistakes(folder, **files)
    return found


def test_a_good_configuration_says_where_things_are(folder):
    config = load(folder / "citysoc.yaml", parsers={"fortigate"})
    assert config.root == folder
    assert config.data_dir == folder / "data"
    assert config.state_path == folder / "data/citysoc.db"
    assert config.store_path == folder / "data/events"
    assert config.reports_dir == folder / "data/reports"
    assert [source.id for source in config.sources] == ["firewall", "exports", "syslog"]
    assert config.registry.by_address("10.2.0.7").id == "ward"


def test_relative_paths_become_absolute(folder, monkeypatch):
    monkeypatch.chdir(folder)
    config = load(Path("citysoc.yaml"))
    assert config.store_path.is_absolute()
    assert config.store_path == folder / "data/events"


def test_absolute_data_dir_and_byte_order_mark(folder):
    write(folder, main="\ufeffservice: {data_dir: /var/lib/citysoc}\nreports: {directory: /srv/reports}\n")
    config = load(folder)
    assert str(config.store_path) == "/var/lib/citysoc/events"
    assert str(config.reports_dir) == "/srv/reports"


def test_four_mistakes_in_one_registry_are_all_reported_with_their_lines(tmp_path):
    path = tmp_path / "agencies.yaml"
    path.write_text(
        "agencies:\n"
        "  - id: health\n"
        "    name: Sở Y tế\n"
        "    networks: [10.1.0.0/16]\n"
        "  - id: ward\n"
        "    nmae: Phường Thuận Hóa\n"
        "    name: Phường Thuận Hóa\n"
        "    networks:\n"
        "      - 10.1.2.0/24\n"
        "      - 10.2.0.300/24\n"
        "  - id: health\n"
        "    name: Sở khác\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as caught:
        load_agencies(path)
    found = {problem.where: (problem.message, problem.hint) for problem in caught.value.problems}
    assert list(found) == [f"{path}:{line}" for line in (6, 9, 10, 11)]
    assert found[f"{path}:6"] == ("agencies[ward].nmae: there is no such key", "Did you mean name?")
    assert "10.1.2.0/24 of ward overlaps 10.1.0.0/16 of health" in found[f"{path}:9"][0]
    assert "agencies[ward].networks[1]" in found[f"{path}:10"][0]
    assert "health is used twice" in found[f"{path}:11"][0]
    assert f"{path}:2" in found[f"{path}:11"][1]


def test_mistakes_of_all_files_come_at_once(folder):
    found = mistakes(
        folder,
        main="service: {langage: vi}\nwebhooks:\n  - {id: a, url: 'https://x', secret: hunter2}\n",
        agencies=AGENCIES.replace("[firewall, exports]", "[firewal]"),
        sources=SOURCES.replace("parser: fortigate", "parser: fortgate").replace(
            "kind: syslog", "kind: sylog"
        ),
    )
    assert [problem.split(" ")[0] for problem in found] == [
        "agencies.yaml:5:",
        "citysoc.yaml:1:",
        "citysoc.yaml:3:",
        "sources/all.yaml:5:",
        "sources/all.yaml:12:",
    ]
    assert "Did you mean firewall?" in found[0]
    assert "Did you mean language?" in found[1]
    assert "hunter2" not in "".join(found)
    assert "Did you mean fortigate?" in found[3]
    assert "Did you mean syslog?" in found[4]


def test_broken_yaml_in_one_file_does_not_hide_the_others(folder):
    found = mistakes(folder, main="service: {langage: vi}\n", agencies="agencies: [\n")
    assert [problem.split(" ")[0] for problem in found] == ["agencies.yaml:2:", "citysoc.yaml:1:"]


@pytest.mark.parametrize("reversed_order", [False, True])
def test_overlapping_networks_name_both_agencies(folder, reversed_order):
    small, large = "10.1.0.128/25", "10.1.0.0/24"
    first, second = (small, large) if reversed_order else (large, small)
    said = one(folder, agencies=AGENCIES.replace("10.1.0.0/24", first).replace("10.2.0.0/24", second))
    assert said.startswith("agencies.yaml:8: agencies[ward].networks[0]")
    assert f"{second} of ward overlaps {first} of health" in said
    assert "line 4" in said


def test_equal_and_ipv6_networks_overlap_too(folder):
    assert "overlaps" in one(folder, agencies=AGENCIES.replace("10.2.0.0/24", "10.1.0.0/24"))
    v6 = AGENCIES.replace("10.1.0.0/24", "fd00::/8").replace("10.2.0.0/24", "fd00:1::/32")
    assert "fd00:1::/32 of ward overlaps fd00::/8 of health" in one(folder, agencies=v6)


def test_networks_of_one_agency_may_nest(folder):
    write(folder, agencies=AGENCIES.replace("[10.1.0.0/24]", "[10.1.0.0/24, 10.1.0.0/25]"))
    load(folder)


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("agency: health", "agency: helth", 10, "no agency 'helth' Did you mean health?"),
        ("silent_after_seconds: 120", "silent_after_seconds: 59", 7, "less than late_after_seconds (60)"),
        ("id: syslog\n", "id: firewall\n", 12, "firewall is used twice"),
        ("kind: syslog", "kind: syslog\n  - {id: s2, kind: syslog, host: '::'}", 14, "syslog listens"),
        ("    agency: health\n", "", 10, "nothing says whose files"),
        ("agency: health", "agency: ward", 0, "the source exports is that of ward alone"),
        ("kind: syslog", "kind: syslog\n    port: 70000", 14, "must be at most 65535"),
        ("    kind: syslog\n", "", 12, "kind is missing"),
        ("paths: [\"exports/*.csv\"]", "paths: exports/*.csv", 11, "must be a list"),
    ],
)  # fmt: skip
def test_mistakes_between_and_in_sources(folder, old, new, line, words):
    assert old in SOURCES
    found = mistakes(folder, sources=SOURCES.replace(old, new))
    where = f"sources/all.yaml:{line}:" if line else "agencies.yaml:5:"
    assert any(said.startswith(where) and words in said for said in found), found


def test_udp_and_tcp_may_share_a_port(folder):
    more = "\n  - {id: s2, kind: syslog, transports: [tcp]}\n"
    write(folder, sources=SOURCES.replace("kind: syslog", "kind: syslog\n    transports: [udp]") + more)
    load(folder)


def test_code_with_leading_zeros_stays_and_a_number_becomes_text(folder):
    codes = AGENCIES.replace("id: health", "id: health\n    code: 019").replace(
        "id: ward", "id: ward\n    code: 19789"
    )
    write(folder, agencies=codes)
    assert [agency.code for agency in load(folder).registry] == ["019", "19789"]


def test_missing_files_and_folders(folder):
    assert "no such file" in one(folder, main="agencies: none.yaml\n")
    assert "citysoc.yaml:1: sources: there is no such folder" in "".join(
        mistakes(folder, main="sources: none\n")
    )
    assert "citysoc.yaml:1: rules.directories[0]" in one(folder, main="rules: {directories: [none]}\n")
    with pytest.raises(ConfigError, match="citysoc init"):
        load(folder / "other.yaml")


def test_streams_are_the_expected_pairs(folder):
    config = load(folder)
    found = {stream.id: stream for stream in streams(config)}
    assert list(found) == ["health/firewall", "health/exports", "ward/firewall", "ward/syslog"]
    assert all(stream.expected for stream in found.values())
    assert (found["ward/firewall"].late_after_seconds, found["ward/firewall"].silent_after_seconds) == (
        60,
        120,
    )


def test_a_source_with_its_own_agency_is_a_stream_without_being_expected_by_name(folder):
    write(folder, agencies=AGENCIES.replace("[firewall, exports]", "[firewall]"))
    assert "health/exports" in {stream.id for stream in streams(load(folder))}


def test_disabled_sources_have_no_streams(folder):
    write(folder, sources=SOURCES.replace("kind: syslog", "kind: syslog\n    enabled: false"))
    assert "ward/syslog" not in {stream.id for stream in streams(load(folder))}


def test_paths_of_puts_the_agency_in(folder):
    config = load(folder)
    firewall, exports, _syslog = config.sources
    assert paths_of(firewall, config.registry) == [
        ("health", "inbox/health/fw/*.log"),
        ("health", "more/health.log"),
        ("ward", "inbox/ward/fw/*.log"),
        ("ward", "more/ward.log"),
    ]
    assert paths_of(exports, config.registry) == [("health", "exports/*.csv")]


def test_secrets_resolve_from_environment_and_file(tmp_path, monkeypatch):
    monkeypatch.setenv("CITYSOC_TEST_SECRET", "whsec_abc")
    (tmp_path / "secret").write_text("whsec_def\n")
    assert resolve_secret("env:CITYSOC_TEST_SECRET", tmp_path) == "whsec_abc"
    assert resolve_secret("file:secret", tmp_path) == "whsec_def"


@pytest.mark.parametrize(
    "reference", ["env:CITYSOC_NOT_SET", "file:none", "file:empty", "file:bytes", "hunter2", "env:"]
)
def test_a_secret_that_does_not_resolve_is_named_but_never_shown(tmp_path, reference):
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "bytes").write_bytes(b"hunter2\xff")
    with pytest.raises(ConfigError) as caught:
        resolve_secret(reference, tmp_path)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None or b"hunter2" not in repr(caught.value.__cause__).encode()
