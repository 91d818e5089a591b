"""The option that rewrites the expected events of the parsers' samples."""

from __future__ import annotations


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite *.expected.ndjson from the parsers"
    )
