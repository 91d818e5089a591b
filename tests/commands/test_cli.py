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


RULE = """
title: Bad
id: 6f1c0a52-4f9e-4a56-9a3f-0d1e2c3b4a59
status: test
logsource: {product: windows, category: process_creation}
detection:
  selection: {Image|endswith: bad.exe}
  condition: selection
level: high
"""


def test_help_names_every_command_and_loads_none():
    done = citysoc("--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in COMMANDS)
    code = "import sys; from citysoc.cli import _run; _run(['--help']); print(sorted(m for m in sys.modules if m.startswith('citysoc.commands.')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.splitlines()[-1] == "['citysoc.commands.context']"


def test_findings_on_a_file_need_no_configuration_no_database_and_no_processes(tmp_path):
    """What a start costs is mostly what it loads: see docs/engine.md."""
    rule = tmp_path / "rule.yml"
    rule.write_text(RULE)
    log = tmp_path / "log.json"
    log.write_text(
        '{"EventID": 1, "Channel": "Microsoft-Windows-Sysmon/Operational", "Image": "C:\\\\bad.exe"}\n'
    )
    code = (
        "import sys; from citysoc.cli import _run;"
        f"_run(['detect', '-r', {str(rule)!r}, '-f', 'ndjson', {str(log)!r}]);"
        "print(*sorted(sys.modules), sep='\\n')"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "CITYSOC_LANG": "en"}
    for _time in ("cold", "warm"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env=environment,
        )
    finding, *modules = done.stdout.splitlines()
    assert '"rule.title":"Bad"' in finding
    assert done.stderr == "1 finding.\n"
    of_ours = {"citysoc.config.models", "citysoc.state.database"}
    of_others = {"asyncio", "multiprocessing", "pyarrow", "pydantic", "rich", "sigma", "sqlite3", "structlog"}
    assert (of_ours | of_others) & set(modules) == set()


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
