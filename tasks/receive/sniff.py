"""What a file is by its first bytes: packed, or left behind by the sender's computer. Pure."""

from __future__ import annotations

from pathlib import PurePosixPath

#: What file managers leave in folders and zips without being asked. A name alone is not enough
#: where something else could bear it: a `._` file must begin as AppleDouble does.
_SYSTEM_NAMES = {".ds_store", "thumbs.db", "desktop.ini", ".localized"}
_APPLE_DOUBLE_PREFIX = "._"
_APPLE_DOUBLE = b"\x00\x05\x16\x07"
_OFFICE_LOCK_PREFIX = "~$"
_OFFICE_LOCK_BYTES = 512

#: First bytes (and where they stand) of what packs files and is not read here.
_ARCHIVES = (
    (0, b"7z\xbc\xaf\x27\x1c"),
    (0, b"Rar!\x1a\x07"),
    (0, b"\x1f\x8b"),
    (0, b"\x1f\x9d"),
    (0, b"BZh"),
    (0, b"\xfd7zXZ\x00"),
    (0, b"\x28\xb5\x2f\xfd"),
    (0, b"MSCF"),
    (0, b"PK\x03\x04"),
    (0, b"PK\x05\x06"),
    (0, b"PK\x07\x08"),
    (2, b"-lh"),
    (257, b"ustar"),
    (0x8001, b"CD001"),
)
_DICOM_MARK = (128, b"DICM")
#: Bytes of a file that `is_archive` must be given.
ARCHIVE_HEAD_BYTES = 0x8001 + 5
#: Suffixes under which a whole export may come packed; only a zip is unpacked.
ARCHIVE_SUFFIXES = frozenset(
    {".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".tbz2", ".xz", ".txz", ".zst", ".cab"}
    | {".iso", ".lzh", ".z", ".001"}
)
_OFFICE_SUFFIXES = {".xlsx", ".xlsm", ".docx", ".pptx", ".ods", ".odt"}


def is_system_file(relative_path: str, head: bytes, size_bytes: int) -> bool:
    """Return whether the sender's computer made a file, not the sender.

    Parameters
    ----------
    relative_path : str
        Path in the delivery.
    head : bytes
        Its first bytes, four at least.
    size_bytes : int
        Its size.
    """
    name = PurePosixPath(relative_path).name
    if name.startswith(_APPLE_DOUBLE_PREFIX):
        return head.startswith(_APPLE_DOUBLE)
    if name.startswith(_OFFICE_LOCK_PREFIX):
        return size_bytes < _OFFICE_LOCK_BYTES
    return name.lower() in _SYSTEM_NAMES


def is_archive(relative_path: str, head: bytes) -> bool:
    """Return whether a file is packed in a way that is not read here, by its first bytes.

    Parameters
    ----------
    relative_path : str
        Path in the delivery; a workbook is a zip and no archive.
    head : bytes
        Its first `ARCHIVE_HEAD_BYTES`.
    """
    suffix = PurePosixPath(relative_path).suffix.lower()
    if suffix in _OFFICE_SUFFIXES or _stands(_DICOM_MARK, head):
        return False
    return suffix == ".zip" or any(_stands(mark, head) for mark in _ARCHIVES)


def _stands(mark: tuple[int, bytes], head: bytes) -> bool:
    place, magic = mark
    return head[place : place + len(magic)] == magic
