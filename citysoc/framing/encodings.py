"""Text as Vietnamese offices export it: which encoding, and the text of it.

An export made by hand is UTF-8 with or without a byte order mark, UTF-16 ("Unicode Text" of Excel),
windows-1258, or TCVN3, the single-byte encoding of the old .VnTime fonts. The last two leave no mark,
so both are tried and the one that yields Vietnamese syllables wins.
"""

from __future__ import annotations

import codecs
import functools
import re
import unicodedata

_SAMPLE_BYTES = 64 << 10
"""So much of a text decides between the two legacy encodings."""

# TCVN 5712:1993, VN1: the letters of bytes 0x80 to 0xFF in their order, and the twelve capitals that
# the standard put among the control characters. VN3, which the .Vn fonts use, is a part of it.
_TCVN3_HIGH = (
    "ÀẢÃÁẠẶẬÈẺẼÉẸỆÌỈĨ"
    "ÍỊÒỎÕÓỌỘỜỞỠỚỢÙỦŨ"
    "\xa0ĂÂÊÔƠƯĐăâêôơưđẰ"
    "\u0300\u0309\u0303\u0301\u0323àảãáạẲằẳẵắẴ"
    "ẮẦẨẪẤỀặầẩẫấậèỂẻẽ"
    "éẹềểễếệìỉỄẾỒĩíịò"
    "Ổỏõóọồổỗốộờởỡớợù"
    "ỖủũúụừửữứựỳỷỹýỵỐ"
)
_TCVN3_LOW = {
    0x01: "Ú",
    0x02: "Ụ",
    0x04: "Ừ",
    0x05: "Ử",
    0x06: "Ữ",
    0x11: "Ứ",
    0x12: "Ự",
    0x13: "Ỳ",
    0x14: "Ỷ",
    0x15: "Ỹ",
    0x16: "Ý",
    0x17: "Ỵ",
}
_TCVN3 = "".join([_TCVN3_LOW.get(code, chr(code)) for code in range(128)]) + _TCVN3_HIGH

_TONES = "\u0300\u0301\u0303\u0309\u0323"
_SYLLABLE = re.compile(
    r"(?:ngh|ng|nh|gh|gi|kh|ph|qu|th|tr|ch|[bcdđghklmnpqrstvx])?"
    rf"(?:[aeiouy][\u0302\u0306\u031b]?[{_TONES}]?){{1,3}}(?:ng|nh|ch|[cmnpt])?"
)
_WORD = re.compile(r"[A-Za-z]*[^\x00-\x7f][A-Za-z\x80-\uffff]*")
_GAPS = re.compile(r"[\W_]+")


def decode(data: bytes) -> tuple[str, str]:
    """Return the text of an export, in NFC, and the name of its encoding. Never fails.

    Bytes that mean nothing become U+FFFD.
    """
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ):
        if data.startswith(mark):
            return _nfc(data[len(mark) :].decode(encoding, "replace")), encoding
    if (order := _unmarked_utf16(data)) is not None:
        return _nfc(data.decode(order, "replace")), order
    try:
        return _nfc(data.decode("utf-8")), "utf-8"
    except UnicodeDecodeError:
        return _decode_damaged(data)


def decode_tcvn3(data: bytes) -> str:
    """Return TCVN3 bytes as text in NFC; every byte has a meaning."""
    return _nfc(codecs.charmap_decode(data, "strict", _TCVN3)[0])


@functools.lru_cache(maxsize=16_384)
def fold(text: str) -> str:
    """Return the key by which names are compared: no marks, đ as d, lower case, single spaces.

    >>> fold(" Tên  máy_tính ")
    'ten may tinh'
    """
    bare = "".join(c for c in unicodedata.normalize("NFD", text.casefold()) if not unicodedata.combining(c))
    return _GAPS.sub(" ", bare.replace("đ", "d")).strip()


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _unmarked_utf16(data: bytes) -> str | None:
    """Return the byte order of UTF-16 without a mark: ASCII in it has a NUL at every other byte."""
    head = data[:4096]
    if len(head) < 4:
        return None
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if odd * 2 > half and even * 20 < half:
        return "utf-16-le"
    if even * 2 > half and odd * 20 < half:
        return "utf-16-be"
    return None


def _decode_damaged(data: bytes) -> tuple[str, str]:
    """Decode what is not clean UTF-8: UTF-8 with a few bad bytes, or one of the legacy encodings."""
    text = data.decode("utf-8", "replace")
    bad = text.count("\ufffd")
    good = len(text) - bad - sum(1 for byte in data if byte < 0x80)
    if bad * 10 < good:
        return _nfc(text), "utf-8"
    sample = data[:_SAMPLE_BYTES]
    windows = _nfc(sample.decode("cp1258", "replace"))
    if _vietnamese(decode_tcvn3(sample)) > _vietnamese(windows):
        return decode_tcvn3(data), "tcvn3"
    return _nfc(data.decode("cp1258", "replace")), "windows-1258"


def _vietnamese(text: str) -> float:
    """Return the share of the words with letters beyond ASCII that are Vietnamese syllables."""
    words = _WORD.findall(text)
    good = sum(1 for word in words if _is_syllable(word))
    return good / len(words) if words else 0.0


def _is_syllable(word: str) -> bool:
    if not (word.islower() or word.isupper() or word.istitle()):
        return False
    parts = unicodedata.normalize("NFD", word.lower())
    # A vowel carries its circumflex, breve or horn before its tone; NFD orders a dot below first.
    ordered = re.sub(rf"([{_TONES}])([\u0302\u0306\u031b])", r"\2\1", parts)
    if sum(ordered.count(tone) for tone in _TONES) > 1:
        return False
    return _SYLLABLE.fullmatch(ordered) is not None
