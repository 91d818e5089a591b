"""The documentation's parser is a working one, and its table names every parser."""

from __future__ import annotations

import datetime as dt
import importlib.util
import re
from pathlib import Path

import orjson
import pytest

from citysoc.flow import Unparsed
from citysoc.parsers import registry
from citysoc.parsers.base import Context

TEXT = (Path(__file__).parents[2] / "docs" / "parsers.md").read_text(encoding="utf-8")


def block(info):
    return re.search(rf"^```{info}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)[1]


def test_the_example_parser_gives_the_events_it_promises(tmp_path):
    path = tmp_path / "vpngate.py"
    path.write_text(block("python"), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("vpngate", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    context = Context(arrived=dt.datetime(2026, 11, 2, tzinfo=dt.UTC))
    lines = block("text sample").splitlines()
    events = [
        {"citysoc.unparsed": result.reason} if isinstance(result, Unparsed) else result
        for result in module.PARSER.parse(lines, context)
    ]
    wanted = [orjson.loads(line) for line in block("json expected").splitlines()]
    assert [orjson.loads(orjson.dumps(event, option=orjson.OPT_UTC_Z)) for event in events] == wanted
    assert module.PARSER.sniff("\n".join(lines).encode(), "a.log") > 0


@pytest.mark.parametrize("name", registry.PARSERS)
def test_the_table_names_the_parser_and_its_framer(name):
    row = re.search(rf"^\| `{re.escape(name)}` \|.*\| `(.+)` \|$", TEXT, re.MULTILINE)
    assert row
    assert row[1] == registry.parser(name).framing
