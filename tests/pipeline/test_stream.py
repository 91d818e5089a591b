"""Findings of files on the fly, by workers of both kinds."""

from __future__ import annotations

import datetime as dt
import os
import threading
from functools import partial

import pytest

from citysoc.errors import InputError
from citysoc.flow import Batch, Unread
from citysoc.pipeline import pool
from citysoc.pipeline.stream import findings
from citysoc.pipeline.work import Work

RULE = """\
title: Whoami
id: 00000000-0000-4000-8000-00000000000a
logsource: {product: windows}
detection: {s: {CommandLine|contains: whoami}, condition: s}
level: medium
"""
LINE = b'{"EventID": 4688, "Channel": "Security", "CommandLine": "whoami %d"}\n'


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "rule.yml"
    path.write_text(RULE)
    return (path,)


def spans(number):
    """Yield batches of one line each, uncut."""
    end = 0
    for n in range(number):
        data = LINE % n
        begin, end = end, end + len(data)
        yield Batch(
            *("a/b", "a", "windows", (), (), dt.datetime(2026, 11, 17, tzinfo=dt.UTC), "a.log", "i"),
            unread=Unread(begin, end, data),
        )


def places(rules, workers):
    found = findings(spans(30), Work(rules=rules), workers=workers, tell=list)
    return [finding.offset for part in found for finding in part]


def test_workers_of_both_kinds_find_the_same_in_order(rules, monkeypatch):
    alone = places(rules, None)
    assert alone == sorted(set(alone))
    assert len(alone) == 30
    started = []
    fresh = pool.open_pool
    monkeypatch.setattr(pool, "open_pool", lambda *args: started.append(args) or fresh(*args))
    monkeypatch.setattr(pool, "_is_alone", lambda: False)
    assert places(rules, 2) == alone
    assert started


def test_copies_are_made_only_where_no_thread_runs():
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert not pool._is_alone()
    finally:
        done.set()
        thread.join()


def test_a_worker_that_dies_is_told(rules):
    work = Work(rules=rules, intel=partial(os._exit, 3))
    with pytest.raises(InputError, match="worker process died"):
        list(findings(spans(3), work, workers=1, tell=list))
