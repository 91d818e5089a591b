"""Tell from the first bytes of a file which parser and which framer it needs."""

from __future__ import annotations

from citysoc.parsers import registry

FALLBACK = "syslog"


def identify(head: bytes, name: str) -> tuple[str, str]:
    """Return the names of the parser and the framer for a file.

    Args:
        head: the first 64 KiB of it, unpacked.
        name: its name; some formats are told by their ending.

    Returns:
        The surest parser and its framer; ``syslog`` and ``lines`` where none is sure. Ties go to the
        name that sorts first.
    """
    best, sure = FALLBACK, 0
    for candidate in sorted(registry.PARSERS):
        confidence = registry.parser(candidate).sniff(head, name)
        if confidence > sure:
            best, sure = candidate, confidence
    return best, registry.parser(best).framing
