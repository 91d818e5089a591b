"""Where commits wait for the cluster: one Arrow file each, on the disk for good before the commit counts.

A commit is durable, and its position may move, once its file is here. Files go to the cluster in their order
and are deleted when it has acknowledged them; ids and indices follow from the rows, so that what is sent again
after a kill or a lost answer is refused as a duplicate.
"""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.errors import StoreError
from citysoc.i18n import _
from citysoc.stores.buffered import Refusal
from citysoc.stores.durable import sync

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

_NAME = re.compile(r"([0-9]{20})-([0-9]+)\.arrow")
_DAMAGED = ".damaged"


class DamagedError(StoreError):
    """A file of the spool is not what was written."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One commit that the cluster has not acknowledged."""

    number: int
    rows: int
    bytes: int
    path: Path


class Spool:
    """The waiting commits in a directory, made when something is first written.

    Args:
        path: the directory.
        max_bytes: how much may wait.
    """

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self._noting = threading.Lock()
        self._newest: tuple[int, pa.Table] | None = None

    def waiting(self) -> list[Waiting]:
        """Return the commits that wait, oldest first."""
        if not self.path.is_dir():
            return []
        sent = self.sent()
        found = []
        for entry in os.scandir(self.path):
            match = _NAME.fullmatch(entry.name)
            if match and int(match[1]) > sent:
                try:
                    size = entry.stat().st_size
                except FileNotFoundError:  # the writer has just sent it
                    continue
                found.append(Waiting(int(match[1]), int(match[2]), size, self.path / entry.name))
        return sorted(found, key=lambda one: one.number)

    def sent(self) -> int:
        """Return the number of the newest commit that the cluster has acknowledged."""
        try:
            return int((self.path / "sent").read_text("ascii"))
        except FileNotFoundError:
            return 0

    def last(self) -> int:
        """Return the number of the newest commit that is safe here or in the cluster."""
        waiting = self.waiting()
        return waiting[-1].number if waiting else self.sent()

    def has_room(self) -> bool:
        """Return whether another commit may wait; one may always."""
        return sum(one.bytes for one in self.waiting()) < self.max_bytes

    def write(self, number: int, table: pa.Table) -> Waiting:
        """Put a commit on the disk for good.

        Raises:
            StoreError: it is not there.
        """
        import pyarrow as pa

        name = f"{number:020d}-{table.num_rows}.arrow"
        temporary = self.path / f".{name}"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            with (
                pa.OSFile(str(temporary), "wb") as file,
                pa.ipc.new_file(file, table.schema, options=options) as out,
            ):
                out.write_table(table)
            sync(temporary)
            temporary.rename(self.path / name)
            sync(self.path / name)
        except (OSError, pa.ArrowException) as error:
            temporary.unlink(missing_ok=True)
            raise StoreError(
                _("The spool cannot be written: {error}.").format(error=error), where=str(self.path)
            ) from error
        self._newest = (number, table)
        return Waiting(number, table.num_rows, (self.path / name).stat().st_size, self.path / name)

    def read(self, one: Waiting) -> pa.Table:
        """Return a commit's rows; those of the newest one are still in memory, the first time.

        Raises:
            DamagedError: the file holds no commit.
            StoreError: the file cannot be read.
        """
        import pyarrow as pa

        newest, self._newest = self._newest, None
        if newest is not None and newest[0] == one.number:
            return newest[1]
        try:
            with pa.OSFile(str(one.path), "rb") as file:
                rows = pa.ipc.open_file(file).read_all()
            rows.validate(full=True)
        except (OSError, pa.ArrowException) as error:
            text = _("A file of the spool cannot be read: {error}.").format(error=error)
            if getattr(error, "errno", None) is None:  # the system can read it: what it reads is wrong
                raise DamagedError(text, where=str(one.path)) from error
            raise StoreError(text, where=str(one.path)) from error
        return rows

    def isolate(self, one: Waiting) -> None:
        """Put a damaged commit aside, for good; those behind it go on."""
        one.path.rename(one.path.with_suffix(_DAMAGED))
        self.skip_to(one.number)

    def damaged(self) -> list[Waiting]:
        """Return the commits that were put aside."""
        paths = sorted(self.path.glob(f"*{_DAMAGED}"))
        names = [(path, _NAME.fullmatch(path.with_suffix(".arrow").name)) for path in paths]
        return [Waiting(int(m[1]), int(m[2]), path.stat().st_size, path) for path, m in names if m]

    def done(self, one: Waiting) -> None:
        """Forget a commit that the cluster has acknowledged."""
        self.skip_to(one.number)
        one.path.unlink(missing_ok=True)

    def skip_to(self, number: int) -> None:
        """Take commits up to a number for acknowledged."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._replace("sent", str(number).encode())

    def note(self, **facts: Any) -> None:
        """Write down how it goes, for other processes that look; None takes a fact out."""
        with self._noting:
            self.path.mkdir(parents=True, exist_ok=True)
            known = {**self.noted(), **facts}
            kept = {name: value for name, value in known.items() if value is not None}
            self._replace("state.json", orjson.dumps(kept))

    def noted(self) -> dict[str, Any]:
        """Return what was written down last."""
        try:
            found = orjson.loads((self.path / "state.json").read_bytes())
        except (OSError, orjson.JSONDecodeError):
            return {}
        return found if isinstance(found, dict) else {}

    def bury(self, lines: bytes) -> None:
        """Keep what the cluster takes in no form, as NDJSON beside the spool."""
        with (self.path / "refused.ndjson").open("ab") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())

    def refuse(self, refusal: Refusal) -> None:
        """Write down what the cluster refused of a commit, until it is counted."""
        self._replace(_refusal(refusal), orjson.dumps(refusal))

    def refusals(self) -> list[Refusal]:
        """Return what was refused and not counted yet, oldest first."""
        found = []
        for path in sorted(self.path.glob("refused-*.json")):
            kept = orjson.loads(path.read_bytes())
            kept["counts"] = tuple((stream, hour, number) for stream, hour, number in kept["counts"])
            found.append(Refusal(**kept))
        return found

    def forget(self, refusal: Refusal) -> None:
        """Take a refusal for counted."""
        (self.path / _refusal(refusal)).unlink(missing_ok=True)

    def clean(self) -> None:
        """Delete what a kill left behind: half-written files, and commits that were acknowledged."""
        if not self.path.is_dir():
            return
        sent = self.sent()
        for path in self.path.iterdir():
            match = _NAME.fullmatch(path.name)
            if path.name.startswith(".") or (match and int(match[1]) <= sent):
                path.unlink(missing_ok=True)

    def _replace(self, name: str, content: bytes) -> None:
        temporary = self.path / f".{name}.{threading.get_ident()}"
        temporary.write_bytes(content)
        sync(temporary)
        temporary.rename(self.path / name)
        sync(self.path / name)


def _refusal(refusal: Refusal) -> str:
    return f"refused-{refusal.commit:020d}-{refusal.became}.json"
