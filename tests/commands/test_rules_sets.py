"""Rule sets of others: in whole, replaced whole, and no archive does harm."""

from __future__ import annotations

import json
import stat
import zipfile

import pytest
import yaml

from tests.corpus import CORPUS, needs_corpus

BOMB_BYTES = 2 << 20


def rule(number, word="gamma", **more):
    return yaml.safe_dump(
        {
            "title": f"Foreign {number}",
            "id": f"10000000-0000-4000-8000-00000000000{number}",
            "logsource": {"product": "ndjson"},
            "detection": {"selection": {"message|contains": word}, "condition": "selection"},
            "level": "medium",
            **more,
        }
    )


def pack(path, **files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return path


@pytest.fixture
def release(tmp_path):
    return pack(
        tmp_path / "Release_1.zip",
        **{
            "top__rules__one.yml": rule(1),
            "top__rules__two.yml": rule(2),
            "top__deprecated__old.yml": rule(9),
            "top__LICENSE": "Anyone may.",
            "top__rules__notes.yml": "just: notes",
            "top__run.sh": "echo no",
            "version.txt": "r2026-11\n",
        },
    )


def changes(house, *arguments, code=0):
    return {(row["change"], row["rule"][-1]) for row in house.rows("rules", "add", *arguments, code=code)}


def test_a_set_comes_in_with_its_licence(house, release):
    assert changes(house, release) == {("added", "1"), ("added", "2")}
    folder = house.rules / "release-1"
    assert (folder / "top/LICENSE").read_text() == "Anyone may."
    assert not (folder / "top/run.sh").exists()
    assert not (folder / "top/deprecated").exists()
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["version"] == "r2026-11"
    assert manifest["counts"] == {"ok": 0, "degraded": 2, "refused": 0}
    assert len(manifest["sha256"]) == 64
    (row,) = house.rows("rules", "sets")
    assert (row["name"], row["degraded"], row["licences"]) == ("release-1", 2, ["top/LICENSE"])
    assert {r["title"] for r in house.rows("rules", "list", "--set", "release-1")} == {
        "Foreign 1",
        "Foreign 2",
    }


def test_an_update_tells_the_difference_and_keeps_what_was_decided(house, release, tmp_path):
    house.run("rules", "add", release, "--as", "other")
    house.run("rules", "level", "Foreign 2", "critical", "--owner", "a", "--reason", "b")
    newer = pack(tmp_path / "2.zip", a=rule(3), **{"x__two.yml": rule(2, "delta"), "x__three.yml": rule(3)})
    assert changes(house, newer, "--as", "other", "--staged") == {
        ("added", "3"),
        ("changed", "2"),
        ("removed", "1"),
    }
    rows = {row["title"]: row for row in house.rows("rules", "list", "--set", "other")}
    assert (rows["Foreign 2"]["level"], rows["Foreign 2"]["state"]) == ("critical", "active")
    assert rows["Foreign 3"]["state"] == "staged"
    assert not list(house.rules.glob(".*"))


def test_staged_rules_of_a_set_stay_so_until_somebody_activates_them(house, release, said):
    house.run("rules", "add", release, "--as", "other", "--staged")
    house.run("rules", "activate", "Foreign 1", "--owner", "a", "--reason", "b")
    house.run("rules", "add", release, "--as", "other")
    house.ingest(said(0, "gamma"))
    assert [row["rule"][-1] for row in house.state("SELECT rule FROM alerts")] == ["1"]
    house.run("rules", "activate", "--set", "other", "--owner", "a", "--reason", "b")
    assert {row["state"] for row in house.rows("rules", "list", "--set", "other")} == {"active"}


def test_a_folder_is_a_source_too_and_its_links_are_left_out(house, tmp_path):
    source = tmp_path / "folder"
    source.mkdir()
    (source / "one.yml").write_text(rule(1))
    (tmp_path / "secret.yml").write_text(rule(2))
    (source / "two.yml").symlink_to(tmp_path / "secret.yml")
    assert changes(house, source) == {("added", "1")}


def test_an_id_in_use_stays_with_the_rule_that_has_it(house, tmp_path):
    doubled = rule(1).replace("10000000-0000-4000-8000", "00000000-0000-4000-8000")
    source = pack(tmp_path / "a.zip", **{"a.yml": doubled, "b.yml": rule(2)})
    result = house.run("rules", "add", source, "--as", "zz")
    assert "1 rules are left out" in result.stderr
    (row,) = [
        r for r in house.rows("rules", "list") if r["rule"].startswith("00000000") and r["rule"].endswith("1")
    ]
    assert row["title"] == "Word alpha"


def test_rules_test_leaves_sets_of_others_out(house, release, said):
    for word in ("alpha", "beta"):
        for kind in ("hits", "misses"):
            event = said(0, word if kind == "hits" else "nothing")
            (house.rules / f"{word}.{kind}.ndjson").write_text(json.dumps(event))
    (house.rules / "often.yml").unlink()
    house.run("rules", "add", release, "--as", "other")
    assert len(house.rows("rules", "test")) == 2
    assert len(house.rows("rules", "test", house.rules / "other", code=1)) == 2


def test_remove_takes_the_set_and_nothing_else(house, release):
    house.run("rules", "add", release, "--as", "other")
    house.run("rules", "remove", "other", "--yes")
    assert not (house.rules / "other").exists()
    assert len(house.rows("rules", "list")) == 3
    house.run("rules", "remove", "other", "--yes", code=1)
    trail = house.state("SELECT action FROM audit WHERE kind = 'ruleset' ORDER BY id")
    assert [row["action"] for row in trail] == ["add", "remove"]


@pytest.mark.parametrize("name", ["overrides", "citysoc", "../x", "Ä", ""])
def test_names_that_cannot_be(house, release, name):
    house.run("rules", "add", release, "--as", name or " ", code=1)


def test_a_folder_of_ones_own_is_not_replaced(house, release):
    (house.rules / "mine").mkdir()
    (house.rules / "mine" / "a.yml").write_text(rule(5))
    house.run("rules", "add", release, "--as", "mine", code=1)
    assert (house.rules / "mine" / "a.yml").exists()


def refused(house, source):
    result = house.run("rules", "add", source, "--as", "bad", code=1)
    assert not (house.rules / "bad").exists()
    assert not list(house.rules.glob(".*"))
    return str(result.exception)


@pytest.mark.parametrize(
    "name", ["../out.yml", "/etc/out.yml", "a/../../out.yml", "a\\..\\out.yml", "c:x.yml"]
)
def test_no_path_leads_out(house, tmp_path, name):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ok.yml", rule(1))
        archive.writestr(zipfile.ZipInfo(name), rule(2))
    assert "leads out" in refused(house, path)


def test_no_links_in_archives(house, tmp_path):
    path = tmp_path / "a.zip"
    link = zipfile.ZipInfo("link.yml")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert "link" in refused(house, path)


def test_no_bombs(house, tmp_path):
    path = pack(tmp_path / "a.zip", **{"a.yml": rule(1), "bomb.yml": "#" * (300 * BOMB_BYTES)})
    assert "far more" in refused(house, path)
    path = pack(tmp_path / "b.zip", **{"a.yml": rule(1) + "#" * BOMB_BYTES})
    assert refused(house, path)


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive at all", b"PK\x03\x04" + b"\0" * 100])
def test_what_is_no_archive_is_said_so(house, tmp_path, content):
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    assert "cannot be read" in refused(house, path)


def test_a_damaged_archive(house, release, tmp_path):
    content = bytearray(release.read_bytes())
    content[60:90] = b"\xff" * 30
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    assert refused(house, path)


def test_nothing_but_refused_rules(house, tmp_path):
    path = pack(tmp_path / "a.zip", **{"a.yml": rule(1, logsource={"category": "nobody_has_this"})})
    assert "All 1 rules in it are refused" in refused(house, path)
    assert "no rule" in refused(house, pack(tmp_path / "b.zip", **{"a.txt": "x"}))


def test_a_refused_update_leaves_the_old_set(house, release, tmp_path):
    house.run("rules", "add", release, "--as", "other")
    bad = pack(tmp_path / "a.zip", **{"a.yml": rule(1, logsource={"category": "nobody_has_this"})})
    house.run("rules", "add", bad, "--as", "other", code=1)
    assert len(house.rows("rules", "list", "--set", "other")) == 2


def test_a_kill_between_the_two_renames_is_mended(house, release):
    house.run("rules", "add", release, "--as", "other")
    (house.rules / "other").rename(house.rules / ".other.old")
    assert changes(house, release, "--as", "other") == set()
    assert not list(house.rules.glob(".*"))


@needs_corpus
@pytest.mark.faults
def test_a_release_of_sigmahq(house, tmp_path):
    path = tmp_path / "sigma.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted((CORPUS / "sigma").rglob("*")):
            if file.is_file() and file.suffix in {".yml", ""}:
                archive.write(file, f"sigma/{file.relative_to(CORPUS / 'sigma')}")
    result = house.run("rules", "add", path, "--as", "sigmahq", "--staged")
    manifest = json.loads((house.rules / "sigmahq" / "manifest.json").read_text())
    assert sum(manifest["counts"].values()) == 3777
    assert manifest["counts"]["ok"] > 3700
    assert manifest["licences"] == ["sigma/LICENSE"]
    assert "3777 added" in result.stderr


def test_the_own_folder_is_no_set(house):
    for source in (house.rules, house.rules.parent):
        result = house.run("rules", "add", source, code=2)
        assert "in use already" in str(result.exception)
    assert not list(house.rules.glob("*/manifest.json"))
