"""Pull files: logs that grow and rotate, exports that are dropped in, archives of either.

What a file is, is told by its content and its inode, never by its name (``checkpoints``): each record
comes once, whether its file was renamed, copied and truncated, packed or read on after a crash.
"""

from __future__ import annotations

import datetime as dt
import os
import stat
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar, cast

from citysoc import clock, telemetry
from citysoc.collectors import spans
from citysoc.collectors.checkpoints import (
    MARK_BYTES,
    Checkpoint,
    Content,
    Known,
    StillChangingError,
    digest,
    furthest,
    hash_of,
    renamed,
    same_inode,
    stale_keys,
)
from citysoc.collectors.found import Found, find, say
from citysoc.collectors.reading import (
    Window,
    before_in_file,
    before_in_stream,
    content_hash,
    opened,
    read_up_to,
    with_last,
)
from citysoc.errors import CitysocError, SourceError
from citysoc.flow import Batch
from citysoc.framing.base import Frames, Limits
from citysoc.framing.registry import GROWING, framer
from citysoc.framing.unpack import Member, members, refusal
from citysoc.i18n import _

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from citysoc.collectors.base import Identify

__all__ = ["FilesCollector", "stale_keys"]

_log = telemetry.logger("collectors.files")

T = TypeVar("T")

