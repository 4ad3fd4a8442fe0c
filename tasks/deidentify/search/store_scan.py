"""Search files for residual identifiers: names of files and folders, and all they hold.

Compressed files are searched decoded, tables cell by cell, DICOM and NIfTI outside their
pixels and voxels. Each file is read as what its first bytes say it is.
"""

from __future__ import annotations

import gzip
import io
import logging
import os
import zipfile
import zlib
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, overload

from schemas.dicom.elements import DEFLATED_LITTLE, PIXEL_DATA, Header, inflate_file, scan_file
from schemas.dicom.scan_errors import ScanError
from schemas.run.pool import run_in_order
from tasks.deidentify.identifiers import IdentifierKind
from tasks.deidentify.plan.pixel_bytes import look_inside_of
from tasks.deidentify.rules.profile import tag_of
from tasks.deidentify.search.hits import ScanHit
from tasks.deidentify.search.layouts import Found, Layouts
from tasks.deidentify.search.residual_scan import Dictionary, Match, search_generic
from tasks.deidentify.search.store_scan_tables import TABLE_READERS, Cells
from tasks.deidentify.search.store_scan_volumes import (
    Proven,
    is_compressed_volume,
    is_nifti,
    parts_of_compressed,
    parts_of_stream,
)
from tasks.deidentify.warm import WARM

if TYPE_CHECKING:
    from tasks.deidentify.search.store_kept_parts import KeptParts

_HEAD_BYTES = 1024
_CHUNK_BYTES = 64 << 20
_MAX_DECODED_BYTES = 4 << 30
_MAX_NESTING = 3
#: Fewer are searched sooner than workers start.
_FEW_FILES = 200


@dataclass(frozen=True)
class _Piece:
    """Bytes to search, whose they are, and whether digits in them mean something."""

    data: bytes = field(repr=False)
    owner: str | None = None
    is_text: bool = False


@dataclass(frozen=True)
class _Known:
    """What is searched for, and how the files searched so far are laid out (restricted)."""

    dictionary: Dictionary = field(repr=False)
    proven: Proven | None = field(default=None, repr=False)
    kept: KeptParts | None = field(default=None, repr=False)
    layouts: Layouts = field(default_factory=Layouts, repr=False)


#: What was found, and whose row, object or file it stands in.
_Found = frozenset[tuple[Match, str]]


class _Named(NamedTuple):
    """A file, and its path below the folder given, which is searched as well (restricted)."""

    path: str
    relative: str


def scan_paths(
    paths: Iterable[Path],
    dictionary: Dictionary,
    *,
    hospitals_allowed_in: Collection[str] = (),
    workers: int = 1,
    proven: Proven | None = None,
    kept: KeptParts | None = None,
) -> list[ScanHit]:
    """Search files, and folders with all below, for identifiers.

    Parameters
    ----------
    paths : iterable of Path
        Files and folders. Of a folder's own path only the part below it is searched.
    dictionary : Dictionary
        What must not be found, by person.
    hospitals_allowed_in : collection of str
        Patterns (`fnmatch`, on the path below the folder given) of files in which names of
        hospitals may stand, such as the `site` table.
    workers : int
        Worker processes, for more than a few files.
    proven : mapping of str to str, optional
        Path -> SHA-256 of the volumes whose voxels are proven; then every other is searched whole.
        Without it voxels are not searched, as in a release, whose batches have been.
    kept : KeptParts, optional
        What of the volumes of a release is searched, for those known from the one before; only
        without `proven` and with one worker.

    Returns
    -------
    list of ScanHit
        Sorted; empty when nothing was found.

    Raises
    ------
    OSError
        If a file cannot be read: what was not searched is not clean.
    """
    files = _Files(paths)
    hits: set[ScanHit] = set()
    known = _Known(dictionary, proven, kept)
    for named, matches in zip(files, _searched(files, known, workers), strict=True):
        allowed = matches and any(fnmatch(named.relative, p) for p in hospitals_allowed_in)
        for match, whose in matches:
            if not (allowed and match.kind is IdentifierKind.HOSPITAL):
                hits.add(_hit(named, match, whose))
    return sorted(hits)


def _hit(named: _Named, match: Match, whose: str) -> ScanHit:
    return ScanHit(Path(named.path), match.kind, match.subject_id, whose, match.one_word)


