"""Open a zip whose directory marks names as UTF-8 that are not: the mark is read as unset.

`zipfile` refuses the whole archive for one such name. The file itself is never changed.
"""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_END, _END_BYTES, _MAX_COMMENT = b"PK\x05\x06", 22, 0xFFFF
_ENTRY, _ENTRY_BYTES = b"PK\x01\x02", 46
_UTF8_BIT = 0x08  # of the upper byte of the flags
#: What reading a damaged, encrypted or unusually packed archive raises (bz2 raises OSError).
#: Only reading is caught: a disk that is full must stop the night, not set an archive aside.
SPOILT = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError,
    ValueError, RuntimeError, NotImplementedError, OverflowError, IndexError, MemoryError,
)  # fmt: skip


@contextmanager
def opened_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive for reading.

    Raises
    ------
    zipfile.BadZipFile
        If its directory cannot be read.
    """
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(path.open("rb"))
            archive = stack.enter_context(_zip_of(stream))
        except SPOILT:
            raise zipfile.BadZipFile("the directory cannot be read") from None
        yield archive


def _zip_of(stream: IO[bytes]) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(stream)
    except UnicodeDecodeError:
        mended = _Patched(stream, _wrong_marks(stream))
        return zipfile.ZipFile(io.BufferedReader(mended))


class _Patched(io.RawIOBase):
    """A file in which some bytes read otherwise."""

    def __init__(self, stream: IO[bytes], patches: dict[int, int]) -> None:
        self._stream = stream
        self._patches = patches

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        start = self._stream.tell()
        data = self._stream.read(len(view))
        view[: len(data)] = data
        for place in self._patches.keys() & range(start, start + len(data)):
            view[place - start] = self._patches[place]
        return len(data)


def _wrong_marks(stream: IO[bytes]) -> dict[int, int]:
    """Return offset → byte of the flags of each name that is not what they say."""
    size = stream.seek(0, io.SEEK_END)
    stream.seek(max(0, size - _END_BYTES - _MAX_COMMENT))
    tail = stream.read()
    end = tail.rfind(_END)
    if end < 0 or len(tail) < end + _END_BYTES:
        raise zipfile.BadZipFile("no end of the directory")
    length, start = struct.unpack_from("<LL", tail, end + 12)
    stream.seek(start)
    directory = stream.read(length)
    patches: dict[int, int] = {}
    place = 0
    while directory[place : place + 4] == _ENTRY and len(directory) >= place + _ENTRY_BYTES:
        name, extra, comment = struct.unpack_from("<HHH", directory, place + 28)
        (local,) = struct.unpack_from("<L", directory, place + 42)
        text = directory[place + _ENTRY_BYTES : place + _ENTRY_BYTES + name]
        if directory[place + 9] & _UTF8_BIT and not _is_utf8(text):
            patches[start + place + 9] = directory[place + 9] & ~_UTF8_BIT
            stream.seek(local + 7)
            patches[local + 7] = stream.read(1)[0] & ~_UTF8_BIT
        place += _ENTRY_BYTES + name + extra + comment
    stream.seek(0)
    if not patches:  # a directory of more than 4 GiB lies elsewhere
        raise zipfile.BadZipFile("a name is not readable")
    return patches


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
