"""Text as sites really encode it: declared rightly, declared wrongly, or not declared.

pydicom writes `ISO 2022 IR 58` without its escape sequences and cannot write a character
set it was not told of. So all non-ASCII text is encoded here and handed over as raw bytes.
"""

from __future__ import annotations

import re
from io import BytesIO

from pydicom import dcmread
from pydicom.charset import convert_encodings, default_encoding
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence as SqItems
from pydicom.tag import BaseTag

from tasks.simulate.people.hospitals import Charset

_TEXT_VRS = frozenset({"PN", "LO", "SH", "ST", "LT", "UC", "UT"})
_DECLARED: dict[Charset, str | list[str] | None] = {
    Charset.GB18030: "GB18030",
    Charset.IR_58: ["", "ISO 2022 IR 58"],
    Charset.UTF_8: "ISO_IR 192",
    Charset.GBK_UNLABELLED: None,
    Charset.GBK_AS_LATIN_1: "ISO_IR 100",
}
_CODEC = {
    Charset.GB18030: "gb18030",
    Charset.UTF_8: "utf-8",
    Charset.GBK_UNLABELLED: "gbk",
    Charset.GBK_AS_LATIN_1: "gbk",
}
# Designates GB 2312 to G1 (PS3.3 C.12.1.1.2); to be repeated after every delimiter.
_DESIGNATE_GB2312 = b"\x1b$)A"
_DELIMITERS = re.compile(r"([\\^=\r\n\f\t])")


def encode_text(text: str, charset: Charset) -> bytes:
    """Return the bytes of a text value, padded to even length with a space."""
    if charset is Charset.IR_58:
        data = b"".join(_encode_ir_58(part) for part in _DELIMITERS.split(text))
    else:
        data = text.encode(_CODEC[charset])
    return data + b" " * (len(data) % 2)


def _encode_ir_58(part: str) -> bytes:
    data = part.encode("gb2312")
    return data if part.isascii() else _DESIGNATE_GB2312 + data


def encoded(data: Dataset, charset: Charset, *, implicit_vr: bool) -> Dataset:
    """Return the dataset with every element as raw bytes, so that it is encoded only once.

    Parameters
    ----------
    data : Dataset
        Elements with text as `str`, without SpecificCharacterSet.
    charset : Charset
        How non-ASCII text becomes bytes.
    implicit_vr : bool
        Implicit or explicit VR, little endian either way.
    """
    raw = _with_raw_texts(data, charset, implicit_vr=implicit_vr)
    stream = DicomBytesIO()
    stream.is_implicit_VR = implicit_vr
    stream.is_little_endian = True
    write_dataset(stream, raw)
    return _parsed(stream.getvalue(), implicit_vr=implicit_vr)


def copy_of(template: Dataset, charset: Charset, *, implicit_vr: bool) -> Dataset:
    """Return a dataset that shares the template's raw elements and declares the charset.

    The declared character set is noted as the original one: pydicom then writes the raw
    bytes as they are, whether the declaration is true or not.
    """
    data = Dataset({tag: template.get_item(tag) for tag in template.keys()})  # noqa: SIM118 - raw
    declared = _DECLARED[charset]
    if declared is not None:
        data.SpecificCharacterSet = declared
    original = default_encoding if declared is None else convert_encodings(declared)
    data.set_original_encoding(implicit_vr, True, original)
    return data


def _parsed(body: bytes, *, implicit_vr: bool) -> Dataset:
    syntax = b"1.2.840.10008.1.2\x00" if implicit_vr else b"1.2.840.10008.1.2.1\x00"
    element = b"\x02\x00\x10\x00UI" + len(syntax).to_bytes(2, "little") + syntax
    group = b"\x02\x00\x00\x00UL\x04\x00" + len(element).to_bytes(4, "little")
    return dcmread(BytesIO(bytes(128) + b"DICM" + group + element + body))


def _with_raw_texts(data: Dataset, charset: Charset, *, implicit_vr: bool) -> Dataset:
    # A new dataset from a dict: assigning a private raw element would decode it.
    elements: dict[BaseTag, DataElement | RawDataElement] = {}
    for element in data:
        elements[element.tag] = element
        if element.VR == "SQ":
            items = [_with_raw_texts(i, charset, implicit_vr=implicit_vr) for i in element.value]
            elements[element.tag] = DataElement(element.tag, "SQ", SqItems(items))
        elif element.VR in _TEXT_VRS and not (text := _text_of(element)).isascii():
            raw = encode_text(text, charset)
            elements[element.tag] = RawDataElement(
                element.tag, element.VR, len(raw), raw, 0, implicit_vr, True
            )
    result = Dataset(elements)
    result.set_original_encoding(implicit_vr, True, default_encoding)
    return result


def _text_of(element: DataElement) -> str:
    value = element.value
    if value is None:
        return ""
    return str(value) if element.VM <= 1 else "\\".join(str(v) for v in value)
