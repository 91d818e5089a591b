"""Messages reach their receivers signed, once, or end where somebody sees them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import datetime as dt
import email.utils
import json
import socket
import threading

import pytest
from standardwebhooks import Webhook as Verifier
from werkzeug import Response

from citysoc import clock
from citysoc.config.models import Webhook
from citysoc.errors import ConfigError
from citysoc.notify import claims
from citysoc.notify.webhook import Delivered, deliver
from citysoc.state import State
from citysoc.state.outbox import Message, enqueue, prune

SECRET = "whsec_" + base64.b64encode(b"a secret of thirty-two bytes ....").decode()
ANY = "0.0.0.0"  # noqa: S104  an address that must be refused, not bound to
NOW = clock.now().replace(microsecond=0)


@pytest.fixture
def state(tmp_path):
    opened = State(tmp_path / "citysoc.db")
    yield opened
    opened.close()


def hook(server=None, **changes):
    values = {
        "id": "desk",
        "url": server.url_for("/hook") if server else "http://127.0.0.1:9/hook",
        "secret": "env:DESK",
        "allow_private_network": True,
        "timeout_seconds": 5,
    }
    return Webhook(**(values | changes))


def put(state, webhooks, number=1, now=NOW):
    messages = [
        Message(
            event="alert.created",
            subject=f"alert-{i}",
            level="high",
            agency="so-y-te",
            rules=("rule-1",),
            data=lambda i=i: {"id": f"alert-{i}", "title": "Mã độc"},
        )
        for i in range(number)
    ]
    with state.transaction() as db:
        enqueue(db, messages, webhooks, now)
    return [message.id for message in messages]


def run(state, webhooks, now=NOW, **options):
    options = {"resolve_secret": lambda _: SECRET} | options
    return asyncio.run(deliver(state, webhooks, now=lambda: now, **options))


def rows(state, webhook="desk"):
    found = state.rows("SELECT * FROM deliveries WHERE webhook = ? ORDER BY message", (webhook,))
    return [dict(row) for row in found]


def received(server):
    return [request for request, _ in server.log]


def test_a_message_arrives_signed_and_verifies_with_the_library(state, httpserver):
    httpserver.expect_request("/hook", method="POST").respond_with_data("", status=204)
    moment = clock.now()  # the library takes no message that is older than five minutes
    (message,) = put(state, [hook(httpserver)], now=moment)
    assert run(state, [hook(httpserver)], now=moment) == Delivered(sent=1)
    (request,) = received(httpserver)
    payload = Verifier(SECRET).verify(request.data, dict(request.headers))
    assert payload["type"] == "alert.created"
    assert payload["data"] == {"id": "alert-0", "title": "Mã độc"}
    assert request.headers["webhook-id"] == message
    assert request.headers["content-type"] == "application/json"
    assert rows(state)[0]["state"] == "delivered"
    assert run(state, [hook(httpserver)]) == Delivered()
    assert len(received(httpserver)) == 1


def test_nothing_due_asks_nobody(state):
    def no_secret(_):
        raise AssertionError

    assert run(state, [hook()], resolve_secret=no_secret) == Delivered()


def test_a_name_is_kept_in_host_while_the_connection_goes_to_the_resolved_address(state, httpserver):
    httpserver.expect_request("/hook").respond_with_data("")
    asked = []

    async def resolver(host, port):
        asked.append((host, port))
        return ["127.0.0.1"]

    named = hook(url=f"http://soc.example:{httpserver.port}/hook")
    put(state, [named])
    assert run(state, [named], resolver=resolver).sent == 1
    assert received(httpserver)[0].headers["host"] == f"soc.example:{httpserver.port}"
    assert asked == [("soc.example", httpserver.port)]


@pytest.mark.parametrize("status", [500, 502, 503, 408, 425, 429, 301, 307])
def test_what_may_pass_is_tried_again_with_the_same_id(state, httpserver, status):
    httpserver.expect_ordered_request("/hook").respond_with_data(
        "", status=status, headers={"location": "/x"}
    )
    httpserver.expect_ordered_request("/hook").respond_with_data("")
    (message,) = put(state, [hook(httpserver)])
    assert run(state, [hook(httpserver)]) == Delivered(retried=1)
    (row,) = rows(state)
    assert (row["state"], row["attempts"], row["status"]) == ("pending", 1, status)
    assert run(state, [hook(httpserver)], now=NOW + dt.timedelta(hours=1)).sent == 1
    ids = {request.headers["webhook-id"] for request in received(httpserver)}
    assert ids == {message}
    assert {request.path for request in received(httpserver)} == {"/hook"}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 422])
def test_what_cannot_pass_is_a_dead_letter_at_once(state, httpserver, status):
    httpserver.expect_request("/hook").respond_with_data("no \x1b[31mthanks", status=status)
    put(state, [hook(httpserver)])
    assert run(state, [hook(httpserver)]) == Delivered(dead=1)
    (row,) = rows(state)
    assert (row["state"], row["status"]) == ("dead", status)
    assert row["reason"].startswith(f"HTTP {status}: no")
    assert "\x1b" not in row["reason"]


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("120", 120, 150),
        (email.utils.format_datetime(NOW + dt.timedelta(seconds=300), usegmt=True), 300, 300),
        ("99999999", 3600, 3600),
        ("-5", 1, 30),
        ("soon", 1, 30),
        ("Mon, 99 Foo 2026 00:00:00 GMT", 1, 30),
    ],
    ids=["seconds", "date", "too much", "negative", "no number", "no date"],
)
def test_retry_after_is_honoured_and_capped(state, httpserver, header, least, most):
    httpserver.expect_request("/hook").respond_with_data("", status=429, headers={"retry-after": header})
    put(state, [hook(httpserver)])
    run(state, [hook(httpserver)])
    due = dt.datetime.fromisoformat(rows(state)[0]["due_at"])
    assert least <= (due - NOW).total_seconds() <= most + 5


def test_a_receiver_that_asks_for_patience_gets_it_for_all_its_messages(state, httpserver):
    httpserver.expect_request("/hook").respond_with_data("", status=503, headers={"retry-after": "600"})
    put(state, [hook(httpserver)], number=9)
    run(state, [hook(httpserver)])
    asked = len(received(httpserver))
    assert asked <= 4
    assert run(state, [hook(httpserver)], now=NOW + dt.timedelta(seconds=500)) == Delivered()
    assert len(received(httpserver)) == asked


def test_attempts_end_in_a_dead_letter_and_replay_keeps_the_id(state, httpserver):
    httpserver.expect_ordered_request("/hook").respond_with_data("", status=500)
    httpserver.expect_ordered_request("/hook").respond_with_data("", status=500)
    httpserver.expect_ordered_request("/hook").respond_with_data("")
    short = hook(httpserver, max_attempts=2)
    (message,) = put(state, [short])
    assert run(state, [short]) == Delivered(retried=1)
    later = NOW + dt.timedelta(hours=1)
    assert run(state, [short], now=later) == Delivered(dead=1)
    assert run(state, [short], now=later + dt.timedelta(days=9)) == Delivered()
    with state.transaction() as db:
        assert claims.replay(db, [(message, "desk")], budget=2, now=later) == 1
    assert run(state, [short], now=later) == Delivered(sent=1)
    assert [request.headers["webhook-id"] for request in received(httpserver)] == [message] * 3
    outcomes = [row["outcome"] for row in state.rows("SELECT outcome FROM attempts ORDER BY number")]
    assert outcomes == ["retry", "retry", "delivered"]


def test_nobody_at_home(state):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    lost = hook(url=f"http://127.0.0.1:{port}/hook")
    put(state, [lost])
    assert run(state, [lost]) == Delivered(retried=1)
    assert "Connect" in rows(state)[0]["reason"]


def test_a_name_that_does_not_resolve_is_tried_again(state):
    async def resolver(host, port):
        raise socket.gaierror(-2, "Name or service not known")

    put(state, [hook(url="https://nowhere.example/")])
    assert run(state, [hook(url="https://nowhere.example/")], resolver=resolver) == Delivered(retried=1)


@contextlib.contextmanager
def raw_server(serve):
    """Answer each connection with ``serve(connection)``, in threads of this test."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                serve(connection, stop)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def silent(connection, stop):
    stop.wait(5)


