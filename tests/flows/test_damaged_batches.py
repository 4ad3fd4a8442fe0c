"""One file of one committed batch is damaged: no release is made, and both are named."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.release_cohort import rules_in_force
from schemas.errors import GateBlockedError, LivercohortError
from tasks.publish.task import collect_batches
from tests.flows.conftest import Demo, run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("demo")]

SITE = "S92"


def one_of(pattern: str) -> Callable[[Path], Path]:
    return lambda home: min((home / "warehouse").glob(pattern))


PICK = {
    "table": one_of(f"batches/{SITE}/*/instance.parquet"),
    "facts": one_of(f"batches/{SITE}/*/delivered_facts.parquet"),
    "record": one_of(f"batches/{SITE}/*/batch.json"),
    "dicom": one_of(f"dicom/{SITE}/*/*.dcm"),
    "nifti": one_of(f"nifti/{SITE}/*/*.nii.gz"),
    "sidecar": one_of(f"nifti/{SITE}/*/*[0-9a-f].json"),
}
IMAGES = ("dicom", "nifti", "sidecar")


@pytest.fixture(scope="module")
def copied(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("damaged") / "home"
    shutil.copytree(demo.home, home, symlinks=True)
    return home


@pytest.fixture
def home(copied: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home with six batches of three sites, whole again after each test."""
    monkeypatch.setenv("LIVERCOHORT_HOME", str(copied))
    monkeypatch.delenv("LIVERCOHORT_KEY_FILE", raising=False)
    before = sorted((copied / "releases").iterdir())
    yield copied
    assert sorted((copied / "releases").iterdir()) == before
    collect_batches.fn(rules_in_force())


@contextmanager
def one_bit_flipped(path: Path, at: float) -> Iterator[None]:
    """Flip one bit in place; size and time of change stay as they were."""
    whole, info = path.read_bytes(), path.stat()
    number = int(len(whole) * at)
    path.chmod(0o644)
    path.write_bytes(whole[:number] + bytes([whole[number] ^ 1]) + whole[number + 1 :])
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    yield
    path.write_bytes(whole)


def require_named(home: Path, path: Path, told: str) -> None:
    """The batch and its file are named, and no other batch is."""
    assert path.name in told
    named = {p.name for p in (home / "warehouse" / "batches").glob("*/*") if p.name in told}
    assert len(named) == 1
    assert f"of {SITE}" in told or f"of site {SITE}" in told


@pytest.mark.parametrize("at", [0.02, 0.3, 0.6, 0.999])
@pytest.mark.parametrize("kind", PICK)
def test_one_bit_of_one_batch_is_named(kind: str, at: float, home: Path) -> None:
    path = PICK[kind](home)
    with one_bit_flipped(path, at), pytest.raises(LivercohortError) as caught:
        collect_batches.fn(rules_in_force())
    if kind != "record":  # a record that cannot be read names itself and its batch
        assert isinstance(caught.value, GateBlockedError)
    require_named(home, path, caught.value.message)


@pytest.mark.parametrize("kind", IMAGES)
def test_a_bit_that_changed_no_entry_is_found_when_all_is_hashed_anew(
    kind: str, home: Path
) -> None:
    path = PICK[kind](home)
    with one_bit_flipped(path, 0.6):
        remember_entry(home, path)
        collect_batches.fn(rules_in_force())
        with pytest.raises(GateBlockedError) as caught:
            collect_batches.fn(rules_in_force(), rehash=True)
    require_named(home, path, caught.value.message)


def remember_entry(home: Path, path: Path) -> None:
    """Make the home believe that it hashed the file as it lies there: a disk may flip bits so."""
    name = path.relative_to(home).as_posix()
    shelf = name.split("/")[2] if name.startswith("warehouse/dicom/") else "others"
    remembered = home / "restricted" / "checked" / f"{shelf}.parquet"
    table, info = pq.read_table(remembered), path.stat()
    now = {"size": info.st_size, "mtime_ns": info.st_mtime_ns, "inode": info.st_ino}
    rows = table.to_pylist()
    (row,) = (one for one in rows if one["path"] == name)
    row.update(now, ctime_ns=info.st_ctime_ns)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), remembered)


def test_the_command_refuses_and_names_it(home: Path) -> None:
    path = PICK["nifti"](home)
    with one_bit_flipped(path, 0.5):
        ended = run("release", "--home", home)
    assert ended.code == 1, ended.out + ended.err
    require_named(home, path, ended.err)
