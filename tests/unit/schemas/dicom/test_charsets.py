"""Chinese text is decoded as it was meant, whatever its label says."""

from __future__ import annotations

import pytest
from pydicom.charset import convert_encodings
from pydicom.valuerep import PersonName

from schemas.dicom.charsets import decode_table_text, decode_text, possible_texts
from schemas.dicom.descriptors import decode_descriptor


@pytest.mark.parametrize(
    ("raw", "label"),
    [
        ("张伟明".encode(), "ISO_IR 192"),
        ("张伟明".encode(), ""),
        ("张伟明".encode("gb18030"), "GB18030"),
        ("张伟明".encode("gbk"), "GBK"),
        ("张伟明".encode("gbk"), "ISO_IR 100"),
        ("张伟明".encode("gbk"), ""),
        (b"\x1b$)A" + "张伟明".encode("gb2312"), "\\ISO 2022 IR 58"),
        ("张伟明".encode("gb2312"), "\\ISO 2022 IR 58"),
        (b"\x1b$A" + bytes(b & 0x7F for b in "张伟明".encode("gb2312")), ""),
        ("张伟明".encode("iso2022_jp_2"), "\\ISO 2022 IR 87"),
    ],
)
def test_a_han_name_is_read_from_any_encoding_hospitals_use(raw: bytes, label: str) -> None:
    assert decode_text(raw, label).removesuffix("\x1b(B") == "张伟明"


def test_escapes_repeated_after_a_caret_leave_no_trace() -> None:
    raw = b"Zhang^Wei=\x1b$)A" + "张".encode("gb2312") + b"^\x1b$)A" + "伟".encode("gb2312")
    assert decode_text(raw, "\\ISO 2022 IR 58") == "Zhang^Wei=张^伟"


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("ISO_IR 101", "Wałęsa^Łukasz"),
        ("ISO_IR 110", "Bērziņš^Jānis"),
        ("ISO_IR 126", "Διονυσιος"),
        ("ISO_IR 127", "قباني^لنزار"),
        ("ISO_IR 138", "שרון^דבורה"),
        ("ISO_IR 144", "Люкceмбypг"),
        ("ISO_IR 148", "Çavuşoğlu"),
        ("ISO_IR 166", "นามสกุล^ชื่อ"),
        ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ"),
        ("ISO 2022 IR 13\\ISO 2022 IR 87", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"),
        ("\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동"),
    ],
)
def test_a_name_under_any_label_of_the_standard_is_read_as_pydicom_wrote_it(
    label: str, name: str
) -> None:
    raw = PersonName(name, encodings=convert_encodings(label.split("\\"))).encode()
    assert name in possible_texts(raw, label)
    assert decode_text(raw, label) == name


def test_padding_is_no_text() -> None:
    assert decode_text(b"abc \0") == "abc"


def test_bytes_that_are_valid_twice_give_both_readings() -> None:
    assert set(possible_texts("平扫".encode("gb18030"))) >= {"平扫", "ƽɨ"}


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8"])
@pytest.mark.parametrize("text", ["平扫", "动脉期", "肝胆期 t1"])
def test_of_two_readings_the_one_with_technique_words_counts(text: str, encoding: str) -> None:
    assert decode_descriptor(text.encode(encoding)) == text


def test_western_letters_under_a_western_label_stay_readable() -> None:
    assert "Abdomen" in decode_descriptor("Abdomen Müller".encode("latin-1"), "ISO_IR 100")


@pytest.mark.parametrize("text", ["住1", "平扫", "张", "患者编号,住院号", "plain", "径（mm）≤5"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_short_table_is_read_in_the_encoding_that_gives_chinese(text: str, codec: str) -> None:
    decoded = decode_table_text(text.encode(codec))
    assert decoded is not None
    assert decoded[0] == text


def test_bytes_in_neither_encoding_are_not_guessed() -> None:
    assert decode_table_text(b"\xff\xff\xff") is None