def dripping(connection, stop):
    connection.sendall(b"HTTP/1.1 500 Oops\r\nContent-Length: 1000000\r\n\r\n")
    while not stop.wait(0.05):
        connection.sendall(b"x")


def endless(connection, stop):
    connection.sendall(b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not stop.is_set():
        connection.sendall(b"10000\r\n" + b"y" * 0x10000 + b"\r\n")


def endless_success(connection, stop):
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not stop.is_set():
        connection.sendall(b"10000\r\n" + b"y" * 0x10000 + b"\r\n")


def nonsense(connection, stop):
    connection.sendall(b"\xff\x00SSH-2.0\r\n\r\n")


@pytest.mark.parametrize(
    ("serve", "expected"),
    [
        (silent, Delivered(retried=1)),
        (dripping, Delivered(retried=1)),
        (endless, Delivered(retried=1)),
        (endless_success, Delivered(sent=1)),
        (nonsense, Delivered(retried=1)),
    ],
)
def test_hostile_answers_are_bounded_in_time_and_size(state, serve, expected):
    with raw_server(serve) as port:
        odd = hook(url=f"http://127.0.0.1:{port}/", timeout_seconds=0.5)
        put(state, [odd])
        started = clock.now()
        assert run(state, [odd]) == expected
    assert (clock.now() - started).total_seconds() < 4
    assert len(rows(state)[0]["reason"] or "") <= 300


def test_a_slow_receiver_does_not_delay_another(state, httpserver):
    httpserver.expect_request("/hook").respond_with_data("")
    with raw_server(silent) as port:
        slow = hook(id="slow", url=f"http://127.0.0.1:{port}/", timeout_seconds=2)
        quick = hook(httpserver, id="quick")
        put(state, [slow, quick], number=6)
        arrived = []
        httpserver.clear_all_handlers()
        httpserver.expect_request("/hook").respond_with_handler(
            lambda _: arrived.append(clock.now()) or Response("")
        )
        started = clock.now()
        run(state, [slow, quick])
    assert len(arrived) == 6
    assert max((moment - started).total_seconds() for moment in arrived) < 1.9
    assert {row["state"] for row in rows(state, "quick")} == {"delivered"}


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "192.168.1.1", "172.16.0.1", "100.64.0.1", "169.254.169.254", ANY),
        *("::1", "fd00::1", "fe80::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "224.0.0.1"),
    ],
)
def test_the_own_network_is_out_of_reach(state, address):
    async def resolver(host, port):
        return ["93.184.215.14", address]

    outside = hook(url="https://receiver.example/", allow_private_network=False)
    put(state, [outside])
    assert run(state, [outside], resolver=resolver) == Delivered(dead=1)
    assert address in rows(state)[0]["reason"]


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", ANY, "::", "224.0.0.1"])
def test_some_addresses_are_out_of_reach_even_when_private_ones_are_allowed(state, address):
    async def resolver(host, port):
        return [address]

    put(state, [hook()])
    assert run(state, [hook()], resolver=resolver) == Delivered(dead=1)


