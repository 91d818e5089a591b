"""Rule sets of others, for example a release of SigmaHQ: taken in whole, kept apart, replaced whole.

A set is a folder ``<name>/`` in the house's folder of rules: rule files as they were, licence files, and
``manifest.json``, which says where it came from and what is in it. What the house decided about its rules lies
elsewhere (``states``), so that an update leaves it alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import orjson

from citysoc import clock
from citysoc.detectors.sigma import archives
from citysoc.detectors.sigma.load import documents
from citysoc.detectors.sigma.states import MANIFEST, OVERRIDES, manifest_files, read_manifest
from citysoc.errors import InputError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from citysoc.detectors.sigma.validate import Check

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_RESERVED = frozenset({OVERRIDES, "filters", "own", "citysoc"})
_LEFT_OUT = frozenset({"deprecated", "unsupported", "tests", "regression_data", "documentation"})
"""Folders of a rule repository that hold no rules for use."""
_RULES = (".yml", ".yaml")
_LICENCE = re.compile(r"(licen[cs]e|copying|notice)[^/]*", re.IGNORECASE)
_MAX_LICENCES = 10


@dataclass(frozen=True, slots=True)
class Added:
    """What became of a set.

    Args:
        name: its name.
        manifest: as it was written.
        added: ids that are new; all of them, the first time.
        changed: ids whose rule is another now.
        removed: ids that are gone.
        staged: ids that came in staged.
    """

    name: str
    manifest: Mapping[str, Any]
    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    staged: tuple[str, ...]


@dataclass(slots=True)
class _Contents:
    """What a source holds: relative path to content."""

    files: dict[str, bytes] = field(default_factory=dict)
    licences: dict[str, bytes] = field(default_factory=dict)
    rules: dict[str, str] = field(default_factory=dict)
    version: str = ""
    left_out: int = 0


def name_of(source: Path) -> str:
    """Return the name that a set has where none is given: that of its file or folder."""
    stem = source.resolve().name.removesuffix(".zip").casefold()
    return re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:40] or "rules"


def add(
    source: Path,
    folder: Path,
    name: str,
    *,
    judge: Callable[[Path], Iterable[Check]],
    staged: bool = False,
    owner: str = "",
    licence: Path | None = None,
) -> Added:
    """Take a folder or an archive in as the set ``name``; one of that name is replaced whole.

    Args:
        source: a folder, or a ZIP archive.
        folder: the house's folder of rules.
        name: lower-case letters, digits and dashes.
        judge: returns the verdicts on the rules under a path.
        staged: rules that were not there before come in staged.
        owner: who brought it in.
        licence: the licence's file, where the source holds none.

    Raises:
        InputError: the source cannot be taken: not safe, no rules, nothing but refused ones.
        OSError: the folder cannot be written.
    """
    target = target_of(folder, name)
    contents = _contents(source)
    if licence is not None and not contents.licences:
        contents.licences[licence.name] = archives.bounded(licence)
    if not contents.rules:
        raise InputError(_("There is no rule in it."), where=str(source))
    folder.mkdir(parents=True, exist_ok=True)
    _recover(target)
    before = read_manifest(target / MANIFEST)
    old = before.get("rules") if isinstance(before.get("rules"), dict) else {}
    new = contents.rules
    fresh = sorted(set(new) - set(old or {}))
    waiting = sorted({*(fresh if staged else ()), *(set(before.get("staged") or ()) & set(new))})
    staging = Path(tempfile.mkdtemp(dir=folder, prefix=f".{name}.new-"))
    try:
        _write(staging, contents)
        verdicts = list(judge(staging))
        manifest = _manifest(source, name, contents, verdicts) | {"staged": waiting, "owner": owner}
        (staging / MANIFEST).write_bytes(orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
        staging.chmod(0o755)
        _replace(staging, target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Added(
        name,
        manifest,
        tuple(fresh),
        tuple(sorted(rule for rule in new if rule in (old or {}) and (old or {})[rule] != new[rule])),
        tuple(sorted(set(old or {}) - set(new))),
        tuple(rule for rule in fresh if staged),
    )


def target_of(folder: Path, name: str) -> Path:
    """Return the folder of a set.

    Raises:
        InputError: it cannot be called so, or what is there is no set.
    """
    if not _NAME.fullmatch(name) or name in _RESERVED:
        raise InputError(
            _("A rule set cannot be called {name}.").format(name=repr(name)),
            hint=_("Lower-case letters, digits and dashes; give a name with --as."),
        )
    target = folder / name
    if target.exists() and not (target / MANIFEST).is_file():
        raise InputError(
            _("This folder is no rule set that `rules add` made; it is left alone."), where=str(target)
        )
    return target


def remove(folder: Path, name: str) -> Mapping[str, Any]:
    """Remove a set; return its manifest.

    Raises:
        InputError: there is none.
        OSError: it cannot be removed.
    """
    target = target_of(folder, name)
    _recover(target)
    if not target.is_dir():
        raise InputError(_("There is no rule set {name}.").format(name=repr(name)), where=str(folder))
    manifest = read_manifest(target / MANIFEST)
    aside = target.with_name(f".{name}.gone")
    shutil.rmtree(aside, ignore_errors=True)
    target.rename(aside)
    shutil.rmtree(aside)
    return manifest


def activate(folder: Path, name: str) -> int:
    """Let the rules of a set be active that came in staged; return how many.

    Raises:
        InputError: there is no such set.
        OSError: its manifest cannot be written.
    """
    path = target_of(folder, name) / MANIFEST
    manifest = read_manifest(path)
    if not manifest:
        raise InputError(_("There is no rule set {name}.").format(name=repr(name)), where=str(folder))
    part = path.with_name(f".{MANIFEST}.part")
    part.write_bytes(orjson.dumps({**manifest, "staged": []}, option=orjson.OPT_INDENT_2))
    part.replace(path)
    return len(manifest.get("staged") or ())


def manifests(folder: Path) -> list[dict[str, Any]]:
    """Return the manifests of all sets, by name."""
    return [{**read_manifest(path), "name": path.parent.name} for path in manifest_files(folder)]


def _contents(source: Path) -> _Contents:
    """Read what a source holds; what is not a rule, a licence or a version is left where it is."""
    contents = _Contents()
    for path, content in archives.files(source, _is_wanted):
        name = PurePosixPath(path).name
        if _LICENCE.fullmatch(name) and not name.endswith(_RULES):
            if len(contents.licences) < _MAX_LICENCES:
                contents.licences[path] = content
        elif name == "version.txt":
            contents.version = content[:200].decode("utf-8", "replace").strip().splitlines()[0][:100]
        elif ids := _ids(path, content):
            contents.files[path] = content
            contents.rules |= ids
        else:
            contents.left_out += 1
    return contents


def _is_wanted(path: str) -> bool:
    parts = PurePosixPath(path).parts
    if any(part in _LEFT_OUT or part.startswith(".") for part in parts):
        return False
    return (
        parts[-1].endswith(_RULES) or parts[-1] == "version.txt" or _LICENCE.fullmatch(parts[-1]) is not None
    )


def _ids(path: str, content: bytes) -> dict[str, str]:
    """Return the ids of the rules in a file, each with a hash of the rule; broken files count as one."""
    found = {}
    stem = PurePosixPath(path).stem
    for document in documents(content):
        value = document.value
        if document.problem:
            found[stem] = hashlib.blake2b(content, digest_size=8).hexdigest()
        elif isinstance(value, dict) and not {"detection", "correlation", "filter"}.isdisjoint(value):
            rule = str(value.get("id") or value.get("name") or stem)[:200]
            said = orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
            found[rule] = hashlib.blake2b(said, digest_size=8).hexdigest()
    return found


def _write(staging: Path, contents: _Contents) -> None:
    for name, content in {**contents.files, **contents.licences}.items():
        path = staging / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _manifest(source: Path, name: str, contents: _Contents, verdicts: Iterable[Check]) -> dict[str, Any]:
    counts = {"ok": 0, "degraded": 0, "refused": 0}
    for check in verdicts:
        counts[check.status] += 1
    if not counts["ok"] and not counts["degraded"]:
        raise InputError(
            _("All {count} rules in it are refused.").format(count=counts["refused"]),
            where=str(source),
            hint=_("`citysoc rules check PATH` says why."),
        )
    digest = hashlib.sha256()
    for path, content in sorted(contents.files.items()):
        digest.update(f"{path}\0{len(content)}\0".encode("utf-8", "surrogateescape") + content)
    return {
        "name": name,
        "source": source.resolve().name,
        "added_at": clock.iso(clock.now()),
        "version": contents.version,
        "sha256": archives.sha256(source) if source.is_file() else digest.hexdigest(),
        "licences": sorted(contents.licences),
        "files": len(contents.files),
        "left_out": contents.left_out,
        "counts": counts,
        "rules": contents.rules,
    }


def _replace(staging: Path, target: Path) -> None:
    """Put a folder in the place of another; killed in between, ``_recover`` puts the old one back."""
    aside = _aside(target)
    if target.exists():
        target.rename(aside)
    try:
        staging.rename(target)
    except OSError:
        with contextlib.suppress(OSError):
            aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _recover(target: Path) -> None:
    aside = _aside(target)
    if aside.is_dir() and not target.exists():
        os.rename(aside, target)  # noqa: PTH104  the same as Path.rename, which returns a path
    elif aside.is_dir():
        shutil.rmtree(aside, ignore_errors=True)


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name}.old")
