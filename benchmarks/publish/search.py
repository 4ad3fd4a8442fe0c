"""What the search of a release costs: by image UIDs searched for, and by volumes searched.

    PYTHONPATH=. python benchmarks/publish/search.py [--images 100000] [--volumes 6]
    PYTHONPATH=. python benchmarks/publish/search.py --persons 1000

A dictionary is made of persons with 3 000 images each, as a cohort of nine million has them; the
volumes are of 512 x 512 x 60, compressed as ours are. CPU is user + system time of this process,
memory what it grew by; the making of the identifiers, which a release reads, is in both.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gzip
import hashlib
import random
import resource
import struct
import tempfile
from pathlib import Path

import numpy as np

from schemas.run.zones import Zones
from schemas.vault.keys import KEY_BYTES, KeyRing
from tasks.deidentify.identifiers import Identifier, IdentifierKind, SubjectIdentifiers
from tasks.deidentify.search.residual_scan import Dictionary
from tasks.deidentify.search.store_kept_parts import KeptParts, stated_volumes
from tasks.deidentify.search.store_scan import scan_paths

IMAGES_OF_ONE = 3000
SHAPE = (512, 512, 60)


def used() -> tuple[float, float]:
    """Return CPU seconds and peak MiB of this process so far."""
    now = resource.getrusage(resource.RUSAGE_SELF)
    return now.ru_utime + now.ru_stime, now.ru_maxrss / 1024


def told(what: str, before: tuple[float, float]) -> None:
    """Print what was used since."""
    cpu, peak = used()
    print(f"{what:52}{cpu - before[0]:8.2f} s CPU{peak - before[1]:8.0f} MiB more at the peak")


def person(number: int) -> SubjectIdentifiers:
    """Return a person with a name and the UIDs of 3 000 images of one scanner."""
    uids = (f"1.3.12.2.1107.5.2.36.40{number:05d}.{n:012d}" for n in range(IMAGES_OF_ONE))
    own = {Identifier(IdentifierKind.UID, uid) for uid in uids}
    own.add(Identifier(IdentifierKind.NAME, f"Zhang^Wei{number:05d}"))
    return SubjectIdentifiers(f"X001-{number:08d}", None, frozenset(own))


def named_person(number: int) -> SubjectIdentifiers:
    """Return a person as headers and forms name one: in Han and Latin, with days and numbers."""
    chance = random.Random(number)
    given = "".join(chr(chance.randrange(0x4E00, 0x9FA5)) for _ in range(2))
    latin = "".join(chance.choice("bcdfghjlmnpqrstwxyz") + chance.choice("aeiou") for _ in range(4))
    own = {
        Identifier(IdentifierKind.NAME, chance.choice("王李张刘陈杨黄赵吴周") + given),
        Identifier(IdentifierKind.NAME, f"{chance.choice(['Wang', 'Li', 'Zhang', 'Liu'])}^{latin}"),
        Identifier(IdentifierKind.PHYSICIAN, f"Doctor^{'abcdefghij'[number // 10 % 10]}{latin}"),
        Identifier(IdentifierKind.PATIENT_ID, f"P{chance.randrange(10**8):08d}"),
        Identifier(IdentifierKind.PHONE, f"13{chance.randrange(10**9):09d}"),
    }
    for _ in range(10):
        day = dt.date(2018, 1, 1) + dt.timedelta(days=chance.randrange(2500))
        own.add(Identifier(IdentifierKind.DATE, f"{day:%Y%m%d}"))
    return SubjectIdentifiers(f"X001-{number:08d}", 10, frozenset(own))


def write_release(folder: Path, n_volumes: int) -> None:
    """Write volumes of noise over a smooth body, and their sums."""
    noise = np.random.default_rng(1)
    lines = []
    for number in range(n_volumes):
        header = bytearray(352)
        struct.pack_into("<i", header, 0, 348)
        struct.pack_into("<8h", header, 40, 3, *SHAPE, 1, 1, 1, 1)
        struct.pack_into("<2h", header, 70, 4, 16)
        struct.pack_into("<f", header, 108, 352.0)
        header[344:348] = b"n+1\0"
        voxels = noise.normal(1064, 12, SHAPE).astype("<u2").tobytes()
        data = gzip.compress(bytes(header) + voxels, 1, mtime=0)
        path = folder / "nifti" / f"{number}.nii.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        lines.append(f"{hashlib.sha256(data).hexdigest()}  nifti/{path.name}\n")
    (folder / "SHA256SUMS").write_text("".join(lines), encoding="utf-8")


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--volumes", type=int, default=6)
    parser.add_argument("--persons", type=int, help="only the dictionary of so many people's names")
    given = parser.parse_args()
    if given.persons:
        before = used()
        Dictionary(map(named_person, range(given.persons)))
        told(f"dictionary of {given.persons} persons", before)
        return
    people = -(-given.images // IMAGES_OF_ONE)
    before = used()
    # One after another, as the sealed files of the batches are read.
    dictionary = Dictionary(map(person, range(people)))
    told(f"dictionary of {people * IMAGES_OF_ONE} images", before)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "release"
        write_release(folder, given.volumes)
        for what in ("volumes read", "volumes known"):
            before = used()
            ring = KeyRing(b"k" * KEY_BYTES)
            kept = KeptParts(Zones(Path(scratch)), ring, stated_volumes(folder))
            assert not scan_paths([folder], dictionary, kept=kept)
            kept.write()
            told(f"search, {given.volumes} {what}", before)


if __name__ == "__main__":
    main()
