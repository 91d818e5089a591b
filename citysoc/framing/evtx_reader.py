"""A process of its own that reads one Windows event log: ``python -I evtx_reader.py`` with the file on stdin.

A damaged log can make any reader of this format run for ever or ask for all the memory there is. So it is a
process that may end: bounded in memory and time, it writes one line a record, the record's id, a tab and the
event as JSON; a line that starts with a tab says why a part could not be read. It imports nothing of citysoc.
"""

from __future__ import annotations

import contextlib
import io
import sys

UNREADABLE = 3
"""Exit code: the file is no event log."""
MAX_FAILURES = 10_000


def main(arguments: list[str]) -> int:
    """Read the log on stdin; the arguments are the bounds: memory in bytes, time in seconds."""
    memory_bytes, cpu_seconds = (int(argument) for argument in arguments)
    _bound(memory_bytes, cpu_seconds)
    from evtx import PyEvtxParser

    out = io.TextIOWrapper(sys.stdout.buffer, "utf-8", "replace", newline="\n", write_through=False)
    try:
        records = PyEvtxParser(io.BytesIO(sys.stdin.buffer.read()), 1).records_json()
    except (OSError, RuntimeError, ValueError):
        return UNREADABLE
    failures = 0
    with contextlib.suppress(BrokenPipeError):
        while failures < MAX_FAILURES:
            try:
                record = next(records)
            except StopIteration:
                break
            except (RuntimeError, ValueError, OSError) as error:
                failures += 1
                out.write(f"\t{' '.join(str(error).split())[:300]}\n")
                out.flush()  # the next record may be the one that ends this process
                continue
            if record is not None:  # the iterator's types allow it
                out.write(f"{record['event_record_id']}\t{record['data']}\n")
        out.flush()
    return 0


def _bound(memory_bytes: int, cpu_seconds: int) -> None:
    """Bound this process where the system can; elsewhere the parent's clock remains."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    wishes = (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
    )
    for kind, amount in wishes:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(kind, (amount, amount))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
