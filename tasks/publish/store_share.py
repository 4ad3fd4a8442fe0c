"""Build the package of individual data for ResMan from a release, behind its gates.

Who an acquaintance might recognise is one of at least k in it, measured on what was written.
"""

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
from schemas.rule_tables import read_signed, table_name
from schemas.run.atomic_files import (
    canonical_json,
    directory_published_as,
    sha256_of_bytes,
    sha256_of_file,
)
from schemas.tables.contracts import TableContract, read_table_contracts
from tasks.publish.anonymity import (
    DEFAULT_K,
    Generalisation,
    Person,
    generalise,
    measured_k,
    persons_of,
)
from tasks.publish.consent import rows_of
from tasks.publish.diff.differences import RELEASE_TABLE
from tasks.publish.documents.dictionary import data_dictionary
from tasks.publish.documents.metadata import Described, citation, datacite, datapackage
from tasks.publish.documents.store_excel import write_csv
from tasks.publish.facts import ReleaseFacts
from tasks.publish.manifest import MANIFEST
from tasks.publish.naming import SIDECAR_SUFFIXES, sidecar_path
from tasks.publish.package_tables import (
    Keyed,
    PackageNames,
    package_contracts,
    package_tables,
    quasi_of_package,
)
from tasks.publish.sharing import parse_gates, require_open, shared_subjects
from tasks.publish.store_manifest import read_manifest, read_sums
from tasks.publish.store_reuse import share
from tasks.publish.store_tables import read_release_tables
from tasks.publish.store_write import write_sums

REGISTER = "sharing/resman.csv"
#: What the house did with files and findings is no data of a participant. Counts of the whole
#: cohort would tell how many were left out, and where.
_INTERNAL = (
    "site",
    "stard_flow",
    "finding",
    "ingest_batch",
    "inspection",
    "screening_log",
    "image_quality",
    "image_metric",
    "protocol_variant",
    RELEASE_TABLE,
)
#: `shared_counts.csv` stays at home: it names sites.
_ALONG = ("decisions.csv",)
GENERALISATION = "generalisation.json"


@dataclass(frozen=True)
class Shared:
    """What a package holds."""

    path: Path
    subjects: int
    withheld: int
    volumes: int
    files: int
    k: int
    generalisation: Mapping[str, str]


