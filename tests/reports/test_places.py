"""Country and network of addresses, from MaxMind DB files that the tests write."""

from __future__ import annotations

import pytest

from citysoc import i18n
from citysoc.config.reports import Reports
from citysoc.ecs.schema import to_table
from citysoc.reports.computing.places import Places
from citysoc.reports.sections import document
from citysoc.stores.local import LocalStore
from tests.reports.made import event, figures_of, written
from tests.reports.mmdb import database

COUNTRIES = {
    "203.0.113.0/25": {"country": {"iso_code": "NL", "names": {"en": "Netherlands"}}},
    "203.0.113.128/25": {"registered_country": {"iso_code": "VN"}},
    "198.51.100.0/24": {"country": {"iso_code": 7}},
}
NETWORKS = {
    "203.0.113.0/24": {
        "autonomous_system_number": 64500,
        "autonomous_system_organization": "Example <b>Net\u202e</b> " + "x" * 200,
    },
    "198.51.100.0/24": {"autonomous_system_number": 64501},
}


@pytest.fixture
def config(tmp_path):
    (tmp_path / "country.mmdb").write_bytes(database(COUNTRIES))
    (tmp_path / "asn.mmdb").write_bytes(database(NETWORKS, kind="GeoLite2-ASN"))
    (tmp_path / "broken.mmdb").write_bytes(b"no database")
    names = "country.mmdb, asn.mmdb, broken.mmdb, absent.mmdb"
    return written(tmp_path, settings=f"reports: {{geoip: [{names}]}}")


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("203.0.113.9", "NL, AS64500 Example <b>Net"),
        ("203.0.113.200", "VN, AS64500 Example <b>Net"),
        ("198.51.100.1", "AS64501"),
        ("192.0.2.1", ""),
        ("2001:db8::1", ""),
        ("no address", ""),
    ],
)
def test_an_address_has_its_country_and_network(config, address, place):
    with Places(config) as places:
        found = places.of(address)
    assert found.startswith(place) if place else not found
    assert len(found) <= 80
    assert "\u202e" not in found


def test_the_table_of_attackers_has_a_column_for_them(config):
    some = [event(n, **{"source.ip": "203.0.113.9" if n < 3 else "192.0.2.1"}) for n in range(4)]
    LocalStore(config.store_path).append(to_table(some), 1)
    figures = figures_of(config)
    assert [(row.label, row.place[:10], row.count) for row in figures.attackers] == [
        ("203.0.113.9", "NL, AS6450", 3),
        ("192.0.2.1", "", 1),
    ]
    with i18n.speaking("vi"):
        (table,) = (t for t in document(figures, Reports(), {}).tables() if t.name == "attackers")
    assert [column.title for column in table.columns][2] == "Quốc gia, mạng"
    assert [row[2][:2] for row in table.rows] == ["NL", "–"]
