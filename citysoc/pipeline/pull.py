"""From the configuration's sources to collectors, and from collectors to the line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from citysoc import clock, telemetry
from citysoc.collectors.files import FilesCollector, stale_keys
from citysoc.config.streams import paths_of, stream_id
from citysoc.errors import InputError, SourceError
from citysoc.framing.registry import FRAMERS
from citysoc.i18n import _
from citysoc.parsers.registry import parser
from citysoc.parsers.sniff import identify
from citysoc.state import progress

if TYPE_CHECKING:
    import concurrent.futures as cf
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from citysoc.collectors.base import PullCollector
    from citysoc.config.load import Config
    from citysoc.config.sources import FilesSource
    from citysoc.flow import Batch
    from citysoc.pipeline.line import Line
    from citysoc.state import State

_log = telemetry.logger("pipeline.pull")


@dataclass(frozen=True, slots=True)
class Pulled:
    """What one pull of a source brought.

    Args:
        records: how many records came in.
        batches: in how many batches.
        failures: stream to what went wrong there; the other streams were pulled all the same.
    """

    records: int
    batches: int
    failures: dict[str, str]


def file_collectors(source: FilesSource, config: Config) -> list[FilesCollector]:
    """Return one collector for each agency that the source serves."""
    patterns: dict[str, list[str]] = {}
    for agency, pattern in paths_of(source, config.registry):
        patterns.setdefault(agency, []).append(str((config.root / pattern).absolute()))
    return [
        FilesCollector(
            stream=stream_id(agency, source.id),
            agency=agency,
            patterns=tuple(found),
            identify=_identify(source.parser),
            parser_options=source.options,
            timezone=source.timezone,
            follow=source.follow,
        )
        for agency, found in patterns.items()
    ]


def given_files(
    paths: Sequence[Path],
    *,
    parser_name: str = "auto",
    agency: str = "unknown",
    source: str = "import",
    timezone: str = "Asia/Ho_Chi_Minh",
    parser_options: Mapping[str, Any] | None = None,
    unread: bool = False,
) -> FilesCollector:
    """Return a collector of the files and directories that a person named.

    With ``unread`` it hands on lines uncut, see ``collectors.spans``.

    Raises:
        InputError: a path does not exist, or no parser has that name.
    """
    for path in paths:
        if not path.exists():
            raise InputError(_("There is no such file or directory."), where=str(path))
    if parser_name != "auto":
        parser(parser_name)
    return FilesCollector(
        stream=stream_id(agency, source),
        agency=agency,
        patterns=tuple(str(path.absolute()) for path in paths),
        literal=True,
        identify=_identify(parser_name),
        parser_options=parser_options or {},
        timezone=timezone,
        follow=False,
        unread=unread,
    )


def pull(
    line: Line,
    state: State,
    collectors: Iterable[PullCollector],
    *,
    on_batch: Callable[[Batch], None] | None = None,
    flush: bool = False,
) -> Pulled:
    """Pull what is new and wait until it is committed.

    With ``flush`` that does not wait for the records of others.

    A stream that cannot be read is reported in ``failures``; it does not stop the others.

    Raises:
        StoreError: the line has stopped.
    """
    records = batches = 0
    failures: dict[str, str] = {}
    last: cf.Future[None] | None = None
    for collector in collectors:
        positions = progress.positions(state, collector.stream)
        alive: set[str] = set()
        try:
            for batch in _guarded(collector, positions):
                last = line.feed(batch)
                if batch.position:
                    alive.add(batch.position.key)
                records += batch.received
                batches += 1
                if on_batch:
                    on_batch(batch)
        except SourceError as error:
            failures[collector.stream] = str(error)
            _log.warning("source.failed", stream=collector.stream, error=str(error))
        # A content that came back in this very pull has a new checkpoint on its way.
        if gone := [key for key in stale_keys(positions, clock.now()) if key not in alive]:
            progress.forget_positions(state, collector.stream, gone)
    if last is not None:
        if flush:
            line.flush()
        last.result()  # commits go in order: when the last is done, all are
    return Pulled(records, batches, failures)


def _guarded(collector: PullCollector, positions: Mapping[str, Mapping[str, Any]]) -> Iterator[Batch]:
    """Yield what a collector yields; whatever goes wrong in it is that stream's own affair."""
    try:
        yield from collector.pull(positions)
    except SourceError:
        raise
    except Exception as error:
        _log.exception("collector.failed", stream=collector.stream)
        raise SourceError(
            _("The collector failed: {error}.").format(error=f"{type(error).__name__}: {error}"),
            where=collector.stream,
        ) from error


def batches_of(
    paths: Sequence[Path],
    *,
    parser_name: str = "auto",
    agency: str = "unknown",
    parser_options: Mapping[str, Any] | None = None,
    unread: bool = False,
) -> Iterator[Batch]:
    """Yield the batches of files for commands that store nothing; with ``unread``, of lines uncut.

    Raises:
        InputError: a path does not exist.
        SourceError: a path cannot be read.
    """
    files = given_files(
        paths, parser_name=parser_name, agency=agency, parser_options=parser_options, unread=unread
    )
    return files.pull({})


def _identify(name: str) -> Callable[[bytes, str], tuple[str, str]]:
    """Return how to learn a file's parser and framer: by looking, or because the source names it."""
    if name == "auto":
        return identify
    framing = parser(name).framing
    if framing not in FRAMERS:
        raise AssertionError(f"parser {name} names the unknown framing {framing}")
    return lambda _head, _name: (name, framing)
