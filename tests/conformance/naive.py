"""A plain evaluation of Sigma rules on Windows events, written apart from the engine: no mapping, no index, no plans.

A rule is read by pySigma and evaluated by walking its conditions; an event is a flat mapping with the names that Windows
gives. Nothing of ``citysoc.detectors`` is used, so that a mistake there is not made here again. It knows what the
rules of SigmaHQ for Windows need, and nothing else.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import unicodedata

import yaml
from sigma import types
from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
)
from sigma.rule import SigmaRule

SYSMON = "microsoft-windows-sysmon/operational"
POWERSHELL = ("microsoft-windows-powershell/operational", "powershellcore/operational")
CATEGORIES = {
    "process_creation": [(SYSMON, {1}), ("security", {4688})],
    "process_termination": [(SYSMON, {5}), ("security", {4689})],
    "network_connection": [(SYSMON, {3}), ("security", {5156})],
    "driver_load": [(SYSMON, {6})],
    "image_load": [(SYSMON, {7})],
    "create_remote_thread": [(SYSMON, {8})],
    "raw_access_thread": [(SYSMON, {9})],
    "process_access": [(SYSMON, {10})],
    "file_event": [(SYSMON, {11})],
    "file_change": [(SYSMON, {2})],
    "file_delete": [(SYSMON, {23, 26})],
    "file_block_executable": [(SYSMON, {27})],
    "file_executable_detected": [(SYSMON, {29})],
    "registry_event": [(SYSMON, {12, 13, 14})],
    "registry_add": [(SYSMON, {12})],
    "registry_delete": [(SYSMON, {12})],
    "registry_set": [(SYSMON, {13})],
    "registry_rename": [(SYSMON, {14})],
    "create_stream_hash": [(SYSMON, {15})],
    "pipe_created": [(SYSMON, {17, 18})],
    "wmi_event": [(SYSMON, {19, 20, 21})],
    "dns_query": [(SYSMON, {22})],
    "process_tampering": [(SYSMON, {25})],
    "sysmon_status": [(SYSMON, {4, 16})],
    "sysmon_error": [(SYSMON, {255})],
    "ps_module": [(channel, {4103}) for channel in POWERSHELL],
    "ps_script": [(channel, {4104}) for channel in POWERSHELL],
    "ps_classic_start": [("windows powershell", {400})],
    "ps_classic_provider_start": [("windows powershell", {600})],
    "ps_classic_script": [("windows powershell", {800})],
}
SERVICES = {
    "security": ["security"],
    "system": ["system"],
    "application": ["application"],
    "sysmon": [SYSMON],
    "powershell": list(POWERSHELL),
    "powershell-classic": ["windows powershell"],
    "windefend": ["microsoft-windows-windows defender/operational"],
    "applocker": [
        f"microsoft-windows-applocker/{name}"
        for name in ("msi and script", "exe and dll", "packaged app-deployment", "packaged app-execution")
    ],
    "bits-client": ["microsoft-windows-bits-client/operational"],
    "capi2": ["microsoft-windows-capi2/operational"],
    "certificateservicesclient-lifecycle-system": [
        "microsoft-windows-certificateservicesclient-lifecycle-system/operational"
    ],
    "appxdeployment-server": ["microsoft-windows-appxdeploymentserver/operational"],
    "appxpackaging-om": ["microsoft-windows-appxpackaging/operational"],
    "appmodel-runtime": ["microsoft-windows-appmodel-runtime/admin"],
    "diagnosis-scripted": ["microsoft-windows-diagnosis-scripted/operational"],
    "dhcp": ["microsoft-windows-dhcp-server/operational"],
    "dns-client": ["microsoft-windows-dns client events/operational", "microsoft-windows-dns-client/operational"],
    "iis-configuration": ["microsoft-iis-configuration/operational"],
    "codeintegrity-operational": ["microsoft-windows-codeintegrity/operational"],
    "dns-server": ["dns server"],
    "dns-server-analytic": ["microsoft-windows-dns-server/analytical", "microsoft-windows-dnsserver/analytical"],
    "driver-framework": ["microsoft-windows-driverframeworks-usermode/operational"],
    "firewall-as": ["microsoft-windows-windows firewall with advanced security/firewall"],
    "ldap": ["microsoft-windows-ldap-client/debug"],
    "lsa-server": ["microsoft-windows-lsa/operational"],
    "msexchange-management": ["msexchange management"],
    "ntlm": ["microsoft-windows-ntlm/operational"],
    "openssh": ["openssh/operational"],
    "printservice-admin": ["microsoft-windows-printservice/admin"],
    "printservice-operational": ["microsoft-windows-printservice/operational"],
    "security-mitigations": [
        "microsoft-windows-security-mitigations/kernel mode", "microsoft-windows-security-mitigations/user mode",
    ],
    "shell-core": ["microsoft-windows-shell-core/operational"],
    "smbclient-connectivity": ["microsoft-windows-smbclient/connectivity"],
    "smbclient-security": ["microsoft-windows-smbclient/security"],
    "smbserver-connectivity": ["microsoft-windows-smbserver/connectivity"],
    "taskscheduler": ["microsoft-windows-taskscheduler/operational"],
    "terminalservices-localsessionmanager": [
        "microsoft-windows-terminalservices-localsessionmanager/operational"
    ],
    "wmi": ["microsoft-windows-wmi-activity/operational"],
}  # fmt: skip


def norm(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return unicodedata.normalize("NFC", str(value))


class Event:
    """A flat Windows event, its names without spaces."""

    def __init__(self, flat):
        self.values = {}
        for name, value in flat.items():
            if value is not None:
                values = value if isinstance(value, list) else [value]
                self.values[name.replace(" ", "")] = [norm(one) for one in values if one is not None]
        self.channel = norm(flat.get("Channel", "")).lower()
        try:
            self.code = int(norm(flat.get("EventID", "-1")))
        except ValueError:
            self.code = -1

    def get(self, name):
        return self.values.get(name.replace(" ", ""), [])


@functools.cache
def compiled(parts, cased, anywhere):
    text = ""
    for part in parts:
        if part is types.SpecialChars.WILDCARD_MULTI:
            text += ".*"
        elif part is types.SpecialChars.WILDCARD_SINGLE:
            text += "."
        else:
            text += re.escape(unicodedata.normalize("NFC", part))
    flags = re.DOTALL if cased else re.DOTALL | re.IGNORECASE
    return (
        re.compile(text if anywhere else f"(?:{text})\\Z", flags).search
        if anywhere
        else re.compile(f"(?:{text})\\Z", flags).match
    )


@functools.cache
def expression(pattern, flags):
    known = {"IGNORECASE": re.IGNORECASE, "MULTILINE": re.MULTILINE, "DOTALL": re.DOTALL}
    return re.compile(pattern, functools.reduce(lambda a, b: a | known[b], flags, 0)).search


def number(text):
    try:
        return float(text)
    except ValueError:
        return None


def inside(text, network):
    try:
        return ipaddress.ip_address(text) in network
    except ValueError:
        return False


def field(event, name, value):  # noqa: PLR0911  one line a type
    got = event.get(name)
    if isinstance(value, types.SigmaExpansion):
        return any(field(event, name, one) for one in value.values)
    if isinstance(value, types.SigmaNull):
        return not got
    if isinstance(value, types.SigmaExists):
        return bool(got) is bool(value)
    if isinstance(value, types.SigmaString):
        test = compiled(tuple(value.s), isinstance(value, types.SigmaCasedString), False)
        return any(test(one) for one in got)
    if isinstance(value, types.SigmaNumber):
        return any(one == str(value.number) or number(one) == value.number for one in got)
    if isinstance(value, types.SigmaBool):
        return any(one.lower() == str(value.boolean).lower() for one in got)
    if isinstance(value, types.SigmaRegularExpression):
        test = expression(str(value.regexp), tuple(sorted(flag.name for flag in value.flags)))
        return any(test(one) for one in got)
    if isinstance(value, types.SigmaCIDRExpression):
        return any(inside(one, value.network) for one in got)
    if isinstance(value, types.SigmaFieldReference):
        others = [one.lower() for one in event.get(value.field)]
        return any(one.lower() in others for one in got)
    raise TypeError(type(value))


def keyword(event, value):
    values = [one for name, many in event.values.items() if not name.startswith("_") for one in many]
    if isinstance(value, types.SigmaExpansion):
        return any(keyword(event, one) for one in value.values)
    if isinstance(value, types.SigmaNumber):
        return any(str(value.number) in one for one in values)
    test = compiled(tuple(value.s), False, True)
    return any(test(one) for one in values)


def holds(node, event):
    if isinstance(node, ConditionAND):
        return all(holds(part, event) for part in node.args)
    if isinstance(node, ConditionOR):
        return any(holds(part, event) for part in node.args)
    if isinstance(node, ConditionNOT):
        return not holds(node.args[0], event)
    if isinstance(node, ConditionFieldEqualsValueExpression):
        return field(event, node.field, node.value)
    return keyword(event, node.value)


class Rule:
    """A rule of SigmaHQ for Windows."""

    def __init__(self, text):
        document = next(yaml.load_all(text, Loader=yaml.CSafeLoader))
        self.id = document["id"]
        source = document["logsource"]
        self.category, self.service = source.get("category"), source.get("service")
        rule = SigmaRule.from_dict({k: v for k, v in document.items() if k not in {"related", "tags"}})
        self.conditions = [condition.parsed for condition in rule.detection.parsed_condition]

    def sees(self, event):
        if self.category is not None:
            known = CATEGORIES.get(self.category, [])
            if not any(event.channel == channel and event.code in codes for channel, codes in known):
                return False
        return self.service is None or event.channel in SERVICES.get(self.service, ())

    def matches(self, event):
        return any(holds(condition, event) for condition in self.conditions)
