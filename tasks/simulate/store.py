"""Writes what fictitious sites send, and the answer key that no stage may read."""

from __future__ import annotations

import shutil
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import BadInputError
from schemas.run.atomic_files import sha256_of_bytes, write_bytes
from tasks.simulate.deliveries import MANIFEST, manifest_csv
from tasks.simulate.exports import Export, ExportFile
from tasks.simulate.faults.apply import DEFAULT_FAULTS
from tasks.simulate.key_tables import KEY_SCHEMAS, PlantedLine, key_table, planted_lines
from tasks.simulate.load_sites import SITE_FILES, site_file
from tasks.simulate.nights import (
    PlannedNight,
    Request,
    export_names,
    plan_site,
    require_possible,
)
from tasks.simulate.store_writers import write_folder, write_zip
from tasks.simulate.truth import Row

ANSWER_KEY = "answer_key"
_FALSE_HASH = sha256_of_bytes(b"what the site meant to send")


@dataclass(frozen=True)
class SimulationSummary:
    """What was written: export folders or zips, counts, and how much was planted."""

    exports: tuple[Path, ...]
    answer_key: Path
    n_files: int
    n_bytes: int
    n_planted: int
    planted_by_kind: dict[str, int]
    faults: tuple[str, ...]
    planted: tuple[PlantedLine, ...]
    site_files: Path | None = None


@dataclass(frozen=True)
class _WrittenSite:
    exports: tuple[Path, ...]
    n_files: int
    n_bytes: int
    tables: dict[str, pa.Table]


def simulate(
    out: Path,
    *,
    sites: int = 3,
    subjects: int = 3,
    nights: int = 2,
    seed: int = 1,
    faults: tuple[str, ...] = DEFAULT_FAULTS,
    only_nights: tuple[int, ...] | None = None,
    full_exams: bool = False,
    scale: bool = False,
    workers: int = 1,
) -> SimulationSummary:
    """Write the exports of fictitious sites and the answer key; same arguments, same bytes.

    Parameters
    ----------
    out : Path
        Gets `<SITE>/<YYYY-MM-DD>/` or `<SITE>/<YYYY-MM-DD>.zip`, and `answer_key/`.
    sites : int
        1 to 9: S91 and up; with `scale` 1 to 28: X001 and up.
    subjects : int
        Enrolled persons per site.
    nights : int
        The first brings baseline exams, the second follow-up exams and what was late;
        later ones bring the forms again.
    seed : int
        Decides every number and pixel.
    faults : tuple of str
        Names of `tasks.simulate.faults.apply.ALL_FAULTS`.
    only_nights : tuple of int, optional
        Write the exports of these nights only. The answer key is always that of all nights.
    full_exams : bool
        Every series a scanner makes (scouts, thin slices, ADC, Dixon parts, subtractions,
        MRCP, reformats, dose reports) instead of those the criteria need.
    scale : bool
        Sites for load tests with small matrices; `OUT/site_files` gets their site files.
    workers : int
        Processes; a site is written by one. The bytes do not depend on it.

    Returns
    -------
    SimulationSummary
        `n_files` counts files as a reader of an export sees them: members of a zip, not the zip.

    Raises
    ------
    BadInputError
        For counts out of range or an unknown fault, or if an export is there already.
    """
    request = Request(sites, subjects, nights, seed, faults, full_exams, scale)
    require_possible(request)
    _require_new(out, request, only_nights)
    write = partial(_write_site, out, request, only_nights)
    written = list(_mapped(write, sites, workers))
    tables = {
        name: pa.concat_tables([site.tables[name] for site in written]).combine_chunks()
        for name in KEY_SCHEMAS
    }
    _write_answer_key(out / ANSWER_KEY, tables)
    if scale:
        for hospital in request.hospitals:
            write_bytes(out / SITE_FILES / f"{hospital.code}.yaml", site_file(hospital))
    kinds = Counter(tables["identifiers"]["kind"].to_pylist())
    return SimulationSummary(
        exports=tuple(path for site in written for path in site.exports),
        answer_key=out / ANSWER_KEY,
        n_files=sum(site.n_files for site in written),
        n_bytes=sum(site.n_bytes for site in written),
        n_planted=tables["identifiers"].num_rows,
        planted_by_kind=dict(sorted(kinds.items())),
        faults=faults,
        planted=tuple(planted_lines(tables)),
        site_files=out / SITE_FILES if scale else None,
    )