_HEAD_BYTES = 64 << 10
_FIRST_BYTES = 8 << 10
_REFRESH_DAYS = 7
_MAX_PROBLEMS = 5
_MARGIN_BYTES = 8 << 20
"""So far behind a packed stream's place the end of a run may lie and still have its tail at hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesCollector:
    """The files of one stream.

    Args:
        stream: ``<agency id>/<source id>``.
        agency: the agency's id.
        patterns: absolute paths or glob patterns, see ``found.find``.
        identify: from a file's first bytes and name to its parser and framer; for a source that names its
            parser, a function that always answers with that one.
        literal: the patterns are paths, whatever letters they hold.
        parser_options: the source's options for its parser.
        timezone: the zone of local times that name none.
        follow: whether files may still grow, so that a half-written last line waits; archives and
            documents then wait until they have been left alone for ``settle_seconds``.
        settle_seconds: see ``follow``.
        abandon_seconds: a half-written last line of a file that was not touched for so long is a record.
        limits: the bounds of one file.
        unread: lines of complete files are handed on as they lie there, for ``spans.cut``.
        now: the clock.
    """

    stream: str
    agency: str
    patterns: tuple[str, ...]
    identify: Identify
    literal: bool = False
    parser_options: Mapping[str, Any] = field(default_factory=dict)
    timezone: str = "Asia/Ho_Chi_Minh"
    follow: bool = True
    settle_seconds: float = 5.0
    abandon_seconds: float = 3600.0
    limits: Limits = field(default_factory=Limits)
    unread: bool = False
    now: Callable[[], dt.datetime] = clock.now

    def pull(self, positions: Mapping[str, Mapping[str, Any]]) -> Iterator[Batch]:
        """Yield what came since ``positions``; see ``collectors.base.PullCollector``.

        A batch without records only moves its position. Files that cannot be read do not stop the others.

        Raises:
            SourceError: at the end, when some paths could not be read; names the first of them.
        """
        problems: list[str] = []
        known = Known.of(positions)
        files = find(self.patterns, literal=self.literal, problems=problems)
        moment = self.now()
        touched = []
        for file in files:
            untouched = self._untouched(file, known, moment)
            known.held.update(one.key for one in untouched)
            if not untouched:
                touched.append(file)
            yield from self._refresh(untouched, file, moment)
        for file in self._known_first(touched, known, problems):
            yield from self._attempt(file, known, problems)
        if problems:
            more = f" And {len(problems) - _MAX_PROBLEMS} more." if len(problems) > _MAX_PROBLEMS else ""
            raise SourceError(
                " ".join(problems[:_MAX_PROBLEMS]) + more,
                where=self.stream,
                hint=_("Check the paths and their permissions."),
                transient=True,
            )

    def _untouched(self, file: Found, known: Known, moment: dt.datetime) -> list[Checkpoint]:
        """Return the checkpoints of a file of which nothing new is to be had; none if it must be read."""
        found = [one for one in known.of_inode(file.inode) if one.is_of(file)]
        if not any(one.whole for one in found):
            return []
        if any(one.waiting for one in found) and self._is_final(file, moment):
            return []
        return found

    def _refresh(self, found: Iterable[Checkpoint], file: Found, moment: dt.datetime) -> Iterator[Batch]:
        """Say once a week that an untouched file is still there."""
        before = (moment.date() - dt.timedelta(days=_REFRESH_DAYS)).isoformat()
        for checkpoint in found:
            if checkpoint.seen <= before:
                yield self._batch(checkpoint.moved_to(file, checkpoint.member, moment.date()))

    def _known_first(self, files: Sequence[Found], known: Known, problems: list[str]) -> list[Found]:
        """Put files that go on before others, so that copies of them are compared with where they end."""
        others = []
        first = []
        for file in files:
            if known.of_inode(file.inode) and self._goes_on(file, known, problems):
                first.append(file)
            else:
                others.append(file)
        return first + others

    def _goes_on(self, file: Found, known: Known, problems: list[str]) -> bool:
        try:
            with opened(file) as descriptor:
                for member in members(descriptor, file.label, self.limits):
                    content = self._content(file, member, descriptor)
                    if checkpoint := same_inode(content, known):
                        known.held.add(checkpoint.key)
                        return True
        except FileNotFoundError:
            pass
        except OSError as error:
            problems.append(say(file.label, error))
        return False

    def _attempt(self, file: Found, known: Known, problems: list[str]) -> Iterator[Batch]:
        """Read one file; what is wrong with it is its own affair."""
        try:
            with opened(file) as descriptor:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    problems.append(f"{file.label}: It is no regular file.")
                    return
                yield from self._file(Found.of(file.path, status), descriptor, known)
        except FileNotFoundError:
            _log.debug("file.vanished", path=file.label)
        except OSError as error:
            problems.append(say(file.label, error))
        except CitysocError as error:
            problems.append(f"{file.label}: {error}")

    def _file(self, file: Found, descriptor: int, known: Known) -> Iterator[Batch]:
        """Yield what is new in a file; the last batch says that the whole file was read."""
        batches = self._members(file, descriptor, known)
        for batch, last in with_last(batches):
            if last and batch.position:
                checkpoint = replace(known.by_key[batch.position.key], whole=True)
                known.put(checkpoint)
                batch = replace(batch, position=checkpoint.position())
            yield batch

    def _members(self, file: Found, descriptor: int, known: Known) -> Iterator[Batch]:
        for member in members(descriptor, file.label, self.limits):
            if self._is_changing(file) and member.packed:
                return
            try:
                yield from self._member(file, member, descriptor, known)
            except StillChangingError:
                return

    def _member(self, file: Found, member: Member, descriptor: int, known: Known) -> Iterator[Batch]:
        if self._is_done(file, member, known):
            return
        if member.refused:
            yield from self._refused_member(file, member, known)
            return
        content = self._content(file, member, descriptor)
        if not content.head:
            with member.open() as stream:
                stream.read(1)
                if refused := refusal(stream):
                    yield from self._refused_member(file, replace(member, refused=refused), known)
            return
        parser, framing = self.identify(content.head, member.label)
        if framing not in GROWING and (begun := same_inode(content, known)):
            parser, framing = begun.parser, begun.framer  # read as lines so far
        if framing not in GROWING:
            if not self._is_changing(file):
                yield from self._document(content, member, known, parser, framing)
            return
        yield from self._lines(content, member, descriptor, known, parser=parser, framing=framing)

    def _is_done(self, file: Found, member: Member, known: Known) -> bool:
        """Whether a member was read to its end and no half-written line has waited long enough."""
        found = [one for one in known.of_member(file.inode, member.name) if one.is_of(file)]
        waiting = any(one.waiting for one in found) and self._is_final(file, self.now())
        return any(one.done for one in found) and not waiting

    def _content(self, file: Found, member: Member, descriptor: int) -> Content:
        with member.open() as stream:
            head = read_up_to(stream, _HEAD_BYTES)

        def before(ends: Sequence[int]) -> Iterator[bytes]:
            if member.packed:
                with member.open() as stream:
                    yield from before_in_stream(stream, ends)
            else:
                for end in ends:
                    yield before_in_file(descriptor, end)

        return Content(file, member.name, head, before, self._is_changing(file))

    def _lines(
        self, content: Content, member: Member, descriptor: int, known: Known, *, parser: str, framing: str
    ) -> Iterator[Batch]:
        """Yield the new records of a content that is read on where we stopped."""
        file = content.file
        start = self._place(content, known)
        if start and start.framer not in GROWING:
            start = None
        final = member.packed or self._is_final(file, self.now())
        base = Checkpoint("", file.dev, file.ino, member.name, file.label, file.size, file.mtime)
        base = replace(base, parser=parser, framer=framing, seen=self.now().date().isoformat())
        if start:
            base = replace(base, key=start.key, offset=start.offset, header=start.header)
        given = False
        with member.open() as packed:
            stream = Window(packed, self.limits.batch_bytes + _MARGIN_BYTES) if member.packed else None
            runs = self._spans(content, stream, descriptor, framing, base.offset) or framer(framing)(
                cast("BinaryIO", stream or packed),
                start=base.offset,
                header=base.header.encode("latin-1"),
                final=final,
                limits=self.limits,
            )
            for frames, last in with_last(_trimmed(runs, base.offset)):
                if last and (refused := refusal(packed)):
                    frames = replace(frames, refused=(*frames.refused, refused))
                if not base.key:
                    base = replace(base, key=known.new_key(self._identity(content, frames)))
                tail = stream.before(frames.end) if stream else before_in_file(descriptor, frames.end)
                reached = _marked(base, content, frames, tail)
                reached = replace(reached, done=last, waiting=last and not final and frames.end < file.size)
                given = True
                known.put(reached)
                yield self._batch(reached, frames, member.label)
            refused = refusal(packed)
        if not given and refused:
            yield from self._refused_member(file, replace(member, refused=refused), known)
        elif not given and start:
            waiting = not final and start.offset < file.size
            moved = replace(start.moved_to(file, member.name, self.now().date()), done=True, waiting=waiting)
            if moved != start:
                known.put(moved)
                yield self._batch(moved)

    def _spans(
        self, content: Content, stream: Window | None, descriptor: int, framing: str, start: int
    ) -> Iterator[Frames] | None:
        """Return the lines of a content uncut; None where they are not asked for so, or must be cut here."""
        begin = spans.begin_of(content.head) if self.unread and framing == "lines" else None
        if begin is None or self.follow:
            return None
        if stream is not None:
            return spans.of_stream(cast("BinaryIO", stream), start=max(start, begin), limits=self.limits)
        return spans.of_file(content.file, descriptor, start=max(start, begin), limits=self.limits)

    def _place(self, content: Content, known: Known) -> Checkpoint | None:
        """Return where reading goes on, None for a content never seen."""
        direct = same_inode(content, known)
        candidates = known.beginning_like(content.head) if self.follow or known.earlier else []
        if not self.follow:
            # Complete files that a person names are all read, also those that are alike.
            candidates = [one for one in candidates if one.key in known.earlier and one.key not in known.held]
        if direct:
            return furthest(content, direct, candidates, known)
        found = renamed(content, candidates, known)
        if found:
            known.held.add(found.key)
        return found

    def _identity(self, content: Content, frames: Frames) -> str:
        """Name a content for ever, alike each time it is first seen: also after a crash, when it has grown.

        A file that grows is named by its inode and its bytes up to the end of the first record; the first
        record is whole by then. A complete one is named by its beginning, its size and its name.
        """
        file = content.file
        if not self.follow:
            name = file.label.rpartition("/")[2]
            return digest(
                content.head[:MARK_BYTES], str(file.size).encode(), name.encode(), content.member.encode()
            )
        ends = [
            *(offset + len(one) for offset, one in zip(frames.offsets[:1], frames.records[:1], strict=True)),
            *(one.offset + len(one.sample) for one in frames.refused[:1]),
        ]
        first = content.head[: min([*ends, _FIRST_BYTES])]
        return digest(f"{file.dev}:{file.ino}".encode(), content.member.encode(), first)

    def _document(
        self, content: Content, member: Member, known: Known, parser: str, framing: str
    ) -> Iterator[Batch]:
        """Yield the records of a content that is read as a whole, unless the same was read before."""
        file = content.file
        today = self.now().date()
        identity = content_hash(member, self.limits.max_document_bytes)
        start = known.by_key.get(identity)
        if start and not self.follow and start.key not in known.earlier:
            start, identity = None, known.new_key(identity)
        if start and start.done:
            moved = start.moved_to(file, member.name, today)
            if moved != start:
                known.put(moved)
                yield self._batch(moved)
            return
        base = Checkpoint(identity, file.dev, file.ino, member.name, file.label, file.size, file.mtime)
        base = replace(base, parser=parser, framer=framing, seen=today.isoformat())
        number = start.offset if start else 0
        with member.open() as stream:
            runs = framer(framing)(stream, start=number, header=b"", final=True, limits=self.limits)
            given = False
            for frames, last in with_last(runs):
                given = True
                if last and (refused := refusal(stream)):
                    frames = replace(frames, refused=(*frames.refused, refused))
                reached = replace(base, offset=frames.end, done=last)
                known.put(reached)
                yield self._batch(reached, frames, member.label)
        if not given:
            reached = replace(base, offset=number, done=True)
            known.put(reached)
            yield self._batch(reached)

    def _refused_member(self, file: Found, member: Member, known: Known) -> Iterator[Batch]:
        """Say once that a member cannot be read."""
        if member.refused is None:
            return
        parts = (str(file.inode), str((file.size, file.mtime)), member.label, member.refused.reason)
        key = digest(*(part.encode("utf-8", "replace") for part in parts))
        if key in known.by_key:
            return
        checkpoint = Checkpoint(key, file.dev, file.ino, member.name, file.label, file.size, file.mtime)
        seen = self.now().date().isoformat()
        checkpoint = replace(checkpoint, done=True, seen=seen, parser="syslog", framer="lines")
        known.put(checkpoint)
        yield self._batch(checkpoint, Frames((), (), 0, b"", (member.refused,)), member.label)

    def _batch(self, checkpoint: Checkpoint, frames: Frames | None = None, label: str = "") -> Batch:
        frames = frames or Frames((), (), 0)
        return Batch(
            stream=self.stream,
            agency=self.agency,
            parser=checkpoint.parser,
            records=frames.records,
            offsets=frames.offsets,
            arrived=self.now(),
            path=label or checkpoint.path,
            identity=checkpoint.key,
            header=frames.header,
            position=checkpoint.position(),
            refused=frames.refused,
            unread=frames.unread,
            parser_options=self.parser_options,
            timezone=self.timezone,
        )

    def _is_changing(self, file: Found) -> bool:
        return self.follow and abs(_age(file, self.now())) < self.settle_seconds

    def _is_final(self, file: Found, moment: dt.datetime) -> bool:
        return not self.follow or _age(file, moment) > self.abandon_seconds


def _age(file: Found, moment: dt.datetime) -> float:
    return moment.timestamp() - file.mtime / 1e9


def _marked(base: Checkpoint, content: Content, frames: Frames, tail: bytes) -> Checkpoint:
    """Return the checkpoint after a run: its offset, and what the content is recognised by there."""
    end = frames.end
    head = content.head[: min(MARK_BYTES, end)]
    if len(head) < min(MARK_BYTES, end):  # it has grown since it was opened
        head = next(content.before([min(MARK_BYTES, end)]))
    return replace(
        base,
        offset=end,
        head_len=len(head),
        head=hash_of(head),
        tail_len=len(tail),
        tail=hash_of(tail),
        header=frames.header.decode("latin-1"),
    )


def _trimmed(runs: Iterable[Frames], start: int) -> Iterator[Frames]:
    """Drop runs that bring nothing and go nowhere."""
    return (run for run in runs if run.records or run.refused or run.end > start)
