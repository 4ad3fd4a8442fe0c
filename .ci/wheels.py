"""The wheels of this clone for Linux on x86-64 and on arm64, from one machine of either kind.

    python .ci/wheels.py dist/wheels

What this machine is not is compiled by a compiler for it (Debian: gcc-aarch64-linux-gnu and
libc6-dev-arm64-cross). What could not be built is told, and is an error where
LIVERCOHORT_REQUIRE_COMPILERS is set.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Of each processor the oldest that the tag of its wheel speaks of: some compilers' own is newer.
PROCESSORS = {"x86_64": "x86-64", "aarch64": "armv8-a"}


def compiler_for(processor: str) -> str:
    """Return the command that compiles for a processor, empty where there is none."""
    names = [f"{processor}-linux-gnu-gcc"]
    if processor == platform.machine():
        names.insert(0, os.environ.get("CC", "").strip() or "cc")
    found = next((name for name in names if shutil.which(name.split()[0])), "")
    return f"{found} -march={PROCESSORS[processor]}" if found else ""


def build(processor: str, folder: Path) -> Path | str:
    """Build the wheel for a processor into a folder; return it, or why it was not built."""
    compiler = compiler_for(processor)
    if not compiler:
        return f"no {processor}-linux-gnu-gcc"
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    with tempfile.TemporaryDirectory() as scratch:
        told = subprocess.run(
            [*command, "-d", scratch], cwd=ROOT, capture_output=True, text=True, check=False,
            env={**os.environ, "CC": compiler},
        )  # fmt: skip
        for made in Path(scratch).glob(f"*_{processor}.whl"):
            folder.mkdir(parents=True, exist_ok=True)
            return Path(shutil.move(made, folder / made.name))
    return f"{compiler}: {told.stderr.strip() or told.stdout.strip()}"


def main() -> None:
    """Build both, and say what was built."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    for old in folder.glob("livercohort-*.whl"):  # what lies there is of this clone, or nothing
        old.unlink()
    failed = []
    for processor in PROCESSORS:
        built = build(processor, folder.absolute())
        sys.stdout.write(f"{processor}: {built.name if isinstance(built, Path) else 'not built'}\n")
        if isinstance(built, str):
            failed.append(f"{processor} is not built: {built}")
    sys.stderr.write("".join(f"{line}\n" for line in failed))
    if failed and os.environ.get("LIVERCOHORT_REQUIRE_COMPILERS"):
        sys.exit("both wheels are required (LIVERCOHORT_REQUIRE_COMPILERS)")


if __name__ == "__main__":
    main()
