from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc.framing.avreport import MAX_DEPTH, frame_avreport
from citysoc.framing.base import Limits

MACHINE = '<Machine ip="10.46.1.5" name="VT-01"><MalwareInfo>{}</MalwareInfo></Machine>'
DETECTION = MACHINE.format("<MalwareName>W32.Sality.PE</MalwareName><NumberFile>{count}</NumberFile>")


def report(body, moment=1791766800, name="BKAV"):
    return f'<AVReport name="{name}"><Datetime>{moment}</Datetime>{body}</AVReport>'.encode()


def frame(data, start=0, **limits):
    return list(
        frame_avreport(io.BytesIO(data), start=start, header=b"", final=True, limits=Limits(**limits))
    )


def records(data, **options):
    return [record for run in frame(data, **options) for record in run.records]


def reasons(data, **options):
    return [refused.reason for run in frame(data, **options) for refused in run.refused]


def test_a_fact_has_the_same_bytes_in_the_next_report():
    first = report(f"<Malware>{DETECTION.format(count=1)}</Malware>", moment=1)
    second = report(f"<Malware>\n  {DETECTION.format(count=1)}</Malware>", moment=2)
    assert records(first) == records(second)
    assert [json.loads(run.header)["datetime"] for run in frame(first) + frame(second)] == ["1", "2"]


@pytest.mark.parametrize(
    "changed",
    [DETECTION.format(count=2), DETECTION.format(count=1).replace("VT-01", "VT-02")],
    ids=["more files", "another machine"],
)
def test_what_grew_is_another_record(changed):
    before = report(f"<Malware>{DETECTION.format(count=1)}</Malware>")
    assert records(before) != records(report(f"<Malware>{changed}</Malware>"))


def test_the_figure_of_machines_without_updates_is_one_for_each_report():
    body = "<Update><NumberMachineNotUpdateOn15Day>7</NumberMachineNotUpdateOn15Day></Update>"
    assert records(report(body, moment=1)) != records(report(body, moment=2))


@pytest.mark.parametrize("namespace", ["", "http://www.mic.gov.vn/TBT/QCVN_102_2016", "urn:any"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_namespace_envelope_and_encoding_mean_nothing(namespace, encoding):
    plain = report(f"<Malware>{DETECTION.format(count=1)}</Malware>").decode()
    wrapped = f'<?xml version="1.0"?><e xmlns="{namespace}"><OrganId>H57</OrganId>{plain}</e>'
    assert records(wrapped.encode(encoding)) == records(plain.encode())


def test_reading_goes_on_behind_what_was_consumed():
    body = "".join(DETECTION.format(count=n) for n in range(10))
    runs = frame(report(f"<Malware>{body}</Malware>"), batch_records=4)
    assert [run.end for run in runs] == [4, 8, 10]
    assert frame(report(f"<Malware>{body}</Malware>"), start=8, batch_records=4) == runs[2:]


def test_two_reports_in_one_envelope_keep_their_own_headers():
    one = report(f"<Malware>{DETECTION.format(count=1)}</Malware>", moment=1, name="A").decode()
    two = report(f"<Malware>{DETECTION.format(count=2)}</Malware>", moment=2, name="B").decode()
    runs = frame(f"<e>{one}{two}</e>".encode())
    assert [json.loads(run.header) for run in runs] == [
        {"datetime": "1", "report": "A"},
        {"datetime": "2", "report": "B"},
    ]


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (f'<!DOCTYPE a [<!ENTITY l0 "lol">{LAUGHS}]><a>&l9;</a>', "xml.entity"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "xml.entity"),
        ('<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1/x.dtd"> %p;]><a/>', "xml.entity"),
        ('<!DOCTYPE a SYSTEM "http://127.0.0.1/x.dtd"><a/>', "xml.dtd"),
        ("<a>" * 100_000, "xml.depth"),
        ("<AVReport><Malware></AVReport>", "xml.invalid"),
        ("<AVReport>&unknown;</AVReport>", "xml.invalid"),
        ('<?xml version="1.0" encoding="no-such"?><AVReport/>', "xml.invalid"),
        ("plain text", "xml.invalid"),
        ("<html/>", "avreport.missing"),
    ],
)
def test_hostile_and_broken_documents_are_refused_with_their_reason(document, reason):
    assert reasons(document.encode()) == [reason]
    assert records(document.encode()) == []


def test_the_place_of_a_fault_is_told_and_what_came_before_is_kept():
    whole = report(f"<Malware>{DETECTION.format(count=1)}{DETECTION.format(count=2)}</Malware>")
    place = whole.index(b"<NumberFile>2") + 5
    [run] = frame(whole[:place] + b"<<" + whole[place:])
    assert len(run.records) == 1
    [refused] = run.refused
    assert refused.reason == "xml.invalid"
    assert abs(refused.offset - place) <= 2
    assert f"byte {refused.offset}" in refused.detail


def test_a_document_over_the_limit_is_refused_where_it_ends():
    body = "".join(DETECTION.format(count=n) for n in range(5000))
    assert reasons(report(f"<Malware>{body}</Malware>"), max_document_bytes=200_000) == ["too_large"]


def test_long_attributes_do_not_multiply_into_every_record():
    machine = f'<Machine name="{"x" * 300_000}">{"<I><N>a</N></I>" * 500}</Machine>'
    found = records(report(f"<Malware>{machine}</Malware>"))
    assert len(found) == 500
    assert max(map(len, found)) < 2000


def test_depth_of_real_reports_is_far_below_the_limit():
    deep = f"<Envelope><Body><X>{report(f'<Malware>{DETECTION.format(count=1)}</Malware>').decode()}</X></Body></Envelope>"
    assert len(records(deep.encode())) == 1
    assert MAX_DEPTH > 10


@given(st.binary(max_size=500))
def test_any_bytes_are_taken(data):
    frame(data)
    frame(b"<AVReport>" + data)
    frame(report(f"<Malware>{DETECTION.format(count=1)}</Malware>")[: len(data)] + data)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00<>&\"'\r"), max_size=50))
def test_any_text_of_a_value_arrives(text):
    found = records(report(f"<Malware>{MACHINE.format(f'<MalwareName>a{text}b</MalwareName>')}</Malware>"))
    if found:  # control characters break XML
        assert json.loads(found[0])["values"]["MalwareName"] == f"a{text}b"
