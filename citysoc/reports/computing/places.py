"""Country and network of an address, by the MaxMind DB files that the configuration names."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Self

from citysoc import telemetry
from citysoc.reports.text import clean

if TYPE_CHECKING:
    from types import TracebackType

    from citysoc.config.load import Config

_log = telemetry.logger("reports")


class Places:
    """Open databases. Without any, and for addresses that none knows, places are empty text.

    Args:
        config: ``reports.geoip`` lists the files: country or city, and autonomous systems, in MaxMind's
            format (https://maxmind.github.io/MaxMind-DB/), from whatever publisher.
    """

    def __init__(self, config: Config) -> None:
        self._readers: list[Any] = []
        for path in config.settings.reports.geoip:
            self._open(config.root / path)

    def _open(self, path: Any) -> None:
        import maxminddb

        try:
            self._readers.append(maxminddb.open_database(str(path)))
        except (OSError, maxminddb.InvalidDatabaseError) as error:
            _log.warning("geoip.unreadable", path=str(path), error=str(error))

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the files."""
        for reader in self._readers:
            reader.close()

    def of(self, address: str) -> str:
        """Return a country code and a network in words: ``NL, AS64500 Example``; empty where unknown."""
        parts: list[str] = []
        for reader in self._readers:
            with contextlib.suppress(ValueError):  # no address, or IPv6 in a database of IPv4
                parts += _said(reader.get(address))
        return clean(", ".join(dict.fromkeys(parts)), 80)


def _said(record: Any) -> list[str]:
    if not isinstance(record, dict):
        return []
    said = []
    country = record.get("country") or record.get("registered_country")
    if isinstance(country, dict) and isinstance(code := country.get("iso_code"), str):
        said.append(code)
    if isinstance(number := record.get("autonomous_system_number"), int):
        said.append(f"AS{number} {record.get('autonomous_system_organization') or ''}".rstrip())
    return said
