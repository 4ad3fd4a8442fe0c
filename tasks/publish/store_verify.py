"""Verify a release: checksums, contracts, counts, sums; nothing is written."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from schemas.errors import BadInputError
from schemas.evaluations import is_of_an_evaluation
from schemas.finding_ids import finding_id
from schemas.records import Finding
from schemas.run.atomic_files import sha256_of_file
from schemas.states import Severity
from schemas.tables.contracts import TableContract, read_table_contracts
from tasks.publish.checks import (
    Problem,
    check_contract,
    check_dates,
    check_flow,
    check_roll_up,
    check_volumes,
)
from tasks.publish.diff.content import content_hash, split_tables, table_hash
from tasks.publish.manifest import MANIFEST, SUMS, listed_files, parse_sums
from tasks.publish.signature import SIGNATURE
from tasks.publish.store_database import DATABASE, count_database_rows
from tasks.publish.store_manifest import read_manifest
from tasks.publish.store_tables import read_table
from tasks.publish.store_verify_evaluations import check_evaluations
from tasks.publish.store_verify_origin import check_database, check_place, check_signature

LATEST = "latest"
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_ALWAYS = (MANIFEST, SUMS, DATABASE, SIGNATURE)
_UNLISTED = "not listed"
#: Of a list that was cut off no more files than these are named one by one.
_NAMED = 20


def verify_release(
    release: Path, *, known: bytes | None = None, recorded: Mapping[str, str] | None = None
) -> list[Finding]:
    """Return everything that does not hold in a release; an intact one gives an empty list.

    Parameters
    ----------
    release : Path
        A release folder, or the link `latest`. What cannot be read is a finding, and the rest
        is checked by what can.
    known : bytes, optional
        Public key of the home that made it; without it the signature proves one piece only.
    recorded : mapping of str to str, optional
        What the home remembers: version → SHA-256 of `SHA256SUMS`.

    Raises
    ------
    BadInputError
        If the folder is not a release at all: nothing in it, nor its name, is that of one.
    """
    as_latest, release = release.name == LATEST, release.resolve()
    _require_release(release)
    manifest, problems = _stated_by_manifest(release)
    sums, more = _stated_by_sums(release, manifest)
    problems += more
    problems += _check_files(release, sums, manifest)
    problems += check_signature(release, manifest, known)
    problems += check_place(release, manifest, recorded, as_latest=as_latest)
    problems += check_evaluations(release, known)
    contracts = read_table_contracts()
    other_version = list(_check_versions(manifest, contracts))
    problems += other_version
    tables, unreadable = _read_tables(release, contracts)
    problems += unreadable
    damaged = {problem.object_id for problem in unreadable}
    apart = damaged | {problem.object_id for problem in other_version}
    stated = _stated_versions(manifest)
    unsound = list(_check_contracts(tables, contracts, apart, stated))
    problems += unsound
    if manifest:
        problems += _check_rows(release, manifest)
        if not (damaged or unsound or other_version):
            problems += _check_content(tables, contracts, manifest)
        problems += check_database(release, tables, manifest)
    sound = tables.keys() - {problem.object_id for problem in (*unsound, *other_version)}
    if {"criterion_result", "eligibility"} <= sound:
        problems += check_roll_up(tables["criterion_result"], tables["eligibility"])
    if "stard_flow" in sound:
        problems += check_flow(tables["stard_flow"])
    if sums and "nifti_volume" in sound:
        problems += check_volumes(tables["nifti_volume"], sums)
    return _findings(problems)


def _require_release(release: Path) -> None:
    known = any((release / name).exists() for name in (MANIFEST, SUMS, DATABASE, "tables"))
    if not known and _VERSION.fullmatch(release.name) is None:
        raise BadInputError(
            "nothing of a release is to be found",
            where=release.name,
            expected="a folder under releases/, a copy of one, or `latest`",
        )


def _stated_by_manifest(release: Path) -> tuple[dict[str, Any] | None, list[Problem]]:
    try:
        return read_manifest(release), []
    except BadInputError as error:
        if not (release / MANIFEST).is_file():
            return None, [Problem("REL-MISSING", "file", MANIFEST, "no file", "a manifest")]
        return None, [Problem("REL-UNREADABLE", "file", MANIFEST, error.found, "readable")]


def _stated_by_sums(
    release: Path, manifest: Mapping[str, Any] | None
) -> tuple[dict[str, str], list[Problem]]:
    """Return path → SHA-256, from the manifest where `SHA256SUMS` is not to be had."""
    stated = listed_files(manifest) if manifest else {}
    try:
        sums, wrong = parse_sums((release / SUMS).read_bytes())
    except OSError:
        return stated, [Problem("REL-MISSING", "file", SUMS, "no file", "checksums")]
    problems = [Problem("REL-UNREADABLE", "file", SUMS, f"line {n}", "readable") for n in wrong[:1]]
    if manifest:
        # Neither list can hold its own hash, and the database file, which never repeats,
        # is left out of the manifest.
        apart = {path: sums.get(path, "") for path in (DATABASE, MANIFEST)}
        problems += _check_lists(sums, stated | apart)
    return stated | sums, problems


def _check_lists(sums: Mapping[str, str], stated: Mapping[str, str]) -> Iterator[Problem]:
    missing = sorted(path for path in stated if path not in sums)
    if len(missing) > _NAMED:
        yield Problem("REL-SUMS", "file", SUMS, f"{len(missing)} files not listed", "0 not listed")
        missing = []
    differing = [path for path in sums if sums[path] != stated.get(path)]
    for path in sorted({*missing, *differing}):
        observed, expected = sums.get(path, _UNLISTED), stated.get(path) or _UNLISTED
        yield Problem("REL-SUMS", "file", path, observed, expected)


def _check_files(
    release: Path, sums: Mapping[str, str], manifest: Mapping[str, Any] | None
) -> Iterator[Problem]:
    folders = {str(parent) for path in sums for parent in PurePosixPath(path).parents}
    for path, digest in sums.items():
        yield from _check_file(release / path, path, digest)
    # Without any list every file would be one too many.
    listed = {*sums, *_ALWAYS} if sums or manifest else None
    for found in sorted(release.rglob("*")):
        name = found.relative_to(release).as_posix()
        if is_of_an_evaluation(name):
            continue  # sealed on its own: `check_evaluations`
        if found.is_symlink() and name in folders:
            yield Problem("REL-KIND", "file", name, "a link", "a folder")
        elif listed is not None and name not in listed and (found.is_symlink() or found.is_file()):
            # The name may be anything, so only the folder it lies in is told.
            folder = found.parent.relative_to(release).as_posix()
            yield Problem("REL-EXTRA", "folder", folder, "a file that is not listed", "none")


def _check_file(place: Path, path: str, digest: str) -> Iterator[Problem]:
    if place.is_symlink():
        yield Problem("REL-KIND", "file", path, "a link", "a file")
    elif place.is_dir():
        yield Problem("REL-KIND", "file", path, "a folder", "a file")
    elif not place.is_file():
        yield Problem("REL-MISSING", "file", path, "no file", digest)
    else:
        try:
            found = sha256_of_file(place)
        except OSError:
            yield _unreadable(path)
            return
        if found != digest:
            yield Problem("REL-CHECKSUM", "file", path, found, digest)


def _read_tables(
    release: Path, contracts: Mapping[str, TableContract]
) -> tuple[dict[str, pa.Table], list[Problem]]:
    """Return the tables that can be read, and a problem for each that cannot."""
    tables, problems = {}, []
    for folder in sorted(path for path in (release / "tables").glob("*") if path.is_dir()):
        try:
            tables[folder.name] = read_table(release, folder.name, contracts.get(folder.name))
        except (BadInputError, pa.ArrowException) as error:
            told = error.found if isinstance(error, BadInputError) else "no rows of the contract"
            problems.append(Problem("REL-UNREADABLE", "table", folder.name, told, "readable"))
    return tables, problems


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


def _check_versions(
    manifest: Mapping[str, Any] | None, contracts: Mapping[str, TableContract]
) -> Iterator[Problem]:
    """Yield every table that was published under a contract of another major version."""
    for name, stated in (_stated_versions(manifest) or {}).items():
        now = contracts[name].version if name in contracts else "none"
        if stated.split(".")[0] != now.split(".")[0]:
            yield Problem("REL-VERSION", "table", name, f"contract {stated}", f"contract {now}")


def _stated_versions(manifest: Mapping[str, Any] | None) -> dict[str, str] | None:
    """Return table → version of the contract it was published under; None without a manifest."""
    if manifest is None:
        return None
    return {name: str(entry["version"]) for name, entry in manifest["contracts"].items()}


def _check_contracts(
    tables: Mapping[str, pa.Table],
    contracts: Mapping[str, TableContract],
    damaged: Collection[str],
    stated: Mapping[str, str] | None,
) -> Iterator[Problem]:
    """Yield what is not as the contracts of today say.

    A table that has other columns because its contract has changed since, or that came later, is
    of another version; one whose contract is the same was changed.
    """
    for name in sorted(tables.keys() - contracts.keys()):
        yield Problem("REL-CONTRACT", "table", name, "a table", "no such table")
    for name, contract in contracts.items():
        if name in damaged:
            continue
        was = contract.version if stated is None else stated.get(name, "none")
        told = (f"contract {was}", f"contract {contract.version}")
        if name not in tables:
            if was == "none":
                yield Problem("REL-VERSION", "table", name, *told)
            else:
                yield Problem("REL-CONTRACT", "table", name, "no table", "a table")
            continue
        table = tables[name]
        if not table.schema.equals(contract.arrow_schema()):
            if was == contract.version:
                told = ("other columns or types", contract.version)
            rule = "REL-CONTRACT" if was == contract.version else "REL-VERSION"
            yield Problem(rule, "table", name, *told)
            continue
        yield from check_contract(contract, table)
        yield from check_dates(contract, table)


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
