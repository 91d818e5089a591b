"""The planted attacks: which there are, and how they are put into the month."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from citysoc.simulation.attacks import machines, networks, websites
from citysoc.simulation.attacks.plot import Payload, Plot

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from citysoc.simulation.city import Stream
    from citysoc.simulation.stamps import Stamps
    from citysoc.simulation.truth import Planted

INTRUSION = "intrusion"
"""The chain of one intruder at one agency, from the attachment to the encrypted files."""


class Attack(NamedTuple):
    """A kind of attack: its name, its class code, the function that writes it, how it can be seen."""

    kind: str
    cls: str
    write: Callable[[Plot], None]
    needs: Literal["rule", "correlation", "anomaly"] = "rule"
    chain: str = ""


ATTACKS = (
    Attack("macro-attachment", "PHISH", machines.macro_attachment, chain=INTRUSION),
    Attack("encoded-powershell", "TROJAN", machines.encoded_powershell, chain=INTRUSION),
    Attack("lsass-dump", "APT", machines.lsass_dump, chain=INTRUSION),
    Attack("remote-service", "UNAUTH", machines.remote_service, chain=INTRUSION),
    Attack("audit-log-cleared", "UNAUTH", machines.log_cleared, chain=INTRUSION),
    Attack("ransomware", "RANSOM", machines.ransomware, chain=INTRUSION),
    Attack("sql-injection", "WEB", websites.sql_injection),
    Attack("path-traversal", "WEB", websites.path_traversal),
    Attack("web-shell", "WEB", websites.web_shell),
    Attack("defacement", "DEFACE", websites.defacement),
    Attack("log4shell", "EXPL", websites.log4shell),
    Attack("smb-exploit", "EXPL", networks.smb_exploit),
    Attack("c2-beacon", "BOT", networks.c2_beacon),
    Attack("dns-tunnel", "LEAK", networks.dns_tunnel),
    Attack("miner-pool", "MINER", networks.miner_pool),
    Attack("ssh-brute-force", "BRUTE", networks.ssh_brute_force),
    Attack("firewall-admin-from-outside", "UNAUTH", networks.admin_from_outside),
    Attack("vpn-from-abroad", "UNAUTH", networks.vpn_from_abroad),
    Attack("syn-flood", "DDOS", networks.flood),
    Attack("upload-to-sharing-site", "LEAK", networks.upload_to_sharing_site),
    Attack("phishing-page", "PHISH", networks.phishing_page),
    Attack("new-administrator", "UNAUTH", machines.new_administrator),
    Attack("protection-off", "CONFIG", machines.protection_off),
    Attack("usb-worm", "VIRUS", machines.usb_worm),
    Attack("infostealer", "SPY", machines.infostealer),
    Attack("slow-scan", "SCAN", networks.slow_scan, needs="correlation"),
    Attack("password-spraying", "BRUTE", machines.password_spraying, needs="correlation"),
    Attack("night-exfiltration", "LEAK", networks.night_exfiltration, needs="anomaly"),
)
"""Every kind; the first ones are the steps of one intrusion, in their order."""


def plant(
    stamps: Stamps, streams: Sequence[Stream], seed: int
) -> tuple[tuple[Planted, ...], dict[str, list[tuple[int, Payload]]]]:
    """Write every attack that the city has a place for.

    Args:
        stamps: the month.
        streams: the streams that may carry attacks: those that speak all the month.
        seed: the simulation's seed.

    Returns:
        What was planted, in order of start, and for each stream its records with their moments.
    """
    planted: list[Planted] = []
    items: dict[str, list[tuple[int, Payload]]] = {}
    for step, attack in enumerate(ATTACKS):
        plot = Plot(
            kind=attack.kind,
            cls=attack.cls,
            needs=attack.needs,
            chain=attack.chain,
            step=step,
            seed=seed,
            stamps=stamps,
            streams=streams,
        )
        attack.write(plot)
        if (fact := plot.planted()) is None:
            continue
        planted.append(fact)
        for stream, records in plot.items.items():
            items.setdefault(stream, []).extend(records)
    return tuple(sorted(planted, key=lambda fact: (fact.start, fact.id))), items
