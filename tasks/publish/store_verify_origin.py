"""Whether a release is what its maker published, and its database what its tables are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from schemas.errors import BadInputError
from schemas.run.atomic_files import sha256_of_file
from tasks.publish.checks import Problem
from tasks.publish.diff.differences import parse_version
from tasks.publish.manifest import SUMS
from tasks.publish.signature import (
    PUBLIC_KEY,
    SIGNATURE,
    SignatureError,
    read_public_key,
    signed_version,
)
from tasks.publish.store_database import DATABASE, catalogue

_VERSION = re.compile(r"\d+\.\d+\.\d+")


def check_signature(
    release: Path, manifest: Mapping[str, Any] | None, known: bytes | None
) -> Iterator[Problem]:
    """Yield what is wrong with the signature of the sums.

    Without a known public key the one inside the release has to do: it shows that the release
    is of one piece, not whose it is.
    """
    public = known if known is not None else _own_key(release)
    try:
        sums, signature = (release / SUMS).read_bytes(), (release / SIGNATURE).read_bytes()
    except OSError:
        yield Problem("REL-SIGNATURE", "file", SIGNATURE, "not signed", "a signature")
        return
    if public is None:
        yield Problem("REL-SIGNATURE", "file", PUBLIC_KEY, "no public key", "a public key")
        return
    if known is not None and _own_key(release) != known:
        yield Problem("REL-SIGNATURE", "file", PUBLIC_KEY, "another key", "the known key")
    try:
        version = signed_version(sums, signature, public)
    except SignatureError as error:
        yield Problem("REL-SIGNATURE", "file", SIGNATURE, str(error), "a signature of these sums")
        return
    stated = str(manifest["semver"]) if manifest else version
    if version != stated:
        yield Problem("REL-REPLAY", "release", stated, f"signed as {version}", stated)


def check_place(
    release: Path,
    manifest: Mapping[str, Any] | None,
    recorded: Mapping[str, str] | None,
    *,
    as_latest: bool,
) -> Iterator[Problem]:
    """Yield when a release lies under another version's name or is not the one that was made.

    So does an older one that `latest` was turned back to.

    `recorded` is what the home remembers: version → SHA-256 of `SHA256SUMS`.
    """
    stated = str(manifest["semver"]) if manifest else release.name
    if _VERSION.fullmatch(release.name) and stated != release.name:
        yield Problem("REL-REPLAY", "release", release.name, f"content of {stated}", release.name)
    newest = max(recorded or (), key=parse_version, default=stated)
    if as_latest and newest != stated:
        yield Problem("REL-REPLAY", "release", "latest", stated, newest)
    expected = (recorded or {}).get(stated)
    if expected is not None and (release / SUMS).is_file():
        found = sha256_of_file(release / SUMS)
        if found != expected:
            yield Problem("REL-REPLAY", "release", stated, found, expected)


def check_database(
    release: Path, tables: Mapping[str, pa.Table], manifest: Mapping[str, Any]
) -> Iterator[Problem]:
    """Yield every table of the database that differs from Parquet, and other definitions.

    Definitions and words are compared with the manifest where the same DuckDB tells them.
    """
    try:
        with duckdb.connect(str(release / DATABASE), read_only=True) as connection:
            yield from _check_tables(connection, tables)
        stated = manifest.get("database", {})
        found = catalogue(release / DATABASE)
    except (duckdb.Error, OSError):
        return  # REL-UNREADABLE or REL-MISSING names it already
    if stated.get("duckdb") == found["duckdb"]:
        for kind in sorted(found):
            if found[kind] != stated.get(kind):
                observed = "another definition"
                yield Problem("REL-DATABASE", "database", kind, observed, "as published")


def _check_tables(
    connection: duckdb.DuckDBPyConnection, tables: Mapping[str, pa.Table]
) -> Iterator[Problem]:
    found = connection.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal")
    for name in sorted({name for (name,) in found.fetchall()} | tables.keys()):
        if name not in tables:
            yield Problem("REL-DATABASE", "database table", name, "a table", "no such table")
            continue
        connection.register("parquet_rows", tables[name])
        try:
            (row,) = connection.execute(_DIFFERING.format(name=name)).fetchall()
        except duckdb.Error:
            yield Problem("REL-DATABASE", "database table", name, "other columns", "those of it")
            continue
        finally:
            connection.unregister("parquet_rows")
        if row[0]:
            observed = f"{row[0]} rows that Parquet lacks or has otherwise"
            yield Problem("REL-DATABASE", "database table", name, observed, "the same rows")


#: Row counts are compared beside this, so one direction is enough.
_DIFFERING = 'SELECT count(*) FROM (SELECT * FROM "{name}" EXCEPT ALL SELECT * FROM parquet_rows)'


def _own_key(release: Path) -> bytes | None:
    try:
        return read_public_key((release / PUBLIC_KEY).read_bytes())
    except (OSError, BadInputError):
        return None
