"""What the models refuse, said to a person: place, what is wrong, and the word they may have meant."""

from __future__ import annotations

import difflib
import ipaddress
import typing
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic_core import ErrorDetails

    from citysoc.config.document import Document
    from citysoc.errors import ConfigError

_IDENTIFIER = r"^[a-z0-9][a-z0-9-]{0,62}$"


def explain(error: ValidationError, model: type[BaseModel], document: Document) -> list[ConfigError]:
    """Return each mistake of ``error`` with its line.

    Args:
        error: what pydantic found.
        model: the model that was asked.
        document: the file that was read.
    """
    found = []
    for details in error.errors(include_url=False, include_input=False):
        message, hint = _sentence(details, model, document)
        found.append(document.problem(details["loc"], message, hint))
    return found


def did_you_mean(word: str, known: Sequence[str]) -> str | None:
    """Return a hint that names the nearest known word, or all of them when there are few."""
    if near := difflib.get_close_matches(word, known, n=1, cutoff=0.6):
        return _("Did you mean {word}?").format(word=near[0])
    if known and len(known) <= 25:
        return _("Known here: {words}.").format(words=", ".join(known))
    return None


def _sentence(details: ErrorDetails, model: type[BaseModel], document: Document) -> tuple[str, str | None]:
    kind, context = details["type"], details.get("ctx", {})
    if known := _plain_sentences().get(kind):
        return known
    if kind == "extra_forbidden":
        return _("there is no such key"), _nearest_key(model, details["loc"])
    if kind in {"literal_error", "union_tag_invalid"}:
        return _choice(context, document.at(details["loc"]))
    if kind == "string_pattern_mismatch" and context.get("pattern") == _IDENTIFIER:
        return _("is no identifier"), _("Use lower-case letters, digits and hyphens, at most 63.")
    if limit := _limits().get(kind):
        name, text = limit
        return text.format(limit=context.get(name)), None
    text = str(context.get("error") or details["msg"])
    return text[:1].lower() + text[1:], _network_hint(text)


def _plain_sentences() -> dict[str, tuple[str, str | None]]:
    no_list = _("must be a list"), _("Write it in [brackets] or one item a line after a hyphen.")
    no_mapping = _("must have keys and values"), None
    whole, number = (_("must be a whole number"), None), (_("must be a number"), None)
    truth = _("must be true or false"), None
    return {
        "missing": (_("is missing"), None),
        "union_tag_not_found": (_("kind is missing"), _("A source is of kind: files or kind: syslog.")),
        "string_type": (_("must be text"), _("Put it in quotes.")),
        "tuple_type": no_list,
        "list_type": no_list,
        "int_type": whole,
        "int_parsing": whole,
        "int_from_float": whole,
        "float_type": number,
        "float_parsing": number,
        "bool_type": truth,
        "bool_parsing": truth,
        "dict_type": no_mapping,
        "model_type": no_mapping,
        "model_attributes_type": no_mapping,
    }


def _limits() -> dict[str, tuple[str, str]]:
    """Return for each kind of bound the name of its limit in pydantic's context, and a sentence."""
    return {
        "greater_than": ("gt", _("must be more than {limit}")),
        "greater_than_equal": ("ge", _("must be at least {limit}")),
        "less_than_equal": ("le", _("must be at most {limit}")),
        "string_too_short": ("min_length", _("must not be empty")),
        "too_short": ("min_length", _("must not be empty")),
        "string_too_long": ("max_length", _("is longer than {limit} characters")),
        "string_pattern_mismatch": ("pattern", _("is not of the form {limit}")),
    }


def _choice(context: dict[str, Any], value: Any) -> tuple[str, str | None]:
    expected = str(context.get("expected") or context.get("expected_tags") or "")
    words = [word.strip(" '") for word in expected.replace(" or ", ", ").split(",")]
    if isinstance(value, dict):  # the kind of a source: the mistake is reported at the source
        value = value.get("kind")
        return _("kind must be one of {words}").format(words=", ".join(words)), did_you_mean(
            str(value)[:60], words
        )
    near = difflib.get_close_matches(str(value)[:60], words, n=1)
    hint = _("Did you mean {word}?").format(word=near[0]) if near else None
    return _("must be one of {words}").format(words=", ".join(words)), hint


def _network_hint(text: str) -> str | None:
    """A network with host bits set: say which network was probably meant."""
    written = text.split(" ", 1)[0]
    if not text.endswith("has host bits set"):
        return None
    try:
        return _("Did you mean {word}?").format(word=ipaddress.ip_network(written, strict=False))
    except ValueError:
        return None


def _nearest_key(model: type[BaseModel], loc: Sequence[str | int]) -> str | None:
    if loc[-1] == "<<":
        return _("Merge keys are not understood; write the values out.")
    known = sorted({name for found in _models_at(model, loc[:-1]) for name in found.model_fields})
    return did_you_mean(str(loc[-1])[:60], known)


def _models_at(model: type[BaseModel], loc: Sequence[str | int]) -> list[type[BaseModel]]:
    """Return the models that may stand at ``loc`` below ``model``."""
    models = [model]
    for key in loc:
        if not isinstance(key, str):
            continue
        fields = [found.model_fields[key] for found in models if key in found.model_fields]
        if fields:
            models = [inner for info in fields for inner in _models_in(info.annotation)]
        else:  # the chosen kind of a union
            models = [found for found in models if _kind(found) == key] or models
    return models


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _models_in(inner)


def _kind(model: type[BaseModel]) -> Any:
    info = model.model_fields.get("kind")
    return next(iter(typing.get_args(info.annotation)), None) if info else None
