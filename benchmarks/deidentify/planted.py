"""Planted identifiers left by each tool, by the place they stand in.

    livercohort simulate DELIVERY --sites 2 --subjects 4 --nights 1 --seed 7
    python benchmarks/deidentify/planted.py DELIVERY --peers PEERS_FOLDER

The files: the first of each series of a simulated delivery (all vendors, all leak places), and
one CT planted in six character-set situations. Every tool gets the same files. In what it
writes, every planted value is searched outside the pixels, in all encodings, by bytes; a hit
counts once per file, value and place. A file that a tool does not write is counted beside.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from bisect import bisect_right
from collections import Counter
from pathlib import Path

from peer_environment import RUNNER, peers_python
from planted_values import Planted, hits, patterns_of, places, read_planted, without_pixels

from tests.unit.deidentify.planted import LATIN_NAME, SITUATIONS, VALUES, plant

OURS, PEERS = "livercohort", ("dicom-anonymizer", "deid", "dicognito")
OWN_RUNNER = Path(__file__).with_name("own_runner.py")
Table = list[tuple[Planted, frozenset[bytes]]]


def main() -> None:
    """Print planted and left, by place and tool."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("delivery", type=Path)
    parser.add_argument("--peers", type=Path, required=True, help="folder of their environment")
    options = parser.parse_args()
    python = peers_python(options.peers)
    values = _values(options.delivery)
    with tempfile.TemporaryDirectory() as scratch:
        src = Path(scratch, "src")
        n_files = _gather(options.delivery, src)
        counts = {"planted": _count(src, values)}
        written = {}
        for tool in (OURS, *PEERS):
            dst = Path(scratch, tool)
            _run(tool, src, dst, python)
            counts[tool] = _count(dst, values)
            written[tool] = sum(1 for p in dst.rglob("*.dcm") if p.is_file())
    _print(counts, written, n_files)
    sys.exit(1 if counts[OURS].total() else 0)


def _values(delivery: Path) -> Table:
    own = {Planted("", "", "planted CT", v) for v in (*VALUES, LATIN_NAME)}
    return [(p, patterns_of(p.value)) for p in sorted({*read_planted(delivery), *own})]


def _gather(delivery: Path, src: Path) -> int:
    src.mkdir()
    folders = sorted({p.parent for p in delivery.glob("*/*/dicom/**/*") if p.is_file()})
    firsts = [min(p for p in folder.iterdir() if p.is_file()) for folder in folders]
    for number, path in enumerate(firsts, start=1):
        shutil.copy(path, src / f"{number:06d}.dcm")
    for number, situation in enumerate(SITUATIONS.values(), start=len(firsts) + 1):
        (src / f"{number:06d}.dcm").write_bytes(plant(situation)[0])
    return len(firsts) + len(SITUATIONS)


def _run(tool: str, src: Path, dst: Path, python: Path) -> None:
    command = [str(python), str(RUNNER), tool, str(src), str(dst)]
    if tool == OURS:
        command = [sys.executable, str(OWN_RUNNER), str(src), str(dst), "2"]
    subprocess.run(command, check=True, capture_output=True)


def _count(folder: Path, values: Table) -> Counter[str]:
    found: set[tuple[Path, Planted, str]] = set()
    for path in folder.rglob("*.dcm"):
        data = without_pixels(path.read_bytes())
        starts = places(data)
        for planted, at in hits(data, values):
            where = starts[bisect_right(starts, (at, "\uffff")) - 1][1]
            found.add((path, planted, where))
    return Counter(where for _, _, where in found)


def _print(counts: dict[str, Counter[str]], written: dict[str, int], n_files: int) -> None:
    print(f"{'place':<38}" + "".join(f"{name:>18}" for name in counts))
    for place in sorted(set().union(*counts.values())):
        print(f"{place:<38}" + "".join(f"{c[place]:>18}" for c in counts.values()))
    print(f"{'all':<38}" + "".join(f"{c.total():>18}" for c in counts.values()))
    files = [n_files, *written.values()]
    print(f"{'files written':<38}" + "".join(f"{n:>18}" for n in files))


if __name__ == "__main__":
    main()
