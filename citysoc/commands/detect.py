"""``citysoc detect``: the findings of rules on files, on stdout."""

from __future__ import annotations

import gc
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from citysoc.commands import detect_rows as rows
from citysoc.commands.context import App, pass_app
from citysoc.commands.logsource import logsource_option, parser_options
from citysoc.commands.output import format_option, is_table, printable
from citysoc.flow import LEVELS
from citysoc.i18n import _, ngettext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from citysoc.detectors.intel import Matcher
    from citysoc.pipeline.loaded import Ruling


@click.command("detect", short_help="Print the findings of rules on files; no store.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--rules",
    "-r",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="A file or directory of Sigma rules; the shipped ones by default.",
)
@click.option(
    "--as", "parser_name", default="auto", metavar="PARSER", help="Use this parser instead of looking."
)
@click.option("--agency", default="unknown", metavar="ID", help="Whose logs these are.")
@click.option(
    "-m", "--min-level", type=click.Choice(LEVELS), default="informational", help="Weaker rules stay off."
)
@click.option(
    "--fail-on", type=click.Choice(LEVELS), help="End with code 1 when a finding is of this level or above."
)
@click.option(
    "--workers", type=click.IntRange(min=0), default=0, help="Worker processes; 0 means one a core."
)
@click.option("--intel", is_flag=True, help="Meet the configuration's threat intelligence, too.")
@logsource_option
@format_option
@pass_app
def command(
    app: App,
    *,
    paths: tuple[Path, ...],
    rules: tuple[Path, ...],
    parser_name: str,
    agency: str,
    logsource: str | None,
    min_level: str,
    fail_on: str | None,
    workers: int,
    intel: bool,
    format_: str | None,
) -> int:
    """Print what rules find in PATHS (files, directories, .gz, .zip, .zst; any supported format).

    \b
    citysoc detect Security.evtx
    citysoc detect logs/ --rules my-rules/ -m high --fail-on high
    citysoc detect trail.json --logsource product=aws,service=cloudtrail
    citysoc detect old/ --intel -f ndjson

    Ends with code 4 when every rule is refused: nothing was looked for.
    """
    from citysoc.commands.rulesets import cache_dir, house_words, shipped_rules
    from citysoc.pipeline.pull import batches_of
    from citysoc.pipeline.stream import SMALL_BYTES, findings
    from citysoc.pipeline.work import Work

    small = _size(paths) < SMALL_BYTES
    work = Work(
        rules=rules or (shipped_rules(),),
        cache_dir=cache_dir(),
        min_level=min_level,
        intel=_intelligence(app) if intel else None,
        much=not small,
        **house_words(app),
    )
    is_idle = False

    def on_refused(ruling: Ruling) -> None:
        nonlocal is_idle
        _say_refused(app, ruling.refused)
        _say_degraded(app, ruling.correlations)
        is_idle = bool(ruling.refused) and ruling.is_idle

    tell = partial(rows.told, title_vi=app.lang == "vi" and is_table(format_))
    found = findings(
        batches_of(
            paths,
            parser_name=parser_name,
            agency=agency,
            parser_options=parser_options(logsource),
            unread=True,
        ),
        work,
        workers=None if small or workers == 1 else workers,
        tell=tell,
        tell_found=tell,
        on_refused=on_refused,
    )
    worst = -1

    def lines() -> Iterator[bytes]:
        nonlocal worst
        for told in found:
            worst = max(worst, told.worst)
            yield told.lines

    count = rows.emit(lines(), format_)
    app.say(ngettext("{count} finding.", "{count} findings.", count).format(count=count))
    gc.freeze()  # rules go with the process: to look for cycles in them first takes up to a tenth of a second
    if is_idle:
        return PARTIAL
    return 1 if fail_on and worst >= LEVELS.index(fail_on) else 0


PARTIAL = 4
_SHOWN_RULES = 5
_SHOWN_TITLES = 2


def _intelligence(app: App) -> Callable[[], Matcher]:
    """Return what makes what meets events with the configuration's intelligence; say so where there is none yet."""
    from citysoc.commands.rulesets import matcher_of
    from citysoc.pipeline.indicators import folder_of

    if not (folder_of(app.config) / "table.bin").exists():
        app.say(_("There is no threat intelligence yet; `citysoc intel import` takes some in."))
    return matcher_of(app.config)


def _say_refused(app: App, refused: Sequence[str]) -> None:
    """Say that rules are left out: no finding of theirs does not mean that nothing happened."""
    if refused:
        app.say(
            ngettext(
                "{count} rule is refused and not used:",
                "{count} rules are refused and not used:",
                len(refused),
            ).format(count=len(refused))
        )
        for reason in refused[:_SHOWN_RULES]:
            app.say(f"  {printable(reason)}")
        app.say(_("`citysoc rules check` shows all of them."))


def _say_degraded(app: App, correlations: Sequence[Mapping[str, Any]]) -> None:
    """Say which correlations stay silent: files are not scored, so what asks for anomalies gets none."""
    named = [plan for plan in correlations if plan["is_late"] and not plan["quiet"]]
    if named:
        text = ngettext(
            "{count} correlation is degraded: it asks for anomalies, which the model finds in a store only ({titles}).",
            "{count} correlations are degraded: they ask for anomalies, which the model finds in a store only ({titles}).",
            len(named),
        )
        titles = [str((app.lang == "vi" and plan["title_vi"]) or plan["title"]) for plan in named]
        more = ", …" if len(titles) > _SHOWN_TITLES else ""
        app.say(text.format(count=len(named), titles=printable(", ".join(titles[:_SHOWN_TITLES]) + more)))


def _size(paths: Sequence[Path]) -> int:
    """Return the bytes below ``paths``, not counting further once that is clearly much."""
    from citysoc.pipeline.stream import SMALL_BYTES

    total = 0
    for path in paths:
        files = (Path(f) / n for f, _, ns in os.walk(path) for n in ns) if path.is_dir() else iter([path])
        for file in files:
            total += file.stat().st_size if file.is_file() else 0
            if total >= SMALL_BYTES:
                return total
    return total