class _Files(Sequence[_Named]):
    """Files and those below folders; each is named in full only while it is looked at."""

    def __init__(self, roots: Iterable[Path] = ()) -> None:
        #: Of each folder: its path, and how much of it is not searched.
        self._folders: list[tuple[str, int]] = []
        self._names: list[str] = []
        self._folder_of = array("l")
        for root in roots:
            if root.is_dir():
                self._add_folder(str(root), len(str(root)) + 1)
            else:
                folder = str(root.parent).rstrip("/")
                self._add(folder, len(folder) + 1, [root.name])

    def _add_folder(self, folder: str, start: int) -> None:
        """Take in what lies below; one that cannot be listed is an error: it was not searched."""
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        self._add(folder, start, [entry.name for entry in entries if entry.is_file()])
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                self._add_folder(entry.path, start)

    def _add(self, folder: str, start: int, names: Sequence[str]) -> None:
        self._folder_of.extend([len(self._folders)] * len(names))
        self._folders.append((folder, start))
        self._names += names

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, place: int) -> _Named: ...
    @overload
    def __getitem__(self, place: slice) -> list[_Named]: ...
    def __getitem__(self, place: int | slice) -> _Named | list[_Named]:
        if isinstance(place, slice):
            return [self[at] for at in range(len(self))[place]]
        folder, start = self._folders[self._folder_of[place]]
        path = f"{folder}/{self._names[place]}"
        return _Named(path, path[start:])


def _searched(files: Sequence[_Named], known: _Known, workers: int) -> Iterator[_Found]:
    if workers == 1 or len(files) < _FEW_FILES:
        yield from (_scan_file(named, known) for named in files)
        return
    yield from run_in_order(
        _scan_in_worker,
        files,
        workers=workers,
        on_death=_not_searched,
        together=lambda named: named.path.rpartition("/")[0],
        warm=WARM,
        start=(_start_worker, (known.dictionary, known.proven)),
    )


_known: list[_Known] = []


def _start_worker(dictionary: Dictionary, proven: Proven | None) -> None:
    logging.disable(logging.CRITICAL)
    _known[:] = [_Known(dictionary, proven)]


def _scan_in_worker(named: _Named) -> _Found:
    return _scan_file(named, _known[0])


def _not_searched(named: _Named) -> _Found:
    raise OSError("a worker died over a file, so it was not searched")


def _scan_file(named: _Named, known: _Known) -> _Found:
    owner = known.dictionary.owner_of(named.relative)
    name = _Piece(named.relative.encode("utf-8", "surrogateescape"), owner, is_text=True)
    return frozenset(
        (match, piece.owner or "")
        for piece in chain((name,), _pieces_of_file(named.path, owner, known))
        for match in _matches(piece, known)
    )


def _matches(piece: _Piece, known: _Known) -> frozenset[Match]:
    found = known.dictionary.search(piece.data, piece.owner)
    return found | search_generic(piece.data) if piece.is_text else found


def _pieces_of_file(path: str, owner: str | None, known: _Known) -> Iterator[_Piece]:
    before = known.kept.known(path) if known.kept is not None else None
    if before is not None:
        yield from (_Piece(part, owner) for part in before)
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        begin, size = os.read(descriptor, known.layouts.reach), os.fstat(descriptor).st_size
        readers = [
            read for magic, read in TABLE_READERS.items() if magic in begin[: len(magic) + 8]
        ]
        place = None
        if _kind(begin[:_HEAD_BYTES]) == "dicom" and not readers:
            place = known.layouts.find(begin, size)
        if place is not None:
            # The pixels, most of the file, are not even read.
            behind = _read_from(descriptor, place.pixels_end, size)
            yield from _pieces_at(place, begin, behind, owner, known)
            return
    finally:
        os.close(descriptor)
    yield from _pieces_of_other(Path(path), begin[:_HEAD_BYTES], owner, known, readers)


def _read_from(descriptor: int, begin: int, end: int) -> bytes:
    parts = []
    while begin < end:
        part = os.pread(descriptor, end - begin, begin)
        if not part:
            raise OSError("a file became shorter while it was searched")
        parts.append(part)
        begin += len(part)
    return b"".join(parts)


def _pieces_of_other(
    path: Path,
    head: bytes,
    owner: str | None,
    known: _Known,
    readers: Sequence[Callable[[Path], Cells]],
) -> Iterator[_Piece]:
    """Yield the pieces of a file that is no object of a series known by now."""
    for read_cells in readers:
        yield from _pieces_of_cells(read_cells(path), known)
    if _kind(head) == "gzip" and is_compressed_volume(path):
        longest = known.dictionary.longest
        if known.kept is not None and not readers:
            parts = known.kept.read(path, longest)
        else:
            parts = parts_of_compressed(path, known.proven, longest)
        yield from (_Piece(part, owner) for part in parts)
        return
    if _kind(head) == "bytes" and path.stat().st_size > _CHUNK_BYTES:
        yield from _chunks(path, owner, known.dictionary.longest)
    else:
        yield from _pieces(path.read_bytes(), owner, known, 0)


