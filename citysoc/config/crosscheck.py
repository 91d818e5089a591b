"""What no single value shows: ids given twice, networks that overlap, names that name nothing.

The checks look at the raw files and skip what a model refuses anyway, so that one run reports the
mistakes of both kinds.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from citysoc.config.mistakes import did_you_mean
from citysoc.config.sources import AGENCY_PLACE, FilesSource, Source, SyslogSource
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from citysoc.config.document import Document
    from citysoc.errors import ConfigError

Keys = tuple[str | int, ...]
_SOURCE: TypeAdapter[Source] = TypeAdapter(Source)
_ANY_HOST = {"0.0.0.0", "::", ""}  # noqa: S104  compared with, not listened on


@dataclass(frozen=True, slots=True)
class _Named:
    """An item with an id, and where it is."""

    id: str
    document: Document
    keys: Keys
    raw: dict[str, Any]

    @property
    def where(self) -> str:
        return f"{self.document.path}:{self.document.line(self.keys)}"


@dataclass(frozen=True, slots=True)
class _Range:
    start: int
    end: int
    text: str
    owner: int
    keys: Keys


def agencies(document: Document) -> list[ConfigError]:
    """Return what is wrong between the agencies of one file."""
    listed = list(_items(document, "agencies"))
    return [*_twice(listed), *_overlaps(document, listed), *_shared_senders(listed)]


def together(
    main: Document, registry: Document, sources: Sequence[Document], parsers: Collection[str] | None
) -> list[ConfigError]:
    """Return what is wrong between the files."""
    listed = [item for document in sources for item in _items(document, "sources")]
    bodies = list(_items(registry, "agencies"))
    problems = [*_twice(listed), *_ports(listed)]
    problems += [problem for item in listed for problem in _source(item, bodies, parsers)]
    problems += _rule_directories(main)
    # With a file of sources unreadable, every name in it would look unknown.
    if all(document.root for document in sources):
        problems += _expectations(bodies, listed)
    if registry.root:
        problems += _receivers(main, bodies)
    return problems


def _items(document: Document, key: str) -> Iterator[_Named]:
    items = document.value.get(key) if isinstance(document.value, dict) else None
    for number, raw in enumerate(items if isinstance(items, list) else ()):
        if isinstance(raw, dict):
            name = raw.get("id")
            yield _Named(name if isinstance(name, str) else "", document, (key, number), raw)


def _texts(value: Any) -> Iterator[tuple[int, str]]:
    for number, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, str):
            yield number, item


def _twice(items: Sequence[_Named]) -> Iterator[ConfigError]:
    first: dict[str, _Named] = {}
    for item in items:
        if item.id and (known := first.setdefault(item.id, item)) is not item:
            message = _("{id} is used twice").format(id=item.id)
            hint = _("It was first used in {where}.").format(where=known.where)
            yield item.document.problem((*item.keys, "id"), message, hint)


def _overlaps(document: Document, items: Sequence[_Named]) -> Iterator[ConfigError]:
    for version in (4, 6):
        open_ranges: list[_Range] = []
        for found in sorted(_ranges(items, version), key=lambda r: (r.start, -r.end, r.owner)):
            # CIDR ranges are apart or nested: what is still open holds the new one.
            while open_ranges and open_ranges[-1].end < found.start:
                open_ranges.pop()
            outer = next((r for r in reversed(open_ranges) if r.owner != found.owner), None)
            if outer is not None:
                yield _overlap(document, items, outer, found)
            if not (open_ranges and open_ranges[-1].owner == found.owner):
                open_ranges.append(found)


def _ranges(items: Sequence[_Named], version: int) -> Iterator[_Range]:
    for owner, item in enumerate(items):
        for number, text in _texts(item.raw.get("networks")):
            try:
                net = ipaddress.ip_network(text)
            except ValueError:
                continue
            if net.version == version:
                keys = (*item.keys, "networks", number)
                yield _Range(int(net.network_address), int(net.broadcast_address), text, owner, keys)


def _overlap(document: Document, items: Sequence[_Named], one: _Range, two: _Range) -> ConfigError:
    earlier, later = sorted((one, two), key=lambda r: r.owner)
    message = _("{network} of {agency} overlaps {other_network} of {other}").format(
        network=later.text,
        agency=items[later.owner].id or "?",
        other_network=earlier.text,
        other=items[earlier.owner].id or "?",
    )
    hint = _("An address belongs to one agency; the other network is in line {line}.").format(
        line=document.line(earlier.keys)
    )
    return document.problem(later.keys, message, hint)


def _shared_senders(items: Sequence[_Named]) -> Iterator[ConfigError]:
    first: dict[str, _Named] = {}
    for item in items:
        for number, text in _texts(item.raw.get("senders")):
            known = first.setdefault(text, item)
            if known is not item:
                message = _("{address} is already a sender of {other}").format(address=text, other=known.id)
                yield item.document.problem((*item.keys, "senders", number), message)


def _source(item: _Named, bodies: Sequence[_Named], parsers: Collection[str] | None) -> Iterator[ConfigError]:
    document, keys = item.document, item.keys
    agency, parser = item.raw.get("agency"), item.raw.get("parser")
    known = sorted({body.id for body in bodies})
    if isinstance(agency, str) and known and agency not in known:
        message = _("there is no agency {id}").format(id=repr(agency[:63]))
        yield document.problem((*keys, "agency"), message, _near(agency, known))
    if isinstance(parser, str) and parsers is not None and parser not in {*parsers, "auto"}:
        message = _("there is no parser {name}").format(name=repr(parser[:63]))
        yield document.problem((*keys, "parser"), message, did_you_mean(parser, sorted(parsers)))
    source = _valid(item)
    if source is None:
        return
    if source.silent_after_seconds < source.late_after_seconds:
        message = _("is less than late_after_seconds ({late})").format(late=source.late_after_seconds)
        hint = _("A stream is late before it is silent.")
        yield document.problem((*keys, "silent_after_seconds"), message, hint)
    if isinstance(source, FilesSource) and source.agency is None:
        for number, path in enumerate(source.paths):
            if AGENCY_PLACE not in path:
                message = _("nothing says whose files these are")
                hint = _("Write {agency} where the agency's id stands in the path, or give the agency.")
                yield document.problem((*keys, "paths", number), message, hint)


def _valid(item: _Named) -> Source | None:
    try:
        return _SOURCE.validate_python(item.raw)
    except ValidationError:
        return None  # reported with its file


def _ports(items: Sequence[_Named]) -> Iterator[ConfigError]:
    taken: list[tuple[SyslogSource, _Named]] = []
    for item in items:
        source = _valid(item)
        if not isinstance(source, SyslogSource) or not source.port or not source.enabled:
            continue
        for other, known in taken:
            if _collide(source, other):
                message = _("{id} listens on port {port} already").format(id=other.id, port=other.port)
                hint = _("It is in {where}.").format(where=known.where)
                yield item.document.problem((*item.keys, "port"), message, hint)
                break
        taken.append((source, item))


def _collide(one: SyslogSource, two: SyslogSource) -> bool:
    hosts = {one.host, two.host}
    return (
        one.port == two.port
        and bool(set(one.transports) & set(two.transports))
        and (len(hosts) == 1 or bool(hosts & _ANY_HOST))
    )


def _expectations(bodies: Sequence[_Named], sources: Sequence[_Named]) -> Iterator[ConfigError]:
    known = {source.id: source.raw.get("agency") for source in sources}
    for body in bodies:
        for number, name in _texts(body.raw.get("expects")):
            keys = (*body.keys, "expects", number)
            if name not in known:
                message = _("there is no source {id}").format(id=repr(name[:63]))
                yield body.document.problem(keys, message, did_you_mean(name, list(known)))
            elif known[name] not in {None, body.id}:
                message = _("the source {id} is that of {other} alone").format(id=name, other=known[name])
                yield body.document.problem(keys, message)


def _rule_directories(main: Document) -> Iterator[ConfigError]:
    for number, name in _texts(main.at(("rules", "directories"))):
        if not (main.path.parent / name).is_dir():
            message = _("there is no such folder: {folder}").format(folder=name[:200])
            yield main.problem(("rules", "directories", number), message)


def _receivers(main: Document, bodies: Sequence[_Named]) -> Iterator[ConfigError]:
    known = {body.id for body in bodies}
    for hook in _items(main, "webhooks"):
        for number, name in _texts(hook.raw.get("agencies")):
            if name not in known:
                message = _("there is no agency {id}").format(id=repr(name[:63]))
                yield main.problem((*hook.keys, "agencies", number), message, _near(name, sorted(known)))


def _near(word: str, known: Sequence[str]) -> str | None:
    """Only a near word: a list of 483 agencies is no hint."""
    hint = did_you_mean(word, known)
    return hint or _("`citysoc agencies list` shows them.")
