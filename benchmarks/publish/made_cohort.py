"""A cohort of any size for measurements: tables as their contracts state, made by columns.

Every value follows from row numbers, so two calls give the same bytes. Volumes are a few
bytes each: what a release costs besides its tables is links.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas.package_data import data_contracts_dir
from schemas.run.atomic_files import sha256_of_bytes
from schemas.tables.contracts import ColumnContract, conform, read_code_lists, read_table_contracts
from tasks.publish.facts import ReleaseFacts
from tasks.publish.rows import code_list_rows

CONTRACTS = read_table_contracts()
CRITERIA = ("I1", "I2", "I3", "I4", "I5", "E1", "E2", "E3", "E4")
SERIES_PER_SUBJECT = 20
LABELS = ("CT_NATIVE", "CT_ART", "CT_PVP", "MR_T1_PRE", "MR_T1_ART", "MR_T1_PVP", "MR_T1_HBP")


def make_tables(
    subjects: int,
    *,
    instances: int = 0,
    sites: int = 28,
    volumes: bool = True,
    newer_site: int | None = None,
) -> dict[str, pa.Table]:
    """Return every table but `release`.

    Parameters
    ----------
    subjects : int
        How many, spread over the sites.
    instances : int
        Rows of the instance table, spread over all series.
    sites : int
        Fictitious codes S01... are avoided: sites are called X001 and up.
    volumes : bool
        Whether series have volumes.
    newer_site : int, optional
        A site whose subjects are one year older: what one site's correction changes.
    """
    site = np.arange(subjects) % sites
    ids = np.array([f"X{s + 1:03d}-{_letters(n)}" for n, s in enumerate(site)])
    ages = 40.0 + np.arange(subjects) % 45
    if newer_site is not None:
        ages = ages + (site == newer_site)
    batch = np.array([f"b-X{s + 1:03d}" for s in site])
    own = {"subject_id": ids, "batch_id": batch}
    site_codes = np.array([f"X{s + 1:03d}" for s in range(sites)])
    labels = [
        name
        for name in LABELS
        if name in (CONTRACTS["series"].column("label").allowed_values or ())
    ]
    series = subjects * SERIES_PER_SUBJECT
    of = np.repeat(np.arange(subjects), SERIES_PER_SUBJECT)
    stack = {
        "series_uid": np.array([_rising_uid(n) for n in range(series)]),
        "sub_stack_digest": np.array([f"{_number(f'stack {n}'):032x}"[:16] for n in range(series)]),
        "subject_id": ids[of],
        "batch_id": batch[of],
        "study_uid": np.array([_uid(f"study {n}") for n in of * 2 + np.arange(series) % 2]),
    }
    studies = {
        "study_uid": np.array([_uid(f"study {n}") for n in range(2 * subjects)]),
        "subject_id": np.repeat(ids, 2),
        "batch_id": np.repeat(batch, 2),
        "modality": np.tile(["CT", "MR"], subjects),
        "role": np.tile(["baseline_ct", "eob_mri"], subjects),
    }
    each = np.repeat(ids, len(CRITERIA))
    tables = {
        "site": _table("site", sites, {"site_code": site_codes}),
        "ingest_batch": _table(
            "ingest_batch",
            sites,
            {"batch_id": np.array([f"b-{c}" for c in site_codes]), "site_code": site_codes},
        ),
        "subject": _table(
            "subject",
            subjects,
            {**own, "age_years": ages, "site_code": site_codes[site]}
            | {"consent_status": np.full(subjects, "consented")},
        ),
        "imaging_study": _table("imaging_study", 2 * subjects, studies),
        "series": _table(
            "series",
            series,
            {
                **stack,
                "label": np.resize(labels, series),
                "slice_thickness_mm": 1.0 + (np.arange(series) % 8),
                "thickness_limit_mm": np.full(series, 5.0),
            },
        ),
        "criterion_result": _table(
            "criterion_result",
            subjects * len(CRITERIA),
            {
                "subject_id": each,
                "criterion_id": np.tile(CRITERIA, subjects),
                "effect": np.full(len(each), "pass"),
            },
        ),
        "eligibility": _table(
            "eligibility",
            subjects,
            {
                "subject_id": ids,
                "status": np.full(subjects, "eligible"),
                "n_criteria": np.full(subjects, 9),
            },
        ),
        "lesion": _table(
            "lesion",
            subjects,
            {**own, "lesion_id": np.array([f"l{n:07d}" for n in range(subjects)])},
        ),
        "code_list": conform(CONTRACTS["code_list"], code_list_rows(read_code_lists())),
    }
    if volumes:
        paths = [
            f"nifti/sub-{s.replace('-', '')}/{d}.nii.gz"
            for s, d in zip(ids[of], stack["sub_stack_digest"], strict=True)
        ]
        digests = [hashlib.sha256(_bytes(d)).hexdigest() for d in stack["sub_stack_digest"]]
        tables["nifti_volume"] = _table(
            "nifti_volume",
            series,
            {**stack, "volume_id": stack["sub_stack_digest"]}
            | {"rel_path": np.array(paths), "sha256": np.array(digests)},
        )
    if "instance" in CONTRACTS:
        tables["instance"] = _instances(stack, series, instances)
    empty = CONTRACTS.keys() - tables.keys() - {"release"}
    return tables | {name: CONTRACTS[name].arrow_schema().empty_table() for name in empty}


def make_sources(folder: Path, tables: dict[str, pa.Table]) -> dict[str, Path]:
    """Write the volumes as the warehouse holds them."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = {}
    for name in tables["nifti_volume"]["volume_id"].to_pylist():
        sources[name] = folder / f"{name}.nii.gz"
        if not sources[name].exists():
            sources[name].write_bytes(_bytes(name))
    return sources


