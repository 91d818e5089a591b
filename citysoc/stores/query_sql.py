"""A query's tree as DuckDB SQL: a condition with numbered parameters, never a value in the text.

Every leaf gives true or false, never NULL, so that NOT means what it says.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from typing import TYPE_CHECKING, Any

import orjson

from citysoc.clock import iso
from citysoc.ecs.fields import EXTRA, FIELDS
from citysoc.stores.query import (
    TEXT_FIELDS,
    And,
    Cidr,
    Contains,
    Everything,
    Exists,
    Gap,
    Leaf,
    Node,
    Not,
    Or,
    Range,
    Scalar,
    Term,
    Wildcard,
    fold,
)
from citysoc.stores.query_values import NUMBER

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa


class Parameters:
    """The values of one statement; each is known in the SQL by its number."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def __call__(self, value: Any) -> str:
        """Add a value; return what stands for it in the SQL."""
        self.values.append(value)
        return f"${len(self.values)}"


def quote(name: str) -> str:
    """Return a column's name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def sql_type(kind: pa.DataType) -> str:
    """Return DuckDB's name of a column type of ``ecs.schema``."""
    import pyarrow as pa

    if pa.types.is_list(kind):
        return sql_type(kind.value_type) + "[]"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMPTZ"
    return {pa.string(): "VARCHAR", pa.int64(): "BIGINT", pa.float64(): "DOUBLE", pa.bool_(): "BOOLEAN"}[kind]


_STEADY = re.compile(r"[\x01-:<-_a-hjl-\x7f]+")
"""ASCII that every composition of a text has as it is, but for case. Not so: ``i`` and ``k``, which other letters
fold to, ``;`` and the grave accent, which other signs are composed to."""

_SHORTEST_PART = 2

COMPOSED = (
    r"\x{00}-\x{2ff}"  # Latin with what Vietnamese needs
    r"\x{1e00}-\x{1eff}"
    r"\x{2010}-\x{2027}\x{2030}-\x{205e}\x{20a0}-\x{20c0}\x{2190}-\x{21ff}"  # punctuation, currencies, arrows
    r"\x{3001}-\x{3029}\x{4e00}-\x{9ffc}\x{ac00}-\x{d7a3}"  # Chinese, Korean
    r"\x{fffd}\x{1f300}-\x{1f64f}"
)
"""Letters that no normalization changes, alone or beside each other: the inside of an RE2 class."""


def folded(text: str) -> str:
    """Return SQL that folds a text as ``query.fold`` does.

    Normalizing costs ten times as much as the rest, so only texts that may need it are normalized.
    """
    return f"lower(replace({_composed(text)}, chr(0), chr(65533)))"


def _composed(text: str) -> str:
    ascii_only = f"strlen({text}) = length({text})"
    return (
        f"CASE WHEN {ascii_only} OR NOT regexp_matches({text}, '[^{COMPOSED}]') THEN {text}"
        # DuckDB's normalizing ends at the first NUL; folding has another letter in its place anyway.
        f" ELSE nfc_normalize(replace({text}, chr(0), chr(65533))) END"
    )


def wanted(node: Node, bind: Parameters) -> str:
    """Return SQL for the WHERE of a statement: as ``condition``, in a form that lets files be skipped.

    The parts of an AND, and what they test, stand bare; NULL counts as false there.
    """
    match node:
        case And(parts):
            return " AND ".join(wanted(part, bind) for part in parts)
        case Term() | Cidr() | Range() if node.field in FIELDS and not FIELDS[node.field].array:
            return _test(node, bind)(quote(node.field))
        case _:
            return condition(node, bind)


def condition(node: Node, bind: Parameters) -> str:
    """Return a boolean SQL expression over the store's columns, never NULL."""
    match node:
        case Everything():
            return "true"
        case And(parts):
            return "(" + " AND ".join(condition(part, bind) for part in parts) + ")"
        case Or(parts):
            return "(" + " OR ".join(condition(part, bind) for part in parts) + ")"
        case Not(part):
            return f"(NOT {condition(part, bind)})"
        case _:
            return _leaf(node, bind)


