"""The scan finds what should not be there, and keeps quiet about what may."""

from __future__ import annotations

import json
import random
import re
import struct
import urllib.parse

import pytest
from stdnum.cn import ric

from schemas.dicom.elements import RawElement
from tasks.deidentify.identifiers import (
    Identifier,
    SubjectIdentifiers,
    harvest_element,
    merge_identifiers,
)
from tasks.deidentify.identifiers import IdentifierKind as K
from tasks.deidentify.search.needles import needles_of
from tasks.deidentify.search.residual_scan import (
    Dictionary,
    Match,
    search_generic,
    stands_alone,
)

ME, OTHER = "S91-AAAAAAAA", "S91-BBBBBBBB"


def dictionary(*found: tuple[K, str], shift_days: int | None = None) -> Dictionary:
    identifiers = frozenset(Identifier(kind, value) for kind, value in found)
    return Dictionary([SubjectIdentifiers(ME, shift_days, identifiers)])


def kinds(matches: frozenset[Match]) -> set[str]:
    return {str(m.kind) for m in matches}


@pytest.mark.parametrize(
    "written",
    [
        "张伟明".encode(),
        "张伟明".encode("gb18030"),
        "张伟明".encode("utf-16-le"),
        "张伟明".encode("utf-16-be"),
        b"\x1b$)A" + "张伟明".encode("gb2312"),
        "张".encode("gbk") + b"^\x1b$)A" + "伟明".encode("gbk"),
        "张伟明".encode("gbk").decode("latin-1").encode(),
        b'{"name": "\\u5f20\\u4f1f\\u660e"}',
        b"<td>&#24352;&#20255;&#26126;</td>",
        b"/report/%E5%BC%A0%E4%BC%9F%E6%98%8E.html",
        b"patient: ZHANG Weiming",
        b"weiming_zhang.pdf",
        "zhangweiming".encode("utf-16-le"),
    ],
)
def test_a_name_is_found_in_every_encoding_and_spelling(written: bytes) -> None:
    assert kinds(dictionary((K.NAME, "张伟明")).search(b"... " + written + b" ...")) == {"name"}


def test_a_name_is_found_in_big5() -> None:
    words = dictionary((K.NAME, "王小明"))
    assert kinds(words.search(b"<" + "王小明".encode("big5") + b">")) == {"name"}


@pytest.mark.parametrize(
    ("name", "written", "codecs"),
    [
        ("홍^길동", "홍 길동", ("utf-8", "utf-16-le", "gb18030", "euc_kr")),
        ("Hong^Gildong=洪^吉洞=홍^길동", "홍길동", ("utf-8", "euc_kr")),
        ("ヤマダ^タロウ", "ヤマダ^タロウ", ("utf-8", "shift_jis", "iso2022_jp", "euc_jp")),
        ("やまだ^たろう", "やまだたろう", ("utf-8", "utf-16-le", "utf-16-be", "iso2022_jp")),
        ("山田^太郎", "山田太郎", ("euc_jp", "iso2022_jp", "shift_jis")),
        ("Müller^José", "MÜLLER JOSÉ", ("utf-8", "utf-16-le", "latin-1")),
        ("MÜLLER^JOSÉ", "müller, josé", ("utf-8", "iso8859-15")),
        ("Łukasz^Wałęsa", "ŁUKASZ WAŁĘSA", ("utf-8", "iso8859-2")),
        ("Łukasz^Wałęsa", "Lukasz Walesa", ("utf-8",)),
        ("Иван^Петров", "ПЕТРОВ ИВАН", ("utf-8", "iso8859-5")),
    ],
)
def test_a_name_of_another_script_or_with_accents_is_found_in_every_case(
    name: str, written: str, codecs: tuple[str, ...]
) -> None:
    words = dictionary((K.NAME, name))
    for codec in codecs:
        assert kinds(words.search(b"\0\0" + written.encode(codec) + b"\0\0")) == {"name"}, codec
    for quoted in (urllib.parse.quote(written, safe=" ^,"), json.dumps(written)):
        assert kinds(words.search(quoted.encode())) == {"name"}


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        (K.NAME, "Dimitra^ア", "dimitra ア"),
        (K.NAME, "김^Minjung", "Minjung 김"),
        (K.PATIENT_ID, "ｱ8812345", "no. ｱ8812345"),
        (K.HOSPITAL, "Nordklinik Alphabeta 東", "NORDKLINIK ALPHABETA 東"),
    ],
)
def test_one_character_of_another_script_hides_no_text(kind: K, value: str, written: str) -> None:
    for codec in ("utf-8", "utf-16-le", "utf-16-be"):
        found = dictionary((kind, value)).search(b"\0\0" + written.encode(codec) + b"\0\0")
        assert kinds(found) == {str(kind)}, codec