def _mapped(write: partial[_WrittenSite], sites: int, workers: int) -> Iterator[_WrittenSite]:
    if min(sites, workers) == 1:
        yield from map(write, range(sites))
        return
    context = get_context("forkserver")
    with ProcessPoolExecutor(min(sites, workers), mp_context=context) as pool:
        yield from pool.map(write, range(sites))


def _require_new(out: Path, request: Request, only_nights: tuple[int, ...] | None) -> None:
    """Refuse before the first byte when one of the exports is there already."""
    for night, site, name in export_names(request):
        if (only_nights is None or night in only_nights) and (out / site / name).exists():
            raise BadInputError(
                "an export of this night is there already",
                where=f"{site}/{name}",
                hint="Nothing was written. Choose an empty folder: what a site sent is never "
                "overwritten.",
            )


def _write_site(
    out: Path, request: Request, only_nights: tuple[int, ...] | None, index: int
) -> _WrittenSite:
    paths: list[Path] = []
    sizes: list[int] = []
    planned: list[PlannedNight] = []
    for night in plan_site(request, index):
        planned.append(night)
        if only_nights is None or night.export.night in only_nights:
            paths.append(_write_export(out, night.export, sizes))
    written = [n for n in planned if only_nights is None or n.export.night in only_nights]
    n_files = sum(len(file.members) or 1 for n in written for file in n.export.files)
    return _WrittenSite(tuple(paths), n_files, sum(sizes), _key_tables(planned))


def _write_export(out: Path, export: Export, sizes: list[int]) -> Path:
    site = out / export.hospital.code
    final = site / export.file_name
    site.mkdir(parents=True, exist_ok=True)
    staging = site / f".{export.name}.{uuid.uuid4().hex[:8]}.part"
    try:
        write = write_zip if export.hospital.zipped else write_folder
        write(staging, _contents(export, sizes))
        staging.rename(final)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        staging.unlink(missing_ok=True)
        raise
    return final


def _contents(export: Export, sizes: list[int]) -> Iterator[tuple[ExportFile, bytes]]:
    stated: list[tuple[str, str, int]] = []
    for file in export.files:
        data = manifest_csv(stated) if file.path == MANIFEST else file.content()
        if file.link_target is None:
            digest = _FALSE_HASH if file.path in export.false_hashes else sha256_of_bytes(data)
            stated.append((file.path, digest, len(data)))
        sizes.append(len(data))
        yield file, data


def _key_tables(nights: list[PlannedNight]) -> dict[str, pa.Table]:
    exports = [night.export for night in nights]
    planted = sorted({entry for export in exports for entry in export.planted})
    rows: dict[str, list[Row]] = {
        "identifiers": [dict(entry.as_row()) for entry in planted],
        "labels": [row for export in exports for row in export.labels],
        "eligibility": [row for night in nights for row in night.eligibility],
        "files": [
            row for export in exports for file in export.files for row in _rows(export, file)
        ],
        "faults": [row for export in exports for row in export.faults],
        "answers": [row for export in exports for row in export.answers],
    }
    return {name: key_table(name, rows[name]) for name in KEY_SCHEMAS}


def _rows(export: Export, file: ExportFile) -> list[Row]:
    """Return one row per file as a reader sees it: the members of an archive, else the file."""
    common: Row = {
        "site": export.hospital.code,
        "night": export.night,
        "export": export.name,
        "fault": file.fault,
    }
    seen = file.members or (file,)
    return [common | {"path": one.path, "state": one.state, "reason": one.reason} for one in seen]


def _write_answer_key(folder: Path, tables: dict[str, pa.Table]) -> None:
    for name, table in tables.items():
        stream = pa.BufferOutputStream()
        pq.write_table(table, stream, compression="zstd")
        write_bytes(folder / f"{name}.parquet", stream.getvalue().to_pybytes())
