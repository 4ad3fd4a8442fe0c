"""The compiled library, loaded where it is there and whole."""

from __future__ import annotations

import ctypes
import struct
from pathlib import Path

#: Made by the build (`hatch_build.py`); absent where there was no compiler.
LIBRARY = Path(__file__).parent / "sha256_lanes.so"
#: ELF64, little endian: where the table of sections begins, the size of an entry and how many.
_HEADER = struct.Struct("<16x24xQ10xHH2x")
_MAGIC = b"\x7fELF\x02\x01"


def loaded_library(path: Path) -> ctypes.CDLL | None:
    """Return the library; None where it is not, or only a part of it.

    A file that a full disk cut off can be loaded, and ends the process at the first page that is
    missing. The table of its sections is the last thing in it.
    """
    try:
        with path.open("rb") as stream:
            header = stream.read(_HEADER.size)
        size = path.stat().st_size
        if len(header) < _HEADER.size or not header.startswith(_MAGIC):
            return None
        begins, entry, n_entries = _HEADER.unpack(header)
        if not 0 < begins + entry * n_entries <= size:
            return None
        return ctypes.CDLL(str(path))
    except OSError:
        return None
