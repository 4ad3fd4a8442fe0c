"""Writes what fictitious sites send, and the answer key that no stage may read."""

from __future__ import annotations

import json
import shutil
import uuid
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from schemas.atomic_files import sha256_of_bytes, write_bytes
from schemas.errors import BadInputError
from tasks.simulate.answer_key import PlantedIdentifier
from tasks.simulate.deliveries import MANIFEST, manifest_csv
from tasks.simulate.exports import Export, ExportFile
from tasks.simulate.faults import DEFAULT_FAULTS
from tasks.simulate.nights import PlannedNight, Request, plan_nights, require_possible
from tasks.simulate.truth import Row

ANSWER_KEY = "answer_key"
# Zip members carry a time; a fixed one keeps the bytes the same.
_ZIP_TIME = (2026, 11, 20, 0, 0, 0)


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
) -> SimulationSummary:
    """Write the exports of fictitious sites and the answer key; same arguments, same bytes.

    Parameters
    ----------
    out : Path
        Gets `<SITE>/<YYYY-MM-DD>/` or `<SITE>/<YYYY-MM-DD>.zip`, and `answer_key/`.
    sites : int
        1 to 9: S91 and up.
    subjects : int
        Enrolled persons per site.
    nights : int
        The first brings baseline exams, the second follow-up exams and what was late;
        later ones bring the forms again.
    seed : int
        Decides every number and pixel.
    faults : tuple of str
        Names of `tasks.simulate.faults.ALL_FAULTS`.
    only_nights : tuple of int, optional
        Write the exports of these nights only. The answer key is always that of all nights.
    full_exams : bool
        Every series a scanner makes (scouts, thin slices, ADC, Dixon parts, subtractions,
        MRCP, reformats, dose reports) instead of those the criteria need.

    Returns
    -------
    SimulationSummary
        `n_files` counts files as a reader of an export sees them: members of a zip, not the zip.

    Raises
    ------
    BadInputError
        For counts out of range or an unknown fault, or if an export is there already.
    """
    request = Request(sites, subjects, nights, seed, faults, full_exams)
    require_possible(request)
    paths: list[Path] = []
    sizes: list[int] = []
    planned: list[PlannedNight] = []
    for night in plan_nights(request):
        planned.append(night)
        if only_nights is None or night.export.night in only_nights:
            paths.append(_write_export(out, night.export, sizes))
    planted = _write_answer_key(out / ANSWER_KEY, planned)
    kinds = Counter(entry.kind.value for entry in planted)
    return SimulationSummary(
        exports=tuple(paths),
        answer_key=out / ANSWER_KEY,
        n_files=len(sizes),
        n_bytes=sum(sizes),
        n_planted=len(planted),
        planted_by_kind=dict(sorted(kinds.items())),
        faults=faults,
    )


def _write_export(out: Path, export: Export, sizes: list[int]) -> Path:
    site = out / export.hospital.code
    final = site / (f"{export.name}.zip" if export.hospital.zipped else export.name)
    if final.exists():
        raise BadInputError(
            "an export of this night is there already",
            where=f"{export.hospital.code}/{final.name}",
            hint="Choose an empty folder: what a site sent is never overwritten.",
        )
    site.mkdir(parents=True, exist_ok=True)
    staging = site / f".{export.name}.{uuid.uuid4().hex[:8]}.part"
    try:
        write = _write_zip if export.hospital.zipped else _write_folder
        write(staging, _contents(export, sizes))
        staging.rename(final)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        staging.unlink(missing_ok=True)
        raise
    return final


def _contents(export: Export, sizes: list[int]) -> Iterator[tuple[str, bytes]]:
    written: list[tuple[str, str, int]] = []
    for file in export.files:
        data = manifest_csv(written) if file.path == MANIFEST else file.content()
        written.append((file.path, sha256_of_bytes(data), len(data)))
        sizes.append(len(data))
        yield file.path, data


def _write_folder(staging: Path, contents: Iterable[tuple[str, bytes]]) -> None:
    for path, data in contents:
        target = staging / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def _write_zip(staging: Path, contents: Iterable[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(staging, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for path, data in contents:
            member = zipfile.ZipInfo(path, _ZIP_TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            archive.writestr(member, data)


def _write_answer_key(folder: Path, nights: list[PlannedNight]) -> list[PlantedIdentifier]:
    planted = sorted({entry for night in nights for entry in night.export.planted})
    tables: dict[str, list[Row]] = {
        "identifiers": [dict(entry.as_row()) for entry in planted],
        "labels": [row for night in nights for row in night.export.labels],
        "eligibility": [row for night in nights for row in night.eligibility],
        "files": [_file_row(n.export, file) for n in nights for file in n.export.files],
        "faults": [row for night in nights for row in night.export.faults],
    }
    for name, rows in tables.items():
        lines = [json.dumps(row, ensure_ascii=False, sort_keys=True) for row in rows]
        write_bytes(folder / f"{name}.jsonl", "".join(f"{line}\n" for line in lines).encode())
    return planted


def _file_row(export: Export, file: ExportFile) -> Row:
    return {
        "site": export.hospital.code,
        "night": export.night,
        "export": export.name,
        "path": file.path,
        "state": file.state,
        "reason": file.reason,
        "fault": file.fault,
    }
