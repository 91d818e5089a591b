"""How much a domain name looks made by a program, and which registered domain it belongs to."""

from __future__ import annotations

import functools
import math
from collections import Counter

_SECOND_LEVEL = frozenset({"com", "gov", "edu", "net", "org", "ac", "co", "info", "name", "pro", "health"})
_VOWELS = frozenset("aeiouy")
_LONGEST = 253
_MAX_LABELS = 40


def parent(name: str) -> str:
    """Return the registered domain: the last two labels, three below ``gov.vn`` and the like.

    >>> parent("www.thuathienhue.gov.vn")
    'thuathienhue.gov.vn'
    """
    labels = name.rstrip(".").split(".")[-_MAX_LABELS:]
    deep = len(labels) >= 3 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3 if deep else -2 :])


@functools.lru_cache(maxsize=65_536)
def odd(name: str) -> float:
    """Return from 0 to 1 how much a name looks made by a program.

    Looks at the registered label and the longest label: their letters' entropy, digits among letters,
    runs without a vowel, and length. Words people choose stay below 0.5; random letters of 12 and more
    are above 0.6.

    >>> odd("dichvucong.gov.vn") < 0.5 < 0.6 < odd("xk3q9vzt1mwpd8.example")
    True
    """
    labels = name[:_LONGEST].casefold().rstrip(".").split(".")[:_MAX_LABELS]
    if len(labels) < 2 or labels[-1] == "arpa" or name.startswith("xn--"):
        return 0.0
    own = parent(name.casefold()).split(".")[0]
    return max(_odd_label(own), _odd_label(max(labels[:-1], key=len)))


def _odd_label(label: str) -> float:
    size = len(label)
    if size < 7:
        return 0.0
    counts = Counter(label)
    entropy = -sum(n / size * math.log2(n / size) for n in counts.values()) / math.log2(max(size, 2))
    digits = sum(c.isdigit() for c in label) / size
    mixed = min(1.0, 4 * digits * (1 - digits)) if digits < 1 else 0.3
    run = longest = changes = 0
    before = label[0]
    for letter in label:
        run = 0 if letter in _VOWELS or not letter.isalpha() else run + 1
        longest = max(longest, run)
        changes += letter.isdigit() != before.isdigit()
        before = letter
    vowels = sum(c in _VOWELS for c in label) / max(1, sum(c.isalpha() for c in label))
    dry = min(1.0, max(0.0, (0.36 - vowels) / 0.3))
    hard = min(1.0, max(0, longest - 3) / 4)
    broken = min(1.0, changes / 5)
    length = min(1.0, max(0, size - 10) / 22)
    score = 0.22 * entropy + 0.18 * mixed + 0.2 * dry + 0.2 * hard + 0.15 * broken + 0.25 * length
    return min(1.0, score)
