"""MISP events: attributes and attributes of objects that are meant for detection (``to_ids``).

The form: https://www.misp-standard.org (core format). Attributes without ``to_ids`` are for reading, not for looking.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from citysoc.detectors.intel.indicator import Said, short, short_tags, taken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from citysoc.detectors.intel.indicator import Account, Indicator

TYPES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("ip-src", "ip-dst"), ("address",)),
    **dict.fromkeys(("ip-src|port", "ip-dst|port"), ("address", "")),
    **dict.fromkeys(("domain", "hostname"), ("domain",)),
    "hostname|port": ("domain", ""),
    "domain|ip": ("domain", "address"),
    **dict.fromkeys(("url", "uri", "link"), ("url",)),
    **dict.fromkeys(("md5", "sha1", "sha256", "x509-fingerprint-sha1"), ("hash",)),
    **dict.fromkeys(("filename|md5", "filename|sha1", "filename|sha256"), ("", "hash")),
    **dict.fromkeys(("malware-sample",), ("", "hash")),
    **dict.fromkeys(("email", "email-src", "email-dst", "email-reply-to", "target-email"), ("email",)),
}
"""Type of an attribute to the kinds of its parts; an empty kind stands for a part that is none."""

_CONFIDENCES = {
    "completely-confident": 100,
    "usually-confident": 75,
    "fairly-confident": 50,
    "rarely-confident": 25,
    "unconfident": 0,
}
_MALWARE = ("misp-galaxy:malpedia=", "misp-galaxy:tool=", "misp-galaxy:botnet=", "misp-galaxy:ransomware=")
_MAX_EVENTS = 100_000


def is_misp(document: Any) -> bool:
    """Return whether a JSON document is one or several events of MISP."""
    return next(_events(document), None) is not None


def read_misp(document: Any, account: Account) -> Iterator[Indicator]:
    """Yield the indicators of a document.

    Args:
        document: an event, a list of events, or the answer of a search.
        account: is told what became of each attribute.
    """
    for event in _events(document):
        tags = _tags(event)
        info = short(event.get("info", ""))
        for attribute in _attributes(event):
            account.entries += 1
            yield from _indicators(attribute, tags, info, account)


def _events(document: Any) -> Iterator[dict[str, Any]]:
    found = document.get("response", document) if isinstance(document, dict) else document
    for item in (found if isinstance(found, list) else [found])[:_MAX_EVENTS]:
        event = item.get("Event", item) if isinstance(item, dict) else None
        if isinstance(event, dict) and ("Attribute" in event or "Object" in event):
            yield event


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _attributes(event: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for attribute in _listed(event.get("Attribute")):
        if isinstance(attribute, dict):
            yield attribute
    for one in _listed(event.get("Object")):
        if isinstance(one, dict) and not one.get("deleted"):
            yield from (
                attribute for attribute in _listed(one.get("Attribute")) if isinstance(attribute, dict)
            )


def _indicators(
    attribute: dict[str, Any], event_tags: list[str], info: str, account: Account
) -> Iterator[Indicator]:
    kind, value = attribute.get("type"), attribute.get("value")
    place = str(attribute.get("uuid") or attribute.get("id") or account.entries)[:64]
    if attribute.get("deleted"):
        account.skip("deleted", place)
        return
    if attribute.get("to_ids") not in (True, 1, "1"):
        account.skip("not_to_ids", place, short(value))
        return
    parts = TYPES.get(kind) if isinstance(kind, str) else None
    if parts is None or not isinstance(value, str):
        account.skip(
            f"type {kind[:40]}" if isinstance(kind, str) and kind.isprintable() else "no_type", place
        )
        return
    tags = [*_tags(attribute), *event_tags]
    said = Said(
        confidence=next((found for tag in tags if (found := _confidence(tag)) is not None), None),
        expires=None,
        name=next((tag.partition("=")[2].strip('"')[:100] for tag in tags if tag.startswith(_MALWARE)), ""),
        tags=short_tags([attribute.get("category", ""), *tags]),
        note=short(attribute.get("comment") or info),
    )
    texts = value.split("|") if len(parts) > 1 else [value]
    for text, part in zip(texts, parts, strict=False):
        if part:
            yield from taken(text, account, place, hint=part, said=said)


def _tags(holder: dict[str, Any]) -> list[str]:
    return [short(tag.get("name", "")) for tag in _listed(holder.get("Tag"))[:64] if isinstance(tag, dict)]


def _confidence(tag: str) -> int | None:
    space, _equals, value = tag.partition("=")
    return _CONFIDENCES.get(value.strip('"')) if space == "misp:confidence-level" else None