@pytest.mark.parametrize("beside", [b"\n", b"\r\n", b"\t", b"\n\0", "\u3000".encode()])
@pytest.mark.parametrize(
    ("tag", "vr", "value"),
    [
        (0x00100020, "LO", "A8812345"),
        (0x00080018, "UI", "1.2.840.99999.5678"),
        (0x00080080, "LO", "Nordklinik Alphabeta"),
        (0x00100010, "PN", "王小明"),
    ],
)
def test_a_value_is_found_without_the_line_end_it_was_delivered_with(
    tag: int, vr: str, value: str, beside: bytes
) -> None:
    delivered = RawElement(tag, vr, beside + value.encode() + beside)
    words = Dictionary(
        [SubjectIdentifiers(ME, None, harvest_element(delivered, "ISO_IR 192"))],
    )
    assert words.search(f"- {value} -".encode())


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        (K.NAME, "Ｚｈａｎｇ Ｗｅｉｍｉｎｇ", "zhang weiming"),
        (K.PATIENT_ID, "Ａ８８１２３４５", "A8812345"),
        (K.VISIT, "８８１２３４５６", "88123456"),
        (K.NAME, "ﾔﾏﾀﾞ^ﾀﾛｳ", "ヤマダ タロウ"),
        (K.NAME, "王\u200b小明", "王小明"),
    ],
)
def test_a_value_typed_in_another_width_is_found_in_the_usual_one(
    kind: K, value: str, written: str
) -> None:
    words = dictionary((kind, value))
    for text in (value, written):
        assert kinds(words.search(f"- {text} -".encode())) == {str(kind)}, text


def test_a_korean_name_in_two_components_is_found_behind_its_escapes() -> None:
    euc = [part.encode("euc_kr") for part in ("홍", "길동")]
    words = dictionary((K.NAME, "홍^길동"))
    assert words.search(b"=\x1b$)C" + euc[0] + b"^\x1b$)C" + euc[1])


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (K.PATIENT_ID, "88123456", "id=88123456;"),
        (K.PATIENT_ID, "88123456", "0088123456"),
        (K.PATIENT_ID, "PID000001", "x/PID000001.dcm"),
        (K.VISIT, "ACC20250306001", "ACC20250306001"),
        (K.UID, "1.2.840.113619.2.5.1", "uid 1.2.840.113619.2.5.1.77"),
        (K.HOSPITAL, "幸福路中心医院", "于幸福路中心医院就诊"),
        (K.PHYSICIAN, "Li^Jianguo", "Reported by Jianguo Li"),
    ],
)
def test_numbers_uids_hospitals_and_physicians_are_found_everywhere(
    kind: K, value: str, text: str
) -> None:
    assert dictionary((kind, value)).search(text.encode()) == {Match(kind, ME)}


@pytest.mark.parametrize(
    "text",
    ["20250306", "2025-03-06", "2025/03/06", "2025年3月6日", "20250306102000.5", "IMG20250306"],
)
def test_a_date_counts_in_the_persons_own_objects_only(text: str) -> None:
    words = dictionary((K.DATE, "20250306"))
    assert words.search(text.encode(), ME) == {Match(K.DATE, ME)}
    assert words.search(text.encode(), OTHER) == frozenset()
    assert words.search(text.encode()) == frozenset()


