"""Memory of a night's processes over ever more images, so that growth shows.

    PYTHONPATH=. python benchmarks/operation/night_memory.py [--images 2000 10000 50000]
        [--workers 1] [--before ANOTHER_CHECKOUT]

Deliveries of small CT images (48 x 48, in series of 100 and five series a person, UIDs as
scanners make them: random at the end; no two series have the same pixels) are taken in by the
command itself, first nights over empty homes. `peak` is the largest of a night's processes, which
is the night itself; `bytes an image` is what it has grown by since the smallest delivery. CPU is
of the whole tree.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.processes import Cost, cost_of, machine_facts
from benchmarks.stages import new_home
from tests.builders import SPACING_MM, make_instance, to_bytes
from tests.flows.exports import write_key

SITE, ROOT = "S91", Path(__file__).parents[2]
SLICES, _SERIES_OF_A_PERSON, _SIDE = 100, 5, 48
_SCANNER = "1.3.12.2.1107.5.1.4."
_PLACES = {"instance": "8" * 40, "series": "7" * 40, "study": "6" * 40}
_HEIGHT, _NUMBER = "-9999.9", "9999999"


def main() -> None:
    """Print one line per delivery and tree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, nargs="+", default=[2_000, 10_000, 50_000])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--before", type=Path, help="another checkout to measure beside this one")
    options = parser.parse_args()
    trees = {"before": options.before.absolute()} if options.before else {}
    trees["now"] = ROOT
    least: dict[str, tuple[int, float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        print(machine_facts(Path(scratch)))
        print("  images    tree   CPU s  ms an image  peak MiB  bytes an image")
        for n_images in sorted(options.images):
            inbox = Path(scratch, f"inbox{n_images}")
            make_delivery(inbox / SITE / "2026-11-20", n_images)
            for name, tree in trees.items():
                cost = _night(tree, inbox, Path(scratch, name), options.workers)
                fewest, peak = least.setdefault(name, (n_images, cost.peak_mib))
                more = n_images - fewest
                grown = f"{(cost.peak_mib - peak) * (1 << 20) / more:16.0f}" if more else ""
                each = 1000 * cost.cpu_s / n_images
                print(
                    f"{n_images:8}{name:>8}{cost.cpu_s:8.1f}{each:13.2f}{cost.peak_mib:10.0f}"
                    f"{grown}",
                    flush=True,
                )
            shutil.rmtree(inbox)


def _night(tree: Path, inbox: Path, place: Path, workers: int) -> Cost:
    place.mkdir()
    home = new_home(place / "home", write_key(place / "key"))
    command = [sys.executable, "-m", "flows.cli", "ingest", SITE, "--home", str(home)]
    environment = {**os.environ, "PYTHONPATH": str(tree), "LIVERCOHORT_INBOX": str(inbox)}
    cost = cost_of([[*command, "--workers", str(workers)]], cwd=place, environment=environment)
    shutil.rmtree(place)
    return cost


def make_delivery(folder: Path, n_images: int) -> None:
    """Write a complete delivery of so many images, the same every time."""
    folder.mkdir(parents=True)
    for number, data in enumerate(_images(n_images)):
        series = folder / "dicom" / f"{number // SLICES:05d}"
        if number % SLICES == 0:
            series.mkdir(parents=True)
        (series / f"IM{number % SLICES:05d}.dcm").write_bytes(data)
    n_persons = -(-n_images // (SLICES * _SERIES_OF_A_PERSON))
    lines = [f"LC91-{person + 1:04d},{_person(person)}," for person in range(n_persons)]
    header = "study_subject_no,patient_id,resident_id"
    (folder / "linkage.csv").write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    (folder / "READY").write_text("complete\n", encoding="utf-8")


def _images(n_images: int) -> Iterator[bytes]:
    """Yield instances: what differs from image to image is put into the bytes of one."""
    known = {name: _SCANNER + digits for name, digits in _PLACES.items()}
    one = make_instance(
        SOPInstanceUID=known["instance"],
        SeriesInstanceUID=known["series"],
        StudyInstanceUID=known["study"],
        PatientID=_person(0),
        InstanceNumber=_NUMBER,
        Rows=_SIDE,
        Columns=_SIDE,
    )
    one.ImagePositionPatient = ["-25.0", "-20.0", _HEIGHT]
    one.PixelData = bytes(2 * _SIDE * _SIDE)
    template = to_bytes(one)[: -len(one.PixelData)]
    chance, noise = random.Random(20), np.random.default_rng(20)
    uids = dict(known)
    for number in range(n_images):
        person, place = divmod(number, SLICES * _SERIES_OF_A_PERSON)
        if place == 0:
            uids["study"] = _uid(chance)
        place %= SLICES
        if place == 0:
            uids["series"] = _uid(chance)
        uids["instance"] = _uid(chance)
        data = template.replace(_NUMBER.encode(), f"{place + 1:07d}".encode())
        data = data.replace(_HEIGHT.encode(), f"{SPACING_MM * place:07.1f}".encode())
        data = data.replace(_person(0).encode(), _person(person).encode())
        for name, uid in uids.items():
            data = data.replace(known[name].encode(), uid.encode())
        # Smooth with a little noise, as tissue is.
        yield data + noise.normal(1064, 12, (_SIDE, _SIDE)).astype("<u2").tobytes()


def _person(number: int) -> str:
    return f"PERSON{number:04d}"


def _uid(chance: random.Random) -> str:
    return _SCANNER + "".join(chance.choices("123456789", k=40))


if __name__ == "__main__":
    main()
