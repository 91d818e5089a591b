"""Normal life: what every stream says in a month without any planted attack.

Most of what a city's firewalls report is the Internet's noise. One city published 98.65 % scans
among its attacks of nine months; the shares give about that. People's records follow office hours,
machines' and scanners' records do not.
"""

from __future__ import annotations

from citysoc.simulation.background import firewalls, machines, sensors
from citysoc.simulation.background.kind import Kind

KINDS: dict[str, tuple[Kind, ...]] = firewalls.KINDS | sensors.KINDS | machines.KINDS
"""What each format's stream says; shares need not add up to 1."""

__all__ = ["KINDS", "Kind"]
