"""The same exports and the same key give the same bytes, wherever and however they are run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.flows.conftest import run
from tests.flows.exports import cut_export, file_bytes, new_home
from tests.made_once import simulated_once

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("server")]

Homes = tuple[Path, Path]


def make_cohort(
    home: Path, exports: list[Path], *, sites: list[str], workers: int, **shown: str
) -> Path:
    """Take the exports in, site by site in the order given, and release."""
    for export in exports:
        cut_export(export, home / "inbox", series=2, planted=True)
    for site in sites:
        ended = run("ingest", site, "--home", home, "--workers", str(workers), **shown)
        assert ended.code == 0, ended.out + ended.err
    ended = run("release", "--home", home, **shown)
    assert ended.code == 0, ended.out + ended.err
    return home


@pytest.fixture(scope="module")
def homes(prefect_api: str, tmp_path_factory: pytest.TempPathFactory) -> Homes:
    """Two homes made from the same exports in different ways: one by itself, one on a server."""
    out = simulated_once(tmp_path_factory, sites=2, subjects=1, nights=1, seed=5)
    exports = [next(p for p in (out / s).iterdir() if p.is_dir()) for s in ("S91", "S92")]
    first = new_home(tmp_path_factory.mktemp("first"))
    second = new_home(tmp_path_factory.mktemp("second-with-a-longer-name"))
    make_cohort(first, exports, sites=["S91", "S92"], workers=1)
    # Times of files must not matter either.
    later = tmp_path_factory.mktemp("later")
    copies = [
        Path(shutil.copytree(e, later / e.parent.name / e.name, copy_function=shutil.copyfile))
        for e in exports
    ]
    make_cohort(second, copies, sites=["S92", "S91"], workers=3, PREFECT_API_URL=prefect_api)
    return first, second


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("tables of batches", "warehouse/batches/**/*.parquet"),
        ("records of batches", "warehouse/batches/**/batch.json"),
        ("instances", "warehouse/dicom/**/*.dcm"),
        ("volumes", "warehouse/nifti/**/*.nii.gz"),
        ("sidecars", "warehouse/nifti/**/*.json"),
        ("released tables", "releases/1.0.0/tables/**/*.parquet"),
        ("the manifest", "releases/1.0.0/manifest.json"),
        ("quarantine", "restricted/quarantine/**/*"),
        ("everything else in the warehouse", "warehouse/**/*"),
    ],
)
def test_two_runs_give_the_same_bytes(homes: Homes, what: str, pattern: str) -> None:
    first, second = (file_bytes(home, pattern) for home in homes)
    assert first, what
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_two_releases_differ_in_nothing_but_the_database_file(homes: Homes) -> None:
    first, second = (file_bytes(home / "releases" / "1.0.0", "**/*") for home in homes)
    assert first.keys() == second.keys()
    differing = {name for name in first if first[name] != second[name]}
    # DuckDB does not promise the same bytes for the same content; checksum and signature follow.
    assert differing <= {"cohort.duckdb", "SHA256SUMS", "SHA256SUMS.minisig"}


def test_two_reports_are_the_same(homes: Homes) -> None:
    first, second = (file_bytes(home / "reports", "**/*") for home in homes)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