def make_facts() -> ReleaseFacts:
    """Return the facts of a release."""
    return ReleaseFacts(
        software_version="0.1.0",
        protocol_version="ChiCTR2500107646@V1.0",
        mapping_version="1.0.0",
        decisions_csv=(data_contracts_dir() / "protocol" / "decisions.csv").read_bytes(),
        input_ledger_sha256=sha256_of_bytes(b"ledger"),
        key_id="00000000",
    )


def _instances(stack: dict[str, np.ndarray], series: int, instances: int) -> pa.Table:
    of = np.arange(instances) // max(1, -(-instances // series))
    number = np.arange(instances) % max(1, -(-instances // series)) + 1
    wanted = ("series_uid", "sub_stack_digest", "subject_id", "batch_id")
    table: dict[str, object] = {
        **{name: pa.array(stack[name]).take(pa.array(of)) for name in wanted},
        "sop_uid": _random_uids(instances),
        "slice_no": number,
        "slice_position_mm": (number - 1) * 2.5 + (of % 7),
        "instance_number": number,
    }
    return _table("instance", instances, table)


def _uid(name: str) -> str:
    """Return a UID as the keyed map makes them: incompressible digits."""
    return f"2.25.{_number(name)}"


def _rising_uid(number: int) -> str:
    """Return a UID of its own for each number, in the order of the numbers."""
    return f"2.25.1{number:08d}{_number(f'series {number}') % 10**29:029d}"


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:16], "big")


def _random_uids(number: int) -> pa.Array:
    digits = np.random.default_rng(9).integers(10**18, 10**19, (2, number), dtype=np.uint64)
    halves = [pa.array(half).cast(pa.string()) for half in digits]
    return pc.binary_join_element_wise("2.25.", *halves, "")


def _table(name: str, rows: int, given: Mapping[str, object]) -> pa.Table:
    contract = CONTRACTS[name]
    arrays = [
        pa.array(given[column.name]).cast(column.arrow_type)
        if column.name in given
        else _filled(column, rows)
        for column in contract.columns
    ]
    table = pa.table(arrays, schema=contract.arrow_schema())
    if name == "instance":  # made in the order of its key
        return table
    return table.sort_by([(key, "ascending") for key in contract.primary_key]).combine_chunks()


def _filled(column: ColumnContract, rows: int) -> pa.Array:
    if pa.types.is_list(column.arrow_type):
        return pa.array([[]] * rows, type=column.arrow_type)
    if column.nullable:
        return pa.nulls(rows, type=column.arrow_type)
    if column.allowed_values:
        return pa.repeat(column.allowed_values[0], rows)
    sample = "x" if pa.types.is_string(column.arrow_type) else 1
    return pa.repeat(pa.scalar(sample).cast(column.arrow_type), rows)


def _bytes(name: str) -> bytes:
    return f"volume {name}".encode()


def _letters(number: int) -> str:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    return "".join(alphabet[(number >> (5 * at)) & 31] for at in range(8))
