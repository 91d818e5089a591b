"""The example city that we ship, and the commands that write and show a configuration."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import time
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner

from citysoc.cli import root
from citysoc.config.load import load
from citysoc.config.streams import streams
from citysoc.errors import ConfigError, UsageError
from citysoc.parsers.registry import PARSERS

EXAMPLE = Path(__file__).parents[2] / "citysoc/config/example"


@pytest.fixture(scope="module")
def config():
    return load(EXAMPLE, parsers=set(PARSERS))


def test_483_agencies_of_the_given_composition(config):
    assert config.example
    assert len(config.registry) == len({agency.id for agency in config.registry}) == 483
    assert Counter(agency.level for agency in config.registry) == {
        "party": 12,
        "city": 2 + 9,
        "department": 14,
        "subordinate": 118,
        "ward": 21 * 5,
        "commune": 19 * 5,
        "hospital": 50,
        "school": 38,
        "association": 40,
    }


def test_230_of_them_manage_5661_machines(config):
    machines = [agency.antivirus.machines for agency in config.registry if agency.antivirus]
    assert (len(machines), sum(machines)) == (230, 5661)
    assert 5 <= min(machines) < max(machines) <= 250
    assert sorted(machines)[115] < sum(machines) / len(machines)
    assert all(("antivirus" in agency.expects) == bool(agency.antivirus) for agency in config.registry)


def test_40_wards_and_communes_with_five_points_each(config):
    codes = Counter(agency.code for agency in config.registry if agency.level in {"ward", "commune"})
    assert len(codes) == 40
    assert set(codes.values()) == {5}
    assert config.registry.by_name("UBND phường Thuận Hoá").id == "phuong-thuan-hoa-ubnd"
    assert config.registry.by_name("Sở Y tế").id == "so-y-te"
    assert config.registry.by_name("UBND xã A Lưới 3").code == "20071"


def test_names_are_nfc_and_in_two_languages_and_all_expect_something(config):
    for agency in config.registry:
        assert unicodedata.is_normalized("NFC", agency.name + agency.name_en)
        assert agency.name_en
        assert agency.expects
        assert all(network.startswith("10.") for network in agency.networks)
        assert config.registry.by_name(agency.name) == agency
        assert config.registry.by_address(agency.networks[0].partition("/")[0]) == agency
    assert len(streams(config)) == sum(len(agency.expects) for agency in config.registry)


def test_the_shipped_registry_is_what_its_generator_makes():
    spec = importlib.util.spec_from_file_location(
        "make_agencies", Path(__file__).with_name("make_agencies.py")
    )
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    assert module.text() == (EXAMPLE / "agencies.yaml").read_text(encoding="utf-8")


def test_loading_it_is_fast():
    start = time.process_time()
    load(EXAMPLE)
    assert time.process_time() - start < 0.35


def run(*arguments):
    result = CliRunner().invoke(root, [str(argument) for argument in arguments])
    if isinstance(result.exception, Exception):
        raise result.exception
    return result


@pytest.mark.parametrize(("flags", "count"), [((), 483), (("--small",), 3)])
def test_init_then_check_passes(tmp_path, flags, count):
    target = tmp_path / "new" / "city"
    assert "citysoc config check" in run("init", target, *flags).stderr
    assert f"{count} agencies" in run("config", "check", target).stderr
    assert len(load(target, parsers=set(PARSERS)).registry) == count


def test_init_does_not_overwrite_unless_forced(tmp_path):
    run("init", tmp_path, "--small")
    (tmp_path / "agencies.yaml").write_text("mine")
    with pytest.raises(UsageError, match="--force"):
        run("init", tmp_path)
    assert (tmp_path / "agencies.yaml").read_text() == "mine"
    run("init", tmp_path, "--force")
    assert len(load(tmp_path).registry) == 483


def test_check_reports_all_mistakes(tmp_path):
    run("init", tmp_path, "--small")
    path = tmp_path / "citysoc.yaml"
    path.write_text(path.read_text().replace("language:", "langage:"))
    (tmp_path / "sources/bad.yaml").write_text(
        "sources: [{id: x, kind: files, paths: ['{agency}'], parser: nope}]\n"
    )
    with pytest.raises(ConfigError) as caught:
        run("config", "check", tmp_path)
    assert len(caught.value.problems) == 2


def test_example_settings_are_the_defaults(config):
    """The comments of the example say so."""
    written = config.settings.model_dump()
    assert written == type(config.settings)().model_dump()


def test_show_prints_what_can_be_read_again(tmp_path):
    run("init", tmp_path, "--small")
    shown = json.loads(
        run("--config", tmp_path / "citysoc.yaml", "config", "show", "--sources", "-f", "json").stdout
    )
    assert shown["service"]["language"] == "vi"
    assert {source["id"] for source in shown["sources"]} >= {"firewall", "syslog"}
    assert "place: Huế" in run("--config", tmp_path / "citysoc.yaml", "config", "show").stdout


def agencies(*arguments):
    return run("--config", EXAMPLE / "citysoc.yaml", "agencies", *arguments)


def test_agencies_list_filters_and_formats():
    assert len(agencies("list").stdout.splitlines()) == 483
    assert len(agencies("list", "--antivirus").stdout.splitlines()) == 230
    assert len(json.loads(agencies("list", "--level", "department", "-f", "json").stdout)) == 14
    rows = list(csv.DictReader(io.StringIO(agencies("list", "Quốc Học", "-f", "csv").stdout)))
    assert [row["id"] for row in rows] == ["truong-thpt-chuyen-quoc-hoc"]
    assert (
        "Sở Y tế"
        in run("--lang", "vi", "--config", EXAMPLE / "citysoc.yaml", "agencies", "list", "-f", "table").stdout
    )


@pytest.mark.parametrize("who", ["so-y-te", "Sở Y tế", "y te", "10.3.5.200", "::ffff:10.3.5.200"])
def test_agencies_show_by_id_name_or_address(who):
    row = json.loads(agencies("show", who).stdout)
    assert (row["id"], row["machines"]) == ("so-y-te", 103)
    assert "Sở Y tế" in agencies("show", who, "-f", "table").stdout


@pytest.mark.parametrize(
    ("who", "hint"),
    [("8.8.8.8", "Add its network"), ("Sở Y tee", "so-y-te"), ("Thuan", "phuong-thuan-"), ("%", "list")],
)
def test_agencies_show_says_what_to_do_when_nothing_fits(who, hint):
    with pytest.raises(UsageError) as caught:
        agencies("show", who)
    assert hint in caught.value.hint


def test_agencies_check_names_what_looks_forgotten(tmp_path):
    path = tmp_path / "agencies.yaml"
    path.write_text(
        "agencies:\n"
        "  - {id: a, name: A, expects: [x]}\n"
        "  - {id: b, name: B, networks: [10.0.0.0/30], antivirus: {machines: 9}}\n"
    )
    rows = [json.loads(line) for line in run("agencies", "check", path).stdout.splitlines()]
    assert [row["agency"] for row in rows] == ["a", "b", "b"]
    assert agencies("check").stdout == ""
