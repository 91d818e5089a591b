"""citysoc: security operations log analytics for a city's public bodies."""

from __future__ import annotations

__version__ = "0.1.0"
