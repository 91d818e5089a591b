"""One event as rules look at it: names without spaces, values as folded text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from citysoc.detectors.text import compose, fold, texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NOT_SAID = ("agency.", "citysoc.", "ecs.")
_NOT_SAID_NAMES = frozenset(
    {
        *("event.id", "event.ingested", "event.module", "event.dataset", "event.kind", "event.category"),
        *("event.type", "event.original", "log.file.path", "log.offset", "@timestamp"),
    }
)
"""What we say about a record; keywords look at what the record says."""
_OBJECTS = ("{", "[", "<Event")
_BETWEEN = "\0\uffff\0"
"""Stands between texts that are searched as one; not a character, so no word holds it."""
_MAX_KNOWN_NAMES = 20_000
_plain_names: set[str] = set()
"""Names seen that have no space: most events hold nothing else, and this is how that is seen in one step."""


class View(dict[str, tuple[str, ...]]):
    """One event as rules look at it: values as folded text, made when first asked for.

    A dictionary of the fields' folded texts, none where a field is absent: that is what is asked again and again.

    Args:
        event: the event.
        plain: its names have no spaces, or are written without them already.
    """

    __slots__ = ("_said", "event")

    def __init__(self, event: Mapping[str, Any], *, plain: bool = False) -> None:
        self.event = event if plain else with_plain_names(event)
        self._said: dict[bool, tuple[tuple[str, ...], str]] | None = None

    def __missing__(self, field: str) -> tuple[str, ...]:
        value = self.event.get(field)
        if type(value) is str:  # most are, and of ASCII
            found: tuple[str, ...] = (value.lower() if value.isascii() else fold(value),)
        else:
            found = tuple([fold(text) for text in texts(value)])
        self[field] = found
        return found

    def cased(self, field: str) -> tuple[str, ...]:
        """Return the texts of a field with their case."""
        return tuple([compose(text) for text in texts(self.event.get(field))])

    def said(self, *, cased: bool) -> tuple[str, ...]:
        """Return every text that the record itself says: its values, and its original line."""
        return self._shaped(cased)[0]

    def all_said(self, *, cased: bool) -> str:
        """Return what the record says as one text, for words that are looked for anywhere."""
        return self._shaped(cased)[1]

    def _shaped(self, cased: bool) -> tuple[tuple[str, ...], str]:
        if self._said is None:
            self._said = {}
        found = self._said.get(cased)
        if found is None:
            shape = compose if cased else fold
            said = tuple([shape(text) for text in _said(self.event)])
            found = self._said[cased] = said, _BETWEEN.join(said)
        return found


def with_plain_names(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the event with its spaced names also written without spaces, and with underscores."""
    if _plain_names.issuperset(event):
        return event
    spaced = [name for name in event if " " in name]
    if not spaced:
        if len(_plain_names) >= _MAX_KNOWN_NAMES:
            _plain_names.clear()
        _plain_names.update(event)
        return event
    view = dict(event)
    for name in spaced:
        view.setdefault(name.replace(" ", ""), event[name])
        view.setdefault(name.replace(" ", "_"), event[name])
    return view


def _said(event: Mapping[str, Any]) -> Iterator[str]:
    for name, value in event.items():
        if name not in _NOT_SAID_NAMES and not name.startswith(_NOT_SAID):
            yield from texts(value)
    original = event.get("event.original")
    # The text of an object is its fields' names, too; its values are looked at already.
    if isinstance(original, str) and not is_object(original):
        yield original


def is_object(original: str) -> bool:
    """Return whether a record is an object, whose values are all fields of its event."""
    return original.startswith(_OBJECTS) or original.lstrip().startswith(_OBJECTS)
