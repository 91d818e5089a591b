from __future__ import annotations

import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citysoc.framing.base import Limits
from citysoc.framing.csv import frame_csv
from citysoc.framing.documents import csv_line
from citysoc.framing.encodings import decode, decode_tcvn3, fold

VIETNAMESE = "aàảãáạăằẳẵắặâầẩẫấậeèẻẽéẹêềểễếệiìỉĩíịoòỏõóọôồổỗốộơờởỡớợuùủũúụưừửữứựyỳỷỹýỵđ"
TABLE = (
    "STT{d}Tên máy{d}Địa chỉ IP{d}Tên mã độc{d}Đường dẫn{d}Thời gian phát hiện\r\n"
    "1{d}Máy văn thư{d}10.46.1.5{d}W32.Sality.PE{d}D:\\Hồ sơ\\báo cáo.exe{d}01/10/2026 08:30\r\n"
    "2{d}Máy kế toán{d}10.46.1.6{d}W32.FakeDoc.Worm{d}E:\\Ảnh cưới.exe{d}02/10/2026 14:05\r\n"
)


def frame(data, start=0, final=True, **limits):
    return list(frame_csv(io.BytesIO(data), start=start, header=b"", final=final, limits=Limits(**limits)))


def rows(data, **options):
    return [next(csv.reader([r.decode()])) for run in frame(data, **options) for r in run.records]


def refusals(data, **options):
    return [refused for run in frame(data, **options) for refused in run.refused]


def windows_1258(text):
    """Encode as Windows does: letter with its circumflex, breve or horn, then the tone."""
    out = bytearray()
    for char in unicodedata.normalize("NFC", text):
        parts = unicodedata.normalize("NFD", char)
        tones = "".join(p for p in parts if p in "\u0300\u0301\u0303\u0309\u0323")
        bare = unicodedata.normalize("NFC", "".join(p for p in parts if p not in tones))
        out += bare.encode("cp1258") + tones.encode("cp1258")
    return bytes(out)


# Of two bytes that mean the same letter the higher one is what the fonts have.
TCVN3 = {decode_tcvn3(bytes([code])): code for code in range(256)}


def encode_tcvn3(text):
    return bytes(TCVN3[char] for char in unicodedata.normalize("NFC", text))


ENCODERS = {
    "utf-8": str.encode,
    "utf-8 with a mark": lambda text: text.encode("utf-8-sig"),
    "utf-8 decomposed": lambda text: unicodedata.normalize("NFD", text).encode(),
    "utf-16-le": lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
    "utf-16-be": lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
    "utf-16-le without a mark": lambda text: text.encode("utf-16-le"),
    "windows-1258": windows_1258,
    "tcvn3": encode_tcvn3,
}


@pytest.mark.parametrize("encoding", ENCODERS)
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_one_table_has_the_same_records_in_every_encoding_and_delimiter(encoding, delimiter):
    expected = frame(TABLE.format(d=",").encode())
    assert [len(run.records) for run in expected] == [2]
    assert "Máy văn thư".encode() in expected[0].records[0]
    assert frame(ENCODERS[encoding](TABLE.format(d=delimiter))) == expected


def test_the_running_number_is_no_part_of_a_record():
    [run] = frame(TABLE.format(d=";").encode())
    assert run.header.decode().split(",")[0] == "Tên máy"
    [later] = frame(TABLE.format(d=";").replace("\n1;", "\n71;").encode())
    assert later.records == run.records


def test_titles_totals_blank_rows_and_repeated_headers_are_no_records():
    header, first, second = TABLE.format(d=";").split("\r\n")[:3]
    text = "\r\n".join(
        [
            "ỦY BAN NHÂN DÂN;;;;;",
            "BÁO CÁO MÃ ĐỘC THÁNG 10;;;;;",
            "",
            ";;;;;",
            header,
            first,
            header,
            second,
            ";;;;;",
            "Tổng cộng: 2;;;;;",
        ]
    )
    [run] = frame(text.encode())
    assert len(run.records) == 2
    assert run.end == 2


def test_a_quoted_cell_may_hold_delimiters_quotes_and_lines():
    text = (
        'Tên máy;Tên virus;Đường dẫn;Thời gian\n"a;b";V;"dòng 1\ndòng ""2""";01/10/2026\nc;V;d;02/10/2026\n'
    )
    assert rows(text.encode()) == [
        ["a;b", "V", 'dòng 1\ndòng "2"', "01/10/2026"],
        ["c", "V", "d", "02/10/2026"],
    ]


