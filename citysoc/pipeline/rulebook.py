"""The rules of a running service: loaded once, watched, and changed between batches.

Files are looked at by name, size and time of change, which costs some milliseconds. What changed is loaded beside the
rules in use, and takes their place only if no rule that works now would be lost to a mistake: then the old ones go on, all of
them, and it is told which file is to be mended.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from citysoc import clock, telemetry
from citysoc.errors import InputError
from citysoc.i18n import _
from citysoc.pipeline.loaded import loaded_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from citysoc.detectors.sigma import Loaded
    from citysoc.pipeline.line import Line
    from citysoc.pipeline.work import Work

JOB = "rules"
"""The name in the ``jobs`` table under which changes of rules, and refused ones, are written down."""
SETTLE_SECONDS = 0.5
"""Files that are being written are left alone for so long."""
_SETTLE_TIMES = 20
_SHOWN = 5
_LOGGED = 20
"""Of more rules than these the log tells the number alone."""
_SUFFIXES = frozenset({".yml", ".yaml", ".json"})

_log = telemetry.logger("pipeline.rulebook")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the rules of a service come from.

    Args:
        paths: files and folders that decide about them; they need not exist.
        work: makes what workers need of what is there now.
    """

    paths: tuple[Path, ...]
    work: Callable[[], Work]


@dataclass(frozen=True, slots=True)
class _Known:
    """One rule in use, so far as changes show."""

    title: str
    kind: str
    where: str
    in_use: bool
    content: str


class Rulebook:
    """The rules in use, and the ones that may follow them.

    Args:
        sources: where they come from.
        work: what workers need, as it is now.
    """

    def __init__(self, sources: Sources, work: Work) -> None:
        self._sources = sources
        self._turn = threading.Lock()
        self._files = self._signature()
        self._decided = _decided(work)
        self._work = work
        self.loaded: Loaded = loaded_of(work)
        """The rules that the workers begin with."""
        self._known = _known(self.loaded)
        self._told = False

    def look(self, line: Line) -> str | None:
        """Look whether rules changed, and have the line use them; return one line on it, None where nothing did.

        Raises:
            InputError: the changed ones cannot be used; said once for each state of the files.
        """
        with self._turn:
            files, decided = self._settled(), _decided(self._work)
            if files == self._files and decided == self._decided:
                if self._told:
                    return None
                self._told = True
                return _("{count} rules").format(count=sum(one.in_use for one in self._known.values()))
            self._files, self._decided, self._told = files, decided, True
            work = self._sources.work()
            loaded = loaded_of(work)
            known = _known(loaded)
            if lost := self._lost(work, loaded):
                _log.error("rules.kept", reasons=lost)
                raise InputError(
                    _("The changed rules are not used: {reasons}.").format(reasons="; ".join(lost[:_SHOWN])),
                    hint=_("Mend the file; `citysoc rules check` names every mistake."),
                )
            if known != self._known:
                line.use(work, loaded)
            told = self._difference(known, loaded)
            self._work, self.loaded, self._known = work, loaded, known
            self._decided = _decided(work)
            return told

    def _settled(self) -> bytes:
        """Return the signature of the files once nobody writes to them any more."""
        signature = self._signature()
        for _turn in range(_SETTLE_TIMES):
            if signature == self._files:
                break
            time.sleep(SETTLE_SECONDS)
            before, signature = signature, self._signature()
            if before == signature:
                break
        return signature

    def _signature(self) -> bytes:
        """Return what differs when a file does."""
        digest = hashlib.blake2b(digest_size=16)
        for path in self._sources.paths:
            for found in _stats(path):
                digest.update(found.encode("utf-8", "surrogateescape"))
        return digest.digest()

    def _lost(self, work: Work, loaded: Loaded) -> list[str]:
        """Return why rules or decisions that work now would not, a line each: ``file:line: why``."""
        there = {check.rule for check in loaded.checks if check.status != "refused"}
        lost = {rule: one for rule, one in self._known.items() if one.in_use and rule not in there}
        places = {one.where for one in lost.values()}
        rules = [
            f"{check.path}:{check.line}: {check.reason}"
            for check in loaded.checks
            if check.status == "refused" and (check.rule in lost or str(check.path) in places)
        ]
        known = self._work.overrides.problems
        return rules + [problem for problem in work.overrides.problems if problem not in known]

    def _difference(self, known: Mapping[str, _Known], loaded: Loaded) -> str:
        """Return in words what is other than before; the log has the ids."""
        old = {rule: one for rule, one in self._known.items() if one.in_use}
        new = {rule: one for rule, one in known.items() if one.in_use}
        added = sorted(new.keys() - old.keys())
        gone = sorted(old.keys() - new.keys())
        changed = sorted(rule for rule in new.keys() & old.keys() if new[rule].content != old[rule].content)
        before = {str(plan["id"]): plan["fingerprint"] for plan in self.loaded.correlations}
        anew = [
            plan
            for plan in loaded.correlations
            if before.get(plan["id"], plan["fingerprint"]) != plan["fingerprint"]
        ]
        refused = [f"{c.path}:{c.line}: {c.reason}" for c in loaded.checks if c.status == "refused"]
        was_refused = {f"{c.path}:{c.line}: {c.reason}" for c in self.loaded.checks if c.status == "refused"}
        for reason in refused:
            if reason not in was_refused:
                _log.warning("rule.refused", reason=reason)
        for plan in anew:
            _log.warning("correlation.anew", rule=plan["id"], title=plan["title"])
        if added or changed or gone:
            some = {"added": added, "changed": changed, "gone": gone}
            told = {name: len(rules) if len(rules) > _LOGGED else rules for name, rules in some.items()}
            _log.info("rules.changed", rules=len(new), **told)
        parts = [_("{count} rules").format(count=len(new))]
        words = ((_("new"), added), (_("changed"), changed), (_("gone"), gone))
        parts += [f"{word} {_titles(some, {**old, **new})}" for word, some in words if some]
        if anew:
            parts.append(
                _("begin anew: {titles}").format(titles=", ".join(repr(p["title"]) for p in anew[:_SHOWN]))
            )
        return "; ".join(parts)


