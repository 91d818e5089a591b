"""Warning lists: values that are no indicators whatever a feed says, in the form of MISP's warninglists.

A list is JSON: ``name``, ``type`` (cidr, hostname, string, substring, regex), ``list``, and ``matching_attributes``, the
types of attributes that it speaks of; none means all.
"""

from __future__ import annotations

import bisect
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citysoc.detectors.intel.misp import TYPES
from citysoc.detectors.intel.table import host_of
from citysoc.detectors.intel.values import canonical_domain, masked, pack, typed
from citysoc.errors import InputError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

SHIPPED = Path(__file__).with_name("warnings")
KINDS_OF_LIST = ("cidr", "hostname", "string", "substring", "regex")
_MAX_BYTES = 64 << 20
_MAX_ENTRIES = 3_000_000
_MAX_PATTERN = 1000
_MAX_PATTERNS = 2000
_TEXT_KINDS = frozenset({"address", "domain", "url", "hash", "email"})


@dataclass(frozen=True, slots=True)
class WarningList:
    """One list.

    Args:
        name: how it calls itself.
        type: one of ``KINDS_OF_LIST``.
        kinds: the kinds of indicators that it speaks of.
        entries: its values.
        path: the file, or where it comes from.
    """

    name: str
    type: str
    kinds: frozenset[str]
    entries: tuple[str, ...]
    path: str = ""


