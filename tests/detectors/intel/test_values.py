"""Values of feeds and of events are spelled alike, whatever way they were written."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc.detectors.intel.values import (
    KINDS,
    canonical_domain,
    canonical_mail,
    masked,
    pack,
    refang,
    split_url,
    typed,
    unpack,
)

SHA256 = "ab" * 32


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("45.61.1.2", "address", "45.61.1.2"),
        ("45[.]61[.]1(.)2", "address", "45.61.1.2"),
        ("45.61.1.2:8443", "address", "45.61.1.2"),
        ("45.61.1.2/32", "address", "45.61.1.2"),
        ("[2A00:1450:0::1]", "address", "2a00:1450::1"),
        ("::ffff:45.61.1.2", "address", "45.61.1.2"),
        ("45.61.1.77/24", "network", "45.61.1.0/24"),
        ("2a00:1450:1::/48", "network", "2a00:1450:1::/48"),
        ("Bad-Things[.]TOP.", "domain", "bad-things.top"),
        ("*.bad-things.top", "domain", "bad-things.top"),
        ("bad dot top", "", "no_indicator"),
        ("bad[dot]top", "domain", "bad.top"),
        ("độc-hại.vn", "domain", "độc-hại.vn".encode("idna").decode()),
        ("hxxps[:]//bad[.]top:443/A?q=1#x", "url", "bad.top/A?q=1"),
        ("hXXp://user:pw@BAD.top:8080", "url", "bad.top:8080/"),
        ("fxp://bad.top/a", "url", "bad.top/a"),
        ("bad.top/a b", "", "no_indicator"),
        ("bad.top/a%7eb%2Fc", "url", "bad.top/a~b%2Fc"),
        ("http://[2a00::1]:80/x", "url", "[2a00::1]/x"),
        (SHA256.upper(), "hash", SHA256),
        ('"D41D8CD98F00B204E9800998ECF8427E"', "hash", "d41d8cd98f00b204e9800998ecf8427e"),
        ("Boss[@]Bad[.]top", "email", "boss@bad.top"),
        ("mailto:boss@bad.top", "email", "boss@bad.top"),
        ("0.0.0.0/0", "", "too_broad"),
        ("45.0.0.0/7", "", "too_broad"),
        ("::/0", "", "too_broad"),
        ("localhost", "", "single_label"),
        ("45.61.1.256", "", "no_indicator"),
        ("45.61.1.2/33", "", "no_indicator"),
        ("", "", "empty"),
        ("a\0b.top", "", "unprintable"),
        ("a" * 5000 + ".top", "", "too_long"),
        ("http://" + "a" * 3000 + ".top/", "", "too_long"),
    ],
)
def test_a_text_of_a_feed_has_one_kind_and_one_spelling(text, kind, value):
    assert typed(text) == (kind, value)


def test_what_does_not_fit_the_kind_that_a_feed_names_is_refused():
    assert typed("bad.top", "hash") == ("", "other_kind")
    assert typed("45.61.1.0/24", "address") == ("network", "45.61.1.0/24")
    assert typed("45.61.1.2", "domain") == ("address", "45.61.1.2")


@given(st.text(max_size=300) | st.from_regex(r"[a-z\[\]().:/@%0-9]{1,60}", fullmatch=True))
def test_any_text_is_told_and_a_value_is_a_value_again(text):
    kind, value = typed(text)
    assert (kind in KINDS) if kind else value
    if kind and kind != "url":
        assert typed(value) == (kind, value)
    elif kind:
        assert typed(f"http://{value}") == (kind, value)


@given(st.ip_addresses(), st.integers(0, 128))
def test_masks_are_those_of_networks(address, prefix):
    prefix = min(prefix, address.max_prefixlen)
    packed = pack(str(address))
    if len(packed) == len(address.packed):  # IPv4 in IPv6 is IPv4 here
        network = ipaddress.ip_network(f"{address}/{prefix}", strict=False)
        assert unpack(masked(packed, prefix)) == str(ipaddress.ip_address(network.network_address))


@given(st.from_regex(r"[a-z]{2,8}(\.[a-z]{2,8}){1,3}", fullmatch=True))
def test_a_defanged_name_is_the_name(name):
    for defanged in (name.replace(".", "[.]"), name.replace(".", "(dot)"), name.upper(), f"{name}."):
        assert canonical_domain(refang(defanged)) == name
    assert split_url(refang("hxxp[://]" + name.replace(".", "[.]") + "/")).host == name


@given(st.text(max_size=400))
def test_hosts_urls_and_mail_addresses_of_events_never_raise(text):
    canonical_domain(text)
    canonical_mail(text)
    split_url(f"http://{text}")
    pack(text)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("c2.top:8443", "domain", "c2.top"),  # the port is the server's, the name is what is known
        ("c2[.]top:8443", "domain", "c2.top"),
        ("c2.top:https", "", "no_indicator"),
        ("sha256:" + "AB" * 32, "hash", "ab" * 32),
        ("MD5=" + "cd" * 16, "hash", "cd" * 16),
        ("sha-1: " + "ef" * 20, "hash", "ef" * 20),
        ("sha256:" + "zz" * 32, "", "no_indicator"),
        ("[2606:4700:4700::64]:443", "address", "2606:4700:4700::64"),
        ("0.0.0.0/0", "", "too_broad"),
        ("::/0", "", "too_broad"),
        ("45.61.0.0/33", "", "no_indicator"),
        ("mã-độc.top", "domain", "xn--m-c-mla5uu74n.top"),
        ("MÃ-ĐỘC.TOP", "domain", "xn--m-c-mla5uu74n.top"),
    ],
)
def test_what_people_write_in_lists(text, kind, value):
    assert typed(text) == (kind, value)
