"""The Painless scripts: for values that the index cannot compare as we do, and for fields outside the dictionary.

All are constant texts; what differs goes in as parameters, so that the cluster compiles each of them once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from citysoc.ecs.fields import FIELDS
from citysoc.stores.elastic_mapping import EXTRAS, INDEX, SEPARATOR, TIME, extra_key
from citysoc.stores.query import TEXT_FIELDS, Contains, Gap, Range, Term, Wildcard, fold
from citysoc.stores.query_values import NUMBER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from citysoc.stores.query import Leaf

_ANY, _ONE = -1, -2

_FUNCTIONS = """
int[] points(String s) {
  int[] found = new int[s.codePointCount(0, s.length())];
  int n = 0;
  for (int i = 0; i < s.length(); i += Character.charCount(found[n++])) { found[n] = s.codePointAt(i); }
  return found;
}
boolean like(int[] text, List form) {
  int t = 0; int f = 0; int star = -1; int mark = 0;
  while (t < text.length) {
    if (f < form.size() && (int)form.get(f) == -1) { star = f++; mark = t; }
    else if (f < form.size() && ((int)form.get(f) == -2 || (int)form.get(f) == text[t])) { f++; t++; }
    else if (star >= 0) { f = star + 1; t = ++mark; }
    else { return false; }
  }
  while (f < form.size() && (int)form.get(f) == -1) { f++; }
  return f == form.size();
}
int compare(int[] a, List b) {
  for (int i = 0; i < a.length && i < b.size(); i++) {
    int d = a[i] - (int)b.get(i);
    if (d != 0) { return d; }
  }
  return a.length - b.size();
}
int[] lower(int[] text) {
  for (int i = 0; i < text.length; i++) {
    if (text[i] < 65536) { text[i] = (int)Character.toLowerCase((char)text[i]); }
  }
  return text;
}
boolean right(int[] text, Map p) {
  if (p.form != null) { return like(text, p.form); }
  if (p.low != null) { int d = compare(text, p.low); if (d < 0 || (d == 0 && !p.with_low)) { return false; } }
  if (p.high != null) { int d = compare(text, p.high); if (d > 0 || (d == 0 && !p.with_high)) { return false; } }
  return true;
}
"""

_ODD = (
    _FUNCTIONS
    + """
def own = params._source['citysoc.index'];
if (own == null || own.folded == null) { return; }
def texts = own.folded[params.field];
if (texts == null) { return; }
for (def text : texts) { if (right(points(text), params)) { emit(true); return; } }
"""
)

_AS_IT_CAME = (
    _FUNCTIONS
    + f"""
if (params.key == null) {{
  def found = params._source[params.field];
  if (found == null) {{ return; }}
  for (def text : found instanceof List ? found : [found]) {{
    if (right(lower(points(text.toString())), params)) {{ emit(true); return; }}
  }}
  return;
}}
for (def entry : params._source['{INDEX}']?.extra ?: []) {{
  if (entry.startsWith(params.key) && right(lower(points(entry.substring(params.key.length()))), params)) {{
    emit(true);
    return;
  }}
}}
"""
)

_TEXT_OF_ADDRESS = (
    _FUNCTIONS
    + """
