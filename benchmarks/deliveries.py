"""What the benchmarks deliver: made once, the same every time, nothing of a person in it.

*large*: patients with a CT of 512 x 512 and an MR of 320 x 260 with private blocks of 80 kB.
*small*: CT and MR of 48 x 56, 6 kB a file. *site*: the large ones as a site's export, with linkage
and the forms of as many simulated subjects. *simulated*: an export as the simulator makes it.
*ten*: one series of it, cut to ten images.
"""

from __future__ import annotations

import csv
import multiprocessing
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from tests.builders import make_series, write_files
from tests.flows.exports import dicom_files, write_key

ROOT = Path(__file__).parents[1]
SITE = "S91"
_KEY = bytes(range(32))
_SCANNER_ROOT = "1.3.12.2.1107.5.1.4."
_SMALL_SERIES = 81
_TEN = 10


@dataclass(frozen=True)
class Sizes:
    """How much of everything: patients with a CT and an MR, slices, small files, subjects."""

    patients: int = 4
    ct_slices: int = 300
    mr_slices: int = 80
    small_files: int = 2430
    subjects: int = 4


REDUCED = Sizes(patients=1, ct_slices=200, mr_slices=60, small_files=972, subjects=1)


@dataclass(frozen=True)
class Corpus:
    """Where what is measured lies, below one folder."""

    place: Path
    large: Path = field(init=False)
    small: Path = field(init=False)
    large_anonymised: Path = field(init=False)
    small_anonymised: Path = field(init=False)
    site: Path = field(init=False)
    simulated: Path = field(init=False)
    ten: Path = field(init=False)
    key: Path = field(init=False)

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if name != "place":
                object.__setattr__(self, name, self.place / name)


def new_home(home: Path, key: Path) -> Path:
    """Return a home with the key of the benchmark."""
    (home / "restricted").mkdir(parents=True, mode=0o700)
    shutil.copy(key, home / "restricted" / "key")
    return home


def make_corpus(place: Path, sizes: Sizes) -> Corpus:
    """Write what is measured, and the de-identified copies that conversion and labelling read.

    In a process of its own: what it once held would be the least that any command is told to take.

    Raises
    ------
    SystemExit
        If it could not be made; what lacks was shown.
    """
    making = multiprocessing.get_context("fork").Process(target=_make, args=(place, sizes))
    making.start()
    making.join()
    if making.exitcode:
        raise SystemExit("the deliveries could not be made: see above")
    return Corpus(place)


def _make(place: Path, sizes: Sizes) -> None:
    corpus = Corpus(place)
    place.mkdir(parents=True)
    write_key(corpus.key, _KEY)
    _large(corpus.large, sizes)
    small_delivery(corpus.small, sizes.small_files)
    _simulate(corpus.simulated, sizes.subjects)
    _as_site(corpus, sizes)
    _ten_images(corpus)
    home = new_home(place / "home", corpus.key)
    for source, target in (
        (corpus.large, corpus.large_anonymised),
        (corpus.small, corpus.small_anonymised),
    ):
        options = ["--subject-from", "patient_id", "--home", str(home)]
        _now("deidentify", str(source), str(target), *options)


def _large(folder: Path, sizes: Sizes) -> None:
    noise = np.random.default_rng(1)
    for patient in range(sizes.patients):
        for modality, shape, n_slices in (
            ("CT", (512, 512), sizes.ct_slices),
            ("MR", (320, 260), sizes.mr_slices),
        ):
            # One millimetre apart, of the abdomen: nothing so long that it may show a face.
            slices = _slices(modality, shape, n_slices, noise, patient + 1, step_mm=1.0)
            for one in slices if modality == "MR" else ():
                block = one.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
                block.add_new(0x10, "OB", bytes(80_000))
            write_files(folder / f"p{patient}" / modality, slices)


def small_delivery(folder: Path, n_files: int) -> None:
    """Write so many images of 6 kB, in series of 81; a person has a CT and an MR."""
    chance, noise = random.Random(20), np.random.default_rng(2)
    for number, first in enumerate(range(0, n_files, _SMALL_SERIES)):
        person, is_mr = divmod(number, 2)
        modality = "MR" if is_mr else "CT"
        n_slices = min(_SMALL_SERIES, n_files - first)
        slices = _slices(modality, (56, 48), n_slices, noise, person + 1, step_mm=2.5)
        _as_scanners_number(slices, chance)
        write_files(folder / f"p{person:03d}" / modality, slices)


