"""How text is coded, as far as cutting it into lines goes: bytes with one line feed, or UTF-16."""

from __future__ import annotations

from dataclasses import dataclass

_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


def leading_nuls(data: bytes) -> int:
    """Return how many bytes of NULs the data begins with."""
    if not data.startswith(b"\0"):
        return 0
    # Comparing is twenty times faster than stripping, and such files hold NULs by the GB.
    return len(data) if data == bytes(len(data)) else len(data) - len(data.lstrip(b"\0"))


@dataclass(frozen=True, slots=True)
class Bytes:
    """Text in which a line feed is one byte and means nothing else: ASCII, UTF-8, Windows-125x."""

    newline: bytes = b"\n"

    def after_first(self, data: bytes) -> int:
        """Return the index after the first line end, 0 where there is none."""
        return data.find(b"\n") + 1

    def after_last(self, data: bytes) -> int:
        """Return the index after the last line end, 0 where there is none."""
        return data.rfind(b"\n") + 1

    def whole(self, data: bytes) -> int:
        """Return how many of the bytes are whole characters as far as cutting goes."""
        return len(data)

    def split(self, data: bytes) -> list[bytes]:
        """Cut whole lines apart, without their line ends."""
        return data.split(b"\n")

    def leading_nuls(self, data: bytes) -> int:
        """Return how many bytes of NULs the data begins with."""
        return leading_nuls(data)

    def records(self, lines: list[bytes], data: bytes) -> list[bytes]:
        """Return the lines as they are handed on; ``data`` is what they were cut from."""
        if b"\0" in data:
            return [line.strip(b"\0").rstrip(b"\r\0") for line in lines]
        if b"\r" in data:
            return [line.rstrip(b"\r") for line in lines]
        return lines


@dataclass(frozen=True, slots=True)
class Utf16:
    """Text of two-byte units; ``surrogatepass`` makes decoding and encoding exact inverses."""

    codec: str
    newline: bytes

    def _decode(self, data: bytes) -> str:
        return data[: self.whole(data)].decode(self.codec, "surrogatepass")

    def _size(self, text: str) -> int:
        return len(text.encode(self.codec, "surrogatepass"))

    def after_first(self, data: bytes) -> int:
        """Return the index after the first line end, 0 where there is none."""
        before, newline, _ = self._decode(data).partition("\n")
        return self._size(before) + 2 if newline else 0

    def after_last(self, data: bytes) -> int:
        """Return the index after the last line end, 0 where there is none."""
        _, newline, after = self._decode(data).rpartition("\n")
        return self.whole(data) - self._size(after) if newline else 0

    def whole(self, data: bytes) -> int:
        """Return how many of the bytes are whole units, without a surrogate that waits for its pair."""
        even = len(data) & ~1
        if even and data[even - 1 if self.codec == "utf-16-le" else even - 2] & 0xFC == 0xD8:
            return even - 2
        return even

    def split(self, data: bytes) -> list[bytes]:
        """Cut whole lines apart, without their line ends; the pieces stay UTF-16."""
        return [line.encode(self.codec, "surrogatepass") for line in self._decode(data).split("\n")]

    def leading_nuls(self, data: bytes) -> int:
        """Return how many bytes of NULs the data begins with."""
        return (len(data) - len(data.lstrip(b"\0"))) & ~1

    def records(self, lines: list[bytes], data: bytes) -> list[bytes]:  # noqa: ARG002  as Bytes has it
        """Return the lines in UTF-8 as they are handed on."""
        texts = (self._decode(line).strip("\0").rstrip("\r\0") for line in lines)
        return [text.encode("utf-8", "replace") for text in texts]


Code = Bytes | Utf16


def code_of(mark: bytes) -> tuple[Code, int]:
    """Return how text is coded that begins with these three bytes, and where it begins."""
    if mark == _UTF8_MARK:
        return Bytes(), 3
    if codec := _UTF16_MARKS.get(mark[:2]):
        return Utf16(codec, "\n".encode(codec)), 2
    return Bytes(), 0
