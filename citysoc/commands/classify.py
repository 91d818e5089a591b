"""``citysoc classify``: what threat names and signatures are taken for, how surely, and why."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from citysoc.commands.context import App, pass_app
from citysoc.commands.output import Column, emit, format_option
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from citysoc.enrich.own import Own
    from citysoc.enrich.verdicts import Verdict

_KINDS = ("threat", "signature")
_MAX_LINE = 4096
_SHOWN = 200
"""Letters of a name that count, and that are shown."""


@click.command("classify", short_help="Say what a threat name or a signature is, and why.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...|-")
@click.option(
    "--kind", type=click.Choice(_KINDS), help="What the names are; without it whichever table knows them."
)
@format_option
@pass_app
def command(app: App, *, names: tuple[str, ...], kind: str | None, format_: str | None) -> int:
    """Say which class each NAME is of, which of the three words counts it, how surely, and what decided.

    A single - reads names from standard input, one a line. Where there is a configuration its own table counts first.

    \b
    citysoc classify "Trojan:Win32/Emotet.A!ml" W32.AIDetectMalware
    cut -d';' -f4 export.csv | sort -u | citysoc classify -
    """
    from citysoc.commands.rulesets import config_or_none
    from citysoc.enrich.own import Own

    config = config_or_none(app)
    own = Own(config.classification if config else ())
    emit(_rows(_asked(names), kind, own, app.lang), _columns(), format_)
    return 0


def _columns() -> tuple[Column, ...]:
    return (
        Column("name", _("Name")),
        Column("class", _("Class")),
        Column("class_name", _("Meaning")),
        Column("threat", _("Word")),
        Column("confidence", _("Confidence"), align="right"),
        Column("why", _("Why")),
        Column("family", _("Family"), optional=True),
    )


def _asked(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if name != "-":
            yield name
            continue
        for line in sys.stdin.buffer:
            text = line[:_MAX_LINE].decode("utf-8", "replace").strip()
            if text:
                yield text


def _rows(asked: Iterable[str], kind: str | None, own: Own, lang: str) -> Iterator[dict[str, Any]]:
    from citysoc.enrich.malware_names import read_name
    from citysoc.enrich.names import either
    from citysoc.enrich.taxonomy import CLASSES, THREATS

    for name in asked:
        told, case = either(name, kind, own)
        read = read_name(name) if told == "threat" else None
        yield {
            "name": name if len(name) <= _SHOWN else f"{name[:_SHOWN]}…",
            "kind": told,
            "class": case.code if case else None,
            "class_name": CLASSES[case.code].name(lang) if case and case.code else _("Not classified"),
            "threat": THREATS[case.threat].name(lang) if case and case.threat else None,
            "confidence": case.confidence if case else 0,
            "reason": case.reason if case else "",
            "why": why(case),
            "family": read.family if read else None,
            "platform": read.platform if read else None,
            "variant": read.variant if read else None,
            "form": read.form if read else None,
        }


def why(case: Verdict | None) -> str:
    """Return what decided as a sentence in the reader's language."""
    if case is None:
        return _("no table knows it, and the model is not sure")
    step, _colon, row = case.reason.partition(":")
    return _sentences().get(step, "{row}").format(row=row)


def _sentences() -> Mapping[str, str]:
    return {
        "own": _("the house's own table: {row}"),
        "family": _("a known family: {row}"),
        "near": _("written like a known family: {row}"),
        "type": _("the name states the type: {row}"),
        "guess": _("the vendor's own guess, with a type or family: {row}"),
        "generic": _("the name says only: {row}"),
        "signature": _("words of the signature: {row}"),
        "group": _("the signature's group: {row}"),
        "category": _("the signature's category: {row}"),
        "model": _("the model of names: {row}"),
        "test": _("the test file of antiviruses: no case"),
        "unnamed": _("malware of a kind that its name does not tell"),
    }
