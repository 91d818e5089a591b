"""Reports of one incident: the initial one within 24 hours, the final one within 72 hours of detection.

What they hold follows Decree 331/2026/NĐ-CP, Article 31.2.d (cause, scope, measures) and the contents that
Decision 05/2017/QĐ-TTg, Article 11.4 listed for initial reports; no official form has been issued since.
What citysoc knows is filled in, what only people know is left as a line to fill in.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import orjson

from citysoc import i18n
from citysoc.alerts.records import title_in
from citysoc.i18n import _
from citysoc.reports.blocks import Block, Column, Document, Moment, Paragraph, Section, Table
from citysoc.reports.sections import BLANK, letterhead
from citysoc.reports.text import class_name, clean, entity_name, integer, level_name, state_name, time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from citysoc.config.load import Config
    from citysoc.state import State

Kind = Literal["initial", "final"]
_NUMBERS = ("I", "II", "III", "IV", "V", "VI", "VII")
MAX_ALERTS = 100


@dataclass(frozen=True, slots=True)
class Case:
    """All that the state knows of an incident: its row, entities, notes by kind, alerts, audit trail."""

    row: Mapping[str, object]
    entities: tuple[str, ...]
    notes: Mapping[str, tuple[str, ...]]
    alerts: tuple[Mapping[str, object], ...]
    trail: tuple[Mapping[str, object], ...]


def case_of(state: State, id_: str) -> Case:
    """Return an incident with everything that belongs to it; the caller has checked that it exists."""
    (row,) = state.rows("SELECT * FROM incidents WHERE id = ?", (id_,))
    entities = state.rows("SELECT entity FROM incident_entities WHERE incident = ? ORDER BY entity", (id_,))
    notes: dict[str, tuple[str, ...]] = {}
    for note in state.rows("SELECT kind, text FROM incident_notes WHERE incident = ? ORDER BY id", (id_,)):
        notes[note["kind"]] = (*notes.get(note["kind"], ()), note["text"])
    alerts = state.rows(
        "SELECT * FROM alerts WHERE incident = ? ORDER BY first_seen, id LIMIT ?", (id_, MAX_ALERTS)
    )
    trail = state.rows(
        "SELECT at, action, before, after FROM audit WHERE kind = 'incident' AND subject = ? ORDER BY id",
        (id_,),
    )
    return Case(
        dict(row),
        tuple(e["entity"] for e in entities),
        notes,
        tuple(map(dict, alerts)),
        tuple(map(dict, trail)),
    )


def form(config: Config, case: Case, kind: Kind) -> Document:
    """Return the report of an incident in the language in force."""
    zone = config.settings.service.timezone
    detected = dt.datetime.fromisoformat(str(case.row["detected_at"]))
    titles = {
        "initial": _("Initial report on cybersecurity incident {id}"),
        "final": _("Final report on the handling of cybersecurity incident {id}"),
    }
    parts = [
        (_("Operator and system"), _operator(config, case, zone)),
        (_("Description of the incident"), _description(case, zone)),
        (_("Cause"), _noted(case, "cause")),
        (_("Scope and impact"), (*_entities(case), *_noted(case, "scope"))),
        (_("Measures taken and planned; first results"), _noted(case, "measure")),
    ]
    if kind == "final":
        parts.append((_("Course of the handling"), _course(case, zone)))
    parts.append((_("Support; proposals"), (Paragraph(BLANK),)))
    return Document(
        language=i18n.language(),
        head=letterhead(config.settings.reports, year=detected.year, addressee=""),
        title=titles[kind].format(id=case.row["id"]),
        period=_("(Detected at {detected}; notice due at {notice}, report due at {report})").format(
            detected=time(str(case.row["detected_at"]), zone),
            notice=time(str(case.row["notice_due_at"]), zone),
            report=time(str(case.row["report_due_at"]), zone),
        ),
        opening=_("The unit reports on the incident as follows:"),
        closing=_("This is the report on the incident."),
        sections=tuple(
            Section(f"part{number}", roman, title, tuple(blocks))
            for number, (roman, (title, blocks)) in enumerate(zip(_NUMBERS, parts, strict=False), start=1)
        ),
        annexes=(),
        dated=dt.datetime.fromisoformat(str(case.row["updated_at"])),
    )


def _pairs(name: str, caption: str, rows: Sequence[tuple[str, str | Moment]]) -> Table:
    return Table(
        name,
        caption,
        (Column(_("What"), 2), Column(_("Details"), 4)),
        tuple((what, said or BLANK) for what, said in rows),
    )


def _operator(config: Config, case: Case, zone: str) -> tuple[Block, ...]:
    agency = config.registry.by_id(str(case.row["agency"]))
    name = agency.name if agency else str(case.row["agency"])
    if agency and agency.name_en and i18n.language() == "en":
        name = agency.name_en
    contacts = "; ".join(_contact(one) for one in agency.contacts) if agency else ""
    return (
        _pairs(
            "operator",
            _("Operator"),
            [
                (_("Operator of the system"), clean(name)),
                (_("Owner of the system"), ""),
                (_("Name and level of the system"), ""),
                (_("Contact: position, telephone, mail"), clean(contacts)),
                (_("Time of detection"), Moment(str(case.row["detected_at"]), zone)),
                (_("Provider of the connection"), ""),
            ],
        ),
    )


def _contact(contact: object) -> str:
    fields = contact.model_dump() if hasattr(contact, "model_dump") else {"contact": contact}
    return ", ".join(str(value) for value in fields.values() if value)


def _description(case: Case, zone: str) -> tuple[Block, ...]:
    classes = ", ".join(class_name(code) for code in orjson.loads(str(case.row["classes"])))
    title = title_in(i18n.language(), str(case.row["title"]), str(case.row.get("title_vi") or ""))
    state = state_name(str(case.row["state"]), str(case.row["verdict"]) if case.row["verdict"] else None)
    return (
        _pairs(
            "incident",
            _("The incident"),
            [
                (_("What"), clean(title)),
                (_("Class"), classes),
                (_("Preliminary level"), level_name(str(case.row["severity"]))),
                (_("First seen"), Moment(str(case.row["first_seen"]), zone)),
                (_("Last seen"), Moment(str(case.row["last_seen"]), zone)),
                (_("State"), state),
                (_("Alerts"), integer(int(str(case.row["alerts"])))),
            ],
        ),
        _alerts(case, zone),
    )


def _alerts(case: Case, zone: str) -> Table:
    return Table(
        "alerts",
        _("Alerts of the incident"),
        (
            Column(_("No."), 0.5, "center"),
            Column(_("First seen"), 1.5),
            Column(_("Rule"), 4),
            Column(_("Level"), 1.2),
            Column(_("Events behind them"), 1.2, "right"),
        ),
        tuple(
            (
                number,
                Moment(str(row["first_seen"]), zone),
                clean(title_in(i18n.language(), str(row["title"]), str(row.get("title_vi") or ""))),
                level_name(str(row["level"])),
                int(str(row["count"])),
            )
            for number, row in enumerate(case.alerts, start=1)
        ),
        small=True,
    )


def _noted(case: Case, kind: str) -> tuple[Block, ...]:
    texts = [
        clean(line, 5000) for text in case.notes.get(kind, ()) for line in text.splitlines() if line.strip()
    ]
    return tuple(Paragraph(text) for text in texts) or (Paragraph(BLANK),)


def _entities(case: Case) -> tuple[Block, ...]:
    names = [clean(entity_name(entity)) for entity in case.entities if entity_name(entity)]
    if not names:
        return ()
    return (Paragraph(_("Concerned: {entities}.").format(entities="; ".join(names))),)


def _course(case: Case, zone: str) -> tuple[Block, ...]:
    rows = []
    for entry in case.trail:
        if entry["action"] == "state":
            before, after = (_state(str(entry[side] or "")) for side in ("before", "after"))
            rows.append((Moment(str(entry["at"]), zone), f"{before} → {after}"))
        elif entry["action"] in {"notice_sent", "report_sent"}:
            said = _("Notice sent") if entry["action"] == "notice_sent" else _("Report sent")
            rows.append((Moment(str(entry["at"]), zone), said))
    return (
        Table(
            "course", _("Course of the handling"), (Column(_("When"), 1.5), Column(_("What"), 5)), tuple(rows)
        ),
    )


def _state(text: str) -> str:
    state, _slash, verdict = text.partition("/")
    return state_name(state, verdict or None)
