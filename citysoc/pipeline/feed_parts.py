"""Feeds of many documents, put together as one file: MISP's feeds (a manifest beside its events) and TAXII 2.1 collections.

A MISP feed names each event with its edition in ``manifest.json``; an event is fetched once an edition, and what an
interrupted fetch has got is not fetched again. Of an event only what readers read is kept: attachments are left out.
A collection of TAXII 2.1 (OASIS, chapter 5.4) is read page by page: ``more`` says that another follows, ``next`` which.
"""

from __future__ import annotations

import re
import shutil
import time
from typing import IO, TYPE_CHECKING, Any

import orjson

from citysoc import telemetry
from citysoc.errors import InputError
from citysoc.i18n import _
from citysoc.notify import addresses
from citysoc.pipeline.fetching import Answer, fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from citysoc.config.intel import Feed

MANIFEST = "manifest.json"
MAX_EVENTS, MAX_PAGES = 20_000, 10_000
_MAX_BYTES = 128 << 20
"""What is put together is one JSON document, and these are read whole."""
_MAX_EVENT = 64 << 20
_TAXII = "application/taxii+json;version=2.1"
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ATTRIBUTE = ("uuid", "type", "value", "to_ids", "deleted", "comment", "category", "Tag")
_READ = frozenset(
    {"indicator", "relationship", "malware", "threat-actor", "intrusion-set", "tool", "campaign"}
)
_log = telemetry.logger("pipeline.feed_parts")


def fetch_edition(
    feed: Feed,
    target: Path,
    *,
    root: Path,
    parts: Path,
    etag: str = "",
    modified: str = "",
    resolver: addresses.Resolver = addresses.resolve,
) -> Answer | None:
    """Write a feed's newest edition into one file, whatever it is made of; None where the server says nothing is new.

    Args:
        feed: has a URL: of a document, of a manifest of MISP, of the objects of a TAXII collection.
        target: the file.
        root: what paths of secrets and certificates are relative to.
        parts: a folder of this feed's own, for the events that we have.
        etag: of the edition that we have.
        modified: its ``Last-Modified``.
        resolver: how to find a host's addresses.

    Raises:
        InputError: it cannot be fetched; transient where it may work later.
    """
    until = time.monotonic() + feed.timeout_seconds

    def get(url: str, into: Path, *, accept: str = "", **marks: str) -> Answer | None:
        left = until - time.monotonic()
        if left <= 0:
            raise InputError(
                _("The feed took longer than {seconds} s.").format(seconds=f"{feed.timeout_seconds:g}"),
                hint=_("What was fetched is kept; the next time goes on from there."),
                transient=True,
            )
        one = feed.model_copy(update={"url": url, "timeout_seconds": left})
        return fetch(one, into, root=root, resolver=resolver, accept=accept, **marks)

    url = feed.url or ""
    if feed.format == "taxii":
        return _collection(url, target, get)
    if not is_manifest(url):
        return get(url, target, etag=etag, modified=modified)
    answer = get(url, target, etag=etag, modified=modified)
    if answer is None:
        return None
    names = _named(_document(target))
    _fetch_events(url, names, parts, get)
    _write_events(target, (parts / name for name in names.values()))
    return answer


def is_manifest(place: str) -> bool:
    """Return whether a URL or a path leads to the manifest of a MISP feed."""
    return place.partition("?")[0].endswith(f"/{MANIFEST}")


def join_folder(folder: Path, target: Path) -> None:
    """Write the events of a folder with a manifest into one file.

    Raises:
        InputError: there is no manifest, or it cannot be read.
    """
    manifest = folder / MANIFEST
    if not manifest.is_file():
        raise InputError(
            _("The folder is no feed of MISP: it has no manifest.json."),
            where=str(folder),
            hint=_("Name the files themselves."),
        )
    names = _named(_document(manifest))
    _write_events(target, (folder / f"{uuid}.json" for uuid in names))


def forget_parts(parts: Path) -> None:
    """Remove what was kept of a feed."""
    shutil.rmtree(parts, ignore_errors=True)


def _named(manifest: Any) -> dict[str, str]:
    """Return event to the name under which its edition is kept, the newest first."""
    if not isinstance(manifest, dict):
        raise InputError(_("This is no manifest of MISP."))
    known = [
        (int(stamp), uuid.lower())
        for uuid, facts in manifest.items()
        if _UUID.fullmatch(uuid) and isinstance(facts, dict) and (stamp := str(facts.get("timestamp", "0"))).isdecimal()
        and len(stamp) < 20
    ]  # fmt: skip
    if not known:
        raise InputError(_("The manifest names no event."))
    known.sort(reverse=True)
    if len(known) > MAX_EVENTS:
        _log.warning("manifest.too_long", events=len(known), taken=MAX_EVENTS)
    return {uuid: f"{uuid}.{stamp}.json" for stamp, uuid in known[:MAX_EVENTS]}