def test_a_real_date_that_equals_a_shifted_one_of_the_same_person_is_no_hit() -> None:
    words = dictionary((K.DATE, "20250306"), (K.DATE, "20240131"), shift_days=400)
    assert words.search(b"20240131", ME) == frozenset()
    assert kinds(words.search(b"20250306", ME)) == {"date"}


@pytest.mark.parametrize(
    ("kind", "value", "innocent"),
    [
        (K.PATIENT_ID, "88123456", "2.25.1188123456991"),
        (K.PATIENT_ID, "88123456", "0.88123456"),
        (K.PATIENT_ID, "12345", "Rows 12345"),
        (K.PATIENT_ID, "1", "1"),
        (K.DATE, "20250306", "2.25.9920250306"),
        (K.NAME, "Li^Na", "linac Lin.Nadir Li"),
        (K.NAME, "Fat^Water", "FAT WATER"),
        (K.NAME, "Liver^Phase", "liver phase"),
        (K.PHYSICIAN, "Wang^Lin", "Wanglington"),
        (K.NAME, "李", "李时珍"),
        (K.HOSPITAL, "MR", "MR"),
    ],
)
def test_short_common_and_embedded_strings_raise_no_false_alarm(
    kind: K, value: str, innocent: str
) -> None:
    assert dictionary((kind, value)).search(innocent.encode(), ME) == frozenset()


def test_initials_and_short_names_count_in_the_persons_own_objects_only() -> None:
    words = dictionary((K.NAME, "Wu^Yan"), (K.NAME, "张伟明"))
    for text in (b"ZWM", b"wu yan"):
        assert kinds(words.search(text, ME)) == {"name"}
        assert words.search(text, OTHER) == frozenset()


def test_a_two_character_name_of_four_bytes_counts_in_own_objects_only() -> None:
    words = dictionary((K.NAME, "王芳"))
    assert kinds(words.search("王芳".encode())) == {"name"}
    assert words.search("王芳".encode("gbk")) == frozenset()
    assert kinds(words.search("王芳".encode("gbk"), ME)) == {"name"}


@pytest.mark.parametrize("place", ["Orange", "Beijing", "北京", "协和医院"])
def test_a_place_named_by_a_common_word_counts_in_own_objects_only(place: str) -> None:
    words = dictionary((K.HOSPITAL, place), (K.ADDRESS, place))
    assert words.search(f"color: {place};".encode()) == frozenset()
    assert kinds(words.search(f"color: {place};".encode(), ME)) == {"hospital", "address"}


def test_initials_that_are_a_technique_code_are_not_searched() -> None:
    assert dictionary((K.NAME, "Qian^Xu^Jia")).search(b"by QXJ", ME) != frozenset()
    assert dictionary((K.NAME, "An^Da^Chen")).search(b"ADC", ME) == frozenset()


def test_numbers_in_binary_data_are_not_names() -> None:
    floats = struct.pack("<2000f", *(n * 0.37 for n in range(2000)))
    assert dictionary((K.NAME, "张伟明"), (K.NAME, "王芳")).search(floats, ME) == frozenset()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("id 11010519491231002X.", {"resident_id"}),
        ("id 110105194912310021", set()),
        ("tel 13912345678", {"phone"}),
        ("tel +86 13912345678", {"phone"}),
        ("size 23912345678", set()),
        ("2.25.11010519491231002", set()),
        ("sha 4f13912345678ab", set()),
        ("0.13912345678", set()),
    ],
)
def test_resident_ids_and_mobiles_are_found_without_a_dictionary(
    text: str, found: set[str]
) -> None:
    assert kinds(search_generic(text.replace("X.", "X ").encode())) == found


