"""One simulated delivery, shared by the tests that only read it."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tasks.simulate.store import SimulationSummary, simulate

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
    out = tmp_path_factory.mktemp("simulated")
    summary = simulate(out, seed=SEED)
    return Delivered(out, summary, read_exports(out))


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
