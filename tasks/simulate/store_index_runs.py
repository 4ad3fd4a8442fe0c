"""Write index-test runs and reader sessions over a release, and what was planted in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from schemas.errors import BadInputError
from schemas.run.atomic_files import write_bytes
from tasks.simulate.outcomes.index_runs import (
    Row,
    Truth,
    lesion_places,
    propose_roles,
    reference_csv,
    roles_csv,
    run_files,
    targets,
    truth_json,
)
from tasks.simulate.outcomes.reader_sessions import ReaderTruth, session_files

_TABLES = ("subject", "lesion", "nifti_volume")
_FROZEN, _STARTED = "2026-01-05", "2026-02-02T08:00:00+00:00"
RUN, STUDY = "simulated-2.1.0", "simulated-readers"


@dataclass(frozen=True)
class SimulatedOutcomes:
    """Where everything lies, and of how many subjects."""

    run: Path
    study: Path
    reference: Path
    roles: Path
    n_subjects: int
    roles_are_released: bool


def simulate_index_runs(out: Path, release: Path, seed: int) -> SimulatedOutcomes:
    """Write a run, a reader study, places of lesions and roles for a release.

    Parameters
    ----------
    out : Path
        A folder that does not exist, or is empty.
    release : Path
        Folder of the release.
    seed : int
        Decides every number.

    Raises
    ------
    BadInputError
        If the folder holds something already.
    """
    if out.exists() and any(out.iterdir()):
        raise BadInputError("the folder holds something already", where=str(out))
    tables = {name: _rows(release, name) for name in _TABLES}
    roles = propose_roles(tables["subject"])
    people = targets(tables, roles)
    places = lesion_places(people, seed)
    truth, readers = Truth(), ReaderTruth()
    version = release.resolve().name
    run = run_files(people, places, truth, version, seed, _STARTED)
    study = session_files(people, places, readers, version, seed, RUN)
    files = {
        **{f"index_results/{RUN}/{name}": data for name, data in run.items()},
        **{f"reader_sessions/{STUDY}/{name}": data for name, data in study.items()},
        "reference/reference_lesions.csv": reference_csv(people, places),
        "analysis_roles.csv": roles_csv(roles, _FROZEN),
        "answer_key/index_run.json": truth_json(truth),
        "answer_key/reader_study.json": truth_json(readers),
    }
    for name, data in files.items():
        write_bytes(out / name, data)
    return SimulatedOutcomes(
        out / "index_results" / RUN,
        out / "reader_sessions" / STUDY,
        out / "reference",
        out / "analysis_roles.csv",
        len(people),
        all(row["analysis_role"] == roles[str(row["subject_id"])] for row in tables["subject"]),
    )


def _rows(release: Path, name: str) -> list[Row]:
    parts = sorted((release / "tables" / name).glob("*.parquet"))
    return [row for part in parts for row in pq.read_table(part).to_pylist()]
