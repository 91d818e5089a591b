"""A cluster with TLS that asks for our certificate, passwords and API keys: who gets in, and what the others are told."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import shutil
import subprocess

import pytest
from elastic_node import Settings, node

from citysoc.config.stores import Elastic
from citysoc.ecs.schema import to_table
from citysoc.errors import StoreError
from citysoc.stores.base import Question
from citysoc.stores.elastic import ElasticStore

pytestmark = pytest.mark.elastic

START = dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
OPTIONS = {
    "xpack.security.enabled": "true",
    "xpack.security.http.ssl.enabled": "true",
    "xpack.security.http.ssl.key": "node.key",
    "xpack.security.http.ssl.certificate": "node.pem",
    "xpack.security.http.ssl.certificate_authorities": "client.pem",
    "xpack.security.http.ssl.client_authentication": "required",
}
ROLES = b"""
writer:
  cluster: [monitor, manage_index_templates]
  indices:
    - names: ["citysoc-*"]
      privileges: [all]
reader:
  indices:
    - names: ["citysoc-*"]
      privileges: [read]
"""


def hashed(password):
    """A password as the server's file realm keeps it."""
    salt = bytes(range(32))
    key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 10_000, 32)
    return f"{{PBKDF2}}10000${base64.b64encode(salt).decode()}${base64.b64encode(key).decode()}"


def certificate(folder, name):
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "30",
        "-subj",
        f"/CN={name}",
    ]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{name}.key", "-out", f"{name}.pem"]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)


@pytest.fixture(scope="module")
def secured(elastic, tmp_path_factory):
    """A node of its own, and the folder with the certificates and secrets."""
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl to make certificates with")
    folder = tmp_path_factory.mktemp("secrets")
    for name in ("node", "client"):
        certificate(folder, name)
    users = {"admin": "superuser", "writer": "writer", "reader": "reader"}
    files = {
        "users": "".join(f"{user}:{hashed(f'secret of {user}')}\n" for user in users).encode(),
        "users_roles": "".join(f"{role}:{user}\n" for user, role in users.items()).encode(),
        "roles.yml": ROLES,
        **{name: (folder / name).read_bytes() for name in ("node.key", "node.pem", "client.pem")},
    }
    for user in users:
        (folder / f"{user}.secret").write_text(f"secret of {user}\n")
    (folder / "wrong.secret").write_text("guessed")
    with node(Settings(options=OPTIONS, files=files, ready=None)) as running:
        yield running, folder


@pytest.fixture
def opened(secured, tmp_path):
    running, folder = secured
    stores = []

    def open_(**more):
        known = {
            "urls": (running.url,),
            "ca_file": "node.pem",
            "client_certificate": "client.pem",
            "client_key": "client.key",
            "timeout_seconds": 10,
        }
        settings = Elastic(**{name: value for name, value in {**known, **more}.items() if value})
        store = ElasticStore(settings, root=folder, spool=tmp_path / f"spool-{len(stores)}")
        stores.append(store)
        return store

    yield open_
    for store in stores:
        store.close()


def rows(first, count):
    return to_table([{"@timestamp": START, "event.id": f"{n:032x}"} for n in range(first, first + count)])


def test_a_password_and_an_api_key(opened, secured):
    _running, folder = secured
    writer = opened(username="writer", password="file:writer.secret")
    writer.begin()
    writer.append(rows(0, 10), 1)
    writer.finish()
    assert writer.outside().rows == 0
    admin = opened(username="admin", password="file:admin.secret")
    wanted = {
        "name": "citysoc",
        "role_descriptors": {
            "citysoc": {
                "cluster": ["monitor", "manage_index_templates"],
                "indices": [{"names": ["citysoc-*"], "privileges": ["all"]}],
            }
        },
    }
    key = admin.cluster.ask("POST", "/_security/api_key", wanted)["encoded"]
    (folder / "key.secret").write_text(key)
    keyed = opened(api_key="file:key.secret")
    keyed.begin()
    keyed.append(rows(10, 5), 1)
    keyed.refresh()
    assert keyed.count(Question()) == 15


@pytest.mark.parametrize(
    ("more", "told", "hint"),
    [
        (
            {"username": "writer", "password": "file:wrong.secret"},
            "does not know these credentials",
            "password",
        ),
        ({"api_key": "file:wrong.secret"}, "does not know these credentials", "api_key"),
        ({}, "does not know these credentials", "api_key"),
        ({"username": "reader", "password": "file:reader.secret"}, "does not allow", "privileges"),
        ({"ca_file": None}, "certificate is not accepted", "ca_file"),
        ({"ca_file": "client.pem"}, "certificate is not accepted", "ca_file"),
    ],
    ids=["password", "key", "nothing", "privileges", "no authority", "another authority"],
)
def test_who_is_not_let_in_is_told_why(opened, more, told, hint):
    store = opened(**more)
    with pytest.raises(StoreError, match=told) as caught:
        store.begin()
    assert hint in caught.value.hint
    assert "secret of" not in str(caught.value)
    assert "guessed" not in str(caught.value)


def test_without_our_certificate_nothing_goes(opened):
    store = opened(username="writer", password="file:writer.secret", client_certificate=None, client_key=None)
    with pytest.raises(StoreError, match=r"certificate|reached"):
        store.begin()


def test_credentials_that_stop_working_lose_nothing(opened, secured):
    _running, folder = secured
    (folder / "changing.secret").write_text("secret of writer")
    known = {"username": "writer", "password": "file:changing.secret", "prefix": "citysoc-later"}
    store = opened(**known)
    store.begin()
    (folder / "changing.secret").write_text("guessed")
    store.close()  # the next request connects anew
    store.append(rows(0, 3), 1)
    store.settle()
    assert store.outside().rows == 3
    assert "credentials" in store.outside().reason
    (folder / "changing.secret").write_text("secret of writer")
    store.close()
    store.finish()
    assert store.outside().rows == 0
    assert store.count(Question()) == 3
