"""Decode text of a header as it was meant, whatever its character set label says.

Hospital systems write GB18030 and label it ISO_IR 100, or not at all; ISO 2022 writers
leave escape sequences out or in the wrong place. Bytes that say what they are (valid
UTF-8, escapes) win over the label; GB18030 is the guess for everything else above ASCII.
"""

from __future__ import annotations

import re

_UTF8_MARK = b"\xef\xbb\xbf"
#: ASCII, general punctuation, units, Han, CJK punctuation, full-width forms.
_CHINESE_TABLE = re.compile(
    r"[\t\r\n\x20-\x7e\u00b0-\u00b7\u00d7\u2010-\u2103\u2150-\u22ff\u2460-\u24ff"
    r"\u3000-\u303f\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]*"
)
_ESCAPE = re.compile(rb"\x1b([()$*+\-./]{1,2}[@-~])")
#: Escape sequences of DICOM PS3.3 C.12.1.1.2, and the codec of the bytes behind each.
_CODEC_BEHIND = {
    b"$)A": "gb18030",
    b"$A": "gb2312-7bit",
    b"$(A": "gb2312-7bit",
    b"$)C": "euc_kr",
    b"$B": "iso2022_jp",
    b"$(D": "iso2022_jp_1",
    b")I": "shift_jis",
    b"(J": "shift_jis",
}
_UNLABELLED = ("", "ISO_IR 6", "ISO_IR 100", "ISO 2022 IR 6", "ISO 2022 IR 100")
#: Single-byte sets by their number (PS3.3 table C.12-2), with and without code extensions.
_OF_NUMBER = {
    "101": "iso8859_2",
    "109": "iso8859_3",
    "110": "iso8859_4",
    "144": "iso8859_5",
    "127": "iso8859_6",
    "126": "iso8859_7",
    "138": "iso8859_8",
    "148": "iso8859_9",
    "166": "iso8859_11",
    "203": "iso8859_15",
    "13": "shift_jis",
}
_LABELS = {
    **{f"ISO_IR {number}": codec for number, codec in _OF_NUMBER.items()},
    **{f"ISO 2022 IR {number}": codec for number, codec in _OF_NUMBER.items()},
    "ISO 2022 IR 149": "euc_kr",
    "GB18030": "gb18030",
    "GBK": "gb18030",
    "ISO 2022 IR 58": "gb18030",
    "ISO 2022 GBK": "gb18030",
}


def decode_text(value: bytes, charset_label: str = "") -> str:
    r"""Return the text of an element's bytes.

    Parameters
    ----------
    value : bytes
        Value field, still with padding and backslashes.
    charset_label : str
        SpecificCharacterSet (0008,0005), values joined by a backslash.

    Returns
    -------
    str
        The text without padding; bytes no codec explains become U+FFFD.
    """
    body = value.strip(b"\0 ")
    if b"\x1b" in body:
        return _decode_escaped(body, charset_label.partition("\\")[0])
    if body.isascii():
        return body.decode("ascii")
    labels = [label.strip() for label in charset_label.split("\\")]
    codecs = [_LABELS[label] for label in labels if label in _LABELS]
    order = ["gb18030", "utf-8"] if "gb18030" in codecs else ["utf-8", *codecs, "gb18030"]
    for codec in order:
        try:
            return body.decode(codec)
        except UnicodeDecodeError:
            continue
    return body.decode("latin-1" if labels[0] in _UNLABELLED else "utf-8", "replace")


def possible_texts(value: bytes, charset_label: str = "") -> tuple[str, ...]:
    """Return every reading that the bytes allow, the likeliest first.

    Some bytes are valid twice: the GB2312 of `平扫` is also UTF-8, of two phonetic letters.
    Who needs one reading lets its words decide (`schemas.dicom.descriptors.decode_descriptor`); who
    searches for a name searches for all of them.
    """
    first = decode_text(value, charset_label)
    body = value.strip(b"\0 ")
    if body.isascii() or b"\x1b" in body:
        return (first,)
    others = (_strictly(body, codec) for codec in ("utf-8", "gb18030", "latin-1"))
    return tuple(dict.fromkeys([first, *(text for text in others if text is not None)]))


def _strictly(body: bytes, codec: str) -> str | None:
    try:
        return body.decode(codec)
    except UnicodeDecodeError:
        return None


def decode_table_text(data: bytes) -> tuple[str, str] | None:
    """Return the text of a site's table and its encoding, or None when neither fits.

    A UTF-8 mark decides alone; else strict UTF-8, else strict GB18030. A short GB18030 text can
    happen to be valid UTF-8 (`住` is): UTF-8 that gives letters no Chinese table holds, where
    GB18030 gives Chinese, is GB18030.
    """
    if data.startswith(_UTF8_MARK):
        text = _strictly(data[len(_UTF8_MARK) :], "utf-8")
        return None if text is None else (text, "utf-8")
    readings = [(text, codec) for codec in ("utf-8", "gb18030") if (text := _strictly(data, codec))]
    if not data:
        return "", "utf-8"
    chinese = [reading for reading in readings if _CHINESE_TABLE.fullmatch(reading[0])]
    return next(iter([*chinese, *readings]), None)


def _decode_escaped(body: bytes, first_label: str) -> str:
    parts = _ESCAPE.split(body)
    text = [decode_text(parts[0], first_label)] if parts[0] else []
    for escape, piece in zip(parts[1::2], parts[2::2], strict=True):
        text.append(_decode_piece(escape, piece))
    return "".join(text)


def _decode_piece(escape: bytes, piece: bytes) -> str:
    codec = _CODEC_BEHIND.get(escape, "")
    if codec == "gb2312-7bit":
        piece, codec = bytes(b | 0x80 if b > 0x20 else b for b in piece), "gb18030"
    if codec.startswith("iso2022_jp"):
        piece = b"\x1b" + escape + piece
    if not codec:
        codec = "ascii" if piece.isascii() else "gb18030"
    return piece.decode(codec, "replace")
