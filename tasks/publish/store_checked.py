"""Hashes of files by their directory entries, remembered from one release to the next.

A cohort has millions of images: those of one site are in memory at a time.
"""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from schemas.run.atomic_files import make_folder, sha256_of_file
from schemas.run.zones import Zones

#: After so many days every image is hashed anew.
FULL_EVERY_DAYS = 7
_FOLDER = "checked"
#: Where releases of before remembered all sites together.
_OF_BEFORE = "checked.parquet"
#: What is no image: volumes and what lies beside them.
_OTHERS = "others"
_IMAGES = "warehouse/dicom/"
_ENTRY = ("size", "mtime_ns", "ctime_ns", "inode")
_SCHEMA = pa.schema(
    [("path", pa.string())]
    + [(name, pa.int64()) for name in (*_ENTRY, "full_at")]
    + [("sha256", pa.string())]
)
#: A directory entry and the SHA-256 of the file, packed: there are as many as images of a site.
_PACKED, _PACKED_ENTRY = struct.Struct("<4q32s"), struct.Struct("<4q")
_Entry = tuple[int, int, int, int]


class Checked:
    """Hashes of files by their directory entries, as remembered in the restricted zone.

    Parameters
    ----------
    zones : Zones
        Whose files.
    rehash : bool
        Believe nothing that is remembered.
    """

    def __init__(self, zones: Zones, *, rehash: bool = False) -> None:
        self._home, self._folder = zones.home, zones.restricted / _FOLDER
        self._rehash, self._now = rehash, int(time.time())
        self._begins = f"{zones.home}/"
        self._others: _Shelf | None = None
        self._images: _Shelf | None = None
        self._begun: set[str] = set()

    @property
    def full_at(self) -> int:
        """When all images were hashed, in seconds since 1970: those that it is longest ago for."""
        files = sorted(self._folder.glob("*.parquet"))
        return min((_full_at(path, self._now) or self._now for path in files), default=self._now)

    def sha256(self, path: Path | str) -> str:
        """Return the hash of a file, computed when its entry is not the remembered one."""
        name, entry = self._name(path), _entry(path)
        shelf = self._shelf(name)
        known = shelf.get(name)
        if known is None or known[0] != entry:
            known = shelf.put(name, (entry, str(sha256_of_file(Path(path)))))
        return known[1]

    def is_as(self, path: Path | str, stated: str) -> bool:
        """Return whether a file has the hash stated; of one whose entry is remembered, at once."""
        name = self._name(path)
        return self._shelf(name).holds(name, _entry(path), stated) or self.sha256(path) == stated

    def linked(self, path: Path) -> None:
        """Remember the entry of a file that a release gave a second name, and took the time of."""
        name, entry = self._name(path), _entry(path)
        shelf = self._shelf(name)
        known = shelf.get(name)
        if known is not None and (known[0][0], known[0][3]) == (entry[0], entry[3]):
            shelf.put(name, (entry, known[1]))

    def write(self) -> None:
        """Keep what is known for the next release; of images, those of the last site."""
        for shelf in (self._others, self._images):
            if shelf is not None:
                shelf.write()

    def _name(self, path: Path | str) -> str:
        """Return the path below the home, as `relative_to` would, for millions of files."""
        text = str(path)
        if text.startswith(self._begins):
            return text[len(self._begins) :]
        return str(Path(path).relative_to(self._home))

    def _shelf(self, name: str) -> _Shelf:
        if not name.startswith(_IMAGES):
            if self._others is None:
                self._others = self._opened(_OTHERS)
            return self._others
        site = name.split("/", 3)[2]
        if self._images is None or self._images.title != site:
            if self._images is not None:
                self._images.write()  # the hashes are true, whatever becomes of this release
            self._images = self._opened(site)
        return self._images

    def _opened(self, title: str) -> _Shelf:
        path = self._folder / f"{title}.parquet"
        is_anew = self._rehash and title not in self._begun
        self._begun.add(title)
        return _Shelf(path, self._now, is_empty=is_anew)