def _decided(work: Work) -> list[tuple[str, str, str]]:
    """Return what is in force today of the house's decisions: some end by themselves."""
    return sorted((rule, one.state, one.level) for rule, one in work.overrides.in_force(clock.now()).items())


def _titles(rules: Sequence[str], known: Mapping[str, _Known]) -> str:
    shown = ", ".join(repr(known[rule].title) for rule in rules[:_SHOWN])
    return f"{len(rules)} ({shown}{', …' if len(rules) > _SHOWN else ''})"


def _known(loaded: Loaded) -> dict[str, _Known]:
    found: dict[str, _Known] = {}
    for check, plan in zip(loaded.checks, loaded.plans, strict=True):
        if check.rule in found and not check.in_use:
            continue
        content = hashlib.blake2b(
            orjson.dumps([check.state, check.level, plan], option=orjson.OPT_SORT_KEYS), digest_size=16
        ).hexdigest()
        in_use = check.in_use and check.status != "refused"
        found[check.rule] = _Known(check.title, check.kind, str(check.path), in_use, content)
    return found


def _stats(path: Path) -> Iterator[str]:
    """Yield what tells of a file, or of each file of rules in a folder, that it changed."""
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except NotADirectoryError:
        try:
            yield _stat(str(path), path.stat())
        except OSError as error:
            yield f"{path}\0{error.errno}"
        return
    except OSError as error:
        yield f"{path}\0{error.errno}"
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _stats(Path(entry.path))
            elif Path(entry.name).suffix in _SUFFIXES:
                yield _stat(entry.path, entry.stat())
        except OSError as error:
            yield f"{entry.path}\0{error.errno}"


def _stat(name: str, found: Any) -> str:
    return f"{name}\0{found.st_mtime_ns}\0{found.st_size}\0{found.st_ino}\n"
