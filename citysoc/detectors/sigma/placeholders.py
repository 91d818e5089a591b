"""Placeholders (``field|expand: '%name%'``): what the house's configuration puts in their place.

A placeholder stands for any of its values. A value is written as a value of a rule is, wildcards included; where the
placeholder is all there is and the value is a network (``10.0.0.0/8``), addresses within it are meant.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

from citysoc.errors import RuleError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def fill(detection: Any, known: Mapping[str, Sequence[str]]) -> None:
    """Put values in the place of all placeholders of a detection of pySigma.

    Raises:
        RuleError: a placeholder has no values.
    """
    from sigma.rule import SigmaDetection
    from sigma.types import SigmaRegularExpression, SigmaString

    for item in detection.detection_items:
        if isinstance(item, SigmaDetection):
            fill(item, known)
            continue
        item.value = [
            _filled(value, known)
            if isinstance(value, SigmaString | SigmaRegularExpression) and value.contains_placeholder()
            else value
            for value in item.value
        ]


def _filled(value: Any, known: Mapping[str, Sequence[str]]) -> Any:
    """Return what stands for a value with placeholders: any of the values that it may be."""
    from sigma.types import SigmaCasedString, SigmaExpansion, SigmaRegularExpression

    if isinstance(value, SigmaRegularExpression):
        return SigmaExpansion(
            [
                SigmaRegularExpression(str(one), value.flags)
                for one in _replaced(value.regexp, known, plain=True)
            ]
        )
    found = _replaced(value, known, plain=False)
    if isinstance(value, SigmaCasedString):
        return SigmaExpansion([SigmaCasedString.from_sigma_string(one) for one in found])
    if len(value.s) == 1:
        return SigmaExpansion([_network(one) or one for one in found])
    return SigmaExpansion(found)


def _replaced(value: Any, known: Mapping[str, Sequence[str]], *, plain: bool) -> list[Any]:
    from sigma.types import SigmaString

    def values(placeholder: Any) -> Iterator[Any]:
        for text in _values(placeholder.name, known):
            yield SigmaString(re.escape(text), escape=False) if plain else SigmaString(text)

    return list(value.replace_placeholders(values))


def _values(name: str, known: Mapping[str, Sequence[str]]) -> Sequence[str]:
    found = known.get(name)
    if found is None:
        raise RuleError(
            f"the placeholder %{name}% has no values; set them in citysoc.yaml: `rules: {{placeholders: {{{name}: [...]}}}}`"
        )
    return found


def _network(text: Any) -> Any | None:
    """Return a text that is a network as one."""
    from sigma.types import SigmaCIDRExpression

    written = str(text)
    if "/" not in written:
        return None
    try:
        return SigmaCIDRExpression(str(ipaddress.ip_network(written, strict=False)))
    except ValueError:
        return None
