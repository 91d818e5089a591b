"""The class of the one taxonomy that a feed's own words for an indicator mean; none where they do not say."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from citysoc.enrich.taxonomy import CLASSES

if TYPE_CHECKING:
    from citysoc.detectors.intel.database import Record

_WORDS = (
    ("RANSOM", r"ransom"),
    ("MINER", r"miner|coinminer|cryptojack|cryptominer"),
    ("PHISH", r"phish|credential[-_ ]?harvest"),
    ("BOT", r"botnet|c2|c&c|cnc|command[-_ ]and[-_ ]control|beacon|cobalt ?strike|botnet_cc"),
    ("SPY", r"spyware|stealer|infostealer|keylog|banker"),
    ("TROJAN", r"trojan|rat|loader|backdoor|dropper|payload_delivery|payload|malware_download"),
    ("APT", r"apt|threat[-_ ]actor"),
    ("BRUTE", r"brute(?:[-_ ]?force)?|bruteforcer"),
    ("SCAN", r"scan|scanner|scanning|anonymous-proxies"),
    ("DDOS", r"ddos|dos"),
    ("SPAM", r"spam"),
    ("EXPL", r"exploit|exploit-kit"),
    ("VIRUS", r"virus|worm|malware|malicious-activity"),
)
_PATTERNS = [(code, re.compile(rf"(?:^|[^a-z0-9])(?:{words})(?:$|[^a-z0-9])")) for code, words in _WORDS]


def class_of(record: Record) -> str:
    """Return the class of what an indicator hits: the one its feed is configured with, else what its words mean."""
    if record.klass in CLASSES:
        return record.klass
    return _told(record.tags, record.name)


@functools.lru_cache(maxsize=4096)
def _told(tags: tuple[str, ...], name: str) -> str:
    text = " | ".join((*tags, name)).lower()[:2000]
    return next((code for code, pattern in _PATTERNS if code in CLASSES and pattern.search(text)), "")
