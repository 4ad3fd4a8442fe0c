"""Build the package of individual data for ResMan from a release, behind its gates."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import pyarrow as pa

from schemas.errors import BadInputError, GateBlockedError
from schemas.package_data import data_contracts_dir
from schemas.run.atomic_files import (
    canonical_json,
    directory_published_as,
    sha256_of_bytes,
    sha256_of_file,
)
from schemas.tables.contracts import read_table_contracts
from tasks.publish.consent import rows_of
from tasks.publish.diff.differences import RELEASE_TABLE
from tasks.publish.documents.dictionary import data_dictionary
from tasks.publish.documents.metadata import Described, citation, datacite, datapackage
from tasks.publish.documents.store_excel import write_csv
from tasks.publish.facts import ReleaseFacts
from tasks.publish.manifest import MANIFEST
from tasks.publish.naming import SIDECAR_SUFFIXES, sidecar_path
from tasks.publish.sharing import parse_gates, require_open, shared_subjects
from tasks.publish.store_manifest import read_manifest, read_sums
from tasks.publish.store_tables import read_release_tables
from tasks.publish.store_write import share, write_sums

REGISTER = "sharing/resman.csv"
#: What the house did with files and findings is no data of a participant.
_INTERNAL = ("finding", "ingest_batch", "screening_log", RELEASE_TABLE)
_ALONG = ("decisions.csv", "shared_counts.csv")


@dataclass(frozen=True)
class Shared:
    """What a package holds."""

    path: Path
    subjects: int
    withheld: int
    volumes: int
    files: int


def share_for_resman(
    release: Path,
    out: Path,
    *,
    kept_out: Callable[[Collection[str]], Collection[str]],
    inspect: Callable[[Path], None],
    register: Path | None = None,
) -> Shared:
    """Write the package of one release beside `out`, inspect it, and give it its name.

    Parameters
    ----------
    release : Path
        A release folder.
    out : Path
        The new folder; refused when something is there.
    kept_out : callable
        Pseudonyms → those on the suppression list.
    inspect : callable
        The residual-identifier scan; raises to stop.
    register : Path, optional
        The sharing register; default: the one that ships.

    Raises
    ------
    GateBlockedError
        If the trial is not completed or the data are not cleared, both signed; if nobody
        may be shared; or if the scan finds an identifier.
    BadInputError
        If `out` is there already.
    """
    path = register or data_contracts_dir() / REGISTER
    gates = path.read_bytes()
    require_open(parse_gates(gates.decode("utf-8-sig"), path.name))
    contracts = read_table_contracts()
    whole = read_release_tables(release, contracts)
    subjects = whole["subject"]
    shared = shared_subjects(subjects, kept_out(subjects["subject_id"].to_pylist()))
    if len(shared) == 0:
        raise GateBlockedError("no subject of this release consented to be shared")
    tables = {
        name: table
        for name, table in rows_of(whole, contracts, shared).items()
        if name not in _INTERNAL
    }
    # Counts of the whole cohort would tell how many were left out, and where.
    tables["stard_flow"] = tables["stard_flow"].slice(0, 0)
    try:
        with directory_published_as(out) as staging:
            volumes = _write_package(staging, release, tables, gates)
            inspect(staging)
    except FileExistsError:
        raise BadInputError("something is there already", where=str(out)) from None
    count = sum(1 for found in out.rglob("*") if found.is_file())
    return Shared(out, len(shared), subjects.num_rows - len(shared), volumes, count)


def _write_package(
    staging: Path, release: Path, tables: Mapping[str, pa.Table], gates: bytes
) -> int:
    contracts = read_table_contracts()
    sums: dict[str, str] = {}
    csv_files = {}
    for name, table in tables.items():
        if name == "stard_flow":
            continue
        csv_files[name] = f"data/{name}.csv"
        write_csv(table, staging / csv_files[name])
        sums[csv_files[name]] = sha256_of_file(staging / csv_files[name])
    volumes = tables["nifti_volume"]
    sums |= _share_volumes(staging, release, volumes["rel_path"].to_pylist())
    for name in _ALONG:
        if (release / name).is_file():
            share(release / name, staging / name)
            sums[name] = sha256_of_file(staging / name)
    manifest = read_manifest(release)
    described = _described(manifest, csv_files, {n: t.num_rows for n, t in tables.items()})
    protocol = data_contracts_dir() / "protocol" / "eligibility.yaml"
    documents = {
        "protocol/eligibility.yaml": protocol.read_bytes(),
        "protocol/sharing_decisions.csv": gates,
        "data_dictionary.csv": data_dictionary({name: contracts[name] for name in csv_files}),
        "datapackage.json": canonical_json(datapackage(described, sums)),
        "datacite.json": canonical_json(datacite(described)),
        "CITATION.cff": citation(described).encode(),
        "README.md": _readme(described, tables["subject"].num_rows, volumes.num_rows),
    }
    for path, data in documents.items():
        (staging / path).parent.mkdir(parents=True, exist_ok=True)
        (staging / path).write_bytes(data)
        sums[path] = sha256_of_bytes(data)
    whole = {
        "release_id": manifest["release_id"],
        "content_hash": manifest["content_hash"],
        "registration": "ChiCTR2500107646",
        "subjects": tables["subject"].num_rows,
        "volumes": volumes.num_rows,
        "rows": {name: tables[name].num_rows for name in csv_files},
        "files": dict(sorted(sums.items())),
    }
    (staging / MANIFEST).write_bytes(canonical_json(whole))
    write_sums(staging, sums | {MANIFEST: sha256_of_file(staging / MANIFEST)})
    return int(volumes.num_rows)


def _share_volumes(staging: Path, release: Path, paths: list[str]) -> dict[str, str]:
    known = read_sums(release)
    wanted = [
        p for path in paths for p in (path, *(sidecar_path(path, s) for s in SIDECAR_SUFFIXES))
    ]
    sums = {}
    for path in wanted:
        if path in known:
            share(release / path, staging / path)
            sums[path] = known[path]
    return sums


def _described(
    manifest: Mapping[str, Any], csv_files: dict[str, str], rows: dict[str, int]
) -> Described:
    facts = ReleaseFacts(
        software_version=str(manifest["software_version"]),
        protocol_version=str(manifest["registers"]["protocol_version"]),
        mapping_version=str(manifest["mapping_version"]),
        decisions_csv=b"",
        input_ledger_sha256=sha256_of_bytes(b""),
        key_id="",
    )
    predecessor = manifest["predecessor"]
    return Described(
        version=str(manifest["semver"]),
        content_hash=str(manifest["content_hash"]),
        predecessor=str(predecessor) if predecessor else None,
        facts=facts,
        contracts=read_table_contracts(),
        csv_files=csv_files,
        rows=rows,
    )


def _readme(described: Described, subjects: int, volumes: int) -> bytes:
    text = files("tasks.publish").joinpath("templates", "share_readme.md").read_text("utf-8")
    filled = Template(text).substitute(
        identifier=described.identifier,
        content_hash=described.content_hash,
        protocol=described.facts.protocol_version,
        subjects=subjects,
        volumes=volumes,
    )
    return filled.encode()
