"""What has not changed is proven and linked; what was touched is written anew."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from tasks.publish import store_write
from tasks.publish.facts import ReleaseResult
from tasks.publish.store import build_release
from tasks.publish.store_verify import verify_release
from tests.unit.publish.cohort import make_cohort, make_facts, make_sources
from tests.unit.publish.test_release import SIGNER, files_below

#: Rows of a site that the second release leaves as they were, and a table of it as Excel reads it.
SAME_PART, SAME_CSV = "tables/series/S91.parquet", "excel/site.csv"
#: What names the version, the day before, or is a database.
OWN = ("cohort.duckdb", "SHA256SUMS", "SHA256SUMS.minisig")


def release(home: Path, *, is_proven: bool, extra: str | None = None, **facts: object) -> Path:
    tables: dict[str, pa.Table] = make_cohort(extra_subject=extra) if extra else make_cohort()
    made: ReleaseResult = build_release(
        tables,
        releases_dir=home / "releases",
        nifti_sources=make_sources(home / "warehouse", tables),
        facts=make_facts(**facts),
        signer=SIGNER,
        previous_is_proven=is_proven,
    )
    assert made.path is not None
    return made.path


def written_by(
    monkeypatch: pytest.MonkeyPatch, work: Callable[[], Path]
) -> tuple[Path, frozenset[str]]:
    """Return what a release wrote itself, of tables and files for Excel."""
    written: set[str] = set()
    for name in ("write_parquet", "write_csv"):
        plain = getattr(store_write, name)

        def noted(table: pa.Table, path: Path, plain: Callable[..., None] = plain) -> None:
            written.add("/".join(path.parts[-3:] if path.suffix == ".parquet" else path.parts[-2:]))
            plain(table, path)

        monkeypatch.setattr(store_write, name, noted)
    made = work()
    monkeypatch.undo()
    return made, frozenset(written)


def test_an_unchanged_site_costs_a_link_and_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(tmp_path / "a", is_proven=False)
    shutil.copytree(tmp_path / "a", tmp_path / "b", symlinks=True)
    plain = release(tmp_path / "a", is_proven=False, extra="S92-DDDD5555")
    quick, written = written_by(
        monkeypatch, lambda: release(tmp_path / "b", is_proven=True, extra="S92-DDDD5555")
    )
    assert {SAME_PART, SAME_CSV}.isdisjoint(written)
    assert "tables/subject/S92.parquet" in written
    first = tmp_path / "b" / "releases" / "1.0.0"
    for path in (SAME_PART, SAME_CSV):
        assert (quick / path).stat().st_ino == (first / path).stat().st_ino
    one, other = files_below(plain), files_below(quick)
    assert {name: one[name] for name in one if name not in OWN} == {
        name: other[name] for name in other if name not in OWN
    }
    assert verify_release(quick) == []


@pytest.mark.parametrize("path", [SAME_PART, SAME_CSV])
def test_a_file_that_somebody_changed_is_written_anew(tmp_path: Path, path: str) -> None:
    first = release(tmp_path, is_proven=False)
    whole = (first / path).read_bytes()
    (first / path).chmod(0o644)
    (first / path).write_bytes(whole[:-1] + b"?")
    second = release(tmp_path, is_proven=True, extra="S92-DDDD5555")
    assert (second / path).read_bytes() == whole
    assert verify_release(second) == []


def test_a_release_that_nobody_remembers_gives_nothing_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(tmp_path, is_proven=False)
    _, written = written_by(
        monkeypatch, lambda: release(tmp_path, is_proven=False, extra="S92-DDDD5555")
    )
    assert {SAME_PART, SAME_CSV} <= written


def test_another_version_of_the_software_writes_everything_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release(tmp_path, is_proven=False, software_version="0.0.1")
    _, written = written_by(
        monkeypatch,
        lambda: release(tmp_path, is_proven=True, extra="S92-DDDD5555", software_version="0.0.2"),
    )
    assert {SAME_PART, SAME_CSV} <= written
