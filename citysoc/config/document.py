"""YAML as values that remember their lines, read so that no text can do harm.

The YAML we read is the part people mean: mappings with text keys, lists, text, whole and decimal
numbers, ``true``/``false`` and ``null``. ``no``, ``08:30``, ``2026-10-01`` and ``019`` stay text. Tags and
merge keys are not understood. Size, depth and what aliases expand to are bounded; the text is walked
event by event because the composer of the YAML library overflows the stack on deep nesting.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from citysoc.errors import ConfigError
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

MAX_BYTES = 16 << 20
MAX_DEPTH = 50
MAX_VALUES = 1_000_000
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]{0,15})\.[0-9]{1,15}")


@dataclass(slots=True)
class Node:
    """One value with its place.

    Args:
        line: where it starts, from 1.
        value: as plain Python.
        children: of a mapping: key to (line of the key, node); of a list: the nodes.
        size: how many values it stands for, aliases expanded.
    """

    line: int
    value: Any
    children: dict[str, tuple[int, Node]] | list[Node] | None = None
    size: int = 1


@dataclass(frozen=True, slots=True)
class Document:
    """One file.

    Args:
        path: the file.
        root: its value; None when it cannot be read as YAML.
        problems: what is wrong with it as YAML.
    """

    path: Path
    root: Node | None = None
    problems: tuple[ConfigError, ...] = ()

    @property
    def value(self) -> Any:
        """The file as plain Python."""
        return self.root.value if self.root else None

    def line(self, keys: Sequence[str | int]) -> int:
        """Return the line of the key or item at ``keys``; of the nearest parent when it is absent."""
        line = self.root.line if self.root else 1
        for place, _node, _name in self._walk(keys):
            line = place
        return line

    def name(self, keys: Sequence[str | int]) -> str:
        """Return ``keys`` for a person: ``agencies[so-y-te].networks[0]``."""
        text = ""
        walked = 0
        for _line, _node, name in self._walk(keys):
            text += name
            walked += 1
        text += "".join(f".{key}" for key in self._kept(keys)[walked:])
        return text.removeprefix(".")

    def at(self, keys: Sequence[str | int]) -> Any:
        """Return the plain value at ``keys``, None when it is absent."""
        node = self.root
        for _line, node, _name in self._walk(keys):  # noqa: B007  the last one counts
            pass
        return node.value if node else None

    def problem(self, keys: Sequence[str | int], message: str, hint: str | None = None) -> ConfigError:
        """Return the mistake at ``keys``."""
        name = self.name(keys)
        where = f"{self.path}:{self.line(keys)}"
        return ConfigError(f"{name}: {message}" if name else message, where=where, hint=hint)

    def _kept(self, keys: Sequence[str | int]) -> list[str | int]:
        """Drop the steps that exist only in the model: the chosen kind of a union."""
        kept: list[str | int] = []
        node = self.root
        for number, key in enumerate(keys):
            child = _child(node, key)
            if child is None and number + 1 < len(keys) and node is not None:
                if isinstance(node.children, dict):
                    continue
                break
            kept.append(key)
            node = child[1] if child else None
        return kept

    def _walk(self, keys: Sequence[str | int]) -> Iterator[tuple[int, Node, str]]:
        node = self.root
        for key in self._kept(keys):
            child = _child(node, key)
            if child is None:
                return
            line, node = child
            yield line, node, f"[{_label(node, key)}]" if isinstance(key, int) else f".{key}"


def _child(node: Node | None, key: str | int) -> tuple[int, Node] | None:
    children = node.children if node else None
    if isinstance(children, dict) and isinstance(key, str):
        return children.get(key)
    if isinstance(children, list) and isinstance(key, int) and key < len(children):
        return children[key].line, children[key]
    return None


def _label(node: Node, index: int) -> str | int:
    """Name an item of a list by its id where it has one: people search for that."""
    found = node.value.get("id") if isinstance(node.value, dict) else None
    return found[:63] if isinstance(found, str) and found else index


def read(path: Path) -> Document:
    """Return the file at ``path``, with its mistakes as YAML. Never raises."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return _broken(path, 0, _("there is no such file"), _("`citysoc init DIR` writes a first one."))
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        return _broken(path, 0, _("cannot be read: {reason}").format(reason=reason), None)
    if len(raw) > MAX_BYTES:
        hint = _("A configuration file may have {limit} MiB.").format(limit=MAX_BYTES >> 20)
        return _broken(path, 1, _("the file is too large"), hint)
    return parse(raw, path)


