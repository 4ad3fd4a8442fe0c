"""A small cohort for tests: two sites, three subjects, one of them without consent."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
from pathlib import Path

import nibabel
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from schemas.decisions import Decision
from schemas.identifiers import Sha256
from schemas.run.atomic_files import sha256_of_bytes
from schemas.tables.contracts import conform, read_code_lists, read_table_contracts
from tasks.publish.facts import ReleaseFacts
from tasks.publish.rows import Row, code_list_rows

CONTRACTS = read_table_contracts()
CRITERIA = ("I1", "I2", "I3", "I4", "I5", "E1", "E2", "E3", "E4")
#: From voxel indices to RAS+ mm: axes turned to the left and to the front.
AFFINE = np.array([[-2.0, 0, 0, 50], [0, 1.5, 0, -40], [0, 0, 3, 10], [0, 0, 0, 1]])
SUBJECTS = {"S91-AAAA2222": "consented", "S91-BBBB3333": "withdrawn", "S92-CCCC4444": "waived"}

_SAMPLES: dict[str, object] = {
    "VARCHAR": "x",
    "DOUBLE": 1.0,
    "INTEGER": 1,
    "BIGINT": 1,
    "BOOLEAN": True,
    "VARCHAR[]": [],
}


def make_row(table: str, **values: object) -> Row:
    """Return a row that conforms: required columns have some value, the others none."""
    row: Row = {}
    for column in CONTRACTS[table].columns:
        codes = column.allowed_values
        sample = codes[0] if codes else _SAMPLES.get(column.duckdb_type)
        if column.duckdb_type.endswith("[]"):
            sample = []
        row[column.name] = None if column.nullable else sample
    unknown = values.keys() - row.keys()
    if unknown:
        raise KeyError(f"{table} has no {unknown}")
    return row | values


def make_table(table: str, rows: list[Row]) -> pa.Table:
    """Return the rows as the table of their contract."""
    return conform(CONTRACTS[table], rows)


def volume_array(subject_id: str) -> NDArray[np.int16]:
    """Return the voxels of the subject's one volume, (4, 3, 2)."""
    return np.frombuffer(hashlib.sha512(subject_id.encode()).digest()[:48], "<i2").reshape(4, 3, 2)


def volume_bytes(subject_id: str) -> bytes:
    """Return the NIfTI file of the subject's one volume: stored value times 2, minus 1024."""
    image = nibabel.Nifti1Image(volume_array(subject_id), AFFINE)  # type: ignore[no-untyped-call]
    image.header.set_slope_inter(2, -1024)  # type: ignore[no-untyped-call]
    return gzip.compress(image.to_bytes(), mtime=0)


def digest_of(subject_id: str) -> str:
    """Return the sub-stack digest of the subject's one series."""
    return hashlib.sha256(subject_id.encode()).hexdigest()[:16]


def make_cohort(*, extra_subject: str | None = None, age: float = 60.0) -> dict[str, pa.Table]:
    """Return all tables but `release`, as a release flow hands them over."""
    subjects = dict(SUBJECTS)
    if extra_subject:
        subjects[extra_subject] = "consented"
    rows: dict[str, list[Row]] = {name: [] for name in CONTRACTS if name != "release"}
    for site in ("S91", "S92"):
        rows["site"].append(
            make_row("site", site_code=site, registration_status="fictitious", name_en=site)
        )
        rows["ingest_batch"].append(
            make_row("ingest_batch", batch_id=f"b-{site}", site_code=site, n_files=1, n_accepted=1)
            | {"n_quarantined": 0, "n_duplicate": 0, "n_clinical": 0, "n_control": 0}
        )
    for number, (subject_id, consent) in enumerate(subjects.items(), start=1):
        _add_subject(rows, subject_id, consent, number, age)
    rows["code_list"] = code_list_rows(read_code_lists())
    for site in ("all", "S91", "S92"):
        n = sum(site in ("all", subject[:3]) for subject in subjects)
        shared = {"reading": "literal", "site_code": site}
        rows["stard_flow"] += [
            make_row("stard_flow", node_id="screened", n=n, **shared),
            make_row("stard_flow", node_id="kept", parent_id="screened", n=n, **shared),
            make_row("stard_flow", node_id="dropped", parent_id="screened", n=0, **shared),
        ]
    return {name: make_table(name, listed) for name, listed in rows.items()}


