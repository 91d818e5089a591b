"""Names: which events a logsource sees, and what the fields of its rules are called in them.

``logsources.yml`` says the first; ``pipelines/*.yml`` (pySigma processing pipelines) and ``ecs/windows.yml``
say the second. All are data, so that a new product is a few lines there.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from citysoc.detectors import text
from citysoc.ecs import windows
from citysoc.ecs.fields import FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from sigma.processing.pipeline import ProcessingPipeline

_Name: TypeAlias = "Callable[[str | None], str | list[str]]"

HERE = Path(__file__).parent
_PREFIXES = {
    "zeek": "zeek.",
    "suricata": "suricata.",
    "fortigate": "fortigate.",
    "fortios": "fortigate.",
    "cisco": "cisco.",
}
"""Products whose parsers keep a vendor's own fields under a prefix of their own."""
_CLOUD = frozenset(
    {"aws", "azure", "bitbucket", "gcp", "github", "kubernetes", "m365", "okta", "onelogin", "opencanary"}
)
"""Products of ``parsers/products.yml``: their fields have the product's name as prefix, whatever they begin with."""
_ROOTS = frozenset(
    {
        *(name.partition(".")[0] for name in FIELDS if "." in name),
        *(
            "winlog",
            "powershell",
            "zeek",
            "suricata",
            "fortigate",
            "cisco",
            "cef",
            "leef",
            "syslog",
            "ndjson",
        ),
        *("antivirus", "avreport", "webaccess", "auditd", "anomaly"),
        *_CLOUD,
    }
)


@dataclass(frozen=True, slots=True)
class Sight:
    """Which events a rule sees.

    Args:
        parts: all of them must hold; a part is a list of alternatives, an alternative a set of conditions:
            field to the values of which one must be there. No parts: every event.
        note: why this is less than the rule asks for; empty where it is not.
    """

    parts: tuple[tuple[Mapping[str, tuple[str, ...]], ...], ...]
    note: str = ""


def sight(product: str | None, category: str | None, service: str | None) -> Sight | None:
    """Return which events a rule of a logsource sees; None where nothing is known of it.

    Whatever else it sees, it sees the events of a source that declares this logsource.
    """
    if category in _WORDS and (product is not None or service is not None):
        category = None
    if product is None and category is None and service is None:
        return None
    declared = _declared(product=product, category=category, service=service)
    table = _logsources()
    exact = table.get((product, category, service))
    if exact is not None:
        return Sight(((*exact, declared),))
    found = _parts(table, product, category, service)
    if found is not None:
        return Sight(tuple((*part, declared) for part in found))
    if product is None:
        return None
    own: dict[str, tuple[str, ...]] = {"event.module": (product.casefold(),)}
    if service:
        own = {"event.dataset": (f"{product}.{service}".casefold(), service.casefold())}
    wanted = ", ".join(
        f"{name}: {value}"
        for name, value in (("product", product), ("category", category), ("service", service))
        if value
    )
    return Sight(
        ((own, declared),),
        f"events of {_triple(product, category, service)} are not recognised by themselves; the rule sees those "
        f"of a source that declares `logsource: {{{wanted}}}`, and those whose {' and '.join(own)} say so",
    )


_WORDS = frozenset({"application", "appliance"})
"""Categories that only say that the product is one."""


def _declared(**names: str | None) -> dict[str, tuple[str, ...]]:
    """Return the condition that an event's source declares a logsource; see ``parsers.run``."""
    return {f"citysoc.logsource.{name}": (value.casefold(),) for name, value in names.items() if value}


def _parts(
    table: Mapping[tuple[str | None, str | None, str | None], tuple[Mapping[str, tuple[str, ...]], ...]],
    product: str | None,
    category: str | None,
    service: str | None,
) -> tuple[tuple[Mapping[str, tuple[str, ...]], ...], ...] | None:
    """Return the parts of a logsource that has no line of its own, put together from those it is made of."""
    parts = []
    if category is not None:
        part = table.get((product, category, None)) or table.get((None, category, None))
        if part is None:
            return None
        parts.append(part)
    if service is not None:
        part = table.get((product, None, service)) or table.get((None, None, service))
        if part is None:
            return None
        parts.append(part)
    if product is not None and (whole := table.get((product, None, None))) is not None:
        parts.append(whole)
    elif product is not None and (product, category, None) not in table:
        return None
    return tuple(parts)


