"""Which rules are active, staged or disabled, and at which level: what the house decided, beside the rules.

A folder of overrides holds YAML files, each with one override or a list of them:

    rule: 5f0f2a3e-6d0e-4b8e-9a39-0c1d2e3f4a5b
    state: staged            # active, staged (counts, makes no alert), disabled
    level: high              # instead of the rule's own
    owner: phòng vận hành
    reason: the scanner of the data centre triggers it every night
    expires: 2027-03-31      # the last day it works, in Huế

They name rules by id and lie apart from them, so that a new version of a rule set leaves them alone. Rule sets that
were added with ``--staged`` list their new rules in their manifest; an override says otherwise.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from citysoc import clock
from citysoc.flow import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

ACTIVE, STAGED, DISABLED = STATES = ("active", "staged", "disabled")
OVERRIDES = "overrides"
"""The folder of overrides; rules are never looked for in one of this name."""
MANIFEST = "manifest.json"
_KEYS = frozenset({"rule", "state", "level", "owner", "reason", "expires"})
_MAX_FILES = 20_000
_MAX_MANIFEST_BYTES = 64 << 20
_MAX_TEXT = 1000


@dataclass(frozen=True, slots=True)
class Override:
    """What the house decided about one rule.

    Args:
        rule: the rule's id.
        state: one of ``STATES``; empty leaves it.
        level: one of ``flow.LEVELS``; empty leaves the rule's own.
        owner: who answers for this.
        reason: why.
        expires: the last day it works, ``2027-03-31``; empty for ever.
        where: the file.
    """

    rule: str
    state: str = ""
    level: str = ""
    owner: str = ""
    reason: str = ""
    expires: str = ""
    where: str = ""

    def is_expired(self, now: dt.datetime) -> bool:
        """Return whether the last day, in Huế, has passed."""
        return bool(self.expires) and f"{now.astimezone(clock.HUE):%Y-%m-%d}" > self.expires


@dataclass(frozen=True, slots=True)
class Overrides:
    """All overrides, and what is wrong with those that cannot be used.

    Args:
        each: in the order of their files; of two that say the same thing of a rule, the first counts.
        problems: one sentence each, with the file.
    """

    each: tuple[Override, ...] = ()
    problems: tuple[str, ...] = ()

    def in_force(self, now: dt.datetime) -> dict[str, Override]:
        """Return rule to what is in force, state and level put together."""
        found: dict[str, Override] = {}
        for one in self.each:
            if one.is_expired(now):
                continue
            known = found.get(one.rule)
            found[one.rule] = (
                one
                if known is None
                else replace(known, state=known.state or one.state, level=known.level or one.level)
            )
        return found

    def staged(self, now: dt.datetime) -> frozenset[str]:
        """Return the ids of the rules whose findings count and make no alert."""
        return frozenset(rule for rule, one in self.in_force(now).items() if one.state == STAGED)

    def of(self, rule: str) -> tuple[Override, ...]:
        """Return the overrides of a rule, expired ones too."""
        return tuple(one for one in self.each if one.rule == rule)

    def with_first(self, other: Overrides) -> Overrides:
        """Return both, those of ``other`` counting first."""
        return Overrides(other.each + self.each, other.problems + self.problems)


def read(folder: Path) -> Overrides:
    """Return the overrides of a configuration's folder of rules, and what its manifests stage.

    Args:
        folder: holds ``overrides/`` and rule sets; need not exist.
    """
    found: list[Override] = []
    problems: list[str] = []
    for path in _files(folder / OVERRIDES):
        _read_file(path, found, problems)
    said: dict[tuple[str, str], Override] = {}
    for one in found:
        for kind, value in (("state", one.state), ("level", one.level)):
            if value and (first := said.setdefault((one.rule, kind), one)) is not one:
                problems.append(f"{one.where}: {first.where} says the {kind} of {one.rule} already")
    for path in manifest_files(folder):
        found += _staged_by(path)
    return Overrides(tuple(found), tuple(problems))


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.suffix in {".yml", ".yaml"} and p.name[0] != ".")[
        :_MAX_FILES
    ]


def _read_file(path: Path, found: list[Override], problems: list[str]) -> None:
    from citysoc.config import document

    content = document.read(path)
    problems += [str(problem) for problem in content.problems]
    if content.problems or content.value is None:
        return
    many = content.value if isinstance(content.value, list) else [content.value]
    for place, item in enumerate(many):
        line = content.line((place,)) if isinstance(content.value, list) else 1
        try:
            found.append(_override(item, str(path)))
        except ValueError as error:
            problems.append(f"{path}:{line}: {error}")


def _override(item: Any, where: str) -> Override:
    """Return one override.

    Raises:
        ValueError: it has mistakes; says which.
    """
    if not isinstance(item, dict):
        raise ValueError("an override is a mapping with `rule` and `state` or `level`")  # noqa: TRY004  caught together
    if unknown := sorted(str(key) for key in item if key not in _KEYS):
        raise ValueError(f"nobody knows {', '.join(unknown)}; an override has {', '.join(sorted(_KEYS))}")
    texts = {key: "" if item.get(key) is None else item[key] for key in _KEYS}
    if wrong := sorted(key for key, text in texts.items() if not isinstance(text, str)):
        raise ValueError(f"{', '.join(wrong)}: this must be a text")
    if not texts["rule"]:
        raise ValueError("the override names no `rule`")
    if not texts["state"] and not texts["level"]:
        raise ValueError("the override has neither `state` nor `level`")
    if texts["state"] and texts["state"] not in STATES:
        raise ValueError(f"the state is one of {', '.join(STATES)}")
    if texts["level"] and texts["level"] not in LEVELS:
        raise ValueError(f"the level is one of {', '.join(LEVELS)}")
    if missing := [key for key in ("owner", "reason") if not texts[key].strip()]:
        raise ValueError(f"the override has no {' and no '.join(missing)}")
    if texts["expires"]:
        texts["expires"] = day(texts["expires"])
    return Override(**{key: text[:_MAX_TEXT] for key, text in texts.items()}, where=where)


def day(text: str) -> str:
    """Return a day as ``2027-03-31``.

    Raises:
        ValueError: it is none.
    """
    try:
        return dt.date.fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError("`expires` is a day, like 2027-03-31") from None


def _staged_by(path: Path) -> Iterator[Override]:
    """Yield what a manifest stages; one that cannot be read stages nothing, and ``rules sets`` says so."""
    manifest = read_manifest(path)
    staged = manifest.get("staged", [])
    for rule in staged if isinstance(staged, list) else ():
        if isinstance(rule, str):
            yield Override(
                rule, STAGED, owner=str(manifest.get("owner", "")), reason="new in its set", where=str(path)
            )


def manifest_files(folder: Path) -> list[Path]:
    """Return the manifests of the sets in a folder of rules, by name; what is hidden is under way."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.glob(f"*/{MANIFEST}") if path.parent.name[0] != ".")


