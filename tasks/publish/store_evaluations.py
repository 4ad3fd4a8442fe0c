"""Seal an evaluation beside the release it stands on: written once, summed, signed, read-only."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from schemas.errors import BusyError
from schemas.evaluations import EVALUATION_DATABASE, EVALUATION_MANIFEST, EVALUATIONS
from schemas.run.atomic_files import (
    canonical_json,
    directory_published_as,
    sha256_of_bytes,
    sha256_of_file,
)
from schemas.run.software import software_version
from schemas.tables.contracts import TableContract
from tasks.publish.manifest import SUMS
from tasks.publish.signature import SIGNATURE, Signer
from tasks.publish.store import NO_TIME
from tasks.publish.store_database import write_tables
from tasks.publish.store_tables import write_parquet
from tasks.publish.store_write import write_sums

#: The nine registered outcomes as the main analysis has them.
_OUTCOMES = """
CREATE VIEW registered_outcomes AS
SELECT outcome_no, unit, measure, arm, reader_id, reading, method, numerator, denominator,
  estimate, ci_low, ci_high, n_clusters, state, exploratory, note
FROM estimate
WHERE outcome_no IS NOT NULL AND analysis = 'main' AND subset_by = 'all'
ORDER BY outcome_no, unit, arm, reader_id, reading, method;
"""
_WORDS = (
    "COMMENT ON VIEW registered_outcomes IS 'The registered outcomes, main analysis, everybody"
    " · 注册结局：主要分析，全部受试者';"
)


def signed_as(name: str, release_sums: str) -> str:
    """Return what the signature of an evaluation says: its name, and of which release."""
    return f"livercohort evaluation {name} of {release_sums}"


def seal_evaluation(
    release: Path,
    name: str,
    tables: Mapping[str, pa.Table],
    contracts: Mapping[str, TableContract],
    documents: Mapping[str, bytes],
    signer: Signer,
) -> tuple[Path, bool]:
    """Write an evaluation to `evaluations/<name>/` of its release.

    Parameters
    ----------
    release : Path
        Folder of the release; nothing in it is changed.
    name : str
        Name of the run or study.
    tables, contracts : mapping
        By table.
    documents : mapping of str to bytes
        Further files by name.
    signer : Signer
        Signs the sums.

    Returns
    -------
    tuple of Path and bool
        Its folder, and whether it was written now; the same content writes nothing.

    Raises
    ------
    BusyError
        If the name belongs to another evaluation: nothing published is overwritten.
    """
    final = release / EVALUATIONS / name
    _sweep(final)
    is_new_shelf = not final.parent.exists()
    release_sums = sha256_of_file(release / SUMS)
    if final.exists():
        return final, _same(final, tables, contracts, documents, release_sums)
    with directory_published_as(final) as staging:
        manifest = _write_content(staging, name, tables, contracts, documents, release_sums)
        (staging / EVALUATION_MANIFEST).write_bytes(manifest)
        statements = (_OUTCOMES, _WORDS) if "estimate" in tables else ()
        write_tables(staging / EVALUATION_DATABASE, tables, contracts, statements)
        files = sorted(path for path in staging.rglob("*") if path.is_file())
        write_sums(staging, {p.relative_to(staging).as_posix(): sha256_of_file(p) for p in files})
        signature = signer.sign_as((staging / SUMS).read_bytes(), signed_as(name, release_sums))
        (staging / SIGNATURE).write_bytes(signature)
        for path in (*sorted(staging.rglob("*"), reverse=True), staging):
            if path.is_file():
                path.chmod(0o444)
            os.utime(path, (NO_TIME, NO_TIME))
    for folder in (final.parent, *((release,) if is_new_shelf else ())):
        os.utime(folder, (NO_TIME, NO_TIME))  # a real day would stand beside shifted ones
    return final, True


def _write_content(
    staging: Path,
    name: str,
    tables: Mapping[str, pa.Table],
    contracts: Mapping[str, TableContract],
    documents: Mapping[str, bytes],
    release_sums: str,
) -> bytes:
    """Write tables and documents; return the manifest, which repeats for the same input."""
    files = {}
    for table, rows in tables.items():
        path = f"tables/{table}.parquet"
        write_parquet(rows, staging / path)
        files[path] = sha256_of_file(staging / path)
    for path, data in documents.items():
        (staging / path).write_bytes(data)
        files[path] = sha256_of_bytes(data)
    return canonical_json(
        {
            "evaluation": name,
            "release": staging.parents[1].name,
            "release_sums_sha256": release_sums,
            "software_version": software_version(),
            "contracts": {
                table: {"version": one.version, "sha256": one.sha256}
                for table, one in contracts.items()
            },
            "rows": {table: rows.num_rows for table, rows in tables.items()},
            "files": files,
        }
    )


def _same(
    final: Path,
    tables: Mapping[str, pa.Table],
    contracts: Mapping[str, TableContract],
    documents: Mapping[str, bytes],
    release_sums: str,
) -> bool:
    """Return False when the evaluation is there already; raise when another has its name."""
    beside = final.with_name(f".{final.name}.compared.part")
    beside.mkdir()
    try:
        manifest = _write_content(beside, final.name, tables, contracts, documents, release_sums)
    finally:
        shutil.rmtree(beside)
        os.utime(final.parent, (NO_TIME, NO_TIME))
    found = final / EVALUATION_MANIFEST
    if not found.is_file() or found.read_bytes() != manifest:
        raise BusyError(
            "the name belongs to an evaluation with other content",
            where=f"{EVALUATIONS}/{final.name}",
            hint="Nothing published is overwritten: give the folder another name.",
        )
    return False


def _sweep(final: Path) -> None:
    """Remove what a killed call left behind for this name."""
    for path in final.parent.glob(f".{final.name}.*.part"):
        shutil.rmtree(path)
