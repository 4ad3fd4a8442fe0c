"""What of a volume is searched is known from the release before; that it is clean never is."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from schemas.run.zones import Zones
from schemas.vault import kept
from schemas.vault.keys import KEY_BYTES, KeyRing
from tasks.deidentify.search.residual_scan import Dictionary
from tasks.deidentify.search.store_kept_parts import KeptParts, forget_parts, stated_volumes
from tasks.deidentify.search.store_scan import scan_paths
from tests.unit.deidentify.search.test_store_scan_volumes import (
    DICTIONARY,
    PLAIN,
    PLANTED,
    TEXT,
    packed,
    volume,
    voxels,
)

RING = KeyRing(b"k" * KEY_BYTES)
NOBODY = Dictionary([])


def release(folder: Path, **volumes: bytes) -> Path:
    """Write volumes, and their sums as a release states them."""
    lines = []
    for name, data in volumes.items():
        path = folder / "nifti" / f"{name}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        lines.append(f"{hashlib.sha256(data).hexdigest()}  nifti/{name}.nii.gz\n")
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")
    return folder


def search(home: Path, folder: Path, dictionary: Dictionary, ring: KeyRing = RING) -> set[str]:
    """Search a release that was just linked; return the names of the volumes with a hit."""
    known = KeptParts(Zones(home), ring, stated_volumes(folder))
    hits = scan_paths([folder], dictionary, kept=known)
    known.write()
    return {hit.path.name.partition(".")[0] for hit in hits if hit.path.suffix == ".gz"}


@pytest.mark.parametrize("place", PLANTED)
def test_a_name_that_comes_up_later_is_found_in_a_volume_that_is_known(
    tmp_path: Path, place: str
) -> None:
    folder = release(tmp_path / "r", planted=PLANTED[place], plain=packed(volume(PLAIN)))
    assert search(tmp_path, folder, NOBODY) == set()
    assert search(tmp_path, folder, DICTIONARY) == {"planted"}
    assert search(tmp_path, folder, DICTIONARY) == {"planted"}  # nothing is remembered as clean


def test_a_known_volume_is_not_read_again(tmp_path: Path) -> None:
    data = packed(volume(PLAIN + TEXT))
    folder = release(tmp_path / "r", one=data)
    search(tmp_path, folder, NOBODY)
    (folder / "nifti" / "one.nii.gz").write_bytes(b"\x1f\x8b no longer to be decoded")
    assert search(tmp_path, folder, DICTIONARY) == {"one"}


def test_another_volume_of_the_same_name_is_read(tmp_path: Path) -> None:
    search(tmp_path, release(tmp_path / "r", one=packed(volume(PLAIN))), NOBODY)
    other = release(tmp_path / "r", one=packed(volume(PLAIN + TEXT)))
    assert search(tmp_path, other, DICTIONARY) == {"one"}


@pytest.mark.parametrize("what", ["code", "key", "bytes", "forgotten"])
def test_what_something_else_kept_does_not_count(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = release(tmp_path / "r", one=packed(volume(PLAIN)))
    search(tmp_path, folder, NOBODY)
    ring, file = RING, tmp_path / "restricted" / "volume_parts.kept"
    assert file.stat().st_mode & 0o077 == 0
    if what == "code":
        monkeypatch.setattr(kept, "made_by", lambda: "another")
        monkeypatch.setattr(kept, "read_made_by", lambda: "another")
    elif what == "key":
        ring = KeyRing(b"x" * KEY_BYTES)
    elif what == "bytes":
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    else:
        forget_parts(Zones(tmp_path))
    (folder / "nifti" / "one.nii.gz").write_bytes(packed(volume(PLAIN + TEXT)))
    assert search(tmp_path, folder, DICTIONARY, ring) == {"one"}


def test_a_volume_with_much_outside_of_its_voxels_is_read_each_time(tmp_path: Path) -> None:
    much = packed(volume(PLAIN + bytes(1 << 17)))
    folder = release(tmp_path / "r", one=much)
    search(tmp_path, folder, NOBODY)
    assert KeptParts(Zones(tmp_path), RING, stated_volumes(folder)).known(
        str(folder / "nifti" / "one.nii.gz")
    ) is None  # fmt: skip


def test_little_is_kept_of_a_volume_and_none_of_its_voxels(tmp_path: Path) -> None:
    folder = release(tmp_path / "r", one=packed(volume(voxels(TEXT))))
    search(tmp_path, folder, NOBODY)
    known = KeptParts(Zones(tmp_path), RING, stated_volumes(folder))
    (parts,) = [known.known(str(folder / "nifti" / "one.nii.gz"))]
    assert parts is not None
    assert 348 <= sum(map(len, parts)) <= 1024
    assert TEXT not in b"".join(parts)


def test_who_is_not_in_this_release_is_not_kept(tmp_path: Path) -> None:
    both = release(tmp_path / "r", one=packed(volume(PLAIN)), two=packed(volume(PLAIN + b"2")))
    search(tmp_path, both, NOBODY)
    file = tmp_path / "restricted" / "volume_parts.kept"
    before = file.read_bytes()
    search(tmp_path, both, DICTIONARY)
    assert file.read_bytes() == before
    search(tmp_path, release(tmp_path / "q", one=packed(volume(PLAIN))), NOBODY)
    assert len(file.read_bytes()) < len(before)


def test_a_release_that_was_not_just_linked_is_read(tmp_path: Path) -> None:
    folder = release(tmp_path / "r", one=packed(volume(PLAIN)))
    search(tmp_path, folder, NOBODY)
    (folder / "nifti" / "one.nii.gz").write_bytes(packed(volume(PLAIN + TEXT)))
    assert {hit.subject_id for hit in scan_paths([folder], DICTIONARY)} == {"S91-AAAAAAAA"}
