"""From scores to anomalies: what is beyond the threshold, folded, explained, told as findings."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from citysoc.detectors.anomaly import baseline
from citysoc.detectors.anomaly.baseline import UNUSUAL_HOUR
from citysoc.detectors.anomaly.days import moment_of
from citysoc.detectors.anomaly.facts import local
from citysoc.detectors.anomaly.families import BY_NAME
from citysoc.detectors.anomaly.feature import FAMILIES
from citysoc.detectors.anomaly.model import family_of
from citysoc.flow import CITY_AGENCY, UNKNOWN_AGENCY, Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import numpy as np
    import pyarrow as pa

    from citysoc.detectors.anomaly.feature import Kind
    from citysoc.detectors.anomaly.model import KindModel, Model, Scored

RULE = "citysoc.anomaly."
"""Ids of the rules begin so; the family follows."""
SHOWN = 5
DAY_SECONDS = 86_400

TITLES = {
    "volume": ("Unusual Amount of Activity", "Lượng hoạt động bất thường"),
    "spread": ("Unusually Many Places Touched", "Chạm tới nhiều nơi bất thường"),
    "failure": ("Unusually Many Failures", "Số lần thất bại bất thường"),
    "novelty": ("Something Seen for the First Time", "Xuất hiện điều chưa từng thấy"),
    "rhythm": ("Activity at an Unusual Hour", "Hoạt động vào giờ bất thường"),
    "names": ("Names Made by a Program", "Tên miền do máy sinh ra"),
    "bytes": ("Unusual Amount of Data Sent", "Lượng dữ liệu gửi đi bất thường"),
    "antivirus": ("Unusual Antivirus Events", "Sự kiện phòng chống mã độc bất thường"),
    "beaconing": ("Calls Home at Even Intervals", "Gọi ra ngoài đều đặn bất thường"),
    "tunnel": ("Data Hidden in Names", "Dữ liệu ẩn trong tên miền"),
}
"""Family to the title in English and Vietnamese."""
TAGS = {
    "failure": ("attack.credential-access", "attack.t1110"),
    "bytes": ("attack.exfiltration", "attack.t1048"),
    "beaconing": ("attack.command-and-control", "attack.t1071"),
    "tunnel": ("attack.exfiltration", "attack.t1048"),
    "names": ("attack.command-and-control", "attack.t1568"),
    "spread": ("attack.discovery", "attack.t1046"),
}
LEVELS = ((6.0, "high"), (3.0, "medium"))
"""Points above the threshold from which on an anomaly has a level; low below."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One feature of an anomaly.

    Args:
        feature: its name.
        value: what it was, in its unit.
        expected: what was expected.
        limit: expected and two scales.
        nats: its surprise.
    """

    feature: str
    value: float
    expected: float
    limit: float
    nats: float


@dataclass(frozen=True, slots=True)
class Anomaly:
    """An entity that left its habit in one hour.

    Args:
        id: stable: kind, agency, entity, hour.
        kind: of entity.
        agency: its agency; of an address outside the one in whose events it is most of the time, or else the city.
        entity: its name.
        hour: hours since 1970.
        score: see ``model``.
        family: the family that contributes most.
        reasons: its features, the most surprising first.
        meets: of an address outside, the agencies it met, the most first; at most twenty.
    """

    id: str
    kind: Kind
    agency: str
    entity: str
    hour: int
    score: float
    family: str
    reasons: tuple[Reason, ...]
    meets: tuple[str, ...] = ()

    @property
    def pattern(self) -> tuple[str, str, str]:
        """What feedback is about: agency, entity, family; whichever agency it meets, an address outside is the same."""
        return UNKNOWN_AGENCY if self.kind == "outside" else self.agency, self.entity, self.family


def found(
    model: Model, kind: Kind, scored: Scored, *, lowered: Mapping[tuple[str, str, str], float] = {}
) -> list[Anomaly]:
    """Return the anomalies among scored rows, in the order of the rows.

    Args:
        model: the model.
        kind: of the rows.
        scored: the rows.
        lowered: pattern to what feedback takes off.
    """
    import numpy as np

    beyond = np.flatnonzero(scored.score >= model.threshold)
    named = [(int(row), _named(kind, scored, int(row))) for row in beyond]
    chosen = [
        (row, one)
        for row, one in named
        if one.score >= model.need(one.agency) + lowered.get(one.pattern, 0.0)
    ]
    return _explained(model.kinds[kind], scored, chosen)


def loudest(kind: Kind, scored: Scored, floor: float) -> list[Anomaly]:
    """Return the rows with a score from ``floor`` on, without reasons: to set the threshold."""
    import numpy as np

    return [_named(kind, scored, int(row)) for row in np.flatnonzero(scored.score >= floor)]


def _named(kind: Kind, scored: Scored, row: int) -> Anomaly:
    """Return a row as an anomaly, whatever its score; its reasons are not known yet."""
    import numpy as np

    own = scored.table["agency"][row].as_py() or UNKNOWN_AGENCY
    entity, hour = scored.table["entity"][row].as_py(), int(scored.table["hour"][row].as_py())
    met = scored.table["meets"][row].as_py().split() if kind == "outside" else []
    key = f"{kind}\0{own}\0{entity}\0{hour}".encode()
    return Anomaly(
        id=hashlib.blake2b(key, digest_size=8).hexdigest(),
        kind=kind,
        agency=met[0] if met else own,
        entity=entity,
        hour=hour,
        score=round(float(scored.score[row]), 3),
        family=FAMILIES[int(np.argmax(scored.families[row]))],
        reasons=(),
        meets=tuple(agency for agency in met if agency != CITY_AGENCY),
    )


def _explained(model: KindModel, scored: Scored, chosen: list[tuple[int, Anomaly]]) -> list[Anomaly]:
    """Return anomalies with their reasons."""
    import numpy as np

    rows = np.array([row for row, _ in chosen], dtype=np.int64)
    table = scored.table.take(rows)
    judged = baseline.judge(model.baseline, table)
    found = []
    for n, (row, one) in enumerate(chosen):
        reasons = [
            Reason(
                feature=model.columns[c],
                value=_value(table, judged, model.columns[c], (n, c)),
                expected=round(float(judged.expected[n, c]), 2),
                limit=round(float(judged.limit[n, c]), 2),
                nats=round(float(scored.features[row, c]), 1),
            )
            for c in _leading(model.columns, scored.features[row], one.family)
            if scored.features[row, c] > 1
        ]
        # What is not more than usual is no reason, however rare.
        found.append(replace(one, reasons=tuple(r for r in reasons if r.value > r.expected)))
    return found


def _leading(columns: tuple[str, ...], nats: np.ndarray, family: str) -> list[int]:
    """Return the columns that say most, the first of them of the anomaly's family."""
    import numpy as np

    order = [int(n) for n in np.argsort(-nats, kind="stable")]
    leading = sorted(order, key=lambda n: (family_of(columns[n]) != family, -nats[n]))[:1]
    return [*leading, *(n for n in order if n not in leading)][:SHOWN]


