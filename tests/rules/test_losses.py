"""Every condition of a shipped rule is needed: without it one of the misses beside the rule would be matched.

A rule is taken apart in its compiled form: each part that must hold, and each alternative of a filter, is left out once. Where
nothing is matched then that should not be, the condition could be lost and no evidence would tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from shipped import evidence, rules

from citysoc.detectors.sigma.detector import SigmaDetector
from citysoc.detectors.sigma.match import predicate
from citysoc.detectors.sigma.nodes import node_of
from citysoc.detectors.sigma.offsets import timed
from citysoc.detectors.sigma.view import View, with_plain_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipped import Shipped

_TRAFFIC = {"event.category": "a parser of firewalls says of every session that it is of the network"}
_ADMIN = {"fortigate.type": "a log-on of an administrator is told by events alone"}
_SUDO = {"event.action": "a command line comes with the action of the program that ran it"}
_METHOD = {"event.action": "the method of a log-on is told by the program of that log-on"}
IMPLIED: dict[str, dict[str, str]] = {
    **dict.fromkeys(
        (
            *(
                "firewall/admin_port_open_to_internet",
                "firewall/attack_tool_port",
                "firewall/directory_to_internet",
            ),
            *("firewall/huge_upload", "firewall/mail_past_the_server", "firewall/remote_desktop_to_internet"),
            *("firewall/smb_to_internet", "firewall/telnet_to_internet"),
        ),
        _TRAFFIC,
    ),
    **dict.fromkeys(
        (
            "firewall/admin_login_failed_from_outside",
            "firewall/admin_login_from_outside",
            "firewall/policy_changed_from_outside",
        ),
        _ADMIN,
    ),
    "firewall/admin_login_at_night": {
        **_ADMIN,
        "source.ip": "what lies in a network is there",
    },
    **dict.fromkeys(
        ("linux/keys_written", "linux/log_removed", "linux/sudo_download_run", "linux/sudo_refused"), _SUDO
    ),
    **dict.fromkeys(
        ("linux/login_from_outside", "linux/root_login_from_outside"),
        _METHOD,
    ),
    "linux/su_to_root_failed": {"event.action": "the account that was asked for is told by this program"},
    "antivirus/c2_connection": {"event.dataset": "reports of connections alone have an address"},
    "antivirus/cleaning_failed": {"threat.software.name": "a row without a name goes to quarantine"},
    "proxy/disk_image": {"citysoc.outcome": "who refuses a file answers with no status 200"},
    "web/open_forward_proxy": {
        "url.original": "said twice: both fields hold the address",
        "url.full": "said twice",
    },
    "web/script_in_upload_folder": {"url.full": "said twice: both fields hold the address"},
    "zeek/remote_desktop_from_internet": {"source.ip": "every session has one"},
}
"""Rule to conditions that no line of a parser can show to be lost, by their field, with the reason."""


def losses(node: list[Any], *, must: bool = True) -> Iterator[tuple[list[Any], list[Any]]]:
    """Yield a test with one part less, and that part: what is lost makes the rule match more."""
    kind = node[0]
    if kind == "not":
        for less, lost in losses(node[1], must=not must):
            yield ["not", less], lost
    elif kind in {"all", "any"}:
        parts = node[1]
        if len(parts) > 1 and (kind == "all") == must:
            for n, lost in enumerate(parts):
                yield [kind, parts[:n] + parts[n + 1 :]], lost
        for n, part in enumerate(parts):
            for less, lost in losses(part, must=must):
                yield [kind, [*parts[:n], less, *parts[n + 1 :]]], lost


def field_of(node: list[Any]) -> str:
    """Return a field that a part looks at."""
    if node[0] in {"all", "any"}:
        return field_of(node[1][0])
    if node[0] == "not":
        return field_of(node[1])
    return str(node[{"text": 3, "like": 2}.get(node[0], 1)])


def unseen(rule: Shipped) -> Iterator[str]:
    """Yield the fields of the conditions whose loss no miss shows."""
    sees = SigmaDetector([{**rule.plan, "codes": None}]).sees
    misses = [View(with_plain_names(event)) for event in timed(evidence(rule.path, "misses")) if sees(event)]
    for less, lost in losses(node_of(rule.plan)):
        matches = predicate(less)
        if not any(map(matches, misses)):
            yield field_of(lost)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.name)
def test_the_loss_of_a_condition_is_seen(rule: Shipped) -> None:
    assert set(unseen(rule)) == set(IMPLIED.get(rule.name, ()))


def test_what_is_lost_makes_a_rule_match_more() -> None:
    """A filter's alternative and a part that must hold are lost; an alternative of what is looked for is not: hits show that."""
    part = [["text", "is", False, "a", ["1"]], ["not", ["any", [["exists", "b"], ["exists", "c"]]]]]
    assert [lost for _less, lost in losses(["all", part])] == [*part, ["exists", "b"], ["exists", "c"]]
    assert list(losses(["any", [["exists", "b"], ["exists", "c"]]])) == []