def _triple(*parts: str | None) -> str:
    return "/".join(part or "-" for part in parts)


@functools.cache
def _logsources() -> Mapping[
    tuple[str | None, str | None, str | None], tuple[Mapping[str, tuple[str, ...]], ...]
]:
    data: dict[str, Any] = _read(HERE / "logsources.yml")
    table = {}
    for name, alternatives in data.items():
        product, category, service = (None if part == "-" else part for part in name.split("/"))
        table[product, category, service] = tuple(
            {
                field: tuple(
                    str(item).casefold() for item in (wanted if isinstance(wanted, list) else [wanted])
                )
                for field, wanted in alternative.items()
            }
            for alternative in alternatives
        )
    return table


def _read(path: Path) -> Any:
    return yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)  # noqa: TID251  safe


@functools.cache
def fingerprint() -> str:
    """Return a hash of all that decides how a rule is compiled, but for the rule itself."""
    digest = hashlib.blake2b(digest_size=16)
    sources = [*HERE.glob("*.py"), *HERE.glob("*.yml"), *HERE.glob("pipelines/*.yml")]
    sources += [Path(text.__file__), Path(windows.__file__), Path(windows.__file__).with_name("windows.yml")]
    for path in sorted(sources):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


@functools.cache
def pipeline(product: str | None, category: str | None, service: str | None) -> ProcessingPipeline:
    """Return the processing pipeline for rules of a logsource: Sigma's names to ours."""
    from sigma.processing.pipeline import ProcessingItem, ProcessingPipeline
    from sigma.processing.transformations import FieldFunctionTransformation

    whole = ProcessingPipeline()
    for path in sorted(HERE.glob("pipelines/*.yml")):
        whole += ProcessingPipeline.from_yaml(path.read_text("utf-8"))
    rest: Any = _rest(product, category, service)  # pySigma takes lists, too, whatever its types say
    if rest is None:
        return whole
    item = ProcessingItem(
        transformation=FieldFunctionTransformation(mapping={}, transform_func=rest), identifier="rest"
    )
    return whole + ProcessingPipeline(name="rest", priority=100, items=[item])


def _rest(product: str | None, category: str | None, service: str | None) -> _Name | None:
    """Return what names the fields that the pipelines do not name; None where they stay as they are."""
    if product in _LIKE_WINDOWS or (product in {"linux", "macos"} and category in _UNIX):
        return functools.partial(_windows_name, category)
    if product in _CLOUD:
        return functools.partial(_cloud_name, product or "")
    prefix = "auditd." if service == "auditd" else _PREFIXES.get(product or "")
    if prefix:
        return functools.partial(_prefixed, prefix)
    if product is None or (product, None, None) in _logsources():
        return None
    return functools.partial(_unknown_name, product)


_LIKE_WINDOWS = frozenset({"windows", "rpc_firewall"})
_UNIX = frozenset(
    {"process_creation", "file_event", "file_change", "file_delete", "network_connection", "dns_query"}
)


def is_ours(name: str) -> bool:
    """Return whether a rule writes a field as events have it."""
    return name in FIELDS or ("." in name and name.partition(".")[0] in _ROOTS)


def _windows_name(category: str | None, name: str | None) -> str | list[str]:
    name = name or ""
    return name if is_ours(name) else windows.rule_fields(name, category)


def _prefixed(prefix: str, name: str | None) -> str:
    name = name or ""
    return name if is_ours(name) else prefix + name


def _cloud_name(product: str, name: str | None) -> str:
    name = name or ""
    if name in FIELDS or name.startswith(f"{product}."):
        return name
    return (
        f"{product}.{name.lower().removeprefix('properties.')}" if product == "azure" else f"{product}.{name}"
    )


def _unknown_name(product: str, name: str | None) -> str | list[str]:
    """Return where a field of a product without a parser is: a source that declares it has it under the product."""
    name = name or ""
    return name if is_ours(name) else [name, f"{product.casefold()}.{name}"]
