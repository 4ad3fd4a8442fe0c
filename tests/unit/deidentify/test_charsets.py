"""Chinese text is decoded as it was meant, whatever its label says."""

from __future__ import annotations

import pytest

from tasks.deidentify.charsets import decode_text


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


def test_padding_is_no_text() -> None:
    assert decode_text(b"abc \0") == "abc"