def _slices(
    modality: str,
    shape: tuple[int, int],
    n_slices: int,
    noise: np.random.Generator,
    subject: int,
    *,
    step_mm: float,
) -> list[Dataset]:
    slices = make_series(n_slices=n_slices, modality=modality, subject=subject, study=shape[0])
    for number, one in enumerate(slices):
        one.Rows, one.Columns = shape
        one.BodyPartExamined = "ABDOMEN"
        x, y, _ = one.ImagePositionPatient
        one.ImagePositionPatient = [x, y, step_mm * number]
        one.SliceThickness = step_mm
        if "SpacingBetweenSlices" in one:
            one.SpacingBetweenSlices = step_mm
        one.PixelData = _tissue(shape, noise).tobytes()
    return slices


def _tissue(shape: tuple[int, int], noise: np.random.Generator) -> NDArray[np.uint16]:
    """Smooth with a little noise, in the 12 bits that are stored: pure noise does not compress."""
    return noise.normal(1064, 12, shape).astype("<u2")


def _as_scanners_number(slices: Sequence[Dataset], chance: random.Random) -> None:
    """Give UIDs as scanners do: of one length, and different at the end."""
    series, study = _uid(chance), _uid(chance)
    for one in slices:
        one.SeriesInstanceUID, one.StudyInstanceUID = series, study
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = _uid(chance)


def _uid(chance: random.Random) -> str:
    return _SCANNER_ROOT + "".join(chance.choices("123456789", k=40))


def _simulate(inbox: Path, subjects: int) -> None:
    options = ["--sites", "1", "--subjects", str(subjects), "--nights", "1", "--faults", "none"]
    _now("simulate", str(inbox), *options)


def _as_site(corpus: Corpus, sizes: Sizes) -> None:
    """Deliver the large images as a site does: forms of simulated subjects, and a linkage."""
    simulated = corpus.place / "forms"
    _simulate(simulated, sizes.patients)
    export = _only(simulated / SITE)
    target = corpus.site / SITE / export.name
    target.mkdir(parents=True)
    shutil.copytree(export / "clinical", target / "clinical")
    # The same bytes, not written twice.
    shutil.copytree(corpus.large, target / "dicom", copy_function=os.link)
    with (export / "linkage.csv").open(encoding="utf-8-sig", newline="") as stream:
        header, *rows = csv.reader(line for line in stream if not line.startswith("#"))
    number = header.index("study_subject_no")
    subjects = sorted({row[number] for row in rows})[: sizes.patients]
    with (target / "linkage.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["study_subject_no", "patient_id", "resident_id"])
        writer.writerows([one, f"PID{n:06d}", ""] for n, one in enumerate(subjects, start=1))
    shutil.copy2(export / "READY", target)
    shutil.rmtree(simulated)


def _ten_images(corpus: Corpus) -> None:
    """Cut the simulated export to one series of ten images, with all its forms."""
    export = _only(corpus.simulated / SITE)
    target = corpus.ten / SITE / export.name
    shutil.copytree(export, target)
    folders = sorted({path.parent for path in dicom_files(target)})
    kept = next(one for one in folders if len(list(one.iterdir())) >= _TEN)
    kept_files = sorted(kept.iterdir())[:_TEN]
    for path in dicom_files(target):
        if path not in kept_files:
            path.unlink()


def _only(folder: Path) -> Path:
    (found,) = (path for path in folder.iterdir() if path.is_dir())
    return found


def _now(*arguments: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "flows.cli", *arguments]
    subprocess.run(command, check=True, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)


def size_of(folder: Path) -> tuple[int, int]:
    """Return how many files lie below a folder, and their bytes; a linked one counts once."""
    seen = {(info.st_dev, info.st_ino): info.st_size for info in _infos(folder)}
    return len(seen), sum(seen.values())


def _infos(folder: Path) -> Iterator[os.stat_result]:
    return (path.stat() for path in folder.rglob("*") if path.is_file())