def test_a_killed_deliverer_leaves_an_attempt_that_is_taken_up_with_the_same_id(state, httpserver):
    httpserver.expect_request("/hook").respond_with_data("")
    (message,) = put(state, [hook(httpserver)])
    (claimed,) = claims.claim(state, hook(httpserver), now=NOW, limit=4)  # … and then the process dies
    assert (claimed.message, claimed.number) == (message, 1)
    assert run(state, [hook(httpserver)]) == Delivered()  # the claim still holds
    assert run(state, [hook(httpserver)], now=NOW + dt.timedelta(minutes=5)) == Delivered(sent=1)
    outcomes = [row["outcome"] for row in state.rows("SELECT outcome FROM attempts ORDER BY number")]
    assert outcomes == ["interrupted", "delivered"]
    assert received(httpserver)[0].headers["webhook-id"] == message


def test_interruptions_use_up_attempts(state):
    once = hook(max_attempts=1)
    put(state, [once])
    claims.claim(state, once, now=NOW, limit=1)
    assert claims.claim(state, once, now=NOW + dt.timedelta(minutes=5), limit=1) == []
    assert rows(state)[0]["state"] == "dead"


def test_two_deliverers_never_hold_the_same_message(state):
    put(state, [hook()], number=10)
    other = State(state.path)
    first = claims.claim(state, hook(), now=NOW, limit=6)
    second = claims.claim(other, hook(), now=NOW, limit=6)
    other.close()
    assert len(first) == 6
    assert len(second) == 4
    assert not {c.message for c in first} & {c.message for c in second}


def test_a_late_deliverer_cannot_undo_what_another_finished(state, httpserver):
    httpserver.expect_request("/hook").respond_with_data("")
    put(state, [hook(httpserver)])
    (stale,) = claims.claim(state, hook(httpserver), now=NOW, limit=1)
    later = NOW + dt.timedelta(minutes=5)
    assert run(state, [hook(httpserver)], now=later).sent == 1
    from citysoc.notify.attempt import Outcome

    claims.settle(state, stale, Outcome("retry", "late"), now=later, delay_seconds=1)
    assert rows(state)[0]["state"] == "delivered"


def test_a_secret_that_does_not_resolve_is_tried_again_and_never_written_down(state, httpserver):
    def no_secret(reference):
        raise ConfigError("The secret is not set.", where=reference)

    put(state, [hook(httpserver)], number=3)
    assert run(state, [hook(httpserver)], resolve_secret=no_secret) == Delivered(retried=1)
    assert run(state, [hook(httpserver)], resolve_secret=lambda _: "whsec_*").retried >= 1
    assert received(httpserver) == []
    assert "whsec" not in json.dumps([row["reason"] for row in rows(state)]).replace("no whsec_ +", "")


def test_what_waits_for_a_webhook_that_is_gone_is_a_dead_letter(state):
    put(state, [hook()], number=3)
    assert run(state, []) == Delivered(dead=3)
    assert {row["reason"] for row in rows(state)} == {"the webhook is not configured"}


def test_backoff_grows_and_stays_within_its_cap():
    assert claims.backoff_seconds(1, 0.0) == 1.0
    assert [claims.backoff_seconds(n, 1.0) for n in (1, 2, 3)] == [30.0, 60.0, 120.0]
    assert claims.backoff_seconds(10_000, 1.0) == claims.CAP_SECONDS


def test_only_what_ended_well_is_forgotten(state, httpserver):
    httpserver.expect_request("/hook").respond_with_data("")
    put(state, [hook(httpserver), hook(id="gone")])
    run(state, [hook(httpserver)])
    with state.transaction() as db:
        assert prune(db, before=NOW + dt.timedelta(days=1)) == 0
        db.execute("DELETE FROM deliveries WHERE webhook = 'gone'")
        assert prune(db, before=NOW + dt.timedelta(days=1)) == 1
    assert state.rows("SELECT * FROM attempts") == []
