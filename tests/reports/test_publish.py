"""Reports on schedule and on their way: due when they should be, built once, delivered until they arrive."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import email
import email.policy
import hashlib
import json
import socket
import threading
from zoneinfo import ZoneInfo

import asyncssh
import pytest
from aiosmtpd.controller import Controller

from citysoc.config.load import load
from citysoc.errors import ConfigError
from citysoc.reports import publish
from citysoc.reports.due import due
from citysoc.reports.publish import deliver_due
from citysoc.state import State
from citysoc.stores.local import LocalStore

NOW = dt.datetime(2026, 11, 3, 1, 0, tzinfo=dt.UTC)
AGENCIES = """
agencies:
  - {id: so-y-te, name: Sở Y tế, contacts: [{role: Trực ban, email: truc@so-y-te.example}]}
  - {id: xa-a, name: Xã A}
"""


def city(tmp_path, reports, **more):
    (tmp_path / "agencies.yaml").write_text(AGENCIES, encoding="utf-8")
    (tmp_path / "sources").mkdir(exist_ok=True)
    (tmp_path / "citysoc.yaml").write_text(
        json.dumps({"reports": reports, **more}, ensure_ascii=False), encoding="utf-8"
    )
    return load(tmp_path / "citysoc.yaml")


@contextlib.contextmanager
def opened(config):
    state = State(config.state_path)
    try:
        yield state
    finally:
        state.close()


def published(config, now=NOW):
    with opened(config) as state:
        return publish.publish(config, state, LocalStore(config.store_path), now=now)


def delivered(config, now=NOW):
    with opened(config) as state:
        done = deliver_due(config, state, now=now)
        return done, [dict(row) for row in publish.deliveries(state)]


# When


@pytest.mark.parametrize(
    ("kind", "moment", "wanted"),
    [
        ("month", "2026-11-01T09:00:00+07:00", "09/2026"),  # a Sunday: October is not due yet
        ("month", "2026-11-02T07:59:00+07:00", "09/2026"),
        ("month", "2026-11-02T08:00:00+07:00", "10/2026"),
        ("month", "2026-11-30T23:00:00+07:00", "10/2026"),
        ("month", "2027-01-01T09:00:00+07:00", "11/2026"),  # a holiday
        ("month", "2027-01-04T09:00:00+07:00", "12/2026"),
        ("month", "2025-02-02T12:00:00+07:00", "12/2024"),  # Tết, until the second of February
        ("month", "2025-02-03T08:00:00+07:00", "01/2025"),
        ("month", "2022-02-04T12:00:00+07:00", "12/2021"),  # Tết on the first of February
        ("month", "2022-02-07T08:00:00+07:00", "01/2022"),
        ("quarter", "2026-10-01T08:00:00+07:00", "Q3/2026"),
        ("quarter", "2026-12-31T08:00:00+07:00", "Q3/2026"),
        ("quarter", "2027-01-01T09:00:00+07:00", "Q3/2026"),
        ("quarter", "2027-01-04T09:00:00+07:00", "Q4/2026"),
        ("week", "2026-11-02T07:59:00+07:00", "W43/2026"),
        ("week", "2026-11-02T08:00:00+07:00", "W44/2026"),
        ("week", "2027-01-04T08:00:00+07:00", "W53/2026"),
    ],
)
def test_what_is_due(tmp_path, kind, moment, wanted):
    config = city(tmp_path, {"schedule": [kind]})
    assert [period.name for period in due(config, dt.datetime.fromisoformat(moment))] == [wanted]


def test_a_zero_month_is_reported_once(tmp_path):
    config = city(tmp_path, {"formats": ["html"]})
    assert published(config) == ["10/2026"]
    assert (config.reports_dir / "2026-10-01_2026-10-31" / "report.vi.html").is_file()
    assert published(config) == []
    assert published(config, NOW + dt.timedelta(days=20)) == []
    assert published(config, NOW + dt.timedelta(days=31)) == ["11/2026"]


def test_all_that_was_missed_is_made_up_for(tmp_path):
    """A service that was down over Tết builds every week and month of that time, oldest first, each once."""
    share = {"id": "share", "kind": "directory", "path": str(tmp_path / "share"), "formats": ["html"]}
    config = city(tmp_path, {"formats": ["html"], "schedule": ["week", "month"], "targets": [share]})
    tet = dt.datetime(2027, 1, 29, 9, tzinfo=ZoneInfo("Asia/Ho_Chi_Minh"))
    assert published(config, tet) == ["W03/2027", "12/2026"], "what is new has missed nothing"
    back = tet.replace(month=3, day=1)
    assert published(config, back) == [
        "W04/2027",
        "W05/2027",
        "W06/2027",
        "W07/2027",
        "W08/2027",
        "01/2027",
        "02/2027",
    ]
    assert published(config, back) == []
    done, _ = delivered(config, back)
    assert done.sent == 9


def test_what_lies_years_back_is_not_made_up_for(tmp_path):
    config = city(tmp_path, {"formats": ["html"], "schedule": ["month"]})
    assert published(config, NOW.replace(year=2024)) == ["10/2024"]
    assert published(config) == ["10/2026"]


def test_another_template_is_another_report(tmp_path):
    from citysoc.reports.word import skeleton

    config = city(tmp_path, {"formats": ["html"]})
    assert published(config) == ["10/2026"]
    (tmp_path / "own.docx").write_bytes(skeleton.template())
    config = city(tmp_path, {"formats": ["html"], "template": "own.docx"})
    assert published(config) == ["10/2026"]
    assert published(config) == []


# Where to


def test_to_a_folder_for_the_city_and_for_each_agency(tmp_path):
    share = tmp_path / "share"
    target = {"kind": "directory", "path": str(share), "formats": ["html", "csv"]}
    config = city(
        tmp_path,
        {
            "formats": ["html"],
            "targets": [{**target, "id": "city"}, {**target, "id": "all", "scope": "agencies"}],
        },
    )
    published(config)
    done, rows = delivered(config)
    assert (done.sent, done.again, done.dead) == (3, 0, 0)
    assert {row["state"] for row in rows} == {"delivered"}
    folder = share / "2026-10-01_2026-10-31"
    assert (folder / "report.vi.html").read_bytes() == (
        config.reports_dir / "2026-10-01_2026-10-31" / "report.vi.html"
    ).read_bytes()
    assert {path.name for path in (folder / "agencies").iterdir()} == {"so-y-te", "xa-a"}
    assert delivered(config)[0].sent == 0, "never twice"


def test_a_folder_that_is_away_is_tried_again_and_given_up_at_last(tmp_path):
    (tmp_path / "share").write_text("a file, no folder")
    target = {"id": "share", "kind": "directory", "path": str(tmp_path / "share"), "formats": ["html"]}
    config = city(tmp_path, {"formats": ["html"], "targets": [target]})
    published(config)
    now, waits = NOW, []
    for _ in range(publish.MAX_ATTEMPTS):
        done, (row,) = delivered(config, now)
        assert done.sent == 0
        later = dt.datetime.fromisoformat(row["due_at"])
        waits.append((later - now).total_seconds())
        assert delivered(config, now + (later - now) / 2)[0] == publish.Delivered(), "not before its time"
        now = later
    assert waits[:3] == [60, 120, 240]
    assert max(waits) == publish.LONGEST_WAIT_SECONDS
    assert row["state"] == "dead"
    assert "cannot be written" in row["detail"]


class Inbox:
    """A mail server that keeps what it gets, or refuses."""

    def __init__(self, answer="250 OK"):
        self.answer, self.mails = answer, []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802  the library's name
        self.mails.append(
            (envelope.rcpt_tos, email.message_from_bytes(envelope.content, policy=email.policy.default))
        )
        return self.answer


@pytest.fixture
def inbox():
    handler = Inbox()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        handler.port = free.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=handler.port)
    controller.start()
    yield handler
    controller.stop()


def mail(inbox, **more):
    target = {"id": "mail", "kind": "mail", "host": "127.0.0.1", "port": inbox.port, "security": "none"}
    return (
        target
        | {"sender": "soc@hue.example", "to": ["lanh.dao@hue.example"], "formats": ["pdf", "docx"]}
        | more
    )


def test_by_mail_with_the_documents(tmp_path, inbox):
    config = city(tmp_path, {"issuer": "Trung tâm giám sát", "formats": ["html"], "targets": [mail(inbox)]})
    published(config)
    assert delivered(config)[0].sent == 1
    ((to, message),) = inbox.mails
    assert to == ["lanh.dao@hue.example"]
    assert message["Subject"] == "Báo cáo an ninh mạng 10/2026 Trung tâm giám sát"
    folder = config.reports_dir / "2026-10-01_2026-10-31"
    for part in message.iter_attachments():
        assert part.get_content() == (folder / part.get_filename()).read_bytes()
    assert [part.get_filename() for part in message.iter_attachments()] == ["report.vi.pdf", "report.vi.docx"]
    assert message["Message-ID"].startswith("<rep_")


def test_by_mail_with_links(tmp_path, inbox):
    config = city(tmp_path, {"formats": ["html"], "targets": [mail(inbox, link="https://share.example/r/")]})
    published(config)
    delivered(config)
    ((_, message),) = inbox.mails
    assert not list(message.iter_attachments())
    assert "https://share.example/r/2026-10-01_2026-10-31/report.vi.pdf" in message.get_content()


def test_each_agency_gets_its_own_at_its_contacts(tmp_path, inbox):
    config = city(
        tmp_path, {"formats": ["html"], "targets": [mail(inbox, scope="agencies", formats=["html"])]}
    )
    published(config)
    done, rows = delivered(config)
    ((to, message),) = inbox.mails
    assert to == ["truc@so-y-te.example"]
    assert "Sở Y tế" in message["Subject"]
    assert (done.sent, done.dead) == (1, 1)
    assert {row["agency"]: row["detail"] for row in rows}["xa-a"].endswith("There is nobody to send to.")


@pytest.mark.parametrize(("answer", "state"), [("451 later", "pending"), ("554 no", "dead")])
def test_what_the_mail_server_says_decides(tmp_path, inbox, answer, state):
    inbox.answer = answer
    config = city(tmp_path, {"formats": ["html"], "targets": [mail(inbox)]})
    published(config)
    _, (row,) = delivered(config)
    assert row["state"] == state
    assert answer[:3] in row["detail"]


def test_no_mail_server_is_tried_again(tmp_path, inbox):
    config = city(tmp_path, {"formats": ["html"], "targets": [mail(inbox, port=1)]})
    published(config)
    assert delivered(config)[0].again == 1


@pytest.fixture
def sftp_server(tmp_path):
    """A real SFTP server on this machine, in a thread of its own."""
    host_key, user_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    user_key.write_private_key(str(tmp_path / "key"))
    (tmp_path / "remote").mkdir()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    class Server(asyncssh.SSHServer):
        def begin_auth(self, username):
            return True

        def public_key_auth_supported(self):
            return True

        def validate_public_key(self, username, key):
            return username == "soc" and key == user_key.convert_to_public()

    async def listen():
        return await asyncssh.create_server(
            Server,
            "127.0.0.1",
            0,
            server_host_keys=[host_key],
            sftp_factory=lambda chan: asyncssh.SFTPServer(chan, chroot=str(tmp_path / "remote")),
        )

    listening = asyncio.run_coroutine_threadsafe(listen(), loop).result(10)
    port = listening.get_port()
    public = host_key.export_public_key().decode().strip()
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}\n")
    yield port, tmp_path / "remote"

    async def end():
        listening.close()
        await listening.wait_closed()

    asyncio.run_coroutine_threadsafe(end(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def sftp(port, **more):
    target = {"id": "sftp", "kind": "sftp", "host": "127.0.0.1", "port": port, "username": "soc"}
    return (
        target
        | {"key_file": "key", "known_hosts": "known_hosts", "directory": "/in", "formats": ["html"]}
        | more
    )


def test_by_sftp(tmp_path, sftp_server):
    port, remote = sftp_server
    config = city(tmp_path, {"formats": ["html"], "targets": [sftp(port)]})
    published(config)
    done, rows = delivered(config)
    assert done.sent == 1, rows
    assert (remote / "in" / "2026-10-01_2026-10-31" / "report.vi.html").is_file()


def test_a_machine_with_another_key_gets_nothing(tmp_path, sftp_server):
    port, remote = sftp_server
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{port} {other}\n")
    config = city(tmp_path, {"formats": ["html"], "targets": [sftp(port)]})
    published(config)
    done, (row,) = delivered(config)
    assert done.dead == 1, row
    assert not list(remote.iterdir())


def test_by_webhook_through_the_outbox(tmp_path):
    config = city(
        tmp_path,
        {
            "formats": ["html"],
            "targets": [{"id": "hook", "kind": "webhook", "webhook": "desk", "formats": ["html"]}],
        },
        webhooks=[{"id": "desk", "url": "https://desk.example/in", "secret": "env:DESK"}],
    )
    published(config)
    assert delivered(config)[0].sent == 1
    with opened(config) as state:
        ((event, body),) = [
            (row["event"], row["body"]) for row in state.rows("SELECT event, body FROM outbox")
        ]
        assert [row["webhook"] for row in state.rows("SELECT webhook FROM deliveries")] == ["desk"]
    assert event == "report.built"
    data = json.loads(body)["data"]
    assert data["figures"]["cases"]["value"] == 0
    content = (config.reports_dir / "2026-10-01_2026-10-31" / "report.vi.html").read_bytes()
    assert data["documents"][0]["sha256"] == hashlib.sha256(content).hexdigest()


MAIL = {
    "id": "m",
    "kind": "mail",
    "host": "mail.example",
    "sender": "soc@hue.example",
    "to": ["a@hue.example"],
}
SFTP = {
    "id": "s",
    "kind": "sftp",
    "host": "a.example",
    "username": "soc",
    "key_file": "key",
    "known_hosts": "hosts",
}


ODD = ["a\u202eb", "\U0001f600", "a\x00b", "x" * 2000, "a b\r\nBcc: c"]
PLACES = [
    (MAIL, "host"),
    (MAIL, "sender"),
    (MAIL, "to"),
    (SFTP, "host"),
    (SFTP, "username"),
    (SFTP, "directory"),
]
FINE = {("directory", "\U0001f600"), ("username", "\U0001f600")}
"""A name like any other."""


@pytest.mark.parametrize(
    ("target", "name", "text"),
    [(target, name, text) for target, name in PLACES for text in ODD if (name, text) not in FINE],
    ids=lambda value: None if isinstance(value, dict) else ascii(value)[:20],
)
def test_what_no_protocol_can_carry_is_refused_when_it_is_configured(tmp_path, target, name, text):
    with pytest.raises(ConfigError):
        city(tmp_path, {"targets": [target | {name: [text] if name == "to" else text}]})


def test_a_target_that_cannot_be_reached_in_words_holds_no_other_up(tmp_path):
    """A user's name that SFTP cannot carry is given up; the folder after it gets its report."""
    for name in ("key", "hosts"):
        (tmp_path / name).write_text("x", encoding="utf-8")
    share = {"id": "z", "kind": "directory", "path": str(tmp_path / "share"), "formats": ["html"]}
    odd = SFTP | {"username": "\U0001f600", "host": "127.0.0.1", "port": 9, "formats": ["html"]}
    config = city(tmp_path, {"formats": ["html"], "targets": [odd, share]})
    published(config)
    done, rows = delivered(config)
    assert (done.sent, done.dead) == (1, 1)
    assert {row["target"]: row["state"] for row in rows} == {"s": "dead", "z": "delivered"}


def test_damaged_figures_are_given_up_and_hold_no_other_up(tmp_path, monkeypatch):
    monkeypatch.setenv("DESK", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=")
    hook = {"id": "desk", "url": "https://desk.example/in", "secret": "env:DESK"}
    portal = {"id": "a", "kind": "webhook", "webhook": "desk", "formats": ["html"]}
    share = {"id": "z", "kind": "directory", "path": str(tmp_path / "share"), "formats": ["html"]}
    config = city(tmp_path, {"formats": ["html"], "targets": [portal, share]}, webhooks=[hook])
    published(config)
    (config.reports_dir / "2026-10-01_2026-10-31" / "figures.json").write_text("{}", encoding="utf-8")
    done, rows = delivered(config)
    assert (done.sent, done.dead) == (1, 1)
    assert {row["target"]: row["state"] for row in rows} == {"a": "dead", "z": "delivered"}
