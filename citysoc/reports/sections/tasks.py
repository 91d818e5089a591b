"""Sections VI and VIII: what there is to share with the national centre, and what the figures ask to be done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.i18n import _
from citysoc.reports import counts
from citysoc.reports.sections.incidents import overdue
from citysoc.reports.sections.malware import uncleaned_machines

if TYPE_CHECKING:
    from citysoc.reports.figures import Figures


def sharing_sentences(f: Figures) -> list[str]:
    """Return what the documents of ``citysoc reports avreport`` hold for the period.

    Whether they were sent is not known here: they are signed and sent outside of the schedule.
    """
    if not f.coverage.detections:
        return [_("There was no malware data to share in this period.")]
    return [
        _(
            "The period's malware data in the national exchange format (AVReport): {detections} on"
            " {computers}."
        ).format(
            detections=counts.detections(f.coverage.detections),
            computers=counts.computers(f.coverage.machines_infected),
        )
    ]


def sentences(f: Figures) -> list[str]:
    """Return what the figures ask to be done, the most urgent first."""
    c = f.coverage
    still = sum(row.state != "closed" for row in f.incident_rows)
    quiet = sum(count for state, count in f.streams.items() if state != "ok")
    unheard = max(c.machines - c.machines_seen, 0)
    asked = (
        (overdue(f), counts.papers, _("Send what is overdue on incidents: {count}.")),
        (still, counts.incidents, _("Finish the handling of {count}.")),
        (uncleaned_machines(f), counts.computers, _("Remove the malware that is still on {count}.")),
        (c.reinfected, counts.computers, _("Find where malware keeps coming from on {count}.")),
        (c.protection_off or 0, counts.computers, _("Switch protection on again on {count}.")),
        (c.not_updated or 0, counts.computers, _("Update the antivirus of {count}.")),
        (f.weaknesses, counts.weaknesses, _("Mend {count} found on computers.")),
        (quiet, counts.streams, _("Restore {count} that do not speak as they should.")),
        (unheard, counts.computers, _("Find out why {count} with antivirus sent no data.")),
    )
    return [form.format(count=say(count)) for count, say, form in asked if count]
