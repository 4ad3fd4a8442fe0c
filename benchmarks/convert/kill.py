"""Kill a conversion at random moments, run it again: the tree must be that of a quiet run.

    python benchmarks/convert/kill.py DICOM_FOLDER [--kills 50] [--seed 1]

Each trial starts `convert_folder` over several series in a process of its own, kills it with
SIGKILL after a random part of the time a quiet run takes, runs it again to the end and
compares every file of the destination with the quiet run's, byte by byte.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUN = """
import sys
from pathlib import Path
from tasks.convert.store_folder import convert_folder
convert_folder(Path(sys.argv[1]), Path(sys.argv[2]), workers=2)
"""


def start(source: Path, target: Path) -> subprocess.Popen[bytes]:
    """Start one conversion."""
    return subprocess.Popen([sys.executable, "-c", RUN, str(source), str(target)])


def tree(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder by relative name, hidden ones too."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    } | {str(p.relative_to(folder)): "folder" for p in folder.rglob("*") if p.is_dir()}


def main() -> None:
    """Print how many trials ended in the same tree; exit 1 if not all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    same = interrupted = 0
    with tempfile.TemporaryDirectory() as folder:
        quiet, disturbed = Path(folder, "quiet"), Path(folder, "disturbed")
        began = time.perf_counter()
        start(options.folder, quiet).wait()
        seconds = time.perf_counter() - began
        expected = tree(quiet)
        for trial in range(options.kills):
            shutil.rmtree(disturbed, ignore_errors=True)
            process = start(options.folder, disturbed)
            time.sleep(chance.uniform(0.05, 1.0) * seconds)
            interrupted += process.poll() is None
            process.kill()
            process.wait()
            start(options.folder, disturbed).wait()
            found = tree(disturbed)
            same += found == expected
            if found != expected:
                odd = sorted(set(found.items()) ^ set(expected.items()))
                print(f"trial {trial}: {[name for name, _ in odd][:6]}", flush=True)
    print(
        f"{len(expected)} files, quiet run {seconds:.1f} s: {interrupted} of {options.kills} "
        f"runs killed under way, {same} of {options.kills} trees identical"
    )
    raise SystemExit(same != options.kills)


if __name__ == "__main__":
    main()
