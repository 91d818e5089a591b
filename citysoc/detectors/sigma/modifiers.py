"""Encoding modifiers that pySigma 1.5.1 does not know or gets wrong; ``parse`` loads this when a rule is compiled.

It counts characters where Base64 has bytes (text that is not ASCII is then cut wrongly), writes the mark of
``utf16`` as UTF-8, refuses ``wide`` for text that is not ASCII, and has no ``utf16le``. Its ``windash`` writes an option in
five ways, but knows only two of them where a rule has one. Importing this module puts ours into its table.
"""

from __future__ import annotations

import enum
import re
from base64 import b64encode
from typing import TYPE_CHECKING, Any, ClassVar

from sigma.exceptions import SigmaValueError  # noqa: TID253  this module is imported only to compile a rule
from sigma.modifiers import (  # noqa: TID253  as above
    SigmaModifier,
    SigmaValueModifier,
    modifier_mapping,
    reverse_modifier_mapping,
)
from sigma.types import (  # noqa: TID253  as above
    Placeholder,
    SigmaExpansion,
    SigmaNumber,
    SigmaString,
    SigmaTimestampPart,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

DASHES = "-/\u2013\u2014\u2015"
"""What begins an option of a Windows program: hyphen, slash, en dash, em dash, horizontal bar."""
_DASHES = re.compile(rf"\B[{DASHES}]\b")
_DASH = "_windash"
_STARTS = (0, 2, 3)
_ENDS = (None, -3, -2)


class Encoded(SigmaString):
    """A text with the bytes that it stands for."""

    raw: bytes = b""


def _raw(value: SigmaString) -> bytes:
    if isinstance(value, Encoded):
        return value.raw
    if value.contains_special() or value.contains_placeholder():
        raise SigmaValueError("a text with wildcards or placeholders cannot be encoded")
    return "".join(part for part in value.s if isinstance(part, str)).encode()


def _literal(text: str) -> SigmaString:
    return SigmaString(text, escape=False)


class _Utf16(SigmaValueModifier[SigmaString, SigmaString]):
    codec: ClassVar[str] = "utf-16-le"
    mark: ClassVar[bytes] = b""

    def modify(self, val: SigmaString) -> SigmaString:
        """Return the text's bytes in this encoding."""
        raw = self.mark + _raw(val).decode().encode(self.codec)
        encoded = Encoded(raw.decode("utf-8", "replace"), escape=False)
        encoded.raw = raw
        return encoded


class Utf16Le(_Utf16):
    """``utf16le`` and ``wide``."""


class Utf16Be(_Utf16):
    """``utf16be``."""

    codec = "utf-16-be"


class Utf16(_Utf16):
    """``utf16``: little endian behind a byte order mark."""

    mark = b"\xff\xfe"


class Base64(SigmaValueModifier[SigmaString, SigmaString]):
    """``base64``."""

    def modify(self, val: SigmaString) -> SigmaString:
        """Return the Base64 of the text's bytes."""
        return _literal(b64encode(_raw(val)).decode())


class Base64Offset(SigmaValueModifier[SigmaString, SigmaExpansion]):
    """``base64offset``: the three ways in which bytes may stand within a longer Base64 text."""

    def modify(self, val: SigmaString) -> SigmaExpansion:
        """Return what stays the same whatever stands before and after."""
        raw = _raw(val)
        return SigmaExpansion(
            [
                _literal(
                    b64encode(b" " * shift + raw)[_STARTS[shift] : _ENDS[(len(raw) + shift) % 3]].decode()
                )
                for shift in range(3)
            ]
        )


class Windash(SigmaValueModifier[SigmaString, SigmaExpansion]):
    """``windash``: every dash that begins a word, or the slash in its place, written in all five ways."""

    def modify(self, val: SigmaString) -> SigmaExpansion:
        """Return the text in all its spellings."""

        def dashes(found: Placeholder) -> Iterator[str | Placeholder]:
            if found.name == _DASH:
                yield from DASHES
            else:
                yield found

        some = val.replace_with_placeholder(_DASHES, _DASH).replace_placeholders(dashes)
        return SigmaExpansion(list(some))


class Part(enum.Enum):
    """Parts of a time that the specification does not have."""

    WEEKDAY = enum.auto()


class Weekday(SigmaValueModifier[SigmaNumber, SigmaTimestampPart]):
    """``weekday``: 1 is Monday, 7 is Sunday, as in ISO 8601; one of ours."""

    def modify(self, val: SigmaNumber) -> SigmaTimestampPart:
        """Return the number as that of a day of the week."""
        if val.number not in range(1, 8):
            raise SigmaValueError("a day of the week is 1 (Monday) to 7 (Sunday)")
        # pySigma asks for one of its own parts, and only hands it on.
        return SigmaTimestampPart(Part.WEEKDAY, int(val.number))  # type: ignore[arg-type]  # as said


_OURS: dict[str, type[SigmaModifier[Any, Any]]] = {
    "utf16le": Utf16Le,
    "wide": Utf16Le,
    "utf16be": Utf16Be,
    "utf16": Utf16,
    "base64": Base64,
    "base64offset": Base64Offset,
    "windash": Windash,
    "weekday": Weekday,
}
modifier_mapping.update(_OURS)
reverse_modifier_mapping.update({cls.__name__: name for name, cls in _OURS.items()})
