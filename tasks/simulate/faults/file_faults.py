"""Faults of files and archives: bombs, ways out of a folder, links, floods, closed doors."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Callable
from functools import lru_cache, partial
from io import BytesIO
from struct import Struct

from tasks.simulate.exports import ArchiveMember, Export, ExportFile

N_TINY_FILES = 100_000
_BOMB_KERNEL_BYTES = 256 << 20
_BOMB_MEMBERS = 60_000  # 60 000 times 256 MiB: 15 TiB, in 4 MB
_ZIP_TIME = (2026, 11, 20, 0, 0, 0)
_ZIP_DATE_FIELD = (2026 - 1980) << 9 | 11 << 5 | 20
_LOCAL = Struct("<4s5H3L2H")
_CENTRAL = Struct("<4s6H3L5H2L")
_END = Struct("<4s4H2LH")
_DEFLATED, _VERSION, _FIXED_NAME = 8, 20, 8

Apply = Callable[[Export, int], None]


def _zip_bomb(export: Export, _seed: int) -> None:
    if export.night != 1:
        return
    path, reason = "dicom/backup_2019.zip", "ARCHIVE_TOO_LARGE"
    export.files.append(ExportFile(path, zip_bomb, "quarantined", reason, "zip_bomb"))
    export.note_fault("zip_bomb", path=path, code=reason)


@lru_cache(maxsize=1)
def zip_bomb() -> bytes:
    """Return an archive whose members all share one compressed run of zeros."""
    data, crc = _zeros(_BOMB_KERNEL_BYTES)
    sizes = (crc, len(data), _BOMB_KERNEL_BYTES)
    local = _LOCAL.pack(
        b"PK\3\4", _VERSION, 0, _DEFLATED, 0, _ZIP_DATE_FIELD, *sizes, _FIXED_NAME, 0
    )
    body = local + b"00000000" + data
    entry = partial(
        _CENTRAL.pack, b"PK\1\2", _VERSION, _VERSION, 0, _DEFLATED, 0, _ZIP_DATE_FIELD, *sizes
    )
    directory = b"".join(
        entry(_FIXED_NAME, 0, 0, 0, 0, 0, 0) + b"%08d" % number for number in range(_BOMB_MEMBERS)
    )
    end = _END.pack(
        b"PK\5\6", 0, 0, _BOMB_MEMBERS, _BOMB_MEMBERS, len(directory), len(body), 0
    )  # fmt: skip
    return body + directory + end


def _zeros(size: int) -> tuple[bytes, int]:
    """Return so many zero bytes deflated, and their CRC-32."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block, crc, parts = bytes(1 << 20), 0, []
    for _ in range(size >> 20):
        crc = zlib.crc32(block, crc)
        parts.append(packer.compress(block))
    return b"".join([*parts, packer.flush()]), crc


def _path_traversal(export: Export, _seed: int) -> None:
    if export.night != 1:
        return
    folder, reason = "dicom/upload", "UNSAFE_PATH"
    names = ("../../../outside.dcm", "/etc/outside.dcm", "..\\..\\outside.dcm")
    stream = BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(_member(name, stat.S_IFREG | 0o644), b"outside\n")
        archive.writestr(_member("link.dcm", stat.S_IFLNK | 0o777), b"../../linkage.csv")
    content = stream.getvalue()
    members = tuple(
        ArchiveMember(f"{folder}/{name}", "quarantined", reason) for name in (*names, "link.dcm")
    )
    path = f"{folder}.zip"
    export.files.append(
        ExportFile(
            path, partial(bytes, content), "quarantined", reason, "path_traversal", members=members
        )
    )
    export.note_fault("path_traversal", path=path, code=reason, n_files=len(members))


def _member(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, _ZIP_TIME)
    info.filename = name  # as written: the constructor would tidy backslashes on some systems
    info.external_attr = mode << 16
    return info


def _symlinks(export: Export, _seed: int) -> None:
    if export.night != 1:
        return
    reason = "UNSAFE_PATH"
    links = {
        "dicom/passwords.dcm": "/etc/passwd",
        "dicom/up": "..",
        "dicom/loop": "loop",
        "dicom/nowhere.dcm": "nothing/here.dcm",
    }
    for path, target in links.items():
        export.files.append(
            ExportFile(path, bytes, "quarantined", reason, "symlinks", link_target=target)
        )
    export.note_fault("symlinks", path="dicom/up", code=reason, n_files=len(links))


def _many_tiny_files(export: Export, _seed: int) -> None:
    if export.night != 1:
        return
    for number in range(N_TINY_FILES):
        path = f"dicom/thumbs/{number // 1000:03d}/{number % 1000:03d}.tmp"
        content = partial(bytes, f"{number:08d}".encode())
        export.files.append(
            ExportFile(path, content, "quarantined", "NOT_DICOM", "many_tiny_files")
        )
    export.note_fault(
        "many_tiny_files", path="dicom/thumbs", code="NOT_DICOM", n_files=N_TINY_FILES
    )


def _unreadable(export: Export, _seed: int) -> None:
    # Nobody but the superuser can open it.
    if export.night != 1:
        return
    path, reason = "dicom/locked.dcm", "UNREADABLE"
    export.files.append(
        ExportFile(
            path, lambda: b"closed\n", "quarantined", reason, "unreadable_permissions", mode=0
        )
    )
    export.note_fault("unreadable_permissions", path=path, code=reason)


# Name -> index of the site that has it, and what it does on each night.
FILE_FAULTS: dict[str, tuple[int, Apply]] = {
    "zip_bomb": (0, _zip_bomb),
    "path_traversal": (1, _path_traversal),
    "symlinks": (0, _symlinks),
    "many_tiny_files": (1, _many_tiny_files),
    "unreadable_permissions": (0, _unreadable),
}