def share_for_resman(
    release: Path,
    out: Path,
    *,
    kept_out: Callable[[Collection[str]], Collection[str]],
    inspect: Callable[[Path], None],
    keyed: Keyed,
    k: int = DEFAULT_K,
    register: Path | None = None,
    at_last: Callable[[list[str]], None] = lambda _: None,
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
    keyed : callable
        (kind, name) → bytes, for the names that sites and subjects have in this package.
    k : int
        Of how many alike everybody must be one.
    register : Path, optional
        The sharing register; default: the one that ships.
    at_last : callable
        Given everybody who is in it right before the folder gets its name, and raises to stop.

    Raises
    ------
    GateBlockedError
        If the trial is not completed or the data are not cleared, both signed; if nobody
        may be shared; if somebody would be one of fewer than k; or if the scan finds an
        identifier.
    BadInputError
        If `out` is there already.
    """
    path = register or data_contracts_dir() / REGISTER
    gates = read_signed(path)
    require_open(parse_gates(gates, table_name(path)))
    contracts = read_table_contracts()
    whole = read_release_tables(release, contracts)
    subjects = whole["subject"]
    shared = shared_subjects(subjects, kept_out(subjects["subject_id"].to_pylist()))
    if len(shared) == 0:
        raise GateBlockedError("no subject of this release consented to be shared")
    persons = persons_of(rows_of(whole, contracts, shared))
    made = generalise(persons, k)
    persons = [person for person in persons if person.subject_id not in made.left_out]
    chosen = pa.array([person.subject_id for person in persons], pa.string())
    tables = {
        name: table
        for name, table in rows_of(whole, contracts, chosen).items()
        if name not in _INTERNAL
    }
    names = PackageNames(persons, keyed)
    try:
        with directory_published_as(out) as staging:
            reached = _write_package(staging, release, tables, gates, persons, made, names)
            if reached < k:
                raise GateBlockedError(
                    f"somebody in the package is one of {reached}", expected=f"at least {k}"
                )
            inspect(staging)
            at_last([person.subject_id for person in persons])
    except FileExistsError:
        raise BadInputError("something is there already", where=str(out)) from None
    count = sum(1 for found in out.rglob("*") if found.is_file())
    n, volumes = len(persons), tables["nifti_volume"].num_rows
    withheld = subjects.num_rows - n
    return Shared(out, n, withheld, volumes, count, reached, made.levels.words)


def _write_package(
    staging: Path,
    release: Path,
    whole: Mapping[str, pa.Table],
    gates: bytes,
    persons: list[Person],
    made: Generalisation,
    names: PackageNames,
) -> int:
    """Write everything; return the k of the tables as they were written."""
    contracts = package_contracts(read_table_contracts())
    tables = package_tables(whole, persons, made, names)
    sums: dict[str, str] = {}
    csv_files = {}
    for name, table in tables.items():
        csv_files[name] = f"data/{name}.csv"
        write_csv(table, staging / csv_files[name])
        sums[csv_files[name]] = sha256_of_file(staging / csv_files[name])
    volumes = tables["nifti_volume"]
    paths = whole["nifti_volume"]["rel_path"].to_pylist()
    sums |= _share_volumes(staging, release, {path: names.renamed(path) for path in paths})
    reached = measured_k(quasi_of_package(tables))
    for name in _ALONG:
        if (release / name).is_file():
            share(release / name, staging / name)
            sums[name] = sha256_of_file(staging / name)
    manifest = read_manifest(release)
    rows = {name: table.num_rows for name, table in tables.items()}
    described = _described(manifest, csv_files, rows, contracts)
    told = {"k": reached, "left_out": len(made.left_out), **made.levels.words}
    protocol = data_contracts_dir() / "protocol" / "eligibility.yaml"
    documents = {
        "protocol/eligibility.yaml": protocol.read_bytes(),
        "protocol/sharing_decisions.csv": gates,
        "data_dictionary.csv": data_dictionary({name: contracts[name] for name in csv_files}),
        "datapackage.json": canonical_json(datapackage(described, sums)),
        "datacite.json": canonical_json(datacite(described)),
        "CITATION.cff": citation(described).encode(),
        GENERALISATION: canonical_json(told),
        "README.md": _readme(described, tables["subject"].num_rows, volumes.num_rows, told),
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
    return reached


def _share_volumes(staging: Path, release: Path, named: Mapping[str, str]) -> dict[str, str]:
    known = read_sums(release)
    sums = {}
    for path, new in named.items():
        wanted = [(path, new)]
        wanted += [(sidecar_path(path, s), sidecar_path(new, s)) for s in SIDECAR_SUFFIXES]
        for old_name, new_name in wanted:
            if old_name in known:
                share(release / old_name, staging / new_name)
                sums[new_name] = known[old_name]
    return sums


def _described(
    manifest: Mapping[str, Any],
    csv_files: dict[str, str],
    rows: dict[str, int],
    contracts: Mapping[str, TableContract],
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
        contracts=contracts,
        csv_files=csv_files,
        rows=rows,
    )


def _readme(described: Described, subjects: int, volumes: int, told: Mapping[str, object]) -> bytes:
    text = files("tasks.publish").joinpath("templates", "share_readme.md").read_text("utf-8")
    filled = Template(text).substitute(
        identifier=described.identifier,
        content_hash=described.content_hash,
        protocol=described.facts.protocol_version,
        subjects=subjects,
        volumes=volumes,
        **told,
    )
    return filled.encode()
