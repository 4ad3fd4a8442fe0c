"""Same key, same bytes: whatever the order of files and the number of workers."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from pydicom import dcmread

from schemas.vault.keys import KeyRing
from tasks.deidentify.store_folder import deidentify_folder
from tests.builders import make_series, write_files
from tests.unit.deidentify.helpers import RING, SITE, assignment, deidentify_files, deliver, linkage
from tests.unit.deidentify.multi_frame import make_enhanced
from tests.unit.deidentify.planted import SITUATIONS, plant

LINKS = linkage(
    assignment("LC-001", "PID000001"),
    assignment("LC-002", "PID000002"),
    assignment("LC-003", "88123456"),
)


def tree(folder: Path) -> dict[str, bytes]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("sources")
    slices = [*make_series(n_slices=9), *make_series(n_slices=9, subject=2), make_enhanced()]
    paths = write_files(folder, slices)
    planted = folder / "planted"
    planted.write_bytes(plant(SITUATIONS["gb18030"])[0])
    return [*paths, planted]


def run(sources: list[Path], out: Path, *, seed: int, workers: int) -> dict[str, bytes]:
    order = list(sources)
    random.Random(seed).shuffle(order)
    deidentify_files(deliver(order), LINKS, RING, out, workers)
    return tree(out)


def test_order_and_workers_change_no_byte(sources: list[Path], tmp_path: Path) -> None:
    first = run(sources, tmp_path / "a", seed=1, workers=1)
    # The planted CT claims the UID of another person's slice: both are held.
    assert len(first) == len(sources) - 2
    assert run(sources, tmp_path / "b", seed=2, workers=2) == first
    assert run(sources, tmp_path / "c", seed=3, workers=3) == first


def test_the_folder_command_gives_the_same_bytes_and_audit_twice(
    sources: list[Path], tmp_path: Path
) -> None:
    src = sources[0].parent
    for name, workers in (("a", 1), ("b", 2)):
        deidentify_folder(
            src, tmp_path / name, SITE, RING, subject_from="patient_id", workers=workers
        )
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_another_key_shares_no_uid_and_no_pseudonym(sources: list[Path], tmp_path: Path) -> None:
    seen = []
    for name, ring in (("a", RING), ("b", KeyRing(bytes(range(1, 33))))):
        deidentify_folder(sources[0].parent, tmp_path / name, SITE, ring, subject_from="patient_id")
        written = [dcmread(p) for p in (tmp_path / name).rglob("*.dcm")]
        keywords = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "PatientID")
        seen.append({str(data[k].value) for data in written for k in keywords})
    assert seen[0]
    assert not seen[0] & seen[1]