def extra_values(name: str, bind: Parameters) -> str:
    """Return SQL for the texts of a field outside the dictionary: a list, or NULL where it is absent."""
    # JSON Pointer (RFC 6901): only "~" and "/" need escaping in it.
    path = bind("/" + name.replace("~", "~0").replace("/", "~1"))
    key = bind(orjson.dumps(name).decode())
    column = quote(EXTRA)
    found = f"json_extract({column}, {path})"
    # The plain look for the key spares parsing most of the rows.
    return (
        f"CASE WHEN NOT contains({column}, {key}) THEN NULL"
        f" WHEN json_type({column}, {path}) = 'ARRAY' THEN json_extract_string({found}, '$[*]')"
        f" WHEN json_type({column}, {path}) IS NULL OR json_type({column}, {path}) = 'NULL' THEN NULL"
        f" ELSE [json_extract_string({found}, '$')] END"
    )


def _leaf(leaf: Leaf, bind: Parameters) -> str:
    field = FIELDS.get(leaf.field)
    if field is None:
        values = extra_values(leaf.field, bind)
        return _any(values, _test(leaf, bind))
    if field.array:
        return _any(quote(leaf.field), _test(leaf, bind))
    return f"coalesce({_test(leaf, bind)(quote(leaf.field))}, false)"


def _any(values: str, test: Callable[[str], str]) -> str:
    return f"coalesce(list_bool_or(list_transform({values}, lambda x: coalesce({test('x')}, false))), false)"


def _test(leaf: Leaf, bind: Parameters) -> Callable[[str], str]:
    """Return how one value of the leaf's field is tested."""
    match leaf:
        case Exists():
            return lambda x: f"({x} IS NOT NULL)"
        case Term(_, value):
            return _equals(value, bind)
        case Contains(_, text):
            return _contains(fold(text), bind)
        case Wildcard(field, pattern):
            return _like(pattern, bind, whole=field not in TEXT_FIELDS)
        case Cidr(_, network):
            return functools.partial(_in_network, network, bind)
        case Range():
            return functools.partial(_between, leaf, bind)


def _contains(sought: str, bind: Parameters) -> Callable[[str], str]:
    """Return the test for a folded text inside a value: folding is dear, so a part of it is looked for first."""
    exact = typed(sought, bind)
    part = max(_STEADY.findall(sought), key=len, default="")
    if len(part) < _SHORTEST_PART:
        return lambda x: f"contains({folded(x)}, {exact})"
    if part.upper() == part:
        first = f"{bind(part)}::VARCHAR"
        return lambda x: (
            f"CASE WHEN contains({x}, {first}) THEN contains({folded(x)}, {exact}) ELSE false END"
        )
    first = f"{bind('(?i)' + re.escape(part))}::VARCHAR"
    return lambda x: (
        f"CASE WHEN regexp_matches({x}, {first}) THEN contains({folded(x)}, {exact}) ELSE false END"
    )


def typed(value: Any, bind: Parameters) -> str:
    """Return SQL for a value of its own type."""
    if isinstance(value, str):
        return f"{bind(value)}::VARCHAR"
    if isinstance(value, bool):
        return f"{bind(value)}::BOOLEAN"
    if isinstance(value, int):
        return f"{bind(value)}::BIGINT"
    if isinstance(value, float):
        return f"{bind(value)}::DOUBLE"
    return f"{bind(iso(value))}::TIMESTAMPTZ"


def _equals(value: Any, bind: Parameters) -> Callable[[str], str]:
    if isinstance(value, str):
        sought = typed(fold(value), bind)
        return lambda x: f"({folded(x)} = {sought})"
    sought = typed(value, bind)
    return lambda x: f"({x} = {sought})"


def _like(pattern: tuple[str | Gap, ...], bind: Parameters, *, whole: bool) -> Callable[[str], str]:
    text = ""
    for part in pattern:
        if isinstance(part, Gap):
            text += "%" if part is Gap.ANY else "_"
        else:
            text += fold(part).replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    sought = typed(text if whole else f"%{text}%", bind)
    return lambda x: f"({folded(x)} LIKE {sought} ESCAPE '\\')"


