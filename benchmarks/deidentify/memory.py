"""Memory and CPU of de-identification over ever more files, so that growth shows.

    PYTHONPATH=. python benchmarks/deidentify/memory.py [--files 2000 10000 50000] [--workers 1]
        [--before ANOTHER_CHECKOUT] [--rounds 1] [--base]

Deliveries of small CT files (6 kB, series of 100, UIDs as scanners make them: random at the end)
are made once, then de-identified by the command itself, each run a process of its own. `peak` is
the largest of its processes, which is the one that starts the workers or one of them;
`bytes a file` is what it has grown by since the smallest delivery. CPU is of the whole tree.
With `--base` each round begins with `cp -r` and `sha256sum` of the copy, on the same disk.
Checkouts should have their bytecode (`python -m compileall -q schemas tasks flows`), as an
installation has: without it every run compiles what it loads.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from benchmarks.deliveries import new_home
from benchmarks.processes import Cost, cost_of, machine_facts
from tests.builders import make_instance, to_bytes
from tests.flows.exports import write_key

_SLICES, _SERIES_OF_A_PERSON = 100, 5
_ROOT = "1.3.12.2.1107.5.1.4."
_PLACES = {"instance": "8" * 40, "series": "7" * 40, "study": "6" * 40}
_PERSON, _NUMBER = "PERSON0000", "9999999"


def main() -> None:
    """Print one line per delivery and tree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, nargs="+", default=[2_000, 10_000, 50_000])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--before", type=Path, help="another checkout to measure beside this one")
    parser.add_argument("--base", action="store_true", help="measure copying and hashing too")
    options = parser.parse_args()
    trees = {"now": Path(__file__).parents[2]}
    trees |= {"before": options.before.absolute()} if options.before else {}
    runs: dict[str, Path | None] = {"base": None, **trees} if options.base else {**trees}
    least: dict[str, tuple[int, float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        print(machine_facts(Path(scratch)))
        print("   files    tree   CPU s  ms a file  peak MiB  bytes a file")
        for n_files in sorted(options.files):
            delivery = Path(scratch, f"in{n_files}")
            make_delivery(delivery, n_files)
            for number, (name, tree) in product(range(options.rounds), runs.items()):
                place = Path(scratch, f"{name}{n_files}-{number}")
                cost = _run(tree, delivery, place, options.workers)
                fewest, peak = least.setdefault(name, (n_files, cost.peak_mib))
                more = n_files - fewest
                grown = f"{(cost.peak_mib - peak) * (1 << 20) / more:14.0f}" if more else ""
                each = 1000 * cost.cpu_s / n_files
                print(
                    f"{n_files:8}{name:>8}{cost.cpu_s:8.2f}{each:11.3f}{cost.peak_mib:10.0f}{grown}"
                )
                shutil.rmtree(place)


def _run(tree: Path | None, delivery: Path, place: Path, workers: int) -> Cost:
    place.mkdir()
    if tree is None:
        hashed = 'cp -r "$0" out && find out -type f -print0 | xargs -0 sha256sum > sums'
        return cost_of([["sh", "-c", hashed, str(delivery)]], cwd=place)
    write_key(place / "key")
    home = new_home(place / "home", place / "key")
    command = [sys.executable, "-m", "flows.cli", "deidentify", str(delivery), str(place / "out")]
    command += ["--subject-from", "patient_id", "--home", str(home), "--workers", str(workers)]
    return cost_of([command], cwd=place, environment={**os.environ, "PYTHONPATH": str(tree)})


def make_delivery(folder: Path, n_files: int) -> None:
    """Write so many small images, 100 a series and five series a person; the same every time."""
    for number, data in enumerate(_images(n_files)):
        series = folder / f"{number // _SLICES:05d}"
        if number % _SLICES == 0:
            series.mkdir(parents=True)
        (series / f"IM{number % _SLICES:05d}").write_bytes(data)


def _images(n_files: int) -> Iterator[bytes]:
    known = {name: _ROOT + digits for name, digits in _PLACES.items()}
    one = make_instance(
        SOPInstanceUID=known["instance"],
        SeriesInstanceUID=known["series"],
        StudyInstanceUID=known["study"],
        PatientID=_PERSON,
        InstanceNumber=_NUMBER,
    )
    one.Rows, one.Columns = 56, 48
    # A ramp of 12 bits, as many as are stored.
    one.PixelData = b"".join((n % 4096).to_bytes(2, "little") for n in range(56 * 48))
    template = to_bytes(one)
    chance = random.Random(20)
    uids = dict(known)
    for number in range(n_files):
        if number % (_SLICES * _SERIES_OF_A_PERSON) == 0:
            uids["study"] = _uid(chance)
        if number % _SLICES == 0:
            uids["series"] = _uid(chance)
        uids["instance"] = _uid(chance)
        data = template.replace(_NUMBER.encode(), f"{number % _SLICES + 1:07d}".encode())
        person = f"PERSON{number // (_SLICES * _SERIES_OF_A_PERSON):04d}"
        data = data.replace(_PERSON.encode(), person.encode())
        for name, uid in uids.items():
            data = data.replace(known[name].encode(), uid.encode())
        yield data


def _uid(chance: random.Random) -> str:
    return _ROOT + "".join(chance.choices("123456789", k=40))


if __name__ == "__main__":
    main()
