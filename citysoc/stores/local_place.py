"""Where the files of the local store are: a directory, or a bucket of S3-compatible storage with a cache before it.

Files are never changed once they are written, so a copy in the cache is good for ever. Names are those of
the table's log, relative to the table.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import os
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from citysoc import clock
from citysoc.stores.durable import sync, sync_name
from citysoc.stores.local_files import DAY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pyarrow.fs import S3FileSystem

ISOLATED = "_isolated"
"""Damaged files are put here, out of the table and out of the way of its clean-up."""


class Place(Protocol):
    """What the table needs to know of where it is."""

    @property
    def uri(self) -> str:
        """What Delta Lake calls the table by."""

    @property
    def options(self) -> dict[str, str]:
        """What Delta Lake needs to reach it."""

    @property
    def folder(self) -> Path:
        """The directory that DuckDB may read, and write what does not fit into memory."""

    def begun(self) -> bool:
        """Return whether a table may be here; a quick look where one is possible."""

    def put(self, name: str, data: memoryview) -> None:
        """Write a file, for good when this returns."""

    def local(self, names: Sequence[str]) -> list[str]:
        """Return paths at which the files can be read."""

    def fresh(self, name: str) -> str:
        """Return a path at which the file itself can be read, not an older copy."""

    def log_entry(self, version: int) -> bytes:
        """Return the table's log entry of a version.

        Raises:
            FileNotFoundError: it is gone, or not yet there.
        """

    def settle(self, version: int) -> None:
        """Put the log entry of a version on the disk for good."""

    def isolate(self, name: str) -> None:
        """Put a damaged file aside."""

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """Let no other process replace files inside the block."""


def log_name(version: int) -> str:
    """Return the name of a version's entry in the table's log."""
    return f"_delta_log/{version:020d}.json"


@dataclass(frozen=True, slots=True)
class Folder:
    """A directory."""

    folder: Path

    @property
    def uri(self) -> str:
        """What Delta Lake calls the table by."""
        return str(self.folder)

    @property
    def options(self) -> dict[str, str]:
        """Nothing."""
        return {}

    def begun(self) -> bool:
        """Return whether a table may be here."""
        return (self.folder / "_delta_log").is_dir()

    def put(self, name: str, data: memoryview) -> None:
        """Write a file, for good when this returns."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        sync_name(path)

    def local(self, names: Sequence[str]) -> list[str]:
        """Return the files' own paths."""
        return [str(self.folder / name) for name in names]

    def fresh(self, name: str) -> str:
        """Return the file's own path."""
        return str(self.folder / name)

    def log_entry(self, version: int) -> bytes:
        """Return the table's log entry of a version."""
        return (self.folder / log_name(version)).read_bytes()

    def settle(self, version: int) -> None:
        """Put the log entry of a version on the disk for good."""
        sync(self.folder / log_name(version))

    def isolate(self, name: str) -> None:
        """Move a damaged file aside."""
        with contextlib.suppress(FileNotFoundError):
            target = self.folder / ISOLATED / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).replace(target)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other process replace files inside the block."""
        with _locked(self.folder / "_replace.lock"):
            yield


@dataclass(frozen=True, slots=True)
class Bucket:
    """A prefix in a bucket of S3-compatible storage; files that are read are kept in a cache.

    Args:
        uri: ``s3://bucket/prefix``.
        options: what Delta Lake's S3 client takes: ``AWS_ENDPOINT_URL``, ``AWS_REGION``, keys.
        folder: the cache.
        cache_bytes: it may grow so large; files that were not read for longest go first.
        hot_days: files of the newest days stay before all others.
    """

    uri: str
    options: dict[str, str]
    folder: Path
    cache_bytes: int = 20 << 30
    hot_days: int = 90
    _client: list[Any] = field(default_factory=list, repr=False)

    def begun(self) -> bool:
        """Return True: only the bucket knows."""
        return True

    def put(self, name: str, data: memoryview) -> None:
        """Write a file to the bucket, and keep it: it is new, so it will be asked for."""
        import pyarrow as pa

        with self._s3().open_output_stream(self._key(name)) as stream:
            stream.write(pa.py_buffer(data))
        self._keep(name, data)

    def local(self, names: Sequence[str]) -> list[str]:
        """Return paths in the cache; what is not there is fetched first."""
        missing = [name for name in names if not (self.folder / name).is_file()]
        if missing:
            self._make_room({str(self.folder / name) for name in names})
        for name in missing:
            with contextlib.suppress(FileNotFoundError), self._s3().open_input_file(self._key(name)) as file:
                self._keep(name, memoryview(file.read_buffer()))
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                os.utime(self.folder / name)
        return [str(self.folder / name) for name in names]

    def fresh(self, name: str) -> str:
        """Fetch the file again; return where it is."""
        (self.folder / name).unlink(missing_ok=True)
        return self.local([name])[0]

    def log_entry(self, version: int) -> bytes:
        """Return the table's log entry of a version."""
        with self._s3().open_input_file(self._key(log_name(version))) as file:
            data: bytes = file.read()
        return data

    def settle(self, _version: int) -> None:
        """Do nothing: what the bucket took is there."""

    def isolate(self, name: str) -> None:
        """Move a damaged file aside, in the bucket; forget the copy."""
        if self._s3().get_file_info(self._key(name)).is_file:
            self._s3().move(self._key(name), self._key(f"{ISOLATED}/{name}"))
        (self.folder / name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other process of this machine replace files inside the block."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with _locked(self.folder / "_replace.lock"):
            yield

    def _s3(self) -> S3FileSystem:
        if not self._client:
            self._client.append(_s3_client(self.options))
        client: S3FileSystem = self._client[0]
        return client

    def _key(self, name: str) -> str:
        return f"{self.uri.removeprefix('s3://').rstrip('/')}/{name}"

    def _keep(self, name: str, data: memoryview) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{uuid.uuid4().hex}")
        temporary.write_bytes(data)
        temporary.replace(path)

    def _make_room(self, wanted: set[str]) -> None:
        hot = f"{DAY}={(clock.now() - dt.timedelta(days=self.hot_days)).date().isoformat()}"
        facts = [(path.stat(), path) for path in self.folder.glob(f"{DAY}=*/*.parquet")]
        size = sum(fact.st_size for fact, _path in facts)
        for _hot, _read, bytes_, path in sorted(
            (path.parent.name >= hot, fact.st_mtime, fact.st_size, path) for fact, path in facts
        ):
            if size <= self.cache_bytes:
                break
            if str(path) in wanted:
                continue
            path.unlink(missing_ok=True)
            size -= bytes_


def _s3_client(options: Mapping[str, str]) -> S3FileSystem:
    from pyarrow.fs import S3FileSystem

    endpoint = options.get("AWS_ENDPOINT_URL")
    return S3FileSystem(
        access_key=options.get("AWS_ACCESS_KEY_ID"),
        secret_key=options.get("AWS_SECRET_ACCESS_KEY"),
        session_token=options.get("AWS_SESSION_TOKEN"),
        region=options.get("AWS_REGION"),
        endpoint_override=endpoint.split("://", 1)[-1] if endpoint else None,
        scheme="http" if endpoint and endpoint.startswith("http://") else "https",
        force_virtual_addressing=False,
    )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
