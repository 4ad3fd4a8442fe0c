"""What of a volume is searched, kept by the hash of the volume: its header, and what is behind.

In a release the voxels of a volume are not searched, yet the volume has to be decompressed to its
end to know what stands behind them: seconds for each subject, hours for a cohort, in every
release. What is to be searched is a few hundred bytes, and is the same as long as the file is. It
is searched in each release anew, with all that anybody is called by then: nothing is remembered
as clean.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from schemas.run.zones import Zones
from schemas.vault.kept import KEPT_SUFFIX, read_kept, write_kept
from schemas.vault.keys import KeyRing
from tasks.deidentify.search.store_scan_volumes import parts_of_compressed

_WHAT = "volume parts"
#: Volumes of ours have less than this outside of their voxels.
_MOST_BYTES = 1 << 16
_SUMS = "SHA256SUMS"


class KeptParts:
    """The parts of released volumes that are searched, by the SHA-256 of the file.

    Parameters
    ----------
    zones : Zones
        Whose restricted zone keeps them.
    ring : KeyRing
        Seals them.
    stated : mapping of str to str
        Path → SHA-256, of volumes that were just proven to have it.
    """

    def __init__(self, zones: Zones, ring: KeyRing, stated: Mapping[str, str]) -> None:
        self._file, self._ring, self._stated = _file(zones), ring, stated
        self._before = read_kept(self._file, ring, _WHAT)
        self._now: dict[str, object] = {}

    def known(self, path: str) -> tuple[bytes, ...] | None:
        """Return what of a volume is searched; None where the volume has to be read."""
        digest = self._stated.get(path, "")
        found = cast("tuple[bytes, ...] | None", self._before.get(digest))
        if found is not None:
            self._now[digest] = found
        return found

    def read(self, path: Path, overlap: int) -> Iterator[bytes]:
        """Yield what of a volume is searched, and keep it if it is little."""
        digest = self._stated.get(str(path))
        # With so much overlap a piece holds all before it: the longest name falls on no border.
        parts = parts_of_compressed(path, None, max(overlap, _MOST_BYTES))
        little: list[bytes] = []
        n_bytes = 0
        for part in parts:
            n_bytes += len(part)
            if n_bytes <= _MOST_BYTES:
                little.append(part)
            yield part
        if digest is not None and n_bytes <= _MOST_BYTES:
            self._now[digest] = tuple(little)

    def write(self) -> None:
        """Keep those of this release, and of no other."""
        if self._now.keys() != self._before.keys():
            write_kept(self._file, self._ring, _WHAT, self._now)


def stated_volumes(folder: Path) -> dict[str, str]:
    """Return path → SHA-256 of the volumes of a release that was just put together.

    Only for whoever has linked them a moment ago and compared each with its hash: elsewhere a
    file may be another than `SHA256SUMS` says.
    """
    lines = (folder / _SUMS).read_text(encoding="utf-8").splitlines()
    pairs = (line.split("  ", 1) for line in lines)
    return {str(folder / path): digest for digest, path in pairs if path.endswith(".nii.gz")}


def forget_parts(zones: Zones) -> None:
    """Remove all that is kept; the next release reads the volumes."""
    _file(zones).unlink(missing_ok=True)


def _file(zones: Zones) -> Path:
    return zones.restricted / f"volume_parts{KEPT_SUFFIX}"