def _in_network(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network, bind: Parameters, address: str
) -> str:
    if isinstance(network, ipaddress.IPv6Network):
        low, high = (f"{edge:032x}" for edge in (int(network[0]), int(network[-1])))
        return f"({_hex(address)} BETWEEN {bind(low)} AND {bind(high)})"
    if network.prefixlen == 32:
        return f"({address} = {bind(str(network[0]))}::VARCHAR)"
    # The whole octets of the network are a prefix of the text, one further octet may be cut in two.
    octets, bits = divmod(network.prefixlen, 8)
    first, last = (str(edge).split(".") for edge in (network[0], network[-1]))
    tests = [f"NOT contains({address}, ':')"]
    if octets:
        tests.append(f"starts_with({address}, {bind('.'.join(first[:octets]) + '.')}::VARCHAR)")
    if bits:
        part = f"TRY_CAST(split_part({address}, '.', {octets + 1}) AS INTEGER)"
        tests.append(f"{part} BETWEEN {bind(int(first[octets]))} AND {bind(int(last[octets]))}")
    return "(" + " AND ".join(tests) + ")"


def _hex(address: str) -> str:
    """Return SQL for an IPv6 address, as ``ipaddress`` writes it, as 32 hexadecimal digits; NULL for IPv4."""
    left = f"list_filter(string_split(split_part({address}, '::', 1), ':'), lambda g: g <> '')"
    right = f"list_filter(string_split(split_part({address}, '::', 2), ':'), lambda g: g <> '')"
    zeros = f"list_resize([]::VARCHAR[], 8 - len({left}) - len({right}), '0')"
    groups = f"list_concat(list_concat({left}, {zeros}), {right})"
    digits = f"array_to_string(list_transform({groups}, lambda g: lpad(g, 4, '0')), '')"
    return f"CASE WHEN contains({address}, ':') THEN {digits} END"


def address_key(address: str) -> str:
    """Return SQL for an address of either family as 32 hexadecimal digits, IPv4 ones where IPv6 maps them."""
    return f"CASE WHEN contains({address}, ':') THEN {_hex(address)} ELSE printf('%032x', {(0xFFFF << 32)} + {_v4(address)}) END"


def _v4(address: str) -> str:
    """Return SQL for an IPv4 address as a number; NULL for IPv6."""
    octets = (f"TRY_CAST(split_part({address}, '.', {n}) AS BIGINT)" for n in (1, 2, 3, 4))
    return (
        "(" + " + ".join(f"{o} * {1 << shift}" for o, shift in zip(octets, (24, 16, 8, 0), strict=True)) + ")"
    )


def _between(leaf: Range, bind: Parameters, value: str) -> str:
    example = leaf.low if leaf.low is not None else leaf.high
    if isinstance(example, str):
        value = folded(value)
    elif isinstance(example, ipaddress.IPv4Address):
        value = _v4(value)
    elif isinstance(example, ipaddress.IPv6Address):
        value = _hex(value)
    elif leaf.field not in FIELDS:
        number = bind(f"^({NUMBER.pattern})$")
        value = f"CASE WHEN regexp_full_match({value}, {number}) THEN TRY_CAST({value} AS DOUBLE) END"
    tests = []
    if leaf.low is not None:
        tests.append(f"{value} {'>=' if leaf.with_low else '>'} {_bound(leaf.low, bind)}")
    if leaf.high is not None:
        tests.append(f"{value} {'<=' if leaf.with_high else '<'} {_bound(leaf.high, bind)}")
    return "(" + " AND ".join(tests) + ")"


def _bound(value: Scalar, bind: Parameters) -> str:
    """Return SQL for a bound in the form in which the field's values are compared with it."""
    if isinstance(value, str):
        return typed(fold(value), bind)
    if isinstance(value, ipaddress.IPv4Address):
        return typed(int(value), bind)
    if isinstance(value, ipaddress.IPv6Address):
        return typed(f"{int(value):032x}", bind)
    return typed(value, bind)