def read_manifest(path: Path) -> Mapping[str, Any]:
    """Return the manifest of a rule set; empty where it cannot be read."""
    try:
        with path.open("rb") as stream:
            content = orjson.loads(stream.read(_MAX_MANIFEST_BYTES))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def unknown(overrides: Sequence[Override], rules: Iterable[str]) -> list[str]:
    """Return what is to be said of overrides that name no rule, a line each."""
    known = frozenset(rules)
    return [
        f"{one.where}: there is no rule {one.rule}"
        for one in overrides
        if one.rule not in known and not one.where.endswith(MANIFEST)
    ]


def write(folder: Path, override: Override) -> tuple[Path, Override | None]:
    """Write one override beside the others; return its file, and what it replaces.

    There is one file for the state of a rule and one for its level, so that each has its own owner and reason.

    Raises:
        ValueError: another file, written by hand, says the same thing already.
        OSError: it cannot be written.
    """
    import os
    import tempfile

    kind = "state" if override.state else "level"
    folder = folder / OVERRIDES
    path = file_of(folder.parent, override.rule, kind)
    same = [one for one in read(folder.parent).of(override.rule) if getattr(one, kind)]
    before = next((one for one in same if one.where == str(path)), None)
    if other := next((o for o in same if o is not before and not o.where.endswith(MANIFEST)), None):
        raise ValueError(f"{other.where} says the {kind} of this rule already; change it there")
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=folder, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(_text(override, kind))
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o644)  # noqa: PTH101  by name, as the temporary file was made
        os.replace(name, path)  # noqa: PTH105  the same
    except OSError:
        os.unlink(name)  # noqa: PTH108  the same
        raise
    return path, before


def file_of(folder: Path, rule: str, kind: str) -> Path:
    """Return the file in which ``write`` keeps the state or the level of a rule."""
    return folder / OVERRIDES / f"{_file_name(rule)}.{kind}.yaml"


def _text(override: Override, kind: str) -> str:
    lines = [f"rule: {_quoted(override.rule)}", f"{kind}: {getattr(override, kind)}"]
    lines += [
        f"{key}: {_quoted(getattr(override, key))}"
        for key in ("owner", "reason", "expires")
        if getattr(override, key)
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Return a text as YAML reads it back, whatever it holds: JSON is YAML, but for what cannot be printed."""
    written = orjson.dumps(text.encode("utf-8", "replace").decode()).decode()
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in written)


def _file_name(rule: str) -> str:
    """Return a rule's id as a file name: letters, digits and dashes stand, anything else becomes a hash."""
    import hashlib
    import re

    if re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}", rule):
        return rule
    digest = hashlib.blake2b(rule.encode("utf-8", "replace"), digest_size=8).hexdigest()
    return f"{re.sub(r'[^0-9A-Za-z_-]+', '-', rule)[:60].strip('-') or 'rule'}-{digest}"