for (def address : doc[params.field]) { if (right(points(address), params)) { emit(true); return; } }
"""
)

_NUMBERS = f"""
int skip = params.key.length();
for (def entry : params._source['{INDEX}']?.extra ?: []) {{
  if (!entry.startsWith(params.key)) {{ continue; }}
  String text = entry.substring(skip);
  if (!(text ==~ /{NUMBER.pattern}/)) {{ continue; }}
  double value = Double.parseDouble(text);
  ACT
}}
"""

_NUMBER_BETWEEN = _NUMBERS.replace(
    "ACT",
    """if (params.low != null && (value < params.low || (value == params.low && !params.with_low))) { continue; }
  if (params.high != null && (value > params.high || (value == params.high && !params.with_high))) { continue; }
  emit(true);
  return;""",
)

_NUMBER_VALUES = _NUMBERS.replace("ACT", "if (n++ < 100) { emit(value); }").replace(
    "int skip", "int n = 0; int skip"
)

_EXTRA_VALUES = f"""
int n = 0;
for (def entry : doc['{EXTRAS}']) {{
  if (entry.startsWith(params.key) && n++ < 100) {{ emit(entry.substring(params.key.length())); }}
}}
"""

_SOURCE_VALUE = """
def value = params._source[params.field];
if (value != null) { emit(value.toString()); }
"""

_DOC_TEXTS = """
for (def value : doc[params.field]) { emit(value.toString()); }
"""

_BUCKET = f"""
long floored(long a, long b) {{ return a >= 0 ? a / b : -((b - 1 - a) / b); }}
if (doc['{TIME}'].size() == 0) {{ return; }}
long moment = doc['{TIME}'].value;
Instant instant = Instant.ofEpochSecond(floored(moment, 1000000L));
long local = moment + 1000000L * ZoneId.of(params.zone).getRules().getOffset(instant).getTotalSeconds();
emit(floored(local - params.origin, params.width) * params.width + params.origin);
"""


def form(leaf: Term | Contains | Wildcard) -> list[int]:
    """Return what a text must look like: code points, -1 for any text, -2 for any letter."""
    if isinstance(leaf, Term):
        return _points(fold(str(leaf.value)))
    if isinstance(leaf, Contains):
        return [_ANY, *_points(fold(leaf.text)), _ANY]
    found: list[int] = []
    for part in leaf.pattern:
        if isinstance(part, Gap):
            found.append(_ANY if part is Gap.ANY else _ONE)
        else:
            found += _points(fold(part))
    return [_ANY, *found, _ANY] if leaf.field in TEXT_FIELDS else found


def _points(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def _wanted(leaf: Leaf) -> dict[str, Any]:
    if isinstance(leaf, Range):
        low, high = leaf.low, leaf.high
        return {
            "low": _points(fold(low)) if isinstance(low, str) else None,
            "high": _points(fold(high)) if isinstance(high, str) else None,
            "with_low": leaf.with_low,
            "with_high": leaf.with_high,
        }
    if isinstance(leaf, Term | Contains | Wildcard):
        return {"form": form(leaf)}
    return {"form": [_ANY]}


def odd_text(leaf: Leaf, key: str) -> dict[str, Any]:
    """Return a runtime field that is true where a value folded by us is what the leaf asks for."""
    return _runtime("boolean", _ODD, {"field": key, **_wanted(leaf)})


def plain_text(leaf: Contains | Wildcard) -> dict[str, Any]:
    """Return a runtime field that is true where a value that the server folds as we do has the leaf's form."""
    key = None if leaf.field in FIELDS else extra_key(leaf.field) + SEPARATOR
    return _runtime("boolean", _AS_IT_CAME, {"field": leaf.field, "key": key, **_wanted(leaf)})


def address_text(leaf: Wildcard) -> dict[str, Any]:
    """Return a runtime field that is true where an address, as text, has the leaf's form."""
    return _runtime("boolean", _TEXT_OF_ADDRESS, {"field": leaf.field, **_wanted(leaf)})


def extra_number(leaf: Range) -> dict[str, Any]:
    """Return a runtime field that is true where a number outside the dictionary lies in the leaf's range."""
    wanted = {
        "key": extra_key(leaf.field) + SEPARATOR,
        "low": leaf.low,
        "high": leaf.high,
        "with_low": leaf.with_low,
        "with_high": leaf.with_high,
    }
    return _runtime("boolean", _NUMBER_BETWEEN, wanted)


def numbers(name: str) -> dict[str, Any]:
    """Return a runtime field with the numbers of a field outside the dictionary."""
    return _runtime("double", _NUMBER_VALUES, {"key": extra_key(name) + SEPARATOR})


def texts(name: str) -> dict[str, Any] | None:
    """Return a runtime field with the values of a field as text; None where the index has them as they are."""
    if name not in FIELDS:
        return _runtime("keyword", _EXTRA_VALUES, {"key": extra_key(name) + SEPARATOR})
    if name in TEXT_FIELDS:
        return _runtime("keyword", _SOURCE_VALUE, {"field": name})
    return None


def written(name: str) -> dict[str, Any]:
    """Return a runtime field with the values of a field of the index, each as text."""
    return _runtime("keyword", _DOC_TEXTS, {"field": name})


def bucket(zone: str, interval_seconds: int, origin_us: int) -> dict[str, Any]:
    """Return a runtime field with the local start of an event's interval, microseconds since 1970."""
    wanted = {"zone": zone, "width": interval_seconds * 1_000_000, "origin": origin_us}
    return _runtime("long", _BUCKET, wanted)


def _runtime(kind: str, source: str, parameters: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "script": {"source": source, "params": parameters}}


NEAREST_RANK: dict[str, Any] = {
    "init_script": "state.counts = new HashMap();",
    "map_script": (
        "for (def value : doc[params.field]) { state.counts.merge(value, 1L, (a, b) -> (long)a + (long)b); }"
    ),
    "combine_script": "return state.counts;",
    "reduce_script": """
TreeMap all = new TreeMap();
long total = 0;
for (def counts : states) {
  if (counts == null) { continue; }
  for (def one : counts.entrySet()) {
    all.merge(one.getKey(), one.getValue(), (a, b) -> (long)a + (long)b);
    total += one.getValue();
  }
}
if (total == 0) { return null; }
long rank = (total * (long)params.percent + 99L) / 100L;
if (rank < 1L) { rank = 1L; }
long seen = 0;
for (def one : all.entrySet()) {
  seen += one.getValue();
  if (seen >= rank) { return one.getKey(); }
}
return null;
""",
}
"""A percentile by the nearest rank, exactly; parameters ``field`` and ``percent``."""


def names(count: int, letter: str) -> Sequence[str]:
    """Return names of runtime fields that no event has."""
    return [f"citysoc_{letter}{number}" for number in range(count)]