def test_a_stray_quote_swallows_no_rows():
    header = "Tên máy,Tên virus,Đường dẫn,Thời gian\n"
    body = [f"m{n},V,{chr(34) if n in {3, 50} else ''}p{n},01/10/2026\n" for n in range(90)]
    found = rows((header + "".join(body)).encode())
    assert [row[0] for row in found] == [f"m{n}" for n in range(90)]
    assert all(len(row) == 4 for row in found)


def test_rows_longer_than_the_limit_are_refused_and_the_rest_goes_on():
    text = f"Tên máy,Tên virus\na,{'x' * 5000}\nb,V\n"
    [run] = frame(text.encode(), max_record_bytes=1000)
    assert [r.decode() for r in run.records] == ["b,V"]
    assert [(r.reason, r.offset) for r in run.refused] == [("too_long", 0)]
    assert run.offsets == (1,)
    assert rows(f"Tên máy,Tên virus\na,{'x' * 200_000}\nb,V\n".encode()) == [["b", "V"]]


def test_a_document_over_the_limit_is_refused_whole():
    assert [r.reason for r in refusals(b"a,b\n" * 1000, max_document_bytes=1000)] == ["too_large"]


def test_text_without_columns_is_refused():
    assert [r.reason for r in refusals(b"hello\nworld\n")] == ["csv.no_header"]
    assert frame(b"") == []


def test_unknown_column_names_still_make_a_table():
    assert rows(b"Alpha;Beta;Gamma\n1;2;3\n4;5;6\n") == [["1", "2", "3"], ["4", "5", "6"]]


def test_reading_goes_on_behind_what_was_consumed():
    text = ("Tên máy,Tên virus\n" + "".join(f"m{n},V\n" for n in range(10))).encode()
    runs = frame(text, batch_records=4)
    assert [run.end for run in runs] == [4, 8, 10]
    assert frame(text, start=8, batch_records=4) == runs[2:]
    assert frame(text, start=10) == []


def test_a_half_written_last_line_waits():
    text = "Tên máy,Tên virus\na,V\nb,"
    assert rows(text.encode(), final=False) == [["a", "V"]]
    assert len(rows(text.encode(), final=True)) == 2


@given(st.binary(max_size=2000))
def test_any_bytes_are_taken(data):
    frame(data)
    frame("Tên máy;Tên virus\n".encode() + data, max_record_bytes=200)


@given(st.text(alphabet=st.sampled_from('ab";,\n\r\t|é\u0111 '), max_size=300))
def test_any_body_keeps_every_word(text):
    body = "Tên máy;Tên virus\n" + text + "\nlast;row\n"
    kept = b"\n".join(r for run in frame(body.encode()) for r in run.records).decode()
    assert text.count("a") == kept.count("a") - "last;row".count("a")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=8))
def test_a_canonical_line_reads_back(cells):
    assert next(csv.reader(io.StringIO(csv_line(cells).decode(), newline="")), [""]) == cells


@given(st.text(alphabet=VIETNAMESE + VIETNAMESE.upper() + " abcxyz,;0123456789\t\r\n", max_size=200))
def test_tcvn3_reads_back_every_vietnamese_letter(text):
    assert decode_tcvn3(encode_tcvn3(text)) == text


def test_tcvn3_bytes_are_those_of_the_fonts():
    assert encode_tcvn3("Tiếng Việt đã ưỡn").hex(" ") == (
        "54 69 d5 6e 67 20 56 69 d6 74 20 ae b7 20 ad ec 6e"
    )


@pytest.mark.parametrize("encode", [encode_tcvn3, windows_1258])
@pytest.mark.parametrize(
    "text",
    ["Đã cách ly", "Trạng thái: chưa xử lý", "phường Thủy Xuân", "Đường dẫn", "Nguyễn Huệ, Huế", "mã độc"],
)
def test_legacy_encodings_are_told_apart_by_their_syllables(encode, text):
    assert decode(encode(text))[0] == text


def test_a_few_damaged_bytes_do_not_turn_utf8_into_another_encoding():
    data = ("Mã độc tại phường Thuận Hóa; " * 20).encode() + b"\xe1\xba"
    text, encoding = decode(data)
    assert encoding == "utf-8"
    assert text.startswith("Mã độc tại phường Thuận Hóa")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Tên máy", "TEN MAY"),
        ("Địa chỉ IP", "dia-chi  ip"),
        ("Mã độc", unicodedata.normalize("NFD", "mã độc")),
    ],
)
def test_folding_forgets_marks_case_and_gaps(one, other):
    assert fold(one) == fold(other)