def _value(table: pa.Table, judged: baseline.Judged, column: str, place: tuple[int, int]) -> float:
    if column == UNUSUAL_HOUR:
        return round(float(judged.residual[place]), 2)
    return round(float(table[column][place[0]].as_py()), 2)


def folded(anomalies: Iterable[Anomaly]) -> list[Anomaly]:
    """Return for each agency, family and local day the strongest anomaly; addresses outside each on their own.

    This is what becomes one alert: the measure of the budget.
    """
    best: dict[tuple[Any, ...], Anomaly] = {}
    for one in anomalies:
        key = fold_key(one)
        if key not in best or (one.score, best[key].id) > (best[key].score, one.id):
            best[key] = one
    return sorted(best.values(), key=lambda a: (a.hour, a.id))


def fold_key(one: Anomaly) -> tuple[Any, ...]:
    """Return what anomalies of one alert have in common."""
    own = one.entity if one.kind == "outside" else ""
    return one.agency, own, one.family, local(one.hour).date()


def query(one: Anomaly) -> str:
    """Return the question that finds the events behind an anomaly, without its hour."""
    about = next((BY_NAME[r.feature].query for r in one.reasons if r.feature in BY_NAME), "")
    return f"{who(one)} AND {about}" if about else who(one)


def who(one: Anomaly) -> str:
    """Return the question that finds the events of an anomaly's entity."""
    text = quoted(one.entity)
    if one.kind == "agency":
        nobody = one.entity == UNKNOWN_AGENCY
        found = f"(agency.id:{text} OR NOT _exists_:agency.id)" if nobody else f"agency.id:{text}"
    elif one.kind == "account":
        found = f"(user.name:{text} OR user.name:*\\\\{_bare(one.entity)})"
    elif one.kind == "outside":
        found = f"(source.ip:{text} OR destination.ip:{text})"
    elif is_address(one.entity):
        found = f"(source.ip:{text} OR destination.ip:{text} OR host.name:{text})"
    else:
        found = f"(host.name:{text} OR host.name:{_bare(one.entity)}.*)"
    # Two agencies may have an account or a private address of the same name.
    if one.kind in {"host", "account"} and one.agency != UNKNOWN_AGENCY:
        found = f"{found} AND agency.id:{quoted(one.agency)}"
    return found


def is_address(text: str) -> bool:
    """Return whether a machine is known by its address alone."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def quoted(text: str) -> str:
    """Return a text as a query has it word for word."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _bare(text: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else f"\\{c}" for c in text)


def level_of(one: Anomaly, threshold: float) -> str:
    """Return the level of an anomaly by how far it is beyond the threshold."""
    return next((level for points, level in LEVELS if one.score >= threshold + points), "low")


def finding(one: Anomaly, *, threshold: float, event_id: str = "") -> Finding:
    """Return an anomaly as a finding: alerts, correlations and incidents take it like a rule's.

    Args:
        one: the anomaly.
        threshold: the model's.
        event_id: one of the events behind it; its own id where none was found.
    """
    title, title_vi = TITLES[one.family]
    matched: dict[str, Any] = {"anomaly.id": one.id, "anomaly.score": one.score, "anomaly.kind": one.kind}
    for reason in one.reasons:
        matched[f"anomaly.{reason.feature}"] = reason.value
        matched[f"anomaly.{reason.feature}.expected"] = reason.expected
    return Finding(
        rule=RULE + one.family,
        title=title,
        title_vi=title_vi,
        level=level_of(one, threshold),
        agency=one.agency,
        event_id=event_id or one.id,
        timestamp=moment_of(one.hour),
        matched={**matched, "entity": one.entity},
        tags=TAGS.get(one.family, ()),
        group={"source.ip": one.entity} if one.kind == "outside" else {},
        window_seconds=DAY_SECONDS,
        entity=entity_text(one),
        agencies=one.meets if one.agency == CITY_AGENCY else (),
    )


def entity_text(one: Anomaly) -> str:
    """Return an entity as alerts write it: ``host:…``, ``ip:…``, ``user:…``."""
    if one.kind == "agency":
        return f"agency:{one.entity}"
    if one.kind == "account":
        return f"user:{one.entity}"
    return f"ip:{one.entity}" if one.kind == "outside" or is_address(one.entity) else f"host:{one.entity}"