def test_merging_keeps_all_that_is_known_of_a_person() -> None:
    one = SubjectIdentifiers(ME, None, frozenset({Identifier(K.NAME, "a")}))
    two = SubjectIdentifiers(ME, 400, frozenset({Identifier(K.NAME, "b")}))
    (merged,) = merge_identifiers([one, two])
    assert merged.shift_days == 400
    assert len(merged.identifiers) == 2
    assert "'a'" not in repr(merged)


def looked_up(people: list[SubjectIdentifiers], data: bytes, owner: str | None) -> set[Match]:
    """Return what a plain look for each pattern, one after the other, finds."""
    found = set()
    for needle in (needle for person in people for needle in needles_of(person)):
        where = data.lower() if needle.folded else data
        text, end = where.decode("latin-1"), -1
        while (begin := where.find(needle.pattern, end + 1)) >= 0:
            end = begin
            last = begin + len(needle.pattern) - 1
            if not (needle.own_only and needle.subject_id != owner) and stands_alone(
                text, last, needle
            ):
                found.add(Match(needle.kind, needle.subject_id, needle.one_word))
    return found


def test_patterns_that_begin_alike_are_found_as_if_each_were_looked_for() -> None:
    uids = ["1.3.12.2.1107.5.1.4.7", "1.3.12.2.1107.5.1.4.77", "1.3.12.2.1107.5.1.4.7.1"]
    people = [
        SubjectIdentifiers("S01-AAAAAAAA", 3, frozenset(Identifier(K.UID, u) for u in uids)),
        SubjectIdentifiers(
            "S01-BBBBBBBB",
            None,
            frozenset(
                [
                    Identifier(K.UID, f"{uids[0]}.12345678901234567890"),
                    Identifier(K.NAME, "Ouyang^Zhenhua"),
                    Identifier(K.NAME, "欧阳^振华"),
                    Identifier(K.PATIENT_ID, "M0012345678901234"),
                    Identifier(K.PATIENT_ID, "00123456"),
                    Identifier(K.DATE, "20240517"),
                ]
            ),
        ),
    ]
    dictionary = Dictionary(people)
    patterns = sorted({n.pattern for person in people for n in needles_of(person)})
    drawn, hits = random.Random(7), 0
    for _ in range(400):
        pieces = []
        for _ in range(6):
            whole = drawn.choice(patterns)
            cut = drawn.choice([len(whole), len(whole), drawn.randrange(len(whole) + 1)])
            pieces += [whole[:cut], drawn.choice([b"", b"0", b"7", b".", b"\0", b" ", b"x"])]
        data, owner = b"".join(pieces), drawn.choice([None, "S01-AAAAAAAA", "S01-BBBBBBBB"])
        expected = looked_up(people, data, owner)
        assert dictionary.search(data, owner) == expected
        hits += len(expected)
    assert hits > 400


def test_long_numbers_are_found_as_by_looking_at_every_place() -> None:
    """The two forms as they are defined, tried at each place of a text."""
    resident = re.compile(r"(?<![0-9A-Za-z.])\d{17}[\dXx](?![0-9A-Za-z.])")
    mobile = re.compile(r"(?<![0-9A-Za-z.+])(?:\+?86[- ]?)?1[3-9]\d{9}(?![0-9A-Za-z.])")
    pieces = ["+", "86", "-", " ", ".", "x", "X", "a", "1", "13912345678", "8613912345678"]
    pieces += ["11010519491231002X", "110105194912310", "02", "110101199003074514", "2.25.", "\xb9"]
    chance, found = random.Random(3), set()
    for _ in range(4000):
        text = "".join(chance.choice(pieces) for _ in range(chance.randint(1, 6)))
        expected = set()
        if any(ric.is_valid(m.group().upper()) for m in resident.finditer(text)):
            expected.add("resident_id")
        if mobile.search(text):
            expected.add("phone")
        assert kinds(search_generic(text.encode("latin-1"))) == expected, text
        found.add(frozenset(expected))
    assert len(found) == 4
