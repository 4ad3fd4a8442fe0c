"""Verify a release: checksums, contracts, counts, sums; nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from schemas.atomic_files import sha256_of_file
from schemas.contracts import TableContract, read_table_contracts
from schemas.errors import BadInputError, LivercohortError
from schemas.finding_ids import finding_id
from schemas.records import Finding
from schemas.states import Severity
from tasks.publish.checks import Problem, check_contract, check_flow, check_roll_up, check_volumes
from tasks.publish.content import content_hash, split_tables, table_hash
from tasks.publish.manifest import SUMS, read_manifest, read_sums
from tasks.publish.store_database import DATABASE, count_database_rows
from tasks.publish.store_tables import read_release_tables


def verify_release(release: Path) -> list[Finding]:
    """Return everything that does not hold in a release; an intact one gives an empty list.

    Parameters
    ----------
    release : Path
        A release folder, or the link `latest`.

    Raises
    ------
    BadInputError
        If the folder is not a release at all: no manifest or no `SHA256SUMS`.
    """
    release = release.resolve()
    manifest = read_manifest(release)
    if not (release / SUMS).is_file():
        raise BadInputError(f"no {SUMS}", where=f"release {release.name}")
    contracts = read_table_contracts()
    sums = read_sums(release)
    problems = list(_check_files(release, sums))
    problems += _check_rows(release, manifest)
    try:
        tables = read_release_tables(release, contracts)
    except (pa.ArrowException, OSError, LivercohortError):
        return _findings([*problems, _unreadable("tables")])
    problems += _check_contracts(tables, contracts)
    if not any(problem.rule_id == "REL-CONTRACT" for problem in problems):
        problems += _check_content(tables, contracts, manifest)
        problems += check_roll_up(tables["criterion_result"], tables["eligibility"])
        problems += check_flow(tables["stard_flow"])
        problems += check_volumes(tables["nifti_volume"], sums)
    return _findings(problems)


def _check_files(release: Path, sums: Mapping[str, str]) -> Iterator[Problem]:
    for path, digest in sums.items():
        if not (release / path).is_file():
            yield Problem("REL-MISSING", "file", path, "no file", digest)
        elif (found := sha256_of_file(release / path)) != digest:
            yield Problem("REL-CHECKSUM", "file", path, found, digest)
    for found_path in sorted(release.rglob("*")):
        name = found_path.relative_to(release).as_posix()
        if (found_path.is_file() or found_path.is_symlink()) and name not in sums and name != SUMS:
            # The name may be anything, so only the folder it lies in is told.
            folder = found_path.parent.relative_to(release).as_posix()
            yield Problem("REL-EXTRA", "folder", folder, "a file that is not listed", "none")


def _check_rows(release: Path, manifest: Mapping[str, Any]) -> Iterator[Problem]:
    try:
        in_database = count_database_rows(release / DATABASE)
    except (duckdb.Error, OSError):
        in_database = None
        yield _unreadable(DATABASE)
    for name, entry in manifest["tables"].items():
        for path, facts in entry["files"].items():
            rows = _parquet_rows(release / path)
            if rows is not None and rows != facts["rows"]:
                yield Problem("REL-ROWS", "file", path, str(rows), str(facts["rows"]))
        if in_database is not None and in_database.get(name) != entry["rows"]:
            observed = str(in_database.get(name, "no table"))
            yield Problem("REL-ROWS", "database table", name, observed, str(entry["rows"]))


def _parquet_rows(path: Path) -> int | None:
    try:
        return int(pq.read_metadata(path).num_rows)
    except (pa.ArrowException, OSError):
        return None  # REL-MISSING or REL-CHECKSUM names the file already


def _check_contracts(
    tables: Mapping[str, pa.Table], contracts: Mapping[str, TableContract]
) -> Iterator[Problem]:
    for name in sorted(tables.keys() - contracts.keys()):
        yield Problem("REL-CONTRACT", "table", name, "a table", "no such table")
    for name, contract in contracts.items():
        if name not in tables:
            yield Problem("REL-CONTRACT", "table", name, "no table", "a table")
            continue
        table = tables[name]
        if not table.schema.equals(contract.arrow_schema()):
            yield Problem("REL-CONTRACT", "table", name, "other columns or types", contract.version)
            continue
        yield from check_contract(contract, table)


def _check_content(
    tables: Mapping[str, pa.Table],
    contracts: Mapping[str, TableContract],
    manifest: Mapping[str, Any],
) -> Iterator[Problem]:
    """Compare content hashes, unless the contracts were worded otherwise at that time."""
    stated = {name: entry["sha256"] for name, entry in manifest["contracts"].items()}
    if stated != {name: contract.sha256 for name, contract in contracts.items()}:
        return
    parts = split_tables(tables, contracts)
    hashes = {path: table_hash(part) for path, part in parts.items()}
    computed = content_hash(hashes, stated, manifest["registers"])
    if computed != manifest["content_hash"]:
        yield Problem(
            "REL-CONTENT", "release", manifest["semver"], computed, manifest["content_hash"]
        )


def _unreadable(part: str) -> Problem:
    return Problem("REL-UNREADABLE", "file", part, "cannot be read", "readable")


def _findings(problems: Iterable[Problem]) -> list[Finding]:
    words = _words()
    findings = {
        (item := _finding(problem, words[problem.rule_id])).finding_id: item for problem in problems
    }
    return sorted(findings.values(), key=lambda item: (item.rule_id, item.object_id))


def _finding(problem: Problem, words: Mapping[str, str]) -> Finding:
    return Finding(
        finding_id=finding_id(problem.rule_id, problem.object_type, problem.object_id),
        rule_id=problem.rule_id,
        severity=Severity.BLOCKER,
        site_code="",
        object_type=problem.object_type,
        object_id=problem.object_id,
        column_name="",
        observed=problem.observed,
        expected=problem.expected,
        message_en=words["message_en"],
        message_zh=words["message_zh"],
        fix_en=words["fix_en"],
        fix_zh=words["fix_zh"],
    )


@cache
def _words() -> dict[str, dict[str, str]]:
    text = files("tasks.publish").joinpath("verify_rules.yaml").read_text(encoding="utf-8")
    return {row["rule_id"]: row for row in yaml.safe_load(text)}
