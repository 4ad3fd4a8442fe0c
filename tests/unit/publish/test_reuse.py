"""What has not changed is proven and linked; what was touched is written anew."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from schemas.tables.parted_tables import PartedTable, TablePart
from tasks.publish import store_write
from tasks.publish.diff.content import split_by_site, table_hash
from tasks.publish.facts import ReleaseResult
from tasks.publish.store import build_release
from tasks.publish.store_tables import write_parquet
from tasks.publish.store_verify import verify_release
from tests.unit.publish.cohort import CONTRACTS, make_cohort, make_facts, make_sources
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


def in_parts(tables: dict[str, pa.Table], folder: Path) -> dict[str, pa.Table | PartedTable]:
    """Return the tables with that of images on the disk, as a release has it."""
    parts = {}
    for site, rows in split_by_site(tables["instance"], CONTRACTS["instance"]).items():
        write_parquet(rows, folder / f"{site}.parquet")
        parts[site] = TablePart(folder / f"{site}.parquet", rows.num_rows, table_hash(rows))
    parted = PartedTable(CONTRACTS["instance"].arrow_schema(), parts)
    return {**tables, "instance": parted}


def test_images_on_the_disk_make_the_release_that_images_in_memory_make(tmp_path: Path) -> None:
    """Of one site with and one without somebody who is not released, and then of nobody."""
    contents: dict[str, str] = {}
    for extra in (None, "S91-DDDD5555"):
        made = {}
        for name in ("memory", "disk"):
            tables = make_cohort(extra_subject=extra) if extra else make_cohort()
            made[name] = build_release(
                tables if name == "memory" else in_parts(tables, tmp_path / f"{extra}"),
                releases_dir=tmp_path / name / "releases",
                nifti_sources=make_sources(tmp_path / "warehouse", tables),
                facts=make_facts(),
                signer=SIGNER,
                previous_is_proven=True,
                contents=contents,
            )
        assert made["memory"].rows == made["disk"].rows
        assert made["memory"].differences == made["disk"].differences
        one, other = (made[name].path for name in ("memory", "disk"))
        assert one is not None
        assert other is not None
        files = [files_below(one), files_below(other)]
        assert files[0].keys() == files[1].keys()
        assert {name for name in files[0] if files[0][name] != files[1][name]} <= {*OWN}
        assert verify_release(other) == []
    assert len(contents) == 2


def test_what_a_part_says_without_some_people_is_asked_once(tmp_path: Path) -> None:
    part = in_parts(make_cohort(), tmp_path)["instance"].parts["S91"]
    inside = part.only(pa.array(["S91-AAAA2222", "S92-CCCC4444"]))
    assert part.only(pa.array(["S91-AAAA2222", "S91-BBBB3333"])) is part
    assert inside.num_rows == inside.read().num_rows < part.num_rows
    assert set(inside.read()["subject_id"].to_pylist()) == {"S91-AAAA2222"}
    names = {part.name, inside.name, part.only(pa.array(["S91-BBBB3333"])).name}
    assert len(names) == 3


def test_a_cohort_without_images_has_one_empty_part(tmp_path: Path) -> None:
    tables = make_cohort()
    empty = PartedTable(CONTRACTS["instance"].arrow_schema(), {})
    made = build_release(
        {**tables, "instance": empty},
        releases_dir=tmp_path / "releases",
        nifti_sources=make_sources(tmp_path / "warehouse", tables),
        facts=make_facts(),
        signer=SIGNER,
    )
    assert made.path is not None
    assert [p.name for p in (made.path / "tables" / "instance").iterdir()] == ["all.parquet"]
    assert verify_release(made.path) == []


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
