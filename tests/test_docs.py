"""What the documentation says can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from citysoc.cli import root
from citysoc.stores.query_parse import parse

PROJECT = Path(__file__).parents[1]
PAGES = [*sorted(PROJECT.glob("*.md")), *sorted(PROJECT.glob("docs/*.md"))]


def command_lines():
    for page in PAGES:
        if page.name == "commands.md":
            continue  # written from the help itself
        for block in re.findall(r"```(?:sh|text)?\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            for line in block.splitlines():
                line = line.strip().removeprefix("$ ")
                if line.startswith("citysoc "):
                    yield pytest.param(line, id=f"{page.name}: {line[:60]}")


def words(line):
    line = re.split(r"\s#|\s\||\s&&\s|\s>\s", line)[0]
    return shlex.split(line)[1:]


@pytest.mark.parametrize("line", list(command_lines()))
def test_every_command_line_in_the_documentation_is_one(line, tmp_path, monkeypatch):
    """It is parsed to the last option, and not run; files that it names are made first."""
    monkeypatch.chdir(tmp_path)
    arguments = words(line)
    context: click.Context | None = None
    command = root
    while True:
        for word in arguments:
            if "/" in word or "." in word:
                path = tmp_path / word
                if (
                    not path.exists()
                    and not word.startswith(("/", "-"))
                    and " " not in word
                    and ":" not in word
                ):
                    path.mkdir(parents=True) if word.endswith("/") else (
                        path.parent.mkdir(parents=True, exist_ok=True),
                        path.touch(),
                    )
        context = command.make_context(command.name or "citysoc", list(arguments), parent=context)
        if not isinstance(command, click.Group):
            break
        rest = [*context._protected_args, *context.args]
        name, found, arguments = command.resolve_command(context, rest)
        assert found is not None, name
        command = found


def queries():
    text = (PROJECT / "docs" / "queries.md").read_text(encoding="utf-8")
    rows = [
        line.split("|")[1]
        for line in text.splitlines()
        if line.startswith("| `") and "citysoc." not in line[:12]
    ]
    for row in rows:
        yield from re.findall(r"`([^`]+)`", row)


@pytest.mark.parametrize("query", list(queries()))
def test_every_query_in_the_documentation_is_one(query):
    if query.startswith(("agency.", "a AND b", "||")) or query in {"+a -c", "&&", "!", "a OR b", "NOT c"}:
        return
    parse(query)
