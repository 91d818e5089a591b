"""What people's machines and the antivirus console say on an ordinary day."""

from __future__ import annotations

from typing import TYPE_CHECKING

from citysoc.simulation import names
from citysoc.simulation.background.kind import Kind
from citysoc.simulation.background.traffic import SITES, someone, spread
from citysoc.simulation.formats import antivirus, windows
from citysoc.simulation.formats.antivirus import Detection

if TYPE_CHECKING:
    import random

    from citysoc.simulation.city import Site
    from citysoc.simulation.stamps import Stamps


_MALWARE = spread(names.MALWARE, names.MALWARE_WEIGHTS)
_PROGRAMS = spread(names.PROGRAMS, names.PROGRAM_WEIGHTS)
_ACTIONS = (
    (antivirus.DELETED,) * 56
    + (antivirus.QUARANTINED,) * 20
    + (antivirus.CLEANED,) * 12
    + (antivirus.BLOCKED,) * 8
    + (antivirus.IGNORED,) * 2
    + (antivirus.UNRESOLVED, antivirus.RESTART)
)


def _logon(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    host = someone(rng, site)
    network = rng.random() < 0.4
    return windows.logon(
        stamps,
        at,
        host.computer,
        user=host.user,
        address=host.address if network else "127.0.0.1",
        logon_type=3 if network else 2,
        success=True,
    )


def _service(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    # The services of a machine log on by themselves, at any hour.
    computer = someone(rng, site).computer
    return windows.logon(stamps, at, computer, user="SYSTEM", address="-", logon_type=5, success=True)


def _typo(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    host = someone(rng, site)
    unknown = rng.random() < 0.2
    return windows.logon(
        stamps,
        at,
        host.computer,
        user=host.user[:-1] if unknown else host.user,
        address="127.0.0.1",
        logon_type=2,
        success=False,
        reason="0xc0000064" if unknown else "0xc000006a",
    )


def _process(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    host = someone(rng, site)
    image, command, parent = _PROGRAMS[int(rng.random() * len(_PROGRAMS))]
    return windows.process_4688(
        stamps, at, host.computer, user=host.user, image=image, command=command, parent=parent
    )


def _process_sysmon(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    host = someone(rng, site)
    image, command, parent = _PROGRAMS[int(rng.random() * len(_PROGRAMS))]
    digest = f"{rng.getrandbits(256):064X}"
    return windows.process_sysmon(
        stamps, at, host.computer, user=host.user, image=image, command=command, parent=parent, digest=digest
    )


def _connection(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    host = someone(rng, site)
    return windows.connection_sysmon(
        stamps,
        at,
        host.computer,
        user=host.user,
        image="C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
        address=f"203.0.113.{int(rng.random() ** 2 * 60) + 10}",
        port=443,
        name=SITES[int(rng.random() * len(SITES))],
    )


def _file(rng: random.Random, stamps: Stamps, at: int, site: Site) -> bytes:
    host = someone(rng, site)
    target = f"C:\\Users\\{host.user}\\Documents\\To trinh {int(rng.random() * 400)}.docx"
    image = "C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE"
    return windows.file_sysmon(stamps, at, host.computer, user=host.user, image=image, target=target)


def _detection(rng: random.Random, _stamps: Stamps, at: int, site: Site) -> Detection:
    # Squared: on some machines the same is found again and again.
    host = site.hosts[int(rng.random() ** 2 * len(site.hosts))]
    name, kind, path = _MALWARE[int(rng.random() * len(_MALWARE))]
    place = path.format(user=host.user, n=int(rng.random() * 40))
    action = _ACTIONS[int(rng.random() * len(_ACTIONS))]
    digest = f"{rng.getrandbits(128):032x}"
    return Detection(
        at,
        host.name,
        host.address,
        site.agency.name,
        host.user,
        name,
        kind,
        place,
        action,
        host.system,
        digest,
    )


_DETECTIONS = (Kind("detection", 1.0, True, _detection),)
KINDS: dict[str, tuple[Kind, ...]] = {
    "winlog": (
        Kind("logon", 0.40, True, _logon),
        Kind("service", 0.06, False, _service),
        Kind("typo", 0.04, True, _typo),
        Kind("process", 0.24, True, _process),
        Kind("process-sysmon", 0.14, True, _process_sysmon),
        Kind("connection", 0.12, True, _connection),
        Kind("file", 0.06, True, _file),
    ),
    "csv": _DETECTIONS,
    "text": _DETECTIONS,
    "xlsx": _DETECTIONS,
    "avreport": _DETECTIONS,
}
