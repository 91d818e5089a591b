"""New indicators are looked for in the past of a cluster as in that of the local store."""

from __future__ import annotations

import itertools
import json

import pytest
from cities import build

from citysoc import clock

pytestmark = pytest.mark.elastic

_numbers = itertools.count(1)


@pytest.fixture
def prefix(elastic):
    name = f"intel-{next(_numbers)}"
    yield name
    elastic.call("DELETE", f"{name}-*")


def settings_of(kind, elastic, prefix):
    cluster = f"elasticsearch: {{urls: ['{elastic.url}'], prefix: {prefix}, timeout_seconds: 5}}"
    return f"store: {{kind: {kind}, {cluster}}}\n"


def test_both_stores_hold_the_same_past(elastic, prefix, tmp_path):
    now = clock.iso(clock.now().replace(microsecond=0))
    events = [
        {"@timestamp": now, "source.ip": "10.1.1.5", "destination.ip": "45.61.8.8", "n": n} for n in range(5)
    ] + [{"@timestamp": now, "source.ip": "10.1.1.6", "dns.question.name": "www.c2.top", "n": 9}]
    found = []
    for kind in ("local", "elasticsearch"):
        city = build(tmp_path / kind, settings=settings_of(kind, elastic, prefix))
        (city.inbox() / "a.ndjson").write_text("".join(json.dumps(one) + "\n" for one in events), "utf-8")
        city.run("ingest", str(city.inbox()), "--agency", "so-y-te", "--source", "firewall")
        feed = tmp_path / f"{kind}.txt"
        feed.write_text("45.61.8.8\nc2.top\n8.8.8.8\n", "utf-8")
        said = city.run("intel", "import", str(feed), "--feed", "feed", "--alert", "-f", "ndjson")
        rows = [json.loads(line) for line in said.stdout.splitlines()]
        assert "2 alerts made." in said.stderr
        found.append([{name: row[name] for name in row if name != "expires"} for row in rows])
    assert [(row["indicator"], row["value"], row["events"]) for row in found[0]] == [
        ("45.61.8.8", "45.61.8.8", 5),
        ("c2.top", "www.c2.top", 1),
    ]
    assert found[0] == found[1]
