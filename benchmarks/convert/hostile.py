"""Hostile and odd files: none may crash or hang the run, each must end with a reason.

    python benchmarks/convert/hostile.py [FOLDER ...]

All files of pydicom's own test set and of the folders named, copied into one folder, plus
mutations of some of them (cut, bytes changed, deep nesting, absurd lengths). Prints the number
of files by outcome, the longest time any one file took alone, and what was unaccounted for.
"""

from __future__ import annotations

import argparse
import random
import shutil
import struct
import tempfile
import time
from pathlib import Path

import pydicom.data

from tasks.convert.folder_rows import count_files
from tasks.convert.store_folder import convert_folder

LIMIT_S = 30.0


def gather(folders: list[Path], target: Path) -> list[Path]:
    """Copy all files under numbered names into one folder."""
    target.mkdir()
    found = sorted(p for folder in folders for p in folder.rglob("*") if p.is_file())
    copies = []
    for number, path in enumerate(found):
        copy = target / f"{number:05d}"
        shutil.copyfile(path, copy)
        copies.append(copy)
    return copies


def mutate(files: list[Path], target: Path, seed: int) -> list[Path]:
    """Write one spoilt version of each file: UIDs stay apart, so that each is judged alone."""
    target.mkdir()
    chance = random.Random(seed)
    made = []
    for number, path in enumerate(files):
        raw = bytearray(path.read_bytes()[: 4 << 20])
        if len(raw) < 200:
            continue
        if chance.random() < 0.3:
            del raw[chance.randrange(132, len(raw)) :]
        for _ in range(chance.randrange(1, 12)):
            # Headers are where a few bytes matter most.
            raw[chance.randrange(min(len(raw), 4096))] = chance.randrange(256)
        made.append(target / f"m{number:05d}")
        made[-1].write_bytes(bytes(raw))
    nested = b"\0" * 128 + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, 0)
    nested += (
        struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, 0xFFFFFFFF)
        + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    ) * 20000
    made.append(target / "nested")
    made[-1].write_bytes(nested)
    return made


def main() -> None:
    """Run all at once, then the slowest suspects alone."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="*")
    parser.add_argument("--seeds", type=int, default=6, help="rounds of spoilt files")
    parser.add_argument("--alone", type=int, default=10, help="also time this many files alone")
    options = parser.parse_args()
    own = Path(pydicom.data.__file__).parent
    bad = False
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        sources = [own / "test_files", own / "charset_files", *options.folders]
        files = gather(sources, work / "odd")
        bad |= run("odd files", files, work)
        for seed in range(options.seeds):
            bad |= run(f"spoilt, seed {seed}", mutate(files, work / f"spoilt{seed}", seed), work)
        slowest = 0.0
        for path in sorted(files, key=lambda p: -p.stat().st_size)[: options.alone]:
            alone = work / "alone"
            shutil.rmtree(alone, ignore_errors=True)
            alone.mkdir()
            shutil.copyfile(path, alone / "file")
            began = time.perf_counter()
            convert_folder(alone, work / "alone_out", workers=1)
            slowest = max(slowest, time.perf_counter() - began)
        print(f"slowest of {options.alone} files alone: {slowest:.1f} s")
    raise SystemExit(bad or slowest > LIMIT_S)


def run(title: str, files: list[Path], work: Path) -> bool:
    """Convert one folder of files, print its outcomes; return whether anything was silent."""
    source = files[0].parent
    began = time.perf_counter()
    result = convert_folder(source, work / "out" / source.name, workers=2)
    seconds = time.perf_counter() - began
    print(f"{title}: {count_files(result)}")
    silent = [r for r in result.files if r.state != "converted" and not r.reason]
    published = [v for v in result.volumes if v.file_name]
    unproven = [v for v in published if not v.round_trip_ok]
    print(
        f"    {len(files)} files in {seconds:.1f} s; rows {len(result.files)}; without a reason "
        f"{len(silent)}; published {len(published)}, unproven {len(unproven)}",
        flush=True,
    )
    return bool(silent or unproven or len(result.files) != len(files))


if __name__ == "__main__":
    main()
