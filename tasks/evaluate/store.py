"""Read a run or a reader study and the release it names; give the tables of its evaluation."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.analysis_roles import RoleRow
from schemas.decisions import parse_decisions
from schemas.errors import BadInputError
from schemas.package_data import data_contracts_dir
from schemas.run.atomic_files import canonical_json, sha256_of_bytes, sha256_of_file
from schemas.tables.contracts import TableContract, conform, read_table_contracts
from tasks.evaluate.admission import admit_run
from tasks.evaluate.cohort import COLUMNS, Cohort, read_cohort
from tasks.evaluate.evaluation import GivenMasks, evaluate_run, run_results
from tasks.evaluate.masks import Mask, OtherGridError
from tasks.evaluate.matching import Method
from tasks.evaluate.patients import Result
from tasks.evaluate.places import LIVERS, REFERENCE, Place, Places, parse_livers, parse_places
from tasks.evaluate.problems import Problem, RefusedError, require_none
from tasks.evaluate.reader_files import DESIGN, MARKS, READS, StudyFiles, admit_study, parse_study
from tasks.evaluate.rules import Decided, decided_in
from tasks.evaluate.run_files import (
    LESIONS,
    PATIENTS,
    RUN,
    PatientRow,
    RunFiles,
    parse_run,
)
from tasks.evaluate.sharing import Cell, shared_cells
from tasks.evaluate.store_masks import read_mask
from tasks.evaluate.study import evaluate_study
from tasks.evaluate.table_rows import Tables

_SUMS = "SHA256SUMS"
_FILES = (RUN, PATIENTS, LESIONS, DESIGN, READS, MARKS)
INPUTS = "inputs.json"
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,63}")
#: How far a centroid may lie beside its mask, in mm: more is another frame, or another lesion.
_OFF_MASK_MM = 10.0


@dataclass(frozen=True)
class Evaluation:
    """An evaluation that is not yet written.

    `documents` are further files by name; `cells` what may be shared once it is protected.
    """

    name: str
    release: Path
    decided: Decided
    tables: Mapping[str, pa.Table]
    contracts: Mapping[str, TableContract]
    rows: Tables
    documents: Mapping[str, bytes]
    cells: tuple[Cell, ...]


def evaluation_contracts() -> dict[str, TableContract]:
    """Return the contracts of the tables of an evaluation."""
    return read_table_contracts(data_contracts_dir() / "evaluation")


def evaluate_folder(
    folder: Path, releases: Path, roles: Mapping[str, RoleRow], reference: Path | None = None
) -> Evaluation:
    """Return the evaluation of the run or reader study that lies in a folder.

    Parameters
    ----------
    folder : Path
        Has `run.json`, or `design.json`.
    releases : Path
        Where the release lies that it names.
    roles : mapping
        The signed file of analysis roles.
    reference : Path, optional
        Folder with `reference_lesions.csv`: where the reference lesions lie.

    Raises
    ------
    RefusedError
        With every reason to keep it out, by file and line.
    BadInputError
        If it is neither, or there is no such release.
    """
    folder = folder.resolve()
    files = _read_files(folder)
    if (RUN in files) == (DESIGN in files):
        raise BadInputError(
            "the folder is neither a run nor a reader study",
            expected=f"{RUN}, or {DESIGN}",
            where="RUN_DIR",
        )
    if RUN in files:
        run = parse_run(folder.name, files)
        release, cohort, decided = _release(releases, run.document.version)
        exploratory = admit_run(run, cohort, roles)
        places, used = read_places(reference, cohort)
        masks = _masks(run, folder, places, decided)
        try:
            rows = evaluate_run(run, cohort, decided, places, masks, exploratory)
        except OtherGridError as error:
            where = f"{LESIONS}:{error.line}"
            raise RefusedError.of([Problem(where, str(error))]) from None
        cells = tuple(shared_cells(run_results(run, cohort)))
    else:
        study = parse_study(folder.name, files)
        release, cohort, decided = _release(releases, study.design.version)
        exploratory = admit_study(study, cohort)
        places, used = read_places(reference, cohort)
        index = _beside(study, release, cohort)
        rows = evaluate_study(study, cohort, decided, places, index, exploratory)
        cells = ()
    contracts = evaluation_contracts()
    inputs = {name: sha256_of_bytes(data) for name, data in files.items()} | used
    return Evaluation(
        name=folder.name,
        release=release,
        decided=decided,
        tables={name: conform(contracts[name], found) for name, found in sorted(rows.items())},
        contracts={name: contracts[name] for name in sorted(rows)},
        rows=rows,
        documents={INPUTS: canonical_json(inputs)},
        cells=cells,
    )


def _read_files(folder: Path) -> dict[str, bytes]:
    """Return the files that lie in the folder itself: what a link leads to was not delivered."""
    there = [name for name in _FILES if os.path.lexists(folder / name)]
    strange = [n for n in there if (folder / n).is_symlink() or not (folder / n).is_file()]
    require_none([Problem(name, "what is no plain file", "a file") for name in strange])
    return {name: (folder / name).read_bytes() for name in there}


def _release(releases: Path, version: str) -> tuple[Path, Cohort, Decided]:
    release = releases / version
    if not _VERSION.fullmatch(version) or not (release / _SUMS).is_file() or release.is_symlink():
        raise BadInputError(
            "the release that the run names is not there",
            where=f"{RUN} or {DESIGN}: release",
            expected="the version of a release of this home, like 1.2.0",
        )
    _require_as_summed(release)
    tables = {name: _read_table(release, name, columns) for name, columns in COLUMNS.items()}
    cohort = read_cohort(version, sha256_of_file(release / _SUMS), tables)
    decisions = parse_decisions((release / "decisions.csv").read_bytes(), "decisions.csv")
    return release, cohort, decided_in(decisions)


def _require_as_summed(release: Path) -> None:
    """Raise where what is read is not what was released."""
    told = (line.partition("  ") for line in (release / _SUMS).read_text("utf-8").splitlines())
    sums = {path: digest for digest, _, path in told}
    parts = [part for name in COLUMNS for part in (release / "tables" / name).glob("*.parquet")]
    for part in sorted([*parts, release / "decisions.csv"]):
        path = part.relative_to(release).as_posix()
        if sums.get(path) != sha256_of_file(part):
            raise BadInputError(
                "a file of the release is not what was released",
                where=f"{release.name}/{path}",
                expected=f"the hash in {_SUMS}",
                hint="Run `livercohort verify` on the release; nothing was evaluated.",
            )


def _read_table(release: Path, name: str, columns: tuple[str, ...]) -> pa.Table:
    parts = sorted((release / "tables" / name).glob("*.parquet"))
    if not parts:
        raise BadInputError(f"the release has no table {name}", where=release.name)
    return pa.concat_tables([pq.read_table(part, columns=list(columns)) for part in parts])


def read_places(reference: Path | None, cohort: Cohort) -> tuple[Places, dict[str, str]]:
    """Return where the reference lesions lie, and the hashes of the files that say so.

    Raises
    ------
    RefusedError
        If a line or a mask cannot be used.
    """
    if reference is None:
        return Places(), {}
    names = [name for name in (REFERENCE, LIVERS) if (reference / name).is_file()]
    files = {name: (reference / name).read_bytes() for name in names}
    found = parse_places(files, cohort)
    livers = parse_livers(files)
    problems: list[Problem] = []
    masks: dict[str, Mask] = {}
    for key, place in found.items():
        if place.mask:
            where = f"{REFERENCE}:{place.line}"
            mask = _try_mask(reference, place.mask, place.label, where, problems)
            if mask is not None:
                problems += _beside_mask(mask, place.centroid, where)
            masks |= {key: mask} if mask else {}
    by_liver: dict[str, Mask] = {}
    for subject, name in livers.items():
        mask = _try_mask(reference, name, 1, LIVERS, problems)
        by_liver |= {subject: mask} if mask else {}
    require_none(problems)
    used = {name: str(sha256_of_bytes(data)) for name, data in files.items()}
    used |= {
        f"liver mask {key}": str(sha256_of_file(reference / name))
        for key, name in sorted(livers.items())
    }
    used |= {
        f"reference mask {key}": str(sha256_of_file(reference / place.mask))
        for key, place in sorted(found.items())
        if isinstance(place, Place) and place.mask
    }
    return Places(found, masks, by_liver), used


def _masks(run: RunFiles, folder: Path, places: Places, decided: Decided) -> GivenMasks:
    """Return the masks of the predictions; kept only where there are masks to compare with."""
    by_overlap = bool(places.masks) and decided.matching.primary.method is Method.OVERLAP
    problems: list[Problem] = []
    masks: dict[int, Mask] = {}
    hashes: dict[int, str] = {}
    for row in run.lesions:
        where = f"{LESIONS}:{row.line}"
        if not row.mask:
            if by_overlap:
                told = "a lesion without a mask, where lesions are matched by overlap (D20)"
                problems.append(Problem(where, told, "a mask of every lesion"))
            continue
        mask = _try_mask(folder, row.mask, row.number, where, problems)
        if mask is not None:
            problems += _beside_mask(mask, row.centroid, where)
            hashes[row.line] = sha256_of_file(folder / row.mask)
            if places.masks:
                masks[row.line] = mask
    require_none(problems)
    return GivenMasks(masks, hashes)


def _try_mask(
    folder: Path, name: str, label: int, where: str, problems: list[Problem]
) -> Mask | None:
    path = folder / name
    try:
        inside = path.resolve().is_relative_to(folder.resolve()) and path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        inside = False
    if not inside:
        problems.append(Problem(where, "a mask that is not there", "a path inside the folder"))
        return None
    try:
        return read_mask(path, label)
    except ValueError as error:
        problems.append(Problem(where, str(error)))
        return None


def _beside_mask(mask: Mask, centroid: tuple[float, float, float], where: str) -> list[Problem]:
    off = mask.distance_mm(centroid)
    if off <= _OFF_MASK_MM:
        return []
    told = f"a centroid that lies {off:.0f} mm beside its own mask"
    return [Problem(where, told, "LPS, mm: x to the left, y to the back")]


def _beside(study: StudyFiles, release: Path, cohort: Cohort) -> dict[str, Result]:
    """Return the results of the run that stands beside the readers."""
    name = study.design.index_run
    if name is None:
        return {}
    path = release / "evaluations" / name / "tables" / "index_result.parquet"
    if Path(name).name != name or not path.is_file():
        problem = Problem(f"{DESIGN}: index_run", "no evaluated run of that name in the release")
        raise RefusedError.of([problem])
    return {
        row["subject_id"]: Result(
            cohort.subjects[row["subject_id"]],
            PatientRow(
                number,
                row["subject_id"],
                row["run_status"],
                row["patient_score"],
                row["patient_call"],
                row["inference_seconds"],
            ),
        )
        for number, row in enumerate(pq.read_table(path).to_pylist(), start=2)
    }