@dataclass(slots=True)
class Warnings:
    """All lists, ready to be asked.

    Args:
        lists: the lists.
        problems: entries and files that could not be used, a sentence each.
    """

    lists: tuple[WarningList, ...]
    problems: list[str] = field(default_factory=list)
    _tests: list[tuple[str, frozenset[str], Callable[[str, str], bool]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for one in self.lists:
            self._tests.append((one.name, one.kinds, _test(one, self.problems)))

    def holds(self, kind: str, value: str) -> str | None:
        """Return the name of the first list that holds an indicator; None where none does."""
        for name, kinds, test in self._tests:
            if kind in kinds and test(kind, value):
                return name
        return None

    def all_of(self, kind: str, value: str) -> list[str]:
        """Return the names of all lists that hold an indicator."""
        return [name for name, kinds, test in self._tests if kind in kinds and test(kind, value)]

    @property
    def digest(self) -> str:
        """Names what the lists say: another digest, and every indicator must be asked about again."""
        text = hashlib.blake2b(digest_size=16)
        for one in self.lists:
            text.update(repr((one.name, one.type, sorted(one.kinds))).encode())
            for entry in one.entries:
                text.update(entry.encode("utf-8", "replace") + b"\n")
        return text.hexdigest()


def load_lists(paths: Iterable[Path], networks: Sequence[str] = (), *, shipped: bool = True) -> Warnings:
    """Return the warning lists of files and folders.

    Args:
        paths: files, or folders in which every ``*.json`` counts.
        networks: the city's own: a list of its own.
        shipped: whether the lists that come with citysoc count too.
    """
    problems: list[str] = []
    lists: list[WarningList] = []
    own = tuple(networks)
    if own:
        lists.append(
            WarningList(
                "networks of the agencies",
                "cidr",
                frozenset({"address", "network", "url"}),
                own,
                "agencies.yaml",
            )
        )
    for path in _files([*([SHIPPED] if shipped else []), *paths], problems):
        try:
            lists.append(read_list(path))
        except InputError as error:
            problems.append(str(error))
    return Warnings(tuple(lists), problems)


def _files(paths: Iterable[Path], problems: list[str]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(one for one in path.rglob("*.json") if one.is_file())
        elif path.is_file():
            found.append(path)
        else:
            problems.append(_("{path}: there is no such warning list").format(path=path))
    return found


def read_list(path: Path) -> WarningList:
    """Return the list of a file.

    Raises:
        InputError: it cannot be read, or is no warning list.
    """
    import orjson

    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise InputError(_("The warning list is too large."), where=str(path))
        value: Any = orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except OSError as error:
        raise InputError(
            _("The warning list cannot be read: {error}.").format(error=error), where=str(path)
        ) from error
    except orjson.JSONDecodeError as error:
        raise InputError(
            _("The warning list is no JSON: {error}.").format(error=error), where=str(path)
        ) from error
    if not isinstance(value, dict) or not isinstance(value.get("list"), list | dict):
        raise InputError(_("The file is no warning list: it has no `list`."), where=str(path))
    kind = value.get("type", "string")
    if kind not in KINDS_OF_LIST:
        raise InputError(_("The warning list has a type that we do not know."), where=str(path))
    return WarningList(
        name=str(value.get("name") or path.stem)[:200],
        type=kind,
        kinds=_kinds(value.get("matching_attributes")),
        entries=tuple(
            entry.strip()
            for entry in list(value["list"])[:_MAX_ENTRIES]
            if isinstance(entry, str) and entry.strip()
        ),
        path=str(path),
    )


def _kinds(attributes: Any) -> frozenset[str]:
    """Return the kinds of indicators that types of MISP attributes mean; all where none are named."""
    if not isinstance(attributes, list) or not attributes:
        return _TEXT_KINDS | {"network"}
    found = {part for one in attributes if isinstance(one, str) for part in TYPES.get(one, ()) if part}
    return frozenset(found | ({"network"} if "address" in found else set()))


def _test(one: WarningList, problems: list[str]) -> Callable[[str, str], bool]:
    if one.type == "cidr":
        return _cidr(one, problems)
    if one.type == "hostname":
        return _hostname(one)
    if one.type == "string":
        return _string(one)
    if one.type == "substring":
        return _substring(one)
    return _regex(one, problems)


def _cidr(one: WarningList, problems: list[str]) -> Callable[[str, str], bool]:
    ranges: dict[int, list[tuple[int, int]]] = {4: [], 16: []}
    wrong = 0
    for entry in one.entries:
        span = _span(entry)
        if span is None:
            wrong += 1
            continue
        ranges[span[0]].append(span[1:])
    if wrong:
        problems.append(_("{name}: {count} entries are no networks").format(name=one.name, count=wrong))
    merged = {size: _union(found) for size, found in ranges.items()}

    def holds(kind: str, value: str) -> bool:
        text = host_of(value) if kind == "url" else value
        span = _span(text)
        if span is None:
            return False
        size, low, high = span
        starts, ends = merged[size]
        place = (
            bisect.bisect_right(starts, high) - 1
        )  # the last range that begins before the end: do they overlap?
        return place >= 0 and ends[place] >= low

    return holds


def _span(text: str) -> tuple[int, int, int] | None:
    """Return the bytes of an address, and the first and last address of what a text names."""
    host, _slash, length = text.partition("/")
    packed = pack(host)
    if packed is None or (length and not length.isdecimal()):
        return None
    bits = len(packed) * 8
    prefix = int(length[:3]) if length else bits
    if prefix > bits:
        return None
    low = int.from_bytes(masked(packed, prefix), "big")
    return len(packed), low, low + (1 << (bits - prefix)) - 1


def _union(ranges: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    starts: list[int] = []
    ends: list[int] = []
    for low, high in sorted(ranges):
        if ends and low <= ends[-1]:
            ends[-1] = max(ends[-1], high)
        else:
            starts.append(low)
            ends.append(high)
    return starts, ends


def _hostname(one: WarningList) -> Callable[[str, str], bool]:
    """A name stands for itself and all below it; with a dot before it for what is below, at any length.

    A single label without dot stands for itself only: a list that says ``com`` does not mean every name.
    """
    below: set[str] = set()
    exact: set[str] = set()
    for entry in one.entries:
        text = entry.lower().strip()
        if text.startswith("."):
            below.add(text[1:].rstrip("."))
            continue
        domain = canonical_domain(text) or text.rstrip(".")
        exact.add(domain)
        if "." in domain:
            below.add(domain)

    def holds(kind: str, value: str) -> bool:
        host = host_of(value) if kind == "url" else value.rpartition("@")[2]
        if host in exact:
            return True
        while "." in host:
            host = host.partition(".")[2]
            if host in below:
                return True
        return False

    return holds


def _string(one: WarningList) -> Callable[[str, str], bool]:
    known = {text for entry in one.entries for text in (entry.lower(), typed(entry).value)}

    def holds(kind: str, value: str) -> bool:
        return value in known or (kind == "url" and value.rstrip("/") in known)

    return holds


def _substring(one: WarningList) -> Callable[[str, str], bool]:
    parts = [entry.lower().removeprefix("http://").removeprefix("https://") for entry in one.entries]
    parts = [part for part in parts if len(part) >= 3][:50_000]
    if not parts:
        return lambda _kind, _value: False
    pattern = _linear("|".join(re.escape(part) for part in parts), max_chars=4 << 20)
    if pattern is None:
        return lambda _kind, value: any(part in value.lower() for part in parts)
    return lambda _kind, value: pattern.search(value.lower()) is not None


def _regex(one: WarningList, problems: list[str]) -> Callable[[str, str], bool]:
    patterns = []
    for entry in one.entries[:_MAX_PATTERNS]:
        body, ignore = entry, ""
        if match := re.fullmatch(r"/(.*)/([a-z]*)", entry, re.DOTALL):
            body, ignore = match[1], "(?i)" if "i" in match[2] else ""
        pattern = _linear(ignore + body, max_chars=_MAX_PATTERN)
        if pattern is None:
            problems.append(
                _("{name}: the expression {text} cannot be used").format(name=one.name, text=repr(entry[:80]))
            )
        else:
            patterns.append(pattern)

    def holds(kind: str, value: str) -> bool:
        texts = (value, f"http://{value}", f"https://{value}") if kind == "url" else (value,)
        return any(pattern.search(text) is not None for pattern in patterns for text in texts)

    return holds


def _linear(text: str, *, max_chars: int) -> Any:
    """Return an expression of the engine whose time is linear; None where it does not take it."""
    import re2

    if len(text) > max_chars:
        return None
    options = re2.Options()
    options.log_errors = False
    options.max_mem = 256 << 20
    try:
        return re2.compile(text, options=options)
    except re2.error:
        return None
