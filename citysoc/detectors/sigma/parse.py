"""A rule's document as pySigma's rule: what pySigma would stumble over is put right before, or refused."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

from citysoc.detectors.sigma.ordering import in_order
from citysoc.detectors.sigma.selection_names import check_names, renamed
from citysoc.errors import RuleError
from citysoc.flow import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterator

_OF_TEXTS = frozenset(
    {"contains", "startswith", "endswith", "cased", "base64", "base64offset", "wide", "re", "windash"}
)


def parse(document: dict[str, Any]) -> Any:
    """Return a document as a rule of pySigma, without what only we look at.

    Raises:
        RuleError: it is no rule of Sigma.
    """
    from sigma.rule import SigmaRule

    import citysoc.detectors.sigma.modifiers  # noqa: F401  puts ours into pySigma's table

    plain = {name: value for name, value in document.items() if name not in {"citysoc", "date", "modified"}}
    if isinstance(plain.get("detection"), dict):
        check_names(plain["detection"])
        plain["detection"] = _with_texts(renamed(plain["detection"]))
    plain.pop("related", None)  # not looked at here, so not a reason to refuse
    plain.pop("tags", None)
    if not _is_uuid(plain.get("id")):
        plain.pop("id", None)
    plain["title"] = str(plain.get("title") or "untitled")[:250]
    if str(plain.get("level", "")).lower() not in LEVELS:
        plain.pop("level", None)
    plain.pop("status", None)
    with taken_on_trust():
        return SigmaRule.from_dict(plain)


@contextlib.contextmanager
def taken_on_trust() -> Iterator[None]:
    """Refuse what pySigma stumbles over: it takes a rule's shape on trust in places.

    Raises:
        RuleError: with what pySigma says.
    """
    from sigma.exceptions import SigmaError

    try:
        yield
    except SigmaError as error:
        raise RuleError(_sentence(error)) from error
    except (TypeError, ValueError, AttributeError, LookupError, re.error) as error:
        raise RuleError(f"the rule has not the shape of a Sigma rule: {_sentence(error)}") from error


def _sentence(error: BaseException) -> str:
    return " ".join(str(error).split())[:500] or type(error).__name__


def _is_uuid(value: Any) -> bool:
    return (
        isinstance(value, str)
        and re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", value) is not None
    )


def _with_texts(part: Any) -> Any:
    """Return a detection whose numbers are texts where a modifier asks for text (``contains: 404``), its modifiers in order.

    Raises:
        RuleError: a field is asked for nothing.
    """
    if isinstance(part, list):
        return [_with_texts(item) for item in part]
    if not isinstance(part, dict):
        return part
    found: dict[Any, Any] = {}
    for name, value in part.items():
        if isinstance(value, list) and not value:
            raise RuleError(f"`{name}` has an empty list of values")
        asked = name.split("|")[1:] if isinstance(name, str) else []
        value = _as_texts(value) if not _OF_TEXTS.isdisjoint(asked) else _with_texts(value)
        name, value = in_order(name, value) if asked else (name, value)
        if name in found:
            raise RuleError(
                f"`{name}` is there twice in one selection; write one of them with its values in a list"
            )
        found[name] = value
    return found


def _as_texts(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_texts(item) for item in value]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
