"""Alerts and incidents of a period, in all and by agency."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from citysoc.reports.figures import AgencyRow, IncidentRow, LevelRow, Ranked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from citysoc.reports.computing.sources import Earlier, Sources
    from citysoc.reports.figures import Period, StreamRow

_IN_PERIOD = "first_seen >= ? AND first_seen < ?"


def totals(sources: Sources, earlier: Earlier) -> dict[str, Any]:
    """Return the counts of alerts and incidents beside those of earlier periods."""
    return {
        "alerts": sources.compared(lambda period: _number(sources, "alerts", period), earlier),
        "incidents": sources.compared(lambda period: _number(sources, "incidents", period), earlier),
    }


def _where(sources: Sources, table: str, period: Period | None = None) -> tuple[str, tuple[str, ...]]:
    """Return the condition on a table's rows of the period, and its values."""
    condition, values = _IN_PERIOD, sources.span(period)
    if table == "incidents":
        condition += " AND merged_into IS NULL"
    if sources.agency is None:
        return condition, values
    return f"{condition} AND agency = ?", (*values, sources.agency)


def _number(sources: Sources, table: str, period: Period) -> int:
    condition, values = _where(sources, table, period)
    rows = sources.state.rows(f"SELECT count(*) AS n FROM {table} WHERE {condition}", values)  # noqa: S608  names of ours
    return int(rows[0]["n"])


def grouped_alerts(
    sources: Sources, by: str, *, label: str | None = None, limit: int | None = None
) -> tuple[Ranked, ...]:
    """Return alerts by a column of theirs, most first, with the events behind them."""
    condition, values = _where(sources, "alerts")
    other = f"max({label}_vi)" if label else "''"
    rows = sources.state.rows(
        f"SELECT {by} AS key, min({label or by}) AS label, {other} AS label_vi,"  # noqa: S608  names of ours
        f" count(*) AS n, sum(count) AS events FROM alerts WHERE {condition}"
        f" GROUP BY {by} ORDER BY n DESC, key LIMIT ?",
        (*values, -1 if limit is None else limit),
    )
    return tuple(
        Ranked(row["key"], row["label"], row["n"], {"events": row["events"]}, row["label_vi"]) for row in rows
    )


def agency_table(
    sources: Sources,
    records: Mapping[str | None, int],
    cases: Mapping[str, int],
    quiet: Sequence[StreamRow],
) -> tuple[AgencyRow, ...]:
    """Return one row an agency of the registry, in its order; records and cases are by agency."""
    alerts = {row.key: row.count for row in grouped_alerts(sources, "agency")}
    incidents = _incidents_by_agency(sources)
    silent: dict[str, int] = {}
    for row in quiet:
        silent[row.agency] = silent.get(row.agency, 0) + 1
    return tuple(
        AgencyRow(
            agency.id,
            agency.name,
            agency.level,
            records.get(agency.id, 0),
            cases.get(agency.id, 0),
            alerts.get(agency.id, 0),
            incidents.get(agency.id, 0),
            silent.get(agency.id, 0),
            agency.name_en,
        )
        for agency in sources.agencies()
    )


def _incidents_by_agency(sources: Sources) -> dict[str, int]:
    condition, values = _where(sources, "incidents")
    rows = sources.state.rows(
        f"SELECT agency, count(*) AS n FROM incidents WHERE {condition} GROUP BY agency",  # noqa: S608  names of ours
        values,
    )
    return {row["agency"]: row["n"] for row in rows}


def agency_levels(sources: Sources, table: Sequence[AgencyRow]) -> tuple[LevelRow, ...]:
    """Return the agencies of each level together, in the order in which the registry names levels."""
    levels = dict.fromkeys(agency.level for agency in sources.agencies())
    return tuple(
        LevelRow(
            level,
            len(rows),
            sum(row.events for row in rows),
            sum(row.alerts for row in rows),
            sum(row.incidents for row in rows),
        )
        for level in levels
        for rows in [[row for row in table if row.level == level]]
    )


def incident_rows(sources: Sources) -> tuple[IncidentRow, ...]:
    """Return the incidents against their clocks, oldest first."""
    condition, values = _where(sources, "incidents")
    rows = sources.state.rows(
        f"SELECT * FROM incidents WHERE {condition} ORDER BY first_seen, id",  # noqa: S608  names of ours
        values,
    )
    said = _notes(sources)
    return tuple(
        IncidentRow(
            id=row["id"],
            title=row["title"],
            agency=row["agency"],
            agency_name=sources.agency_name(row["agency"]),
            entity=row["entity"],
            severity=row["severity"],
            state=row["state"],
            verdict=row["verdict"],
            detected_at=row["detected_at"],
            closed_at=row["closed_at"],
            notice_due_at=row["notice_due_at"],
            report_due_at=row["report_due_at"],
            notice_sent_at=row["notice_sent_at"],
            report_sent_at=row["report_sent_at"],
            alerts=row["alerts"],
            title_vi=row["title_vi"],
            cause=said.get((row["id"], "cause"), ""),
            measure=said.get((row["id"], "measure"), ""),
        )
        for row in rows
    )


def _notes(sources: Sources) -> dict[tuple[str, str], str]:
    """Return what people noted as causes and measures, the notes of an incident one after the other."""
    condition, values = _where(sources, "incidents")
    rows = sources.state.rows(
        "SELECT incident, kind, text FROM incident_notes WHERE kind IN ('cause', 'measure')"  # noqa: S608  names of ours
        f" AND incident IN (SELECT id FROM incidents WHERE {condition}) ORDER BY incident, id",
        values,
    )
    said: dict[tuple[str, str], str] = {}
    for row in rows:
        key = (row["incident"], row["kind"])
        text = " ".join(row["text"].split())
        said[key] = f"{said[key].rstrip(' .')}. {text}" if key in said else text
    return said
