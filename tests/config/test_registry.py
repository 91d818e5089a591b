from __future__ import annotations

import copy
import ipaddress
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc.config.agencies import Agency
from citysoc.config.fold import fold
from citysoc.config.registry import Registry


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Phường Thuận Hóa", "phường thuận hoá"),
        ("Chân Mây - Lăng Cô", "chan may–lang  co"),
        ("Đảng ủy", "DANG UY"),
        (unicodedata.normalize("NFD", "Độc hại"), "độc hại"),
    ],
)
def test_fold_joins_ways_of_writing(one, other):
    assert fold(one) == fold(other)


def test_fold_keeps_different_names_apart():
    assert fold("Phong Điền") != fold("Phong Dinh")


@given(st.text())
def test_fold_is_idempotent(text):
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_fold_does_not_see_composition_or_case(text):
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))


def _agency(name: str, **more) -> Agency:
    return Agency(id=more.pop("id", fold(name).replace(" ", "-")), name=name, **more)


CITY = Registry(
    [
        _agency("Sở Y tế", name_en="Department of Health"),
        _agency("Đảng ủy phường Thuận Hóa"),
        _agency("Ủy ban nhân dân phường Thuận Hóa", aliases=("HĐND Thuận Hóa",)),
        _agency("Ủy ban nhân dân phường Mỹ Thượng"),
        _agency("Ủy ban nhân dân xã Phú Lộc"),
        _agency("Ủy ban nhân dân phường Phú Lộc"),
    ]
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("sở y tế", "Sở Y tế"),
        ("SO Y TE", "Sở Y tế"),
        ("Y tế", "Sở Y tế"),
        ("so-y-te", "Sở Y tế"),
        ("department of health", "Sở Y tế"),
        ("Thuận Hoá", "Ủy ban nhân dân phường Thuận Hóa"),
        ("UBND phường Thuận Hóa", "Ủy ban nhân dân phường Thuận Hóa"),
        ("UBND P. Thuận Hóa", "Ủy ban nhân dân phường Thuận Hóa"),
        ("P.Thuận Hóa", "Ủy ban nhân dân phường Thuận Hóa"),
        ("HĐND - Thuận Hóa", "Ủy ban nhân dân phường Thuận Hóa"),
        ("Đảng ủy phường Thuận Hóa", "Đảng ủy phường Thuận Hóa"),
        ("Mĩ Thượng", "Ủy ban nhân dân phường Mỹ Thượng"),
        ("UBND xã Phú Lộc", None),
        ("Ủy ban nhân dân xã Phú Lộc", "Ủy ban nhân dân xã Phú Lộc"),
        ("Phú Lộc", None),
        ("Xanh", None),
        ("", None),
        ("phường", None),
    ],
)
def test_agency_by_name(text, found):
    agency = CITY.by_name(text)
    assert (agency.name if agency else None) == found


def test_order_is_that_of_the_file_and_pickling_keeps_it():
    again = copy.copy(CITY)  # as pickling does, by __reduce__: workers get it so
    assert list(again) == list(CITY)
    assert again.by_name("Y tế") == CITY.by_name("Y tế")


def test_sender_wins_over_network_and_mapped_addresses_are_v4():
    registry = Registry(
        [
            _agency("net", networks=("10.0.0.0/8", "fd00::/8")),
            _agency("relay", senders=("10.1.1.1", "fd00::1")),
        ]
    )
    ids = {text: getattr(registry.by_address(text), "id", None) for text in _ADDRESSES}
    assert ids == _ADDRESSES


_ADDRESSES = {
    "10.1.1.1": "relay",
    "::ffff:10.1.1.1": "relay",
    "10.1.1.2": "net",
    "::ffff:10.1.1.2": "net",
    "fd00::1": "relay",
    "fd00::2%eth0": "net",
    "11.0.0.1": None,
    "9.255.255.255": None,
    "no address": None,
    "": None,
}


def _network(address: int, length: int, version: int) -> str:
    bits = 32 if version == 4 else 128
    # Few high bits vary, so that networks nest, touch and coincide often.
    start = (address << (bits - 6)) >> (bits - length) << (bits - length)
    text = ipaddress.IPv4Address(start) if version == 4 else ipaddress.IPv6Address(start)
    return f"{text}/{length}"


_networks = st.builds(_network, st.integers(0, 63), st.integers(0, 8), st.sampled_from((4, 6)))


def test_the_second_half_of_a_network_belongs_to_whom_it_was_given():
    whole, halves = (
        _agency("a0", networks=("10.0.0.0/8",)),
        _agency("a1", networks=("10.0.0.0/9", "10.128.0.0/9")),
    )
    assert Registry([whole, halves]).by_address("10.200.0.1").id == "a1"


@given(st.lists(st.lists(_networks, max_size=4), max_size=5), st.data())
def test_by_address_agrees_with_a_linear_scan(owned, data):
    agencies = [_agency(f"a{n}", networks=tuple(nets)) for n, nets in enumerate(owned)]
    registry = Registry(agencies)
    edges = [
        edge + step
        for nets in owned
        for net in map(ipaddress.ip_network, nets)
        for edge, step in ((net.network_address, 0), (net.broadcast_address, 0))
    ]
    near = st.sampled_from(edges) if edges else st.ip_addresses()
    address = data.draw(st.one_of(st.ip_addresses(), near))
    if getattr(address, "ipv4_mapped", None):
        return
    expected = _scan(agencies, address)
    found = registry.by_address(str(address))
    assert (found.id if found else None) == expected
    for moved in _neighbours(address):
        found = registry.by_address(str(moved))
        assert (found.id if found else None) == _scan(agencies, moved)


def _neighbours(address):
    for step in (-1, 1):
        moved = int(address) + step
        if 0 <= moved < 2**address.max_prefixlen:
            yield type(address)(moved)


def _scan(agencies, address):
    best = None
    for agency in agencies:
        for net in map(ipaddress.ip_network, agency.networks):
            if (
                net.version == address.version
                and address in net
                and (best is None or net.prefixlen > best[0])
            ):
                best = (net.prefixlen, agency.id)
    return best[1] if best else None