class _Shelf:
    """The files of one site, or all others."""

    def __init__(self, path: Path, now: int, *, is_empty: bool = False) -> None:
        self._path, self.title = path, path.stem
        self._known: dict[str, bytes] = {}
        self.full_at, self._is_changed = now, is_empty
        if not is_empty and path.is_file():
            self._read(now)

    def get(self, name: str) -> tuple[_Entry, str] | None:
        """Return the entry that a file was hashed under, and its hash."""
        packed = self._known.get(name)
        if packed is None:
            return None
        *entry, digest = _PACKED.unpack(packed)
        return (entry[0], entry[1], entry[2], entry[3]), digest.hex()

    def holds(self, name: str, entry: _Entry, digest: str) -> bool:
        """Return whether a file was hashed under just this entry, with just this hash."""
        known = self._known.get(name, b"")
        begins = _PACKED_ENTRY.pack(*entry)
        return known.startswith(begins) and known[len(begins) :].hex() == digest

    def put(self, name: str, known: tuple[_Entry, str]) -> tuple[_Entry, str]:
        """Remember a file."""
        packed = _PACKED.pack(*known[0], bytes.fromhex(known[1]))
        self._is_changed = self._is_changed or self._known.get(name) != packed
        self._known[name] = packed
        return known

    def write(self) -> None:
        """Keep what is known, where something of it is new."""
        if not self._is_changed:
            return
        names = sorted(self._known)
        rows = (_PACKED.unpack(self._known[name]) for name in names)
        columns = list(zip(*rows, strict=True)) or [()] * (len(_ENTRY) + 1)
        made = {
            "path": names,
            **dict(zip(_ENTRY, columns, strict=False)),
            "full_at": [self.full_at] * len(names),
            "sha256": [digest.hex() for digest in columns[-1]],
        }
        arrays = [pa.array(made[field.name], field.type) for field in _SCHEMA]
        make_folder(self._path.parent, closed=True)
        _write(pa.table(arrays, schema=_SCHEMA), self._path)
        self._is_changed = False

    def _read(self, now: int) -> None:
        oldest = _full_at(self._path, now)
        if oldest is None:
            return  # everything is hashed anew
        names = ("path", *_ENTRY, "sha256")
        try:
            with pq.ParquetFile(self._path) as file:
                for rows in file.iter_batches(1 << 14, columns=list(names)):
                    paths, *entry, digests = (rows.column(one).to_pylist() for one in names)
                    packed = map(_PACKED.pack, *entry, map(bytes.fromhex, digests))
                    self._known.update(zip(paths, packed, strict=True))
        except (OSError, pa.ArrowException, ValueError, TypeError, KeyError, struct.error):
            self._known = {}
            return
        self.full_at = oldest


def forget_gone(zones: Zones) -> None:
    """Remove what is remembered of files that are not there any more: after an erasure.

    The one file of all sites, which releases of before kept and nothing reads now, goes too.
    """
    (zones.restricted / _OF_BEFORE).unlink(missing_ok=True)
    for path in sorted((zones.restricted / _FOLDER).glob("*.parquet")):
        try:
            known = pq.read_table(path, schema=_SCHEMA)
        except (OSError, pa.ArrowException):
            path.unlink()
            continue
        there = [(zones.home / name).is_file() for name in known["path"].to_pylist()]
        if not all(there):
            _write(known.filter(pa.array(there, pa.bool_())), path)


def _write(table: pa.Table, path: Path) -> None:
    beside = path.with_name(f".{path.stem}.part")
    pq.write_table(table, beside)
    beside.chmod(0o600)
    beside.replace(path)


def _full_at(path: Path, now: int) -> int | None:
    """Return when all files of a shelf were hashed; None where that is too long ago to count."""
    try:
        dates = pq.read_table(path, columns=["full_at"])["full_at"]
    except (OSError, pa.ArrowException):
        return None
    oldest = pc.min(dates).as_py() or 0
    # A date to come was written by a clock that has been set back since: it would put the look
    # at every image off until then.
    return oldest if 0 <= now - oldest <= FULL_EVERY_DAYS * 86_400 else None


def _entry(path: Path | str) -> _Entry:
    info = os.stat(path, follow_symlinks=False)  # noqa: PTH116  a link is not what was committed
    return info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino
