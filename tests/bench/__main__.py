"""Run the measurements and print one table."""

from __future__ import annotations

import argparse
import sys

from tests.bench import measures


def main() -> None:
    """Measure what was asked for, everything by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", help="which measurements; all by default")
    parser.add_argument("--records", type=int, default=300_000, help="records of the end-to-end measurement")
    options = parser.parse_args()
    for measure in measures.ALL:
        if options.names and measure.__name__ not in options.names:
            continue
        for what, figure, goal in measure(options.records):
            sys.stdout.write(f"{what:<58} {figure:>22}   {goal}\n")
            sys.stdout.flush()


main()
