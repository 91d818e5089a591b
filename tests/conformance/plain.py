"""Sigma detections read and evaluated from their text alone, apart from the engine and from pySigma.

It is slow and short: a rule's document is walked as YAML gives it, and every event is walked for every value. Nothing of
``citysoc.detectors`` is used. An event's fields have the names that the rule uses.
"""

from __future__ import annotations

import base64
import datetime as dt
import fnmatch
import ipaddress
import itertools
import re
import unicodedata
import zoneinfo

ANY, ONE = object(), object()
DASHES = "-/\u2013\u2014\u2015"
PARTS = frozenset({"minute", "hour", "day", "week", "weekday", "month", "year"})
COMPARE = {
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
}
ENCODINGS = {"utf16le": "utf-16-le", "wide": "utf-16-le", "utf16be": "utf-16-be"}


def nfc(text):
    return unicodedata.normalize("NFC", text)


def alike(text):
    """Return a text as it is compared where case does not matter."""
    return nfc(nfc(text).casefold())


def shown(value):
    """Return a value of an event as the text that rules look at."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def value_of(event, field):
    """Return the value of a field, whose name is written with spaces here or there."""
    plain = field.replace(" ", "")
    return next((value for name, value in event.items() if name.replace(" ", "") == plain), None)


def texts(event, field):
    value = value_of(event, field)
    many = value if isinstance(value, list) else [value]
    return [shown(one) for one in many if one is not None]


def pieces(written):
    """Return a text of a rule as letters and wildcards."""
    found, place = [], 0
    while place < len(written):
        letter = written[place]
        if letter == "\\" and written[place + 1 : place + 2] in {"*", "?", "\\"}:
            found.append(written[place + 1])
            place += 2
            continue
        found.append({"*": ANY, "?": ONE}.get(letter, letter))
        place += 1
    return found


def letters(some):
    return "".join(some)


def pattern(some, *, cased):
    """Return the expression of letters and wildcards, for texts that are ``alike`` unless cased."""
    parts = []
    for wild, run in itertools.groupby(some, lambda one: one if one in (ANY, ONE) else None):
        if wild is None:
            text = letters(run)
            parts.append(re.escape(nfc(text) if cased else alike(text)))
        else:
            parts += [".*" if one is ANY else "." for one in run]
    return re.compile("".join(parts), re.DOTALL)


def dashed(some):
    """Return a text with each dash that begins a word written in five ways."""
    text = "".join("\0" if one is ANY or one is ONE else one for one in some)
    places = [
        n
        for n, letter in enumerate(text)
        if letter in DASHES
        and re.match(r"\w", text[n + 1 : n + 2] or " ")
        and not re.match(r"\w", text[n - 1 : n] if n else " ")
    ]
    for chosen in itertools.product(DASHES, repeat=len(places)):
        other = list(some)
        for place, dash in zip(places, chosen, strict=True):
            other[place] = dash
        yield other


def shifted(raw):
    """Return what bytes look like within a longer Base64 text, at each of three places."""
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + raw).decode()
        # What bits of neighbours reach is left out.
        begin = -(-shift * 8 // 6)
        yield list(whole[begin : (shift + len(raw)) * 8 // 6])


def chosen(written, modifiers):
    """Return the alternatives that a text stands for once it is encoded and put in its place."""
    some = [pieces(written)]
    raw = None
    for modifier in modifiers:
        if modifier == "windash":
            some = [other for one in some for other in dashed(one)]
        elif modifier in ENCODINGS or modifier == "utf16":
            text = letters(some[0])
            raw = text.encode(ENCODINGS.get(modifier, "utf-16-le"))
            raw = b"\xff\xfe" + raw if modifier == "utf16" else raw
        elif modifier == "base64":
            raw = letters(some[0]).encode() if raw is None else raw
            some = [list(base64.b64encode(raw).decode())]
        elif modifier == "base64offset":
            raw = letters(some[0]).encode() if raw is None else raw
            some = list(shifted(raw))
        elif modifier == "contains":
            some = [[ANY, *one, ANY] for one in some]
        elif modifier == "startswith":
            some = [[*one, ANY] for one in some]
        elif modifier == "endswith":
            some = [[ANY, *one] for one in some]
    return some


def number(text):
    text = text.strip()
    try:
        return int(text, 16) if re.match(r"-?0x", text.lower()) else float(text)
    except ValueError:
        return None


def address(text):
    try:
        return ipaddress.ip_address(text.partition("%")[0].strip())
    except ValueError:
        return None


def within(text, written):
    network = ipaddress.ip_network(written)
    found = address(text)
    if found is None:
        return False
    forms = [found]
    if found.version == 6 and found.ipv4_mapped:
        forms.append(found.ipv4_mapped)
    if found.version == 4:
        forms.append(ipaddress.ip_address(f"::ffff:{found}"))
    # A network is of one kind; addresses of the other are in it only where it names them as such.
    mapped = network.version == 6 and network.subnet_of(ipaddress.ip_network("::ffff:0:0/96"))
    return any(
        form.version == network.version
        and form in network
        and (form is found or mapped or network.version == 4)
        for form in forms
    )


def moment(text):
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)


def related(text, other, modifiers):
    a, b = (nfc(text), nfc(other)) if "cased" in modifiers else (alike(text), alike(other))
    if "contains" in modifiers or {"startswith", "endswith"} <= modifiers:
        return b in a
    if "startswith" in modifiers:
        return a.startswith(b)
    return a.endswith(b) if "endswith" in modifiers else a == b


def part_of(found, part, zone):
    there = found.astimezone(zoneinfo.ZoneInfo(zone))
    if part == "weekday":
        return there.weekday() + 1
    return there.isocalendar().week if part == "week" else getattr(there, part)


def found_in(expression, got, asked):
    known = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}
    flags = sum(flag for name, flag in known.items() if name in asked)
    search = re.compile(nfc(expression), flags).search
    return any(search(nfc(one)) for one in got)


def fits(event, field, wanted, modifiers, zone):  # noqa: PLR0911  one line a kind of value
    asked = frozenset(modifiers)
    got = texts(event, field)
    if "exists" in asked:
        value = value_of(event, field)
        return (value == [] or bool(got)) is wanted
    if wanted is None:
        return not got
    if "fieldref" in asked:
        return any(related(one, other, asked) for one in got for other in texts(event, wanted))
    if "cidr" in asked:
        return any(within(one, wanted) for one in got)
    if "re" in asked:
        return found_in(wanted, got, asked)
    compare = next((COMPARE[name] for name in asked & COMPARE.keys()), None)
    if parts := asked & PARTS:
        times = [found for one in got if (found := moment(one))]
        test = compare or (lambda a, b: a == b)
        return any(test(part_of(one, min(parts), zone), wanted) for one in times)
    if compare:
        return any((found := number(one)) is not None and compare(found, wanted) for one in got)
    cased = "cased" in asked
    for some in chosen(shown(wanted), modifiers):
        test = pattern(some, cased=cased)
        if any(test.fullmatch(nfc(one) if cased else alike(one)) for one in got):
            return True
    return False


def item(event, name, value, zone):
    field, *modifiers = name.split("|")
    values = value if isinstance(value, list) else [value]
    if field:
        held = [fits(event, field, one, modifiers, zone) for one in values]
    else:
        held = [keyword(event, one, modifiers) for one in values]
    found = all(held) if "all" in modifiers else any(held)
    return not found if "neq" in modifiers else found


def keyword(event, wanted, modifiers=()):
    asked = frozenset(modifiers)
    got = [one for name in event for one in texts(event, name) if name != "event.module"]
    if "re" in asked:
        return found_in(wanted, got, asked)
    cased = "cased" in asked
    for some in chosen(shown(wanted), modifiers):
        test = pattern([ANY, *some, ANY], cased=cased)
        if any(test.fullmatch(nfc(one) if cased else alike(one)) for one in got):
            return True
    return False


def selection(event, written, zone):
    if isinstance(written, dict):
        return all(item(event, name, value, zone) for name, value in written.items())
    if isinstance(written, list):
        return any(
            selection(event, one, zone) if isinstance(one, dict) else keyword(event, one) for one in written
        )
    return keyword(event, written)


class _Condition:
    def __init__(self, text, truths):
        self.words = re.findall(r"[()]|[^\s()]+", text)
        self.truths = truths

    def peek(self):
        return self.words[0].lower() if self.words else ""

    def either(self):
        held = self.both()
        while self.peek() == "or":
            self.words.pop(0)
            held |= self.both()
        return held

    def both(self):
        held = self.one()
        while self.peek() == "and":
            self.words.pop(0)
            held &= self.one()
        return held

    def one(self):
        word = self.words.pop(0)
        if word.lower() == "not":
            return not self.one()
        if word == "(":
            held = self.either()
            assert self.words.pop(0) == ")"
            return held
        if self.peek() == "of":
            self.words.pop(0)
            names = self.words.pop(0)
            some = [
                held
                for name, held in self.truths.items()
                if (not name.startswith("_") if names == "them" else fnmatch.fnmatchcase(name, names))
            ]
            return all(some) if word.lower() == "all" else any(some)
        return self.truths[word]


def matches(detection, event, zone="Asia/Ho_Chi_Minh"):
    """Return whether a rule's block ``detection`` holds for an event."""
    truths = {
        name: selection(event, written, zone) for name, written in detection.items() if name != "condition"
    }
    conditions = detection["condition"]
    some = conditions if isinstance(conditions, list) else [conditions]
    found = [_Condition(text, dict(truths)).either() for text in some]
    return any(found)
