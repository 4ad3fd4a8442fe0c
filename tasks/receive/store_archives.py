"""Zip archives as sites send them: bounded, never trusted, unpacked under neutral names."""

from __future__ import annotations

import hashlib
import shutil
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO

from schemas.identifiers import Sha256
from schemas.run.file_stamps import Stamp
from schemas.states import ReasonCode
from tasks.receive.sniff import ARCHIVE_HEAD_BYTES, is_archive, is_system_file
from tasks.receive.store_zip import SPOILT, opened_zip
from tasks.receive.zip_names import member_names

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
    stamp: Stamp | None = None


class ArchiveTooLargeError(Exception):
    """The archive exceeds a limit; it is set aside whole."""


class _MemberSpoiltError(Exception):
    """One member cannot be unpacked."""


def is_zip(path: Path, name: str) -> bool:
    """Return whether a file of this name is a zip by the name and by its first bytes."""
    if not name.lower().endswith(".zip"):
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
    with opened_zip(archive) as members:
        infos = [info for info in members.infolist() if not info.is_dir()]
        if len(infos) > MAX_MEMBERS or sum(info.file_size for info in infos) > budget:
            raise ArchiveTooLargeError
        for number, (info, name) in enumerate(zip(infos, member_names(infos), strict=True), 1):
            target = into / f"{depth}-{number:07d}"
            member = _unpack_member(members, info, name, target, archive, budget)
            budget -= member.size_bytes
            if prefix:
                member = replace(member, relative_path=f"{prefix}/{member.relative_path}")
            if member.reason is None and is_zip(member.path, member.relative_path):
                nested = into / f"{depth}-{number:07d}.d"
                for inner in _unpack_nested(member, nested, depth + 1, budget):
                    budget -= inner.size_bytes
                    yield inner
            else:
                yield told_by_content(member)


def told_by_content(member: Unpacked) -> Unpacked:
    """Return the member with the reason why its first bytes set it aside, if they do."""
    if member.reason is not None:
        return member
    with member.path.open("rb") as stream:
        head = stream.read(ARCHIVE_HEAD_BYTES)
    if is_system_file(member.relative_path, head, member.size_bytes):
        return replace(member, reason=ReasonCode.SYSTEM_FILE)
    if is_archive(member.relative_path, head):
        return replace(member, reason=ReasonCode.ARCHIVE_UNREADABLE)
    return member


def _unpack_nested(member: Unpacked, into: Path, depth: int, most: int) -> Iterator[Unpacked]:
    # Collected first: an archive that fails half-way is set aside whole, not counted in parts.
    try:
        prefix = member.relative_path[: -len(".zip")]
        inner = list(unpack(member.path, into, prefix=prefix, depth=depth, most=most))
    except ArchiveTooLargeError:
        shutil.rmtree(into, ignore_errors=True)
        inner = [replace(member, reason=ReasonCode.ARCHIVE_TOO_LARGE)]
    except zipfile.BadZipFile:
        inner = [replace(member, reason=ReasonCode.ARCHIVE_UNREADABLE)]
    yield from inner


def _unpack_member(
    members: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    name: str,
    target: Path,
    archive: Path,
    budget: int,
) -> Unpacked:
    safe = safe_member_path(name)
    is_link = stat.S_ISLNK(info.external_attr >> 16)
    digest, size = hashlib.sha256(), 0
    try:
        with target.open("xb") as sink:
            for chunk in _chunks(members, info):
                size += len(chunk)
                if size > budget:
                    raise ArchiveTooLargeError
                digest.update(chunk)
                sink.write(chunk)
    except _MemberSpoiltError:
        # Encrypted, damaged or packed in a way we cannot read: the archive itself is kept.
        target.unlink(missing_ok=True)
        shown = safe or f"member-{info.header_offset}"
        empty = Sha256(hashlib.sha256().hexdigest())
        return Unpacked(shown, archive, 0, empty, ReasonCode.ARCHIVE_UNREADABLE)
    sha256 = Sha256(digest.hexdigest())
    if safe is None or is_link:
        return Unpacked(
            f"unsafe-{info.header_offset}", target, size, sha256, ReasonCode.UNSAFE_PATH
        )
    return Unpacked(safe, target, size, sha256)


def _chunks(members: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    try:
        source: IO[bytes] = members.open(info)
    except SPOILT:
        raise _MemberSpoiltError from None
    with source:
        while True:
            try:
                chunk = source.read(_CHUNK_BYTES)
            except SPOILT:
                raise _MemberSpoiltError from None
            if not chunk:
                return
            yield chunk
