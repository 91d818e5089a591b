"""What the sources mean agency by agency: the streams that must speak, and the files to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from citysoc.config.load import Config
    from citysoc.config.registry import Registry
    from citysoc.config.sources import FilesSource, Source


@dataclass(frozen=True, slots=True)
class Stream:
    """One source of logs of one agency.

    Args:
        id: ``<agency id>/<source id>``.
        agency: the agency's id.
        source: the source's id.
        expected: whether its silence is an alarm.
        late_after_seconds: it is late when it said nothing for so long.
        silent_after_seconds: it is silent when it said nothing for so long.
    """

    id: str
    agency: str
    source: str
    expected: bool
    late_after_seconds: int
    silent_after_seconds: int


def stream_id(agency: str, source: str) -> str:
    """Return the id of the stream of one source of one agency."""
    return f"{agency}/{source}"


def streams(config: Config) -> tuple[Stream, ...]:
    """Return every stream that must speak, in the order of the registry and of ``expects``.

    These are the pairs of an agency and each enabled source that it expects, then the enabled
    sources with an agency of their own: whoever configures one wants to know when it falls silent.
    A stream that speaks without being among these is not expected.
    """
    sources = {source.id: source for source in config.sources if source.enabled}
    found = {stream.id: stream for stream in _expected(config.registry, sources)}
    for source in sources.values():
        if source.agency is not None:
            stream = _stream(source.agency, source, expected=True)
            found.setdefault(stream.id, stream)
    return tuple(found.values())


def paths_of(source: FilesSource, registry: Registry) -> list[tuple[str, str]]:
    """Return (agency id, glob pattern) for each place where the source's files may lie.

    A source with an agency of its own has one entry a path; any other has one for each agency
    that expects it, with the agency's id put in. Patterns are relative to the configuration's folder.
    """
    from citysoc.config.sources import AGENCY_PLACE  # loaded already, where there is a configuration

    if source.agency is not None:
        agencies = [source.agency]
    else:
        agencies = [agency.id for agency in registry if source.id in agency.expects]
    return [(agency, path.replace(AGENCY_PLACE, agency)) for agency in agencies for path in source.paths]


def _expected(registry: Registry, sources: dict[str, Source]) -> Iterator[Stream]:
    for agency in registry:
        for name in agency.expects:
            source = sources.get(name)
            if source is not None and source.agency in {None, agency.id}:
                yield _stream(agency.id, source, expected=True)


def _stream(agency: str, source: Source, *, expected: bool) -> Stream:
    return Stream(
        id=stream_id(agency, source.id),
        agency=agency,
        source=source.id,
        expected=expected,
        late_after_seconds=source.late_after_seconds,
        silent_after_seconds=source.silent_after_seconds,
    )
