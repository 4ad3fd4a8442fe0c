"""What the names in a zip are, whatever the sender's computer took for its encoding. Pure.

Only a name marked as UTF-8 says in what it is written (APPNOTE 4.4.4, bit 11). Chinese Windows
writes GBK and marks nothing; the Finder writes UTF-8 and marks nothing.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Sequence

_UTF8_FLAG = 0x800
#: What `zipfile` takes an unmarked name for; it knows every byte, so the bytes come back.
_READ_AS = "cp437"
_UNICODE_PATH = 0x7075


def member_names(infos: Sequence[zipfile.ZipInfo]) -> list[str]:
    """Return the name of each member.

    Unmarked names are UTF-8 if every one of the archive is, else GB18030: a short GBK name can
    happen to be valid UTF-8, a folder full of them cannot.
    """
    unmarked = [i.orig_filename.encode(_READ_AS) for i in infos if not i.flag_bits & _UTF8_FLAG]
    encoding = "utf-8" if all(_is(name, "utf-8") for name in unmarked) else "gb18030"
    return [_name(info, encoding) for info in infos]


def _name(info: zipfile.ZipInfo, encoding: str) -> str:
    if info.flag_bits & _UTF8_FLAG:
        return info.orig_filename
    raw = info.orig_filename.encode(_READ_AS)
    stated = _unicode_path(info.extra, raw)
    if stated is not None:
        return stated
    return raw.decode(encoding) if _is(raw, encoding) else info.orig_filename


def _is(name: bytes, encoding: str) -> bool:
    try:
        name.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    """Return the name in the Info-ZIP Unicode Path field (APPNOTE 4.6.9) if it is of `raw`."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and field[:1] == b"\x01" and len(field) > 5:
            (checksum,) = struct.unpack_from("<L", field, 1)
            if checksum == zlib.crc32(raw) and _is(field[5:], "utf-8"):
                return field[5:].decode("utf-8")
    return None
