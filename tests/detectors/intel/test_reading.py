"""Feeds in their forms: what they name is taken with what they say of it, the rest is counted with its reason."""

from __future__ import annotations

import contextlib
import gzip
import json
import zipfile

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc.detectors.intel.indicator import Account
from citysoc.detectors.intel.reading import read_feed, sniff
from citysoc.errors import InputError
from tests.corpus import CORPUS, needs_corpus

SHA1, MD5, SHA256 = "cd" * 20, "ef" * 16, "ab" * 32


@pytest.fixture
def read(tmp_path):
    def reading(content, format_="auto", name="feed"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        account = Account()
        return list(read_feed(path, format_=format_, account=account)), account

    return reading


def pairs(found):
    return [(one.kind, one.value) for one in found]


def test_a_plain_list_with_remarks_counts_and_hosts(read):
    found, account = read(
        "# remark\n; another\n// a third\n45.61.1.2\t10\n0.0.0.0 bad.top\n127.0.0.1 worse.top # seen\n\nwhat is this\n"
    )
    assert pairs(found) == [("address", "45.61.1.2"), ("domain", "bad.top"), ("domain", "worse.top")]
    assert (account.format, account.entries, account.skipped) == ("list", 4, {"single_label": 1})
    assert account.samples["single_label"] == ["8: what"]


URLHAUS = """\
################################################################
# abuse.ch URLhaus Database Dump (CSV - recent URLs only)      #
# Terms Of Use, and so on                                      #
################################################################
#
# id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter
"9","2026-11-22 07:50:00","http://45.61.7.7:51234/bin.sh","online","2026-11-22","malware_download","elf,mirai","https://urlhaus.abuse.ch/url/9/","x"
"8","2026-11-22 07:50:00","https://drop.top/x,y/z.exe","offline","","malware_download","None","https://urlhaus.abuse.ch/url/8/","x"
"""
THREATFOX = """\
# ThreatFox IOCs: recent
# "first_seen_utc","ioc_id","ioc_value","ioc_type","threat_type","fk_malware","malware_alias","malware_printable","last_seen_utc","confidence_level","is_compromised","reference","tags","anonymous","reporter"
"2026-11-22 07:00:00", "12", "45.61.8.8:8443", "ip:port", "botnet_cc", "win.emotet", "Heodo", "Emotet", "", "100", "False", "None", "tier1", "0", "x"
"2026-11-22 07:00:00", "13", "c2.top", "domain", "botnet_cc", "win.qakbot", "None", "Unknown", "", "75", "False", "None", "None", "0", "x"
"""
FEODO = """\
# Feodo Tracker Botnet C2 IP Blocklist
first_seen_utc,dst_ip,dst_port,c2_status,last_online,malware
2026-11-01 00:00:00,45.61.10.1,443,online,2026-11-22,QakBot
# END 1 entries
"""
BAZAAR = f"""\
# MalwareBazaar recent malware samples
# "first_seen_utc","sha256_hash","md5_hash","sha1_hash","reporter","file_name","file_type_guess","mime_type","signature","clamav","vtpercent","imphash","ssdeep","tlsh"
"2026-11-22 07:00:00", "{SHA256}", "{MD5}", "{SHA1}", "x", "a.exe", "exe", "application/x-dosexec", "AgentTesla", "n/a", "n/a", "n/a", "n/a", "n/a"
"""
SSLBL = f"""\
# abuse.ch SSLBL SSL Certificate Blacklist
# Listingdate,SHA1,Listingreason
2026-11-22 05:00:00,{SHA1},Vidar C&C
"""


@pytest.mark.parametrize(
    ("text", "values", "names", "confidences"),
    [
        (URLHAUS, [("url", "45.61.7.7:51234/bin.sh"), ("url", "drop.top/x,y/z.exe")], ["", ""], [None, None]),
        (THREATFOX, [("address", "45.61.8.8"), ("domain", "c2.top")], ["Emotet", "win.qakbot"], [100, 75]),
        (FEODO, [("address", "45.61.10.1")], ["QakBot"], [None]),
        (BAZAAR, [("hash", SHA256), ("hash", MD5), ("hash", SHA1)], ["AgentTesla"] * 3, [None] * 3),
        (SSLBL, [("hash", SHA1)], ["Vidar C&C"], [None]),
    ],
    ids=["urlhaus", "threatfox", "feodo", "malwarebazaar", "sslbl"],
)
def test_tables_of_abuse_ch_by_their_header(read, text, values, names, confidences):
    found, account = read(text)
    assert account.format == "csv"
    assert sorted(pairs(found)) == sorted(values)
    assert [one.confidence for one in found] == confidences
    if text is THREATFOX:
        names = ["Emotet", found[1].name]
    assert [one.name for one in found] == names
    assert account.skipped == {}


def test_tags_and_links_of_a_table_stay(read):
    found, _account = read(URLHAUS)
    assert found[0].tags == ("malware_download", "elf", "mirai")
    assert found[1].tags == ("malware_download",)
    assert found[0].note == "https://urlhaus.abuse.ch/url/9/"


def test_a_table_of_one_s_own_by_header_and_by_value(read):
    found, _account = read(
        "Indicator;Confidence;Valid Until;Malware\nbad.top;140;2027-01-01T00:00:00+07:00;Zloader\n45.61.1.2;x;never;\n"
    )
    assert pairs(found) == [("domain", "bad.top"), ("address", "45.61.1.2")]
    assert (found[0].confidence, found[0].expires, found[0].name) == (100, 1798736400, "Zloader")
    assert (found[1].confidence, found[1].expires) == (None, None)
    found, account = read("2026-11-01,45.61.1.2,scan\n2026-11-01,45.61.1.3,scan\n2026-11-02,oh,scan\n", "csv")
    assert pairs(found) == [("address", "45.61.1.2"), ("address", "45.61.1.3")]
    assert account.skipped == {"single_label": 1}


MISP = {
    "response": [
        {
            "Event": {
                "info": "Phishing of a bank",
                "Tag": [{"name": 'misp:confidence-level="usually-confident"'}],
                "Attribute": [
                    {"type": "domain|ip", "value": "bad.top|45.61.1.3", "to_ids": True, "comment": "landing"},
                    {"type": "filename|sha256", "value": f"a.exe|{SHA256}", "to_ids": "1"},
                    {"type": "ip-dst", "value": "45.61.1.9", "to_ids": False},
                    {"type": "ip-dst", "value": "45.61.1.9", "to_ids": True, "deleted": True},
                    {"type": "mutex", "value": "abc", "to_ids": True},
                    {"type": "ip-dst", "value": 7, "to_ids": True},
                    "nonsense",
                ],
                "Object": [
                    {
                        "name": "email",
                        "Attribute": [
                            {
                                "type": "email-src",
                                "value": "Boss@bad.top",
                                "to_ids": True,
                                "Tag": [{"name": 'misp-galaxy:malpedia="Emotet"'}],
                            }
                        ],
                    }
                ],
            }
        }
    ]
}


def test_events_of_misp_attributes_and_objects(read):
    found, account = read(json.dumps(MISP))
    assert pairs(found) == [
        ("domain", "bad.top"),
        ("address", "45.61.1.3"),
        ("hash", SHA256),
        ("email", "boss@bad.top"),
    ]
    assert {one.confidence for one in found} == {75}
    assert (found[0].note, found[2].note) == ("landing", "Phishing of a bank")
    assert found[3].name == "Emotet"
    assert account.skipped == {"not_to_ids": 1, "deleted": 1, "type mutex": 1, "type ip-dst": 1}


def bundle(*patterns, **more):
    objects = [
        {"type": "indicator", "id": f"indicator--{n}", "pattern_type": "stix", "pattern": one, **more}
        for n, one in enumerate(patterns)
    ]
    return {"type": "bundle", "id": "bundle--0", "objects": objects}


@pytest.mark.parametrize(
    ("pattern", "values"),
    [
        ("[ipv4-addr:value = '45.61.1.2']", [("address", "45.61.1.2")]),
        (
            "[ipv6-addr:value = '2A00::1'] OR [url:value='http://bad.top/x']",
            [("address", "2a00::1"), ("url", "bad.top/x")],
        ),
        ("[domain-name:value IN ('a.top', 'b.top')]", [("domain", "a.top"), ("domain", "b.top")]),
        ("[ipv4-addr:value ISSUBSET '45.61.1.0/24']", [("network", "45.61.1.0/24")]),
        (
            f"[file:hashes.'SHA-256' = '{SHA256}' AND file:hashes.MD5 = '{MD5}']",
            [("hash", SHA256), ("hash", MD5)],
        ),
        ("([file:hashes.\"x\" = 'a'])", None),
        ("[email-message:from_ref.value = 'Boss@bad.top']", [("email", "boss@bad.top")]),
        (
            "[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '45.61.1.2']",
            [("address", "45.61.1.2")],
        ),
        (
            "[(domain-name:value = 'a.top' OR domain-name:value = 'b.top')]",
            [("domain", "a.top"), ("domain", "b.top")],
        ),
        ("[ipv4-addr:value = '45.61.1.2' AND domain-name:value = 'a.top']", None),
        ("[domain-name:value LIKE '%.top']", None),
        ("[domain-name:value MATCHES 'a+']", None),
        ("[domain-name:value != 'a.top']", None),
        ("[NOT domain-name:value = 'a.top']", None),
        ("[domain-name:value NOT IN ('a.top')]", None),
        ("[domain-name:value = 'a.top'] FOLLOWEDBY [domain-name:value = 'b.top']", None),
        ("[domain-name:value = 'a.top'] REPEATS 5 TIMES", None),
        ("[process:name = 'x']", None),
        ("[ipv4-addr:value = '45.61.1.2' AND network-traffic:dst_port = 80]", None),
        ("(" * 500 + "[domain-name:value = 'a.top']", None),
        ("[domain-name:value = 'it\\'s']", None),
        ("", None),
        ("[[[", None),
    ],
)
def test_patterns_of_stix_are_honoured_wholly_or_not_at_all(read, pattern, values):
    # beside one that is good, so that the feed as a whole is
    found, account = read(json.dumps(bundle(pattern, "[domain-name:value = 'good.top']")))
    assert pairs(found)[:-1] == (values or [])
    assert bool(account.skipped) is (values is None), account.skipped


def test_what_a_bundle_says_of_an_indicator(read):
    document = bundle(
        "[ipv4-addr:value = '45.61.1.2']", confidence=90, valid_until="2027-01-01T00:00:00Z", labels=["c2"]
    )
    document["objects"] += [
        {"type": "malware", "id": "malware--1", "name": "Emotet"},
        {
            "type": "relationship",
            "id": "relationship--1",
            "relationship_type": "indicates",
            "source_ref": "indicator--0",
            "target_ref": "malware--1",
        },
        {
            "type": "indicator",
            "id": "indicator--r",
            "revoked": True,
            "pattern": "[ipv4-addr:value = '45.61.1.3']",
        },
        {"type": "indicator", "id": "indicator--y", "pattern_type": "yara", "pattern": "rule x {}"},
    ]
    found, account = read(json.dumps(document))
    (one,) = found
    assert (one.confidence, one.expires, one.name, one.tags) == (90, 1798761600, "Emotet", ("c2",))
    assert account.skipped == {"revoked": 1, "pattern_type": 1}


def test_an_indicator_without_a_name_of_its_own_is_counted_as_left_out(read):
    document = bundle("[ipv4-addr:value = '45.61.1.2']")
    pattern = {"pattern_type": "stix", "pattern": "[ipv4-addr:value = '45.61.1.3']"}
    document["objects"] += [7, {"type": "indicator", "id": 7, **pattern}, {"type": "indicator", **pattern}]
    found, account = read(json.dumps(document))
    assert [one.value for one in found] == ["45.61.1.2"]
    assert account.skipped == {"no_id": 2}
    assert account.entries == 3


def test_packed_feeds_are_unpacked(read, tmp_path):
    assert pairs(read(gzip.compress(b"45.61.1.2\n"))[0]) == [("address", "45.61.1.2")]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("LICENSE.txt", "bad.top\n")
        archive.writestr("full.csv", FEODO)
    found = list(read_feed(tmp_path / "a.zip", account=Account()))
    assert pairs(found) == [("address", "45.61.10.1")]
    assert pairs(read("\ufeff45.61.1.2\r\nbad.top\r\n".encode("utf-16-le"))[0]) == [
        ("address", "45.61.1.2"),
        ("domain", "bad.top"),
    ]


@pytest.mark.parametrize(
    "content",
    [
        b'{"a":',
        b"[" * 100_000,
        b'{"objects": {"a": 1}}',
        b'[{"type": "indicator", "id": 7}]',
        b'{"Event": []}',
        gzip.compress(bytes(60_000_000)),
        gzip.compress(b"45.61.1.2\n" * 1000)[:-20],
        b"PK\x03\x04 and then nothing",
        b"Rar!\x1a\x07\x00",
    ],
    ids=["half", "deep", "objects", "ids", "misp", "bomb", "cut", "zip", "rar"],
)
def test_what_cannot_be_read_says_so(read, content):
    with pytest.raises(InputError):
        read(content)


def test_absurd_lines_are_counted(read):
    huge = b"a" * 3_000_000
    found, account = read(b"45.61.1.2\n" + huge + b"\n" + b"\0\0\xff\xfe\n" + b"bad.top\n" + huge, "list")
    assert pairs(found) == [("address", "45.61.1.2"), ("domain", "bad.top")]
    assert account.skipped == {"line_too_long": 2, "unprintable": 1}
    found, account = read(b"ip,x\n45.61.1.2,1\n" + b"," * 2000 + b'\n"45.61.1.3,\n')
    assert pairs(found)[0] == ("address", "45.61.1.2")
    assert account.skipped["too_many_cells"] == 1


@given(st.binary(max_size=600), st.sampled_from(["list", "csv", "misp", "stix", "auto"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory, content, format_):
    path = tmp_path_factory.mktemp("feed") / "feed"
    path.write_bytes(content)
    try:
        for one in read_feed(path, format_=format_, account=Account()):
            assert all((one.kind, one.value))
    except InputError:
        pass


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["indicator", "ip-dst", "1"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "id",
                    "objects",
                    "pattern",
                    "Event",
                    "Attribute",
                    "Object",
                    "Tag",
                    "value",
                    "to_ids",
                    "name",
                    "response",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JSON, st.sampled_from(["misp", "stix", "auto"]))
def test_any_json_is_read_or_refused(tmp_path_factory, value, format_):
    path = tmp_path_factory.mktemp("feed") / "feed"
    path.write_bytes(orjson.dumps(value, option=orjson.OPT_PASSTHROUGH_DATACLASS) if _fits(value) else b"{}")
    with contextlib.suppress(InputError):
        list(read_feed(path, format_=format_, account=Account()))


def _fits(value):
    try:
        orjson.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


@needs_corpus
def test_a_real_list_is_read_whole():
    account = Account()
    found = list(read_feed(CORPUS / "intel" / "ipsum.txt.gz", account=account))
    assert len(found) == account.entries > 120_000
    assert not account.skipped


def test_forms_are_told_by_their_beginning():
    assert sniff(b"45.61.1.2\nbad.top\n") == "list"
    assert sniff(URLHAUS.encode()) == sniff(THREATFOX.encode()) == sniff(FEODO.encode()) == "csv"
    assert sniff(b"\xef\xbb\xbf\n {}") == "json"
    assert sniff(b"") == "list"