def _pieces_of_cells(cells: Cells, known: _Known) -> Iterator[_Piece]:
    for row_owner, text in cells:
        owner = row_owner if row_owner in known.dictionary.subject_ids else None
        yield _Piece(text.encode("utf-8", "surrogateescape"), owner, is_text=True)


def _chunks(path: Path, owner: str | None, overlap: int) -> Iterator[_Piece]:
    tail = b""
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            yield _Piece(tail + chunk, owner)
            tail = chunk[-overlap - 1 :]


def _kind(head: bytes) -> str:
    if head[128:132] == b"DICM":
        return "dicom"
    if head[:2] == b"\x1f\x8b":
        return "gzip"
    if head[:4] == b"PK\x03\x04":
        return "zip"
    if is_nifti(head):
        return "nifti"
    return "text" if b"\0" not in head else "bytes"


def _pieces(data: bytes, owner: str | None, known: _Known, depth: int) -> Iterator[_Piece]:
    kind = _kind(data[:_HEAD_BYTES])
    if kind == "dicom":
        yield from _pieces_of_dicom(data, owner, known)
    elif kind == "nifti":
        parts = parts_of_stream(
            io.BytesIO(data), known.dictionary.longest, with_voxels=known.proven is not None
        )
        yield from (_Piece(part, owner) for part in parts)
    elif kind == "gzip" and depth < _MAX_NESTING:
        yield from _pieces(_gunzip(data), owner, known, depth + 1)
    elif kind == "zip" and depth < _MAX_NESTING:
        yield from _pieces_of_zip(data, owner, known, depth)
    else:
        yield _Piece(data, owner, is_text=kind == "text")


def _pieces_of_dicom(data: bytes, owner: str | None, known: _Known) -> Iterator[_Piece]:
    place = known.layouts.find(data, len(data))
    if place is not None:
        yield from _pieces_at(place, data, data[place.pixels_end :], owner, known)
        return
    try:
        header = scan_file(data)
    except ScanError:
        yield _Piece(data, owner)
        return
    known.layouts.learn(data, header)
    owner = _owner(header.get(tag_of("PatientID")), known) or owner
    pixels = header.get(PIXEL_DATA)
    for part in _outside_pixels(data, header, pixels):
        yield _Piece(part, owner)
    # Fragments that hold nothing but image are noise to a search: a short name in some encoding
    # stands in it by chance. Whatever else they carry is searched.
    compressed = pixels and header.elements[PIXEL_DATA].undefined_length
    if compressed and look_inside_of(header).beside:
        yield _Piece(pixels, owner)


def _pieces_at(
    place: Found, data: bytes, behind: bytes, owner: str | None, known: _Known
) -> Iterator[_Piece]:
    owner = _owner(place.patient_id, known) or owner
    yield _Piece(data[: place.pixels_begin], owner)
    yield _Piece(behind, owner)


def _outside_pixels(data: bytes, header: Header, pixels: bytes) -> Iterator[bytes]:
    """Yield all but the pixels: a deflated data set inflated, since its bytes are noise too."""
    if header.transfer_syntax == DEFLATED_LITTLE:
        before, data, behind = inflate_file(data)
        yield from (before, behind)
    begin = data.find(pixels) if pixels else len(data)
    yield data[:begin]
    yield data[begin + len(pixels) :]


def _owner(patient_id: bytes, known: _Known) -> str | None:
    text = patient_id.decode("latin-1").strip("\0 ")
    return text if text in known.dictionary.subject_ids else None


def _pieces_of_zip(data: bytes, owner: str | None, known: _Known, depth: int) -> Iterator[_Piece]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for member in archive.infolist():
            yield _Piece(member.filename.encode("utf-8", "surrogateescape"), owner, is_text=True)
            with archive.open(member) as stream:
                inner = stream.read(_MAX_DECODED_BYTES)
            yield from _pieces(inner, owner, known, depth + 1)


def _gunzip(data: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        try:
            plain = stream.read(_MAX_DECODED_BYTES)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise OSError("a compressed file cannot be decoded, so it was not searched") from None
    # The header of the gzip member may hold a file name and a comment.
    return plain + b"\n" + data[:256]
