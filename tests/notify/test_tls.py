"""TLS is verified against the receiver's name although the connection goes to a resolved address."""

from __future__ import annotations

import asyncio
import base64
import shutil
import ssl
import subprocess

import pytest
from pytest_httpserver import HTTPServer

from citysoc import clock
from citysoc.config.models import Webhook
from citysoc.notify.attempt import attempt, open_client

SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with openssl")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for soc.example."""
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    request = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=soc.example"
    names = ["-addext", "subjectAltName=DNS:soc.example", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(
        [*request.split(), *names],
        check=True,
        capture_output=True,
    )
    return cert, key


@pytest.fixture
def server(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with HTTPServer(host="127.0.0.1", ssl_context=context) as opened:
        opened.expect_request("/hook").respond_with_data("")
        yield opened


def send(server, host, ca_file):
    webhook = Webhook(
        id="desk",
        url=f"https://{host}:{server.port}/hook",
        secret="env:D",
        allow_private_network=True,
        ca_file=ca_file,
    )

    async def resolver(host, port):
        return ["127.0.0.1"]

    async def run():
        async with open_client(webhook) as client:
            now = clock.now()
            return await attempt(client, webhook, "msg_1", b"{}", secret=SECRET, now=now, resolver=resolver)

    return asyncio.run(run())


def test_the_name_in_the_certificate_is_the_one_asked_for(server, certificate):
    assert send(server, "soc.example", certificate[0]).kind == "delivered"


@pytest.mark.parametrize(("host", "own_ca"), [("other.example", True), ("soc.example", False)])
def test_a_wrong_name_or_an_unknown_authority_gets_nothing(server, certificate, host, own_ca):
    outcome = send(server, host, certificate[0] if own_ca else None)
    assert outcome.kind == "retry"
    assert "certificate verify failed" in outcome.reason
    assert server.log == []
