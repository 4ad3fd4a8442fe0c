"""One simulated delivery, shared by the tests that only read it."""

from __future__ import annotations

import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tasks.simulate.store import SimulationSummary, simulate
from tests.made_once import made_once, simulated_once

SEED = 5


@dataclass(frozen=True)
class Delivered:
    """What a reader of the exports sees, zips opened, beside the answer key."""

    out: Path
    summary: SimulationSummary
    files: dict[tuple[str, str, str], bytes]

    def key(self, table: str) -> list[dict[str, Any]]:
        return read_key(self.out, table)

    def images(self) -> dict[tuple[str, str, str], bytes]:
        accepted = {
            (row["site"], row["export"], row["path"])
            for row in self.key("files")
            if row["state"] in ("accepted", "duplicate")
        }
        return {place: data for place, data in self.files.items() if place in accepted}


@pytest.fixture(scope="session")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Delivered:
    shared = made_once(tmp_path_factory, f"delivered-{SEED}", _deliver)
    summary: SimulationSummary = pickle.loads((shared / "summary.pickle").read_bytes())
    return Delivered(shared / "out", summary, read_exports(shared / "out"))


def _deliver(folder: Path) -> None:
    summary = simulate(folder / "out", seed=SEED)
    (folder / "summary.pickle").write_bytes(pickle.dumps(summary))


@pytest.fixture(scope="session")
def one_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One night of one person at S91; who changes it copies it first."""
    return simulated_once(tmp_path_factory, sites=1, subjects=1, nights=1)


@pytest.fixture(scope="session")
def three_sites(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One night of one person at three sites, the third in zips; who changes it copies it first."""
    return simulated_once(tmp_path_factory, sites=3, subjects=1, nights=1)


def read_key(out: Path, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table of the answer key."""
    rows: list[dict[str, Any]] = pq.read_table(out / "answer_key" / f"{table}.parquet").to_pylist()
    return rows


def read_exports(out: Path) -> dict[tuple[str, str, str], bytes]:
    """Return the bytes of every file by site, export and path inside the export."""
    files: dict[tuple[str, str, str], bytes] = {}
    for site in sorted(path for path in out.iterdir() if path.name.startswith("S")):
        for export in sorted(site.iterdir()):
            if export.suffix == ".zip":
                with zipfile.ZipFile(export) as archive:
                    for name in archive.namelist():
                        files[site.name, export.stem, name] = archive.read(name)
                continue
            for path in sorted(p for p in export.rglob("*") if p.is_file()):
                relative = path.relative_to(export).as_posix()
                files[site.name, export.name, relative] = path.read_bytes()
    return files