def _fetch_events(url: str, names: dict[str, str], parts: Path, get: Callable[..., Answer | None]) -> None:
    """Fetch what we do not have, and forget editions that are no longer named."""
    parts.mkdir(parents=True, exist_ok=True)
    wanted = set(names.values())
    for old in parts.iterdir():
        if old.name not in wanted:
            old.unlink()
    missing = 0
    fresh = parts / "fetching"
    for uuid, name in names.items():
        if (parts / name).exists():
            continue
        try:
            get(url.replace(MANIFEST, f"{uuid}.json"), fresh)
            event = _slim(_document(fresh))
        except InputError as error:
            if error.transient:
                raise
            missing += 1  # one event that is broken or gone does not stop the others
            _log.warning("event.unreadable", uuid=uuid, why=str(error)[:200])
            continue
        fresh.write_bytes(orjson.dumps(event))
        fresh.replace(parts / name)
    if missing == len(names):
        raise InputError(_("No event of the manifest can be read."))


def _write_events(target: Path, paths: Iterator[Path]) -> None:
    with target.open("wb") as file:
        file.write(b"[")
        for path in paths:
            if not path.is_file():
                continue
            try:
                data = orjson.dumps(_slim(_document(path)))
            except InputError as error:
                _log.warning("event.unreadable", file=path.name, why=str(error)[:200])
                continue
            _append(file, data)
        file.write(b"]")


def _append(file: IO[bytes], data: bytes) -> None:
    if file.tell() + len(data) > _MAX_BYTES:
        raise InputError(
            _("The feed is larger than {limit} bytes.").format(limit=_MAX_BYTES),
            hint=_("Ask the feed for a shorter time."),
        )
    if file.tell() > 1:
        file.write(b",")
    file.write(data)


def _slim(document: Any) -> dict[str, Any]:
    """Return an event with what readers read of it; attachments stay behind.

    Raises:
        InputError: it is no event.
    """
    event = document.get("Event", document) if isinstance(document, dict) else None
    if not isinstance(event, dict) or not ("Attribute" in event or "Object" in event):
        raise InputError(_("This is no event of MISP."))
    objects = [one for one in _listed(event.get("Object")) if isinstance(one, dict)]
    return {
        "Event": {
            "info": event.get("info", ""),
            "Tag": event.get("Tag", []),
            "Attribute": _attributes(event.get("Attribute")),
            "Object": [
                {"deleted": one.get("deleted"), "Attribute": _attributes(one.get("Attribute"))}
                for one in objects
            ],
        }
    }


def _attributes(found: Any) -> list[dict[str, Any]]:
    return [
        {name: one[name] for name in _ATTRIBUTE if name in one}
        for one in _listed(found)
        if isinstance(one, dict)
    ]


def _collection(url: str, target: Path, get: Callable[..., Answer | None]) -> Answer:
    """Write all objects of a collection into one file, an envelope without end of pages."""
    import httpx

    page, at = target.with_name("page"), url
    seen: set[str] = set()
    with target.open("wb") as file:
        file.write(b'{"objects":[')
        empty = file.tell()
        for _number in range(MAX_PAGES):
            get(at, page, accept=_TAXII)
            envelope = _document(page)
            if not isinstance(envelope, dict):
                raise InputError(_("This is no answer of a TAXII 2.1 server."))
            for one in _objects(envelope.get("objects")):
                data = orjson.dumps(one)
                if file.tell() == empty:
                    file.write(data)
                else:
                    _append(file, data)
            following = envelope.get("next")
            if envelope.get("more") is not True or not isinstance(following, str) or following in seen:
                break
            seen.add(following)
            at = str(httpx.URL(url).copy_merge_params({"next": following[:2000]}))
        file.write(b"]}")
    return Answer("", "")


def _objects(found: Any) -> Sequence[dict[str, Any]]:
    return [one for one in _listed(found) if isinstance(one, dict) and one.get("type") in _READ]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _document(path: Path) -> Any:
    try:
        if path.stat().st_size > _MAX_EVENT:
            raise InputError(
                _("The feed is larger than {limit} bytes.").format(limit=_MAX_EVENT), where=path.name
            )
        return orjson.loads(path.read_bytes())
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise InputError(
            _("The JSON cannot be read: {error}.").format(error=str(error)[:200]), where=path.name
        ) from error
