"""STIX 2.1 bundles: what their indicators look for, where it is one thing that can be looked up.

Form and pattern language: OASIS, STIX Version 2.1, chapters 4.7 and 9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from citysoc.detectors.intel.indicator import Said, short, short_tags, taken
from citysoc.detectors.intel.stix_patterns import Unsupported, values_of
from citysoc.detectors.intel.tables import epoch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from citysoc.detectors.intel.indicator import Account, Indicator

_NAMED = frozenset({"malware", "threat-actor", "intrusion-set", "tool", "campaign"})


def is_stix(document: Any) -> bool:
    """Return whether a JSON document is a bundle, or a list of objects, of STIX."""
    return next(_objects(document), None) is not None


def read_stix(document: Any, account: Account) -> Iterator[Indicator]:
    """Yield the indicators of a bundle.

    Args:
        document: a bundle, an envelope of TAXII, or a list of objects.
        account: is told what became of each indicator object.
    """
    objects = list(_objects(document))
    names = _names(objects)
    known = set(map(id, objects))
    for one in _listed_in(document):
        if isinstance(one, dict) and one.get("type") == "indicator" and id(one) not in known:
            account.entries += 1
            account.skip("no_id", "", short(one.get("id", "")))
    for one in objects:
        if one.get("type") == "indicator":
            account.entries += 1
            yield from _indicators(one, names, account)


def _objects(document: Any) -> Iterator[dict[str, Any]]:
    for one in _listed_in(document):
        if (
            isinstance(one, dict)
            and isinstance(kind := one.get("type"), str)
            and isinstance(text := one.get("id"), str)
            and text.startswith(f"{kind}--")
        ):
            yield one


def _listed_in(document: Any) -> list[Any]:
    return _listed(document.get("objects") if isinstance(document, dict) else document)


def _names(objects: list[dict[str, Any]]) -> dict[str, str]:
    """Return indicator id to the name of what it indicates."""
    named = {one["id"]: short(one.get("name", "")) for one in objects if one["type"] in _NAMED}
    return {
        str(one.get("source_ref")): named[str(one.get("target_ref"))]
        for one in objects
        if one["type"] == "relationship"
        and one.get("relationship_type") == "indicates"
        and str(one.get("target_ref")) in named
    }


def _indicators(one: dict[str, Any], names: dict[str, str], account: Account) -> Iterator[Indicator]:
    place = one["id"][:64]
    pattern, confidence = one.get("pattern"), one.get("confidence")
    if one.get("revoked") is True:
        account.skip("revoked", place)
        return
    if one.get("pattern_type", "stix") != "stix" or not isinstance(pattern, str):
        account.skip("pattern_type", place, short(one.get("pattern_type", "")))
        return
    try:
        values = values_of(pattern)
    except Unsupported as error:
        account.skip(error.reason, place, short(pattern))
        return
    said = Said(
        confidence=min(max(confidence, 0), 100) if type(confidence) is int else None,
        expires=epoch(one.get("valid_until")),
        name=names.get(one["id"], ""),
        tags=short_tags([*_listed(one.get("indicator_types")), *_listed(one.get("labels"))]),
        note=short(one.get("name") or one.get("description") or ""),
    )
    for kind, text in values:
        yield from taken(text, account, place, hint=kind, said=said)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
