"""``python -m citysoc`` is the ``citysoc`` command."""

from __future__ import annotations

from citysoc.cli import main

main()
