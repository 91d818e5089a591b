"""The command line as its user meets it: help, errors, exit codes, pipes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from citysoc.cli import COMMANDS, root


def citysoc(*arguments, **options):
    environment = {**os.environ, "CITYSOC_LANG": "en", **options.pop("env", {})}
    return subprocess.run(
        [sys.executable, "-m", "citysoc", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
        **options,
    )


def test_help_names_every_command_and_loads_none():
    done = citysoc("--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in COMMANDS)
    code = "import sys; from citysoc.cli import _run; _run(['--help']); print(sorted(m for m in sys.modules if m.startswith('citysoc.commands.')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.splitlines()[-1] == "['citysoc.commands.context']"


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_help_for_itself_and_each_option(name):
    command = root.get_command(None, name)
    pending = [command]
    while pending:
        one = pending.pop()
        assert one.get_short_help_str(), one.name
        pending += getattr(one, "commands", {}).values()
        for option in one.params:
            if option.param_type_name == "option":
                assert option.help, f"{name} {one.name} {option.name}"


def test_a_command_that_is_none():
    done = citysoc("frobnicate")
    assert done.returncode == 2
    assert "No such command" in done.stderr


def test_no_configuration_says_what_to_do(tmp_path):
    done = citysoc("alerts", "list", cwd=tmp_path)
    assert done.returncode == 3
    assert "citysoc init" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_enough_is_no_error(tmp_path):
    log = tmp_path / "many.ndjson"
    log.write_text('{"message": "x"}\n' * 50_000)
    with subprocess.Popen(
        [sys.executable, "-m", "citysoc", "parse", str(log)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline().startswith(b"{")
        process.stdout.close()
        said = process.stderr.read().decode()
    assert process.returncode == 0
    assert "Traceback" not in said
    assert "rror" not in said


def test_a_path_that_is_not_there():
    done = citysoc("parse", "/no/such/file")
    assert done.returncode == 1
    assert "/no/such/file: There is no such file or directory." in done.stderr
