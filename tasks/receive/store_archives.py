"""Zip archives as sites send them: bounded, never trusted, unpacked under neutral names."""

from __future__ import annotations

import hashlib
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from schemas.identifiers import Sha256
from schemas.states import ReasonCode

MAX_NESTING = 3
MAX_MEMBERS = 2_000_000
#: Share of the free disk that one archive may fill.
MAX_DISK_SHARE = 0.8
#: Images shrink to a half or a third, forms to a tenth: what grows more than this is no delivery.
MAX_GROWTH, ALWAYS_ALLOWED_BYTES = 100, 100 << 20
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Unpacked:
    """One member as unpacked (or why it was not)."""

    relative_path: str
    path: Path
    size_bytes: int
    sha256: Sha256
    reason: ReasonCode | None = None


class ArchiveTooLargeError(Exception):
    """The archive exceeds a limit; it is set aside whole."""


def is_zip(path: Path) -> bool:
    """Return whether a file is a zip by its name and its first bytes."""
    if path.suffix.lower() != ".zip":
        return False
    with path.open("rb") as stream:
        return stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


def safe_member_path(name: str) -> str | None:
    """Return the member's path inside the archive, or None when it points outside."""
    text = name.replace("\\", "/")
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or text[1:2] == ":" or "\x00" in text:
        return None
    return str(path)


def unpack(
    archive: Path, into: Path, *, prefix: str = "", depth: int = 1, most: int | None = None
) -> Iterator[Unpacked]:
    """Unpack `archive` into `into` under neutral names, and archives inside it likewise.

    Parameters
    ----------
    archive : Path
        A zip file.
    into : Path
        A folder of the restricted scratch zone; gets files named by number.
    prefix : str
        Path of the archive inside the export, without its own suffix.
    depth : int
        Nesting depth of this archive, 1 for an archive that lies in the inbox.
    most : int, optional
        Bytes that may come out of it and all inside it; default: by its size and the free disk.

    Raises
    ------
    ArchiveTooLargeError
        If members, bytes or nesting exceed the limits.
    zipfile.BadZipFile
        If the archive's directory cannot be read.
    """
    if depth > MAX_NESTING:
        raise ArchiveTooLargeError
    into.mkdir(parents=True, exist_ok=True, mode=0o700)
    budget = int(shutil.disk_usage(into).free * MAX_DISK_SHARE)
    grown = archive.stat().st_size * MAX_GROWTH + ALWAYS_ALLOWED_BYTES
    budget = min(budget, grown if most is None else most)
    with zipfile.ZipFile(archive) as members:
        infos = [info for info in members.infolist() if not info.is_dir()]
        if len(infos) > MAX_MEMBERS or sum(info.file_size for info in infos) > budget:
            raise ArchiveTooLargeError
        for number, info in enumerate(infos, start=1):
            target = into / f"{depth}-{number:07d}"
            member = _unpack_member(members, info, target, archive, budget)
            budget -= member.size_bytes
            name = f"{prefix}/{member.relative_path}" if prefix else member.relative_path
            member = Unpacked(name, member.path, member.size_bytes, member.sha256, member.reason)
            if member.reason is None and name.lower().endswith(".zip"):
                nested = into / f"{depth}-{number:07d}.d"
                for inner in _unpack_nested(member, nested, depth + 1, budget):
                    budget -= inner.size_bytes
                    yield inner
            else:
                yield member


def _unpack_nested(member: Unpacked, into: Path, depth: int, most: int) -> Iterator[Unpacked]:
    # Collected first: an archive that fails half-way is set aside whole, not counted in parts.
    try:
        prefix = member.relative_path[: -len(".zip")]
        inner = list(unpack(member.path, into, prefix=prefix, depth=depth, most=most))
    except ArchiveTooLargeError:
        shutil.rmtree(into, ignore_errors=True)
        inner = [_with_reason(member, ReasonCode.ARCHIVE_TOO_LARGE)]
    except (zipfile.BadZipFile, NotImplementedError, OSError):
        inner = [_with_reason(member, ReasonCode.ARCHIVE_UNREADABLE)]
    yield from inner


def _with_reason(member: Unpacked, reason: ReasonCode) -> Unpacked:
    return Unpacked(member.relative_path, member.path, member.size_bytes, member.sha256, reason)


def _unpack_member(
    members: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path, archive: Path, budget: int
) -> Unpacked:
    safe = safe_member_path(info.filename)
    is_link = stat.S_ISLNK(info.external_attr >> 16)
    digest, size = hashlib.sha256(), 0
    try:
        with members.open(info) as source, target.open("xb") as sink:
            while chunk := source.read(_CHUNK_BYTES):
                size += len(chunk)
                if size > budget:
                    raise ArchiveTooLargeError
                digest.update(chunk)
                sink.write(chunk)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, zlib.error):
        # Encrypted, damaged or packed in a way we cannot read: the archive itself is kept.
        target.unlink(missing_ok=True)
        name = safe or f"member-{info.header_offset}"
        empty = Sha256(hashlib.sha256().hexdigest())
        return Unpacked(name, archive, 0, empty, ReasonCode.ARCHIVE_UNREADABLE)
    sha256 = Sha256(digest.hexdigest())
    if safe is None or is_link:
        name = f"unsafe-{info.header_offset}"
        return Unpacked(name, target, size, sha256, ReasonCode.UNSAFE_PATH)
    return Unpacked(safe, target, size, sha256)
