"""Compiled rules, kept in a file for a set of paths: from the hash of a rule file's content to its rules' plans.

A changed rule, pipeline or engine changes a hash, so nothing in it can be stale; a broken file is made anew. It has a line
of JSON with the plans, and then a line for each of their tests (``nodes``), which are read when a rule is first asked.
What says which events rules see is the same for many of them, and stands in the first line once.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from citysoc import telemetry
from citysoc.detectors.sigma import mapping
from citysoc.detectors.sigma.load import documents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from citysoc.detectors.sigma.load import RuleFile


class CompiledRules:
    """Plans by the hash of their file's content.

    Args:
        directory: where they are kept; None keeps none.
        paths: what the rules lie under.
        placeholders: the values of placeholders by their names.
        timezone: the zone of hours and days that the rules name.
    """

    def __init__(
        self,
        directory: Path | None,
        paths: Iterable[Path],
        placeholders: Mapping[str, Sequence[str]],
        timezone: str,
    ) -> None:
        self._placeholders = placeholders
        self._timezone = timezone
        known = orjson.dumps(placeholders, default=list, option=orjson.OPT_SORT_KEYS)
        self._filled = hashlib.blake2b(known, digest_size=8).hexdigest()
        self._old: dict[str, list[dict[str, Any]]] = {}
        self._new: dict[str, list[dict[str, Any]]] = {}
        self._path: Path | None = None
        if directory is not None:
            names = "\0".join(str(path.absolute()) for path in paths)
            basis = f"{names}\0{timezone}\0{mapping.fingerprint()}"
            key = hashlib.blake2b(basis.encode(), digest_size=16).hexdigest()
            self._path = directory / "sigma" / f"{key}.rules"
            self._old = _read(self._path)

    def plans(self, file: RuleFile) -> list[dict[str, Any]]:
        """Return the plans of a file's rules, compiled now if they are not known."""
        if file.problem:
            return [_unreadable(file.path.stem, file.problem, 1)]
        key = f"{file.digest}.{file.path.stem}"
        if b"expand" in file.content:
            key = f"{key}.{self._filled}"
        found = self._new.get(key) or self._old.get(key)
        if found is None:
            found = _compile(file, self._placeholders, self._timezone)
        self._new[key] = found
        return found

    def save(self) -> None:
        """Write the plans if there are others; what cannot be written is only slow."""
        if self._path is None or self._new.keys() == self._old.keys():
            return
        import tempfile

        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._path.parent, suffix=".part")
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(_packed(self._new))
                Path(name).replace(self._path)
            except OSError:
                with contextlib.suppress(OSError):
                    Path(name).unlink()
                raise
        except OSError as error:
            telemetry.logger("sigma").warning("cache.not_written", path=str(self._path), error=str(error))


def _packed(known: Mapping[str, Sequence[Mapping[str, Any]]]) -> bytes:
    tests: list[bytes] = []
    seen: dict[bytes, int] = {}
    table: dict[str, list[dict[str, Any]]] = {}
    for key, plans in known.items():
        own = table[key] = []
        for whole in plans:
            plan = dict(whole)
            if "test" in plan:
                plan["sees"] = seen.setdefault(orjson.dumps(plan["sees"]), len(seen))
                tests.append(plan.pop("test").encode())
            own.append(plan)
    body = b"\n".join((orjson.dumps([[orjson.Fragment(one) for one in seen], table]), *tests))
    return b"%08x\n%b" % (zlib.crc32(body), body)


def _read(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return what a file keeps; nothing where it is not whole."""
    try:
        digest, _end, body = path.read_bytes().partition(b"\n")
        if int(digest, 16) != zlib.crc32(body):
            return {}
    except (OSError, ValueError):
        return {}
    head, *tests = body.split(b"\n")
    table: dict[str, list[dict[str, Any]]]
    seen, table = orjson.loads(head)
    lines = iter(tests)
    for plans in table.values():
        for plan in plans:
            if "sees" in plan:
                plan["sees"] = seen[plan["sees"]]
                plan["test"] = next(lines).decode()
    return table


def _compile(
    file: RuleFile, placeholders: Mapping[str, Sequence[str]], timezone: str
) -> list[dict[str, Any]]:
    from citysoc.detectors.sigma.plan import compile_document

    plans = []
    for document in documents(file.content):
        if document.problem:
            plans.append(_unreadable(file.path.stem, document.problem, document.line))
        else:
            plan = compile_document(document.value, file.path.stem, placeholders, timezone)
            plans.append(plan | {"line": document.line})
    return plans


def _unreadable(stem: str, problem: str, line: int) -> dict[str, Any]:
    return {
        "kind": "rule",
        "name": "",
        "id": stem,
        "title": stem,
        "level": "medium",
        "tags": [],
        "line": line,
        "status": "refused",
        "reason": problem,
    }