def _add_subject(
    rows: dict[str, list[Row]], subject_id: str, consent: str, number: int, age: float
) -> None:
    site, digest = subject_id[:3], digest_of(subject_id)
    own = {"subject_id": subject_id, "batch_id": f"b-{site}"}
    study, series = f"2.25.1{number}", f"2.25.2{number}"
    rows["subject"].append(
        make_row("subject", site_code=site, consent_status=consent, age_years=age, **own)
    )
    rows["screening_log"].append(
        make_row("screening_log", site_code=site, screening_no=f"N{number}", enrolled="yes", **own)
    )
    rows["imaging_study"].append(
        make_row(
            "imaging_study",
            study_uid=study,
            modality="MR",
            role="eob_mri",
            contrast_agent_class="gadoxetate",
            study_date_shifted=dt.date(2024, 3, 6),
            n_instances=2,
            **own,
        )
    )
    rows["series"].append(
        make_row(
            "series",
            series_uid=series,
            sub_stack_digest=digest,
            study_uid=study,
            modality="MR",
            label="MR_T1_ART",
            weighting="T1",
            label_tier="A",
            slice_thickness_mm=3.0,
            thickness_limit_mm=5.0,
            thickness_verdict="met",
            n_slices=8,
            n_instances=2,
            n_missing_slices=0,
            conversion_verdict="OK",
            **own,
        )
    )
    rows["nifti_volume"].append(
        make_row(
            "nifti_volume",
            volume_id=digest,
            series_uid=series,
            sub_stack_digest=digest,
            study_uid=study,
            rel_path=f"nifti/sub-{subject_id.replace('-', '')}/ses-baseline/mr/{digest}.nii.gz",
            sha256=hashlib.sha256(volume_bytes(subject_id)).hexdigest(),
            dim_x=4,
            dim_y=3,
            dim_z=2,
            affine_ras=AFFINE.ravel().tolist(),
            **own,
        )
    )
    rows["instance"] += [
        make_row(
            "instance",
            series_uid=series,
            sub_stack_digest=digest,
            slice_no=slice_no,
            sop_uid=f"{series}.{slice_no}",
            slice_position_mm=3.0 * slice_no,
            **own,
        )
        for slice_no in (1, 2)
    ]
    for criterion in CRITERIA:
        rows["criterion_result"].append(
            make_row(
                "criterion_result",
                subject_id=subject_id,
                criterion_id=criterion,
                reading="literal",
                status="met" if criterion.startswith("I") else "not_met",
                effect="pass",
            )
        )
    rows["eligibility"].append(
        make_row(
            "eligibility",
            subject_id=subject_id,
            reading="literal",
            status="eligible",
            n_criteria=len(CRITERIA),
        )
    )
    rows["finding"].append(
        make_row(
            "finding",
            finding_id=f"f{number}",
            site_code=site,
            object_type="series",
            object_id=f"{series}/{digest}",
            severity="minor",
        )
    )


def make_sources(folder: Path, tables: dict[str, pa.Table]) -> dict[str, Path]:
    """Write a file and a sidecar for every volume, as the warehouse holds them."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = {}
    for row in tables["nifti_volume"].to_pylist():
        path = folder / f"{row['volume_id']}.nii.gz"
        path.write_bytes(volume_bytes(row["subject_id"]))
        (folder / f"{row['volume_id']}.json").write_text("{}")
        sources[row["volume_id"]] = path
    return sources


def decision_register(*rows: tuple[str, str, str]) -> bytes:
    """Return a register of decisions: id, option chosen, and who signed, if anybody did."""
    lines = [",".join(Decision.model_fields)]
    for name, option, by in rows:
        signature = f"{by},2026-11-01,minutes 1" if by else ",,"
        lines.append(f"{name},I1,which?,{option},another,{signature},a reason,a source")
    return ("\n".join(lines) + "\n").encode()


def make_facts(**changes: object) -> ReleaseFacts:
    """Return the facts of a release."""
    values: dict[str, object] = {
        "software_version": "0.1.0",
        "protocol_version": "ChiCTR2500107646@V1.0",
        "mapping_version": "1.0.0+abc",
        "decisions_csv": decision_register(("D01", "as asked", ""), ("D02", "as asked", "PI")),
        "input_ledger_sha256": Sha256(sha256_of_bytes(b"ledger")),
        "key_id": "k1",
        "validation": {"success": True, "results": [{"rule_id": "SUB-KEY", "ran": True}]},
    }
    return ReleaseFacts(**(values | changes))  # type: ignore[arg-type]  # a test names what it changes
