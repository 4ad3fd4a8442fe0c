"""What a release made of the images of a site, kept for the next: a cache, never the truth.

Sealed in the restricted zone, for it names people that no release has; an erasure removes it all.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from schemas.run.zones import Zones
from schemas.vault.kept import KEPT_SUFFIX, read_kept, write_kept
from schemas.vault.keys import KeyRing


class KeptImages:
    """What is kept of the images of a home, each under the digest of what it was made from.

    Parameters
    ----------
    zones : Zones
        Whose restricted zone keeps it.
    ring : KeyRing, optional
        Seals it; without one nothing is kept.
    """

    def __init__(self, zones: Zones, ring: KeyRing | None) -> None:
        self._folder, self._ring = _folder(zones), ring
        self._asked: set[str] = set()

    def known(self, kind: str, name: str, key: str | None, make: Callable[[], object]) -> object:
        """Return what is kept under a digest, made where it is not; None is never kept."""
        path = self._folder / f"{name}.{kind}{KEPT_SUFFIX}"
        if self._ring is None or key is None:
            return make()
        self._asked.add(path.name)
        before = read_kept(path, self._ring, _what(kind, name))
        if key in before:
            return before[key]
        made = make()
        write_kept(path, self._ring, _what(kind, name), {key: made})
        return made

    def forget_others(self, *kinds: str) -> None:
        """Remove what this release did not ask for: whoever is gone is gone here too."""
        for kind in kinds:
            for path in self._folder.glob(f"*.{kind}{KEPT_SUFFIX}"):
                if path.name not in self._asked:
                    path.unlink()


class KeptContents:
    """Hashes of what tables say of the released people of a site, by what and whom.

    Parameters
    ----------
    zones, ring
        As of `KeptImages`.
    """

    def __init__(self, zones: Zones, ring: KeyRing) -> None:
        self._path, self._ring = _folder(zones) / f"contents{KEPT_SUFFIX}", ring
        self._before = read_kept(self._path, ring, _what("contents", ""))
        self.known = Used({name: str(value) for name, value in self._before.items()})

    def write(self) -> None:
        """Keep those that this release asked for."""
        now: dict[str, object] = {name: self.known[name] for name in sorted(self.known.used)}
        if now != self._before:
            write_kept(self._path, self._ring, _what("contents", ""), now)


class Used(dict[str, str]):
    """Remembers what was asked for."""

    def __init__(self, known: Mapping[str, str]) -> None:
        super().__init__(known)
        self.used: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.used.add(name)
        return super().__getitem__(name)


def forget_images(zones: Zones) -> None:
    """Remove all that is kept; the next release makes it anew."""
    shutil.rmtree(_folder(zones), ignore_errors=True)


def _folder(zones: Zones) -> Path:
    return zones.restricted / "images"


def _what(kind: str, name: str) -> str:
    return f"images/{kind}/{name}"
