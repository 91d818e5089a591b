"""What was compiled is kept: named by what it is made of, checked before it is run."""

from __future__ import annotations

import os

import numpy as np
import pytest

from citysoc.compiled import kept
from citysoc.compiled.machine import Loops
from tests.compiled.processes import TOTAL, said, start

pytest.importorskip("numba")
MODULE = "tests.compiled.loops.numbers"
_FIVE = np.arange(5, dtype=np.int32)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """The name and the content of a file that is sound."""
    folder = tmp_path_factory.mktemp("kept")
    assert Loops(MODULE).load(folder)
    (path,) = folder.iterdir()
    return path.name, path.read_bytes()


def _load(folder):
    loops = Loops(MODULE)
    assert loops.load(folder)
    assert loops.total(_FIVE, 1) == 11


@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content + b"\0",
        lambda content: content[:20],
        lambda content: content[:-100] + bytes(100),
        lambda content: bytes([content[0] ^ 1]) + content[1:],
        lambda content: content[:30] + bytes([content[30] ^ 1]) + content[31:],
        lambda content: os.urandom(len(content)),
    ],
    ids=["empty", "cut off", "longer", "head only", "end gone", "other kind", "other digest", "noise"],
)
def test_what_is_damaged_is_compiled_again(tmp_path, sound, change):
    name, content = sound
    path = tmp_path / name
    path.write_bytes(change(content))
    _load(tmp_path)
    assert kept.read(tmp_path, path.stem) == kept.read(*_written(tmp_path / "as it was", name, content))


def _written(folder, name, content):
    folder.mkdir()
    path = folder / name
    path.write_bytes(content)
    path.chmod(0o600)
    return folder, path.stem


def test_what_is_kept_under_another_name_is_refused(tmp_path, sound):
    folder, key = _written(tmp_path / "kept", *sound)
    assert kept.read(folder, key)
    other = "0" * len(key)
    (folder / f"{key}.code").rename(folder / f"{other}.code")
    assert kept.read(folder, other) is None


@pytest.mark.skipif(os.name != "posix", reason="rights of files are POSIX's")
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_what_others_may_write_is_refused(tmp_path, sound, mode):
    folder, key = _written(tmp_path / "kept", *sound)
    (folder / f"{key}.code").chmod(mode)
    assert kept.read(folder, key) is None
    _load(folder)
    assert (folder / f"{key}.code").stat().st_mode & 0o777 == 0o600
    assert kept.read(folder, key)


def test_what_cannot_be_kept_is_compiled(tmp_path, sound):
    (tmp_path / "file").write_bytes(b"")
    _load(tmp_path / "file")  # no folder
    (tmp_path / sound[0]).mkdir()
    _load(tmp_path)  # no file
    assert [path.name for path in tmp_path.glob("*.part")] == []


def test_changed_sources_are_compiled_and_old_ones_found_again(tmp_path):
    source, folder = tmp_path / "house_loops.py", tmp_path / "kept"
    text = (
        "from __future__ import annotations\n"
        "from citysoc.compiled.marks import I32, Int, entry\n"
        "@entry\n"
        "def total(values: I32, begin: Int) -> Int:\n"
        "    return begin + len(values) * FACTOR\n"
    )
    program = TOTAL.format(module="house_loops", directory=str(folder))
    seen = []
    for factor in (2, 3, 2):
        source.write_text(text.replace("FACTOR", str(factor)), "utf-8")
        seen.append(said(start(program, tmp_path))[0])
    assert seen == ["True 110 True", "True 115 True", "True 110 False"]
    assert len(list(folder.iterdir())) == 2


def test_processes_that_begin_at_once_do_not_disturb_each_other(tmp_path):
    program = TOTAL.format(module=MODULE, directory=str(tmp_path / "kept"))
    processes = [start(program) for _ in range(3)]
    for process in processes:
        assert said(process)[0].startswith("True 110")
    assert [path.suffix for path in (tmp_path / "kept").iterdir()] == [".code"]
    assert said(start(program))[0] == "True 110 False"


def test_what_was_not_used_for_longest_goes_first(tmp_path):
    for number in range(40):
        kept.keep(tmp_path, f"{number:040}", ["total"], b"code")
        os.utime(tmp_path / f"{number:040}.code", (1000 + number,) * 2)
        assert kept.read(tmp_path, f"{0:040}") == (["total"], b"code")  # used again and again
    names = {int(path.stem) for path in tmp_path.iterdir()}
    assert len(names) <= 32
    assert {0, 39} <= names
