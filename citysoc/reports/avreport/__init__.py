"""The period's malware data in the national exchange format (AVReport), unsigned.

Both known variants are written: the edXML envelope of 2018 (official letter 2290/BTTTT-CATTT, QCVN 102:2016)
and the SOAP envelope of 2025. Signing with the city's certificate is a step outside of citysoc; sending is a
command of its own and never happens by itself.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Machine:
    """A computer as the format names it: agency (of ours), name, address; empty where unknown."""

    agency: str
    name: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Malware:
    """Malware found on a machine: ``MalwareInfo``; ``count`` detections of the same."""

    machine: Machine
    name: str
    kind: str
    behavior: str
    path: str
    digest: str
    count: int


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection to a command-and-control server: ``ConnectionInfo``."""

    machine: Machine
    program: str
    target: str
    port: str
    md5: str = ""


@dataclass(frozen=True, slots=True)
class Weakness:
    """A known weakness of a machine: ``VulnerabilityInfo``."""

    machine: Machine
    name: str
    system: str


@dataclass(frozen=True, slots=True)
class System:
    """A machine's operating system and its last update, Unix seconds; empty where unknown."""

    machine: Machine
    name: str
    updated: str


@dataclass(frozen=True, slots=True)
class Guard:
    """Whether a machine's protection and firewall are on: ``QualityFeature``; None where unknown."""

    machine: Machine
    protection: bool | None
    firewall: bool | None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the period's reports hold.

    Args:
        malware: what was found.
        connections: to command-and-control servers.
        weaknesses: of machines.
        systems: of machines, the last known.
        guards: of machines, the last known.
        not_updated: machines without updates for 15 days.
    """

    malware: tuple[Malware, ...]
    connections: tuple[Connection, ...]
    weaknesses: tuple[Weakness, ...]
    systems: tuple[System, ...]
    guards: tuple[Guard, ...]
    not_updated: int

    @property
    def detections(self) -> int:
        """How many detections: the figure of the report's malware table."""
        return sum(one.count for one in self.malware)

    @property
    def infected(self) -> int:
        """How many named machines have malware: the figure of the report's coverage."""
        return len({(one.machine.agency, one.machine.name) for one in self.malware if one.machine.name})
