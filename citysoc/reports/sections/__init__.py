"""The report's sections: what is said in which order, as :class:`citysoc.reports.blocks.Document`.

Each section is a paragraph written from the figures by rules, which the unit may replace by its own
(:mod:`citysoc.reports.texts`), and blocks that stay as computed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from citysoc import i18n
from citysoc.i18n import _
from citysoc.reports.blocks import Block, Document, Letterhead, Paragraph, Section
from citysoc.reports.sections import incidents, malware, monitoring, overview, quality, tasks, trust
from citysoc.reports.sections.annexes import annexes
from citysoc.reports.sections.words import agency_names, comparable, during
from citysoc.reports.text import balanced, clean, edge, lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from citysoc.config.reports import Reports
    from citysoc.reports.figures import Figures

BLANK = "......"
_NAME_LETTERS = 25
"""So many capital letters have room on a line of the letterhead."""
KEYS = ("overview", "monitoring", "malware", "incidents", "alerts", "sharing", "quality", "tasks")
"""The sections, as templates and texts call them."""
_NUMBERS = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII")


def document(
    figures: Figures, settings: Reports, texts: Mapping[str, str], *, differences: tuple[str, ...] = ()
) -> Document:
    """Return the report in the language in force.

    Args:
        figures: what it says.
        settings: who says it.
        texts: section to the unit's own words in place of those written by rules.
        differences: sentences about what changed since the report was issued.
    """
    f = comparable(figures)
    zone = f.period.timezone
    title = _("Cybersecurity situation {during}").format(during=during(f.period))
    return Document(
        language=i18n.language(),
        head=letterhead(
            settings,
            year=f.period.until.astimezone(ZoneInfo(zone)).year,
            addressee=next(iter(agency_names(f).values())) if len(f.table) == 1 else "",
        ),
        title=title,
        period=_("(Figures from {first} to {last}, Vietnam time)").format(
            first=edge(f.period.since, zone), last=edge(f.period.until, zone, end=True)
        ),
        opening=_("The unit reports on the cybersecurity situation {during} as follows:").format(
            during=during(f.period)
        ),
        closing=_("This is the report on the cybersecurity situation {during}.").format(
            during=during(f.period)
        ),
        sections=_sections(f, texts, differences),
        annexes=annexes(f),
        dated=f.period.until,
    )


def _sections(f: Figures, texts: Mapping[str, str], differences: tuple[str, ...]) -> tuple[Section, ...]:
    written: dict[str, tuple[str, list[str], tuple[Block, ...]]] = {
        "overview": (_("Overview"), overview.sentences(f), overview.blocks(f)),
        "monitoring": (_("Results of monitoring"), monitoring.sentences(f), monitoring.blocks(f)),
        "malware": (_("Central malware protection"), malware.sentences(f), malware.blocks(f)),
        "incidents": (_("Incidents and their handling"), incidents.sentences(f), incidents.blocks(f)),
        "alerts": (
            _("Alerts raised, notable weaknesses"),
            incidents.alert_sentences(f),
            incidents.alert_blocks(f),
        ),
        "sharing": (_("Sharing data with the National Cybersecurity Centre"), tasks.sharing_sentences(f), ()),
        "quality": (
            _("Shortcomings; quality of data"),
            [*quality.sentences(f), *differences],
            quality.blocks(f),
        ),
        "tasks": (_("Tasks ahead; proposals"), tasks.sentences(f), ()),
    }
    return tuple(
        Section(
            key, number, title, (*_paragraphs(texts.get(key, ""), sentences), *trust.told(key, blocks, f))
        )
        for number, (key, (title, sentences, blocks)) in zip(_NUMBERS, written.items(), strict=True)
    )


def _paragraphs(own: str, sentences: list[str]) -> tuple[Paragraph, ...]:
    """Return the unit's own paragraphs, else those written from the figures, else that something is lacking."""
    if own.strip():
        parts = [" ".join(part.split()) for part in own.split("\n\n")]
        return tuple(Paragraph(clean(part, 5000)) for part in parts if part)
    if sentences:
        return tuple(Paragraph(sentence) for sentence in sentences)
    return (Paragraph(_("(To be filled in by the reporting unit.)"), note=True),)


def letterhead(settings: Reports, *, year: int, addressee: str) -> Letterhead:
    """Return what stands above and below a report of the unit, in the language in force.

    Args:
        settings: who reports.
        year: of the place and date.
        addressee: to whom, where the settings name nobody; left blank where empty.
    """
    language = i18n.language()
    vietnamese = language == "vi"

    def named(name: str) -> str:
        return settings.named(name, language)

    to = clean(named("addressee") or addressee) or BLANK
    return Letterhead(
        superior=balanced(lines(named("superior")), _NAME_LETTERS) or BLANK,
        issuer=balanced(lines(named("issuer")), _NAME_LETTERS) or BLANK,
        nation="CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM" if vietnamese else "SOCIALIST REPUBLIC OF VIETNAM",
        motto="Độc lập - Tự do - Hạnh phúc" if vietnamese else "Independence - Freedom - Happiness",
        number=_("No.: ....../BC-......"),
        mark=_("FOR INTERNAL USE") if settings.internal else "",
        place_and_date=_("{place}, ...... {year}").format(place=clean(named("place")), year=year),
        kind=_("REPORT"),
        addressee=_("To: {addressee}").format(addressee=to),
        signer=lines(named("signer")) or _("HEAD OF THE UNIT"),
        signed="",
        recipients_head=_("Recipients:"),
        recipients=_recipients((settings.recipients_en if not vietnamese else ()) or settings.recipients),
        annex_reference=_("(With Report No. ....../BC-...... of date ...... month ...... year ......)"),
    )


def _recipients(names: tuple[str, ...]) -> tuple[str, ...]:
    archive = _("Archive: office.")
    return (*(f"- {clean(name)};" for name in names or (BLANK,)), f"- {archive}")