def parse(raw: bytes, path: Path) -> Document:
    """Return bytes as a document, with its mistakes as YAML. Never raises.

    Args:
        raw: UTF-8, with or without a byte order mark; text is brought to NFC.
        path: how to name it in mistakes.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return _broken(path, line, _("this is not UTF-8"), _("Save the file as UTF-8."))
    reader = _Reader(path)
    try:
        root = reader.read(unicodedata.normalize("NFC", text))
    except yaml.YAMLError as error:
        return Document(path, problems=(*reader.problems, _syntax(error, text, path)))
    except ConfigError as error:
        return Document(path, problems=(*reader.problems, error))
    return Document(path, root, tuple(reader.problems))


def _broken(path: Path, line: int, message: str, hint: str | None) -> Document:
    where = f"{path}:{line}" if line else str(path)
    return Document(path, problems=(ConfigError(message, where=where, hint=hint),))


def _syntax(error: yaml.YAMLError, text: str, path: Path) -> ConfigError:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        position = getattr(error, "position", 0)
        line = text.count("\n", 0, position) + 1 if isinstance(position, int) else 1
        message = _("a character that YAML does not allow")
        return ConfigError(message, where=f"{path}:{line}", hint=_("Remove control characters."))
    where = f"{path}:{mark.line + 1}"
    reason = str(getattr(error, "problem", None) or "it is no YAML")
    lines = text.split("\n")
    line_text = lines[mark.line] if mark.line < len(lines) else ""
    if "\t" in line_text[: len(line_text) - len(line_text.lstrip())]:
        return ConfigError(_("the line begins with a tab"), where=where, hint=_("Indent with spaces."))
    hint = _("Look at the indentation, the quotes and the colons here and in the line before.")
    return ConfigError(_("not valid YAML: {reason}").format(reason=reason), where=where, hint=hint)


@dataclass(slots=True)
class _Open:
    """A mapping or list that is not closed yet."""

    node: Node
    anchor: str | None
    key: tuple[str, int] | None = None


@dataclass(slots=True)
class _Reader:
    """Builds nodes from the events of one text."""

    path: Path
    problems: list[ConfigError] = field(default_factory=list)
    anchors: dict[str, Node] = field(default_factory=dict)
    stack: list[_Open] = field(default_factory=list)
    done: Node | None = None

    def read(self, text: str) -> Node:
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            self._take(event)
        return self.done or Node(1, None)

    def _take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.ScalarEvent):
            self._check_tag(event)
            node = Node(_line(event), _scalar(event))
            self._anchored(event.anchor, node)
            self._place(node)
        elif isinstance(event, yaml.SequenceStartEvent | yaml.MappingStartEvent):
            self._open(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            closed = self.stack.pop()
            self._anchored(closed.anchor, closed.node)
            self._place(closed.node)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent) and self.done is not None:
            self._refuse(event, _("a second document begins"), _("Write one document a file, without ---."))

    def _open(self, event: yaml.SequenceStartEvent | yaml.MappingStartEvent) -> None:
        self._check_tag(event)
        if len(self.stack) >= MAX_DEPTH:
            self._refuse(event, _("nested too deeply"), None)
        is_list = isinstance(event, yaml.SequenceStartEvent)
        node = Node(_line(event), [], []) if is_list else Node(_line(event), {}, {})
        self.stack.append(_Open(node, event.anchor))

    def _alias(self, event: yaml.AliasEvent) -> None:
        node = self.anchors.get(event.anchor or "")
        if node is None:
            self._refuse(event, _("*{name} names nothing above it").format(name=event.anchor), None)
        self._place(Node(_line(event), node.value, node.children, node.size))

    def _anchored(self, anchor: str | None, node: Node) -> None:
        # Only a closed value may be named, so no value can contain itself.
        if anchor:
            self.anchors[anchor] = node

    def _place(self, node: Node) -> None:
        if not self.stack:
            self.done = node
            return
        top = self.stack[-1]
        top.node.size += node.size
        if top.node.size > MAX_VALUES:
            self._refuse_line(node.line, _("too many values, aliases expanded"), None)
        if isinstance(top.node.children, list):
            top.node.children.append(node)
            top.node.value.append(node.value)
        elif top.key is None:
            top.key = (self._key(node), node.line)
        else:
            self._pair(top.node, top.key, node)
            top.key = None

    def _key(self, node: Node) -> str:
        if node.children is not None:
            self._refuse_line(node.line, _("a key must be text"), None)
        return node.value if isinstance(node.value, str) else str(node.value)

    def _pair(self, mapping: Node, key: tuple[str, int], node: Node) -> None:
        name, line = key
        children = mapping.children
        if not isinstance(children, dict):
            return
        if name in children:
            message = _("the key {key} is here twice").format(key=repr(name[:60]))
            hint = _("It was first given in line {line}.").format(line=children[name][0])
            self.problems.append(ConfigError(message, where=f"{self.path}:{line}", hint=hint))
            return
        children[name] = (line, node)
        mapping.value[name] = node.value

    def _check_tag(self, event: Any) -> None:
        if event.tag is not None and event.tag != "!":
            tag = _("the tag {tag} is not understood").format(tag=repr(event.tag[:60]))
            self._refuse(event, tag, _("Write the value without it."))

    def _refuse(self, event: yaml.Event, message: str, hint: str | None) -> NoReturn:
        self._refuse_line(_line(event), message, hint)

    def _refuse_line(self, line: int, message: str, hint: str | None) -> NoReturn:
        raise ConfigError(message, where=f"{self.path}:{line}", hint=hint)


def _line(event: yaml.Event) -> int:
    return int(event.start_mark.line) + 1 if event.start_mark else 1


def _scalar(event: yaml.ScalarEvent) -> Any:
    text = str(event.value)
    if not event.implicit[0]:  # quoted or a block: text, whatever it looks like
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text
