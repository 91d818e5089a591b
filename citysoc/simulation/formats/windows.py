"""Windows events as JSON lines in the shape of Elastic's Winlogbeat.

Event ids and the names of their data follow Microsoft's documentation of the Security, System and
Windows Defender logs and of Sysmon.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from citysoc.simulation.stamps import Stamps

SECURITY = "Security"
SYSMON = "Microsoft-Windows-Sysmon/Operational"
SYSTEM = "System"
DEFENDER = "Microsoft-Windows-Windows Defender/Operational"
POWERSHELL = "Microsoft-Windows-PowerShell/Operational"

_PROVIDERS = {
    SECURITY: "Microsoft-Windows-Security-Auditing",
    SYSMON: "Microsoft-Windows-Sysmon",
    SYSTEM: "Service Control Manager",
    DEFENDER: "Microsoft-Windows-Windows Defender",
    POWERSHELL: "Microsoft-Windows-PowerShell",
}


class Computer(NamedTuple):
    """A Windows machine: full name, short domain, address."""

    name: str
    domain: str
    address: str


def event(
    stamps: Stamps,
    at: int,
    computer: Computer,
    *,
    channel: str,
    code: int,
    data: Mapping[str, str],
    message: str,
    provider: str = "",
    action: str = "",
    level: str = "information",
) -> bytes:
    """Render any event."""
    provider = provider or _PROVIDERS[channel]
    when = stamps.utc(at)
    record: dict[str, Any] = {
        "@timestamp": when,
        "event": {
            "code": str(code),
            "kind": "event",
            "provider": provider,
            "action": action,
            "created": when,
        },
        "winlog": {
            "channel": channel,
            "provider_name": provider,
            "event_id": str(code),
            "record_id": at % 10_000_000,
            "computer_name": computer.name,
            "api": "wineventlog",
            "event_data": dict(data),
        },
        "host": {"name": computer.name},
        "log": {"level": level},
        "agent": {"type": "winlogbeat", "version": "8.17.0", "name": computer.name},
        "message": message,
    }
    return orjson.dumps(record)


def logon(
    stamps: Stamps,
    at: int,
    computer: Computer,
    *,
    user: str,
    address: str,
    logon_type: int,
    success: bool,
    reason: str = "0xc000006a",
) -> bytes:
    """Render 4624 or 4625; ``reason`` is the sub-status of a failure (0xc0000064: no such user)."""
    data = {
        "SubjectUserSid": "S-1-0-0",
        "SubjectUserName": "-",
        "SubjectDomainName": "-",
        "TargetUserName": user,
        "TargetDomainName": computer.domain,
        "LogonType": str(logon_type),
        "LogonProcessName": "NtLmSsp " if logon_type == 3 else "User32 ",
        "AuthenticationPackageName": "NTLM" if logon_type == 3 else "Negotiate",
        "WorkstationName": computer.name.partition(".")[0],
        "ProcessName": "C:\\Windows\\System32\\svchost.exe",
        "IpAddress": address,
        "IpPort": str(49152 + at % 16000),
    }
    if success:
        data["TargetUserSid"] = f"S-1-5-21-1004336348-1177238915-682003330-{1100 + len(user)}"
        message, code, action = "An account was successfully logged on.", 4624, "logged-in"
    else:
        data |= {"Status": "0xc000006d", "SubStatus": reason, "FailureReason": "%%2313"}
        message, code, action = "An account failed to log on.", 4625, "logon-failed"
    return event(stamps, at, computer, channel=SECURITY, code=code, data=data, message=message, action=action)


def process_4688(
    stamps: Stamps, at: int, computer: Computer, *, user: str, image: str, command: str, parent: str
) -> bytes:
    """Render a started process as the Security log has it."""
    data = {
        "SubjectUserName": user,
        "SubjectDomainName": computer.domain,
        "SubjectLogonId": "0x3e7f1",
        "NewProcessId": hex(1000 + at % 9000),
        "NewProcessName": image,
        "ProcessId": hex(600 + at % 900),
        "CommandLine": command,
        "ParentProcessName": parent,
        "TokenElevationType": "%%1938",
        "MandatoryLabel": "S-1-16-8192",
    }
    return event(
        stamps,
        at,
        computer,
        channel=SECURITY,
        code=4688,
        data=data,
        message="A new process has been created.",
        action="created-process",
    )


def process_sysmon(
    stamps: Stamps,
    at: int,
    computer: Computer,
    *,
    user: str,
    image: str,
    command: str,
    parent: str,
    parent_command: str = "",
    digest: str = "",
) -> bytes:
    """Render a started process as Sysmon event 1."""
    data = {
        "UtcTime": stamps.utc(at).replace("T", " ").rstrip("Z"),
        "ProcessGuid": _guid(at),
        "ProcessId": str(1000 + at % 9000),
        "Image": image,
        "OriginalFileName": image.rpartition("\\")[2],
        "CommandLine": command,
        "CurrentDirectory": "C:\\Windows\\System32\\",
        "User": f"{computer.domain}\\{user}",
        "LogonId": "0x3e7f1",
        "IntegrityLevel": "Medium",
        "Hashes": f"SHA256={digest}" if digest else "",
        "ParentProcessGuid": _guid(at - 977),
        "ParentProcessId": str(600 + at % 900),
        "ParentImage": parent,
        "ParentCommandLine": parent_command or parent,
    }
    return event(
        stamps,
        at,
        computer,
        channel=SYSMON,
        code=1,
        data=data,
        message="Process Create",
        action="Process Create",
    )


def connection_sysmon(
    stamps: Stamps,
    at: int,
    computer: Computer,
    *,
    user: str,
    image: str,
    address: str,
    port: int,
    name: str = "-",
) -> bytes:
    """Render a network connection as Sysmon event 3."""
    data = {
        "UtcTime": stamps.utc(at).replace("T", " ").rstrip("Z"),
        "ProcessGuid": _guid(at),
        "ProcessId": str(1000 + at % 9000),
        "Image": image,
        "User": f"{computer.domain}\\{user}",
        "Protocol": "tcp",
        "Initiated": "true",
        "SourceIsIpv6": "false",
        "SourceIp": computer.address,
        "SourceHostname": computer.name,
        "SourcePort": str(49152 + at % 16000),
        "DestinationIsIpv6": "false",
        "DestinationIp": address,
        "DestinationHostname": name,
        "DestinationPort": str(port),
    }
    return event(
        stamps,
        at,
        computer,
        channel=SYSMON,
        code=3,
        data=data,
        message="Network connection detected",
        action="Network connection detected",
    )


def access_sysmon(
    stamps: Stamps, at: int, computer: Computer, *, user: str, source: str, target: str, rights: str
) -> bytes:
    """Render one process that opened another as Sysmon event 10."""
    data = {
        "UtcTime": stamps.utc(at).replace("T", " ").rstrip("Z"),
        "SourceProcessGUID": _guid(at),
        "SourceProcessId": str(1000 + at % 9000),
        "SourceImage": source,
        "TargetProcessGUID": _guid(at - 31),
        "TargetProcessId": "712",
        "TargetImage": target,
        "GrantedAccess": rights,
        "SourceUser": f"{computer.domain}\\{user}",
        "TargetUser": "NT AUTHORITY\\SYSTEM",
    }
    return event(
        stamps,
        at,
        computer,
        channel=SYSMON,
        code=10,
        data=data,
        message="Process accessed",
        action="Process accessed",
    )


def file_sysmon(stamps: Stamps, at: int, computer: Computer, *, user: str, image: str, target: str) -> bytes:
    """Render a created file as Sysmon event 11."""
    when = stamps.utc(at).replace("T", " ").rstrip("Z")
    data = {
        "UtcTime": when,
        "ProcessGuid": _guid(at),
        "ProcessId": str(1000 + at % 9000),
        "Image": image,
        "TargetFilename": target,
        "CreationUtcTime": when,
        "User": f"{computer.domain}\\{user}",
    }
    return event(
        stamps,
        at,
        computer,
        channel=SYSMON,
        code=11,
        data=data,
        message="File created",
        action="File created",
    )


def log_cleared(stamps: Stamps, at: int, computer: Computer, *, user: str) -> bytes:
    """Render 1102: the Security log was emptied."""
    return event(
        stamps,
        at,
        computer,
        channel=SECURITY,
        code=1102,
        provider="Microsoft-Windows-Eventlog",
        data={"SubjectUserName": user, "SubjectDomainName": computer.domain, "SubjectLogonId": "0x5a1c2"},
        message="The audit log was cleared.",
        action="audit-log-cleared",
    )


def account_created(stamps: Stamps, at: int, computer: Computer, *, user: str, by: str) -> bytes:
    """Render 4720: a user account was created."""
    data = {
        "TargetUserName": user,
        "TargetDomainName": computer.name.partition(".")[0],
        "TargetSid": "S-1-5-21-1004336348-1177238915-682003330-1017",
        "SubjectUserName": by,
        "SubjectDomainName": computer.domain,
        "SamAccountName": user,
        "UserAccountControl": "%%2080 %%2082 %%2084",
    }
    return event(
        stamps,
        at,
        computer,
        channel=SECURITY,
        code=4720,
        data=data,
        message="A user account was created.",
        action="added-user-account",
    )


def administrator_added(stamps: Stamps, at: int, computer: Computer, *, by: str) -> bytes:
    """Render 4732: an account became a member of the local administrators."""
    data = {
        "MemberName": "-",
        "MemberSid": "S-1-5-21-1004336348-1177238915-682003330-1017",
        "TargetUserName": "Administrators",
        "TargetDomainName": "Builtin",
        "TargetSid": "S-1-5-32-544",
        "SubjectUserName": by,
        "SubjectDomainName": computer.domain,
    }
    return event(
        stamps,
        at,
        computer,
        channel=SECURITY,
        code=4732,
        data=data,
        message="A member was added to a security-enabled local group.",
        action="added-member-to-group",
    )


def service_installed(stamps: Stamps, at: int, computer: Computer, *, name: str, path: str) -> bytes:
    """Render 7045: a service was installed."""
    data = {
        "ServiceName": name,
        "ImagePath": path,
        "ServiceType": "user mode service",
        "StartType": "demand start",
        "AccountName": "LocalSystem",
    }
    return event(
        stamps,
        at,
        computer,
        channel=SYSTEM,
        code=7045,
        data=data,
        message="A service was installed in the system.",
    )


def protection_off(stamps: Stamps, at: int, computer: Computer) -> bytes:
    """Render Windows Defender's 5001: real-time protection was switched off."""
    return event(
        stamps,
        at,
        computer,
        channel=DEFENDER,
        code=5001,
        data={"Product Name": "Microsoft Defender Antivirus", "Product Version": "4.18.26090.5"},
        message="Microsoft Defender Antivirus Real-time Protection scanning for malware and other "
        "potentially unwanted software was disabled.",
    )


def _guid(number: int) -> str:
    return f"{{7c1d0a52-{number % 65536:04x}-6a1f-{number // 65536 % 65536:04x}-000000000c00}}"
