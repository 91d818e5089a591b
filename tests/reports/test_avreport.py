"""AVReport: valid by the schema, in batches, and read back by our own reader to the same figures."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from pytest_httpserver import HTTPServer

from citysoc.cli import root
from citysoc.config.load import load
from citysoc.config.reports import AvReport
from citysoc.ecs.schema import to_table
from citysoc.errors import ConfigError, DeliveryError
from citysoc.reports.avreport import Connection, Guard, Machine, Malware, Snapshot, System, Weakness
from citysoc.reports.avreport.document import documents, invalid, namespace
from citysoc.reports.avreport.sending import send
from citysoc.reports.build import month_period
from citysoc.reports.computing import compute
from citysoc.state import State
from citysoc.stores.local import LocalStore

ZONE = "Asia/Ho_Chi_Minh"
T0 = dt.datetime(2026, 10, 5, 1, 0, tzinfo=dt.UTC)
AT = dt.datetime(2026, 10, 31, 17, tzinfo=dt.UTC)
SENDER = AvReport(organ_id="000.00.12.H57", organ_name="Trung tâm <giám sát>", batch=10)
text = st.text(max_size=40)
machines = st.builds(Machine, st.sampled_from(["a", "b"]), text, st.sampled_from(["", "10.0.0.1"]))
snapshots = st.builds(
    Snapshot,
    st.lists(
        st.builds(
            Malware,
            machines,
            text.filter(str.strip).map(lambda t: "W32." + t),
            text,
            text,
            text,
            text,
            st.integers(1, 10**6),
        ),
        max_size=30,
    ).map(tuple),
    st.lists(st.builds(Connection, machines, text, text, text), max_size=5).map(tuple),
    st.lists(st.builds(Weakness, machines, text, text), max_size=5).map(tuple),
    st.lists(st.builds(System, machines, text, text), max_size=5).map(tuple),
    st.lists(
        st.builds(Guard, machines, st.none() | st.booleans(), st.none() | st.booleans()), max_size=5
    ).map(tuple),
    st.integers(0, 10**6),
)


@settings(max_examples=60, deadline=None)
@given(found=snapshots, variant=st.sampled_from(["edxml", "soap"]))
def test_whatever_it_holds_the_documents_are_valid_and_complete(found, variant):
    made = [etree.fromstring(content) for content in documents(found, SENDER, variant=variant, at=AT)]
    counts = [int(n.text) for page in made for n in page.iter("NumberFile")]
    assert sum(counts) == found.detections
    if variant == "soap":
        assert len(counts) == len(found.malware)
    names = {element.tag for page in made for element in page.iter("{*}*")}
    assert bool(names & {"PathFile", "HashFile", "TargetPort"}) <= (variant == "soap")
    assert all(
        ("ippublic" in one.attrib) == (variant == "soap") for page in made for one in page.iter("Machine")
    )
    assert [n.text for page in made for n in page.iter("NumberMachineNotUpdateOn15Day")] == [
        str(found.not_updated)
    ]
    for page in made:
        assert not invalid(page, namespace(SENDER, variant))
        for section in page.iter("Malware", "Connection", "OS"):
            assert len(section) <= SENDER.batch


def test_what_one_variant_knows_is_wrong_in_the_other():
    found = Snapshot((Malware(Machine("a", "PC"), "W32.A", "", "", "C:\\a", "", 1),), (), (), (), (), 0)
    (full,) = documents(found, SENDER, variant="soap", at=AT)
    (plain,) = documents(found, SENDER, variant="edxml", at=AT)
    page = etree.fromstring(plain)
    page[1].replace(page[1][0], next(etree.fromstring(full).iter("AVReport")))
    assert invalid(page, namespace(SENDER, "edxml"))


def test_what_breaks_the_schema_is_seen():
    (content,) = documents(Snapshot((), (), (), (), (), 0), SENDER, variant="edxml", at=AT)
    page = etree.fromstring(content)
    next(page.iter("Datetime")).text = "yesterday"
    assert "Datetime" in invalid(page, namespace(SENDER, "edxml"))


@pytest.fixture
def city(tmp_path):
    (tmp_path / "agencies.yaml").write_text(
        "agencies:\n  - {id: so-y-te, name: Sở Y tế, antivirus: {machines: 9}}\n", encoding="utf-8"
    )
    (tmp_path / "sources").mkdir()
    (tmp_path / "citysoc.yaml").write_text(
        "reports: {avreport: {organ_id: 000.00.12.H57, organ_name: Trung tâm}}\n", encoding="utf-8"
    )
    config = load(tmp_path / "citysoc.yaml")
    LocalStore(config.store_path).append(to_table(list(events())), 1)
    State(config.state_path).close()
    return config


def events():
    for n in range(25):
        outcome = ("deleted", "failed", "quarantined")[n % 3]
        yield {
            "@timestamp": T0 + dt.timedelta(minutes=n),
            "event.id": f"20261005-{n:024}",
            "event.ingested": T0,
            "event.module": "antivirus",
            "event.dataset": "antivirus.detection",
            "agency.id": "so-y-te",
            "host.name": f"PC-{n % 6}",
            "host.ip": [f"10.1.0.{n % 6}", "fe80::1"],
            "threat.software.name": ("W32.SalityVG.PE", "W32.FakeDoc.Worm")[n % 2],
            "file.path": "C:\\Mật <khẩu>.exe",
            "citysoc.outcome": outcome,
            "citysoc.class": "VIRUS",
            "citysoc.threat": "virus",
        }
    yield {
        "@timestamp": T0,
        "event.id": "20261005-" + "9" * 24,
        "event.ingested": T0,
        "event.module": "avreport",
        "event.dataset": "avreport.update",
        "agency.id": "so-y-te",
        "citysoc.source": "av",
        "avreport.not_updated_15_days": 4,
    }


@pytest.mark.parametrize("variant", ["edxml", "soap"])
def test_our_own_reader_reads_it_back_to_the_same_figures(city, tmp_path, variant):
    run = CliRunner().invoke(
        root, ["--config", str(city.path), "reports", "avreport", "build", "2026-10", "--variant", variant]
    )
    assert run.exit_code == 0, run.output
    (path,) = [line for line in run.stdout.splitlines() if line.endswith(".xml")]
    assert "Anti Virus Report on 01-11-2026 00:00:00" in Path(path).read_text(encoding="utf-8"), "local time"
    parsed = CliRunner().invoke(root, ["parse", path, "--as", "avreport"])
    found = [json.loads(line) for line in parsed.stdout.splitlines()]
    detections = [event for event in found if event["event.dataset"] == "antivirus.detection"]
    state = State(city.state_path)
    figures = compute(city, state, LocalStore(city.store_path), month_period(2026, 10, ZONE), now=AT)
    state.close()
    assert (
        sum(event["antivirus.files"] for event in detections)
        == 25
        == sum(row.count for row in figures.malware)
    )
    assert len({event["host.name"] for event in detections}) == figures.coverage.machines_infected == 6
    assert (
        sum(e["antivirus.files"] for e in detections if e.get("citysoc.outcome") == "failed")
        == figures.coverage.not_cleaned
    )
    assert [e["avreport.not_updated_15_days"] for e in found if "avreport.not_updated_15_days" in e] == [4]
    paths = {event.get("file.path") for event in detections}
    assert paths == ({"C:\\Mật <khẩu>.exe"} if variant == "soap" else {None}), "2018 knew no paths"


def test_without_a_sender_nothing_is_written(tmp_path, city):
    city.path.write_text("{}", encoding="utf-8")
    run = CliRunner().invoke(
        root, ["--config", str(city.path), "--lang", "en", "reports", "avreport", "build", "2026-10"]
    )
    assert isinstance(run.exception, ConfigError)
    assert "organ_id" in (run.exception.hint or "")


def test_nothing_is_sent_without_being_asked_twice(tmp_path, city):
    (tmp_path / "a.xml").write_text("<a/>")
    run = CliRunner().invoke(
        root,
        ["--config", str(city.path), "--lang", "en", "reports", "avreport", "send", str(tmp_path / "a.xml")],
    )
    assert run.exit_code == 0
    assert "Nothing was sent" in run.output
    asked = CliRunner().invoke(
        root,
        [
            "--config",
            str(city.path),
            "--lang",
            "en",
            "reports",
            "avreport",
            "send",
            "--yes",
            str(tmp_path / "a.xml"),
        ],
    )
    assert isinstance(asked.exception, ConfigError), "neither address nor certificate"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificates with openssl")
def test_documents_are_sent_with_the_client_certificate(tmp_path):
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    request = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*request.split(), *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.load_verify_locations(cert)
    context.verify_mode = ssl.CERT_REQUIRED
    files = [tmp_path / "1.xml", tmp_path / "2.xml"]
    for path in files:
        path.write_text(f"<a>{path.name}</a>")
    with HTTPServer(host="127.0.0.1", ssl_context=context) as server:
        server.expect_request("/in", data="<a>1.xml</a>").respond_with_data("")
        server.expect_request("/in", data="<a>2.xml</a>").respond_with_data("", status=503)
        to = AvReport(
            url=f"https://127.0.0.1:{server.port}/in", client_certificate=cert, client_key=key, ca_file=cert
        )
        sent = send(to, tmp_path, files)
        assert next(sent) == (files[0], 200)
        with pytest.raises(DeliveryError, match="503"):
            next(sent)
    assert [request.headers["Content-Type"] for request, _ in server.log] == ["text/xml; charset=utf-8"] * 2
