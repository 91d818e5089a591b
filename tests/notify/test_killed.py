"""A deliverer killed in the middle of a request loses nothing and changes no id."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import subprocess
import sys
import threading

import pytest
from werkzeug import Response

from citysoc import clock
from citysoc.config.models import Webhook
from citysoc.notify.webhook import deliver
from citysoc.state import State
from citysoc.state.outbox import Message, enqueue

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
PROGRAM = """
import asyncio, sys
from pathlib import Path
from citysoc import clock
from citysoc.config.models import Webhook
from citysoc.notify.webhook import deliver
from citysoc.state import State

state = State(Path(sys.argv[1]))
webhook = Webhook(id="desk", url=sys.argv[2], secret="env:D", allow_private_network=True)
asyncio.run(deliver(state, [webhook], resolve_secret=lambda _: sys.argv[3], now=clock.now))
"""


@pytest.mark.faults
def test_killed_between_the_request_and_its_record(tmp_path, httpserver):
    asked, release = threading.Event(), threading.Event()
    seen = []

    def answer(request):
        seen.append(request.headers["webhook-id"])
        if len(seen) == 1:
            asked.set()
            release.wait(20)
        return Response("")

    httpserver.expect_request("/hook").respond_with_handler(answer)
    url = httpserver.url_for("/hook")
    webhook = Webhook(id="desk", url=url, secret="env:D", allow_private_network=True)
    state = State(tmp_path / "citysoc.db")
    message = Message("alert.created", "alert-1", "high", "so-y-te", ("rule-1",), dict)
    with state.transaction() as db:
        enqueue(db, [message], [webhook], clock.now())
    with subprocess.Popen([sys.executable, "-c", PROGRAM, str(state.path), url, SECRET]) as process:
        assert asked.wait(20)
        process.kill()
    release.set()
    (attempt,) = state.rows("SELECT * FROM attempts")
    assert (attempt["outcome"], attempt["ended_at"]) == ("unknown", None)

    def run(later):
        pass_ = deliver(state, [webhook], resolve_secret=lambda _: SECRET, now=lambda: clock.now() + later)
        return asyncio.run(pass_)

    assert run(dt.timedelta(0)).sent == 0  # the dead process's claim still holds
    assert run(dt.timedelta(minutes=2)).sent == 1
    assert seen == [message.id, message.id]
    outcomes = [row["outcome"] for row in state.rows("SELECT outcome FROM attempts ORDER BY number")]
    assert outcomes == ["interrupted", "delivered"]
    state.close()
