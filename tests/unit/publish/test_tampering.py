"""Whoever changes a release, however consistently, is told: the tamperings one by one.

The attacker may write everywhere in `releases/`, redo every checksum and sign with a key of
their own; what they lack is the home's key and `restricted/`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.run.atomic_files import canonical_json, sha256_of_file
from schemas.vault.keys import KeyRing
from tasks.publish.diff.content import content_hash, table_hash
from tasks.publish.signature import PUBLIC_KEY, SIGNATURE, Signer
from tasks.publish.store_database import rewrite_database
from tasks.publish.store_manifest import read_manifest, read_sums
from tasks.publish.store_tables import read_release_tables, write_parquet
from tasks.publish.store_verify import verify_release
from tasks.publish.store_write import sign_sums, write_sums
from tests.unit.publish.cohort import CONTRACTS, make_cohort
from tests.unit.publish.test_release import SIGNER, release

FORGER = Signer.of(KeyRing(b"\7" * 32))
OLD, NEW = "1.0.0", "1.1.0"


@dataclass(frozen=True)
class Home:
    """Releases, and what the home remembers of them."""

    releases: Path
    recorded: dict[str, str]

    @property
    def new(self) -> Path:
        return self.releases / NEW

    @property
    def old(self) -> Path:
        return self.releases / OLD

    def findings(self, name: str = "latest") -> set[tuple[str, str]]:
        found = verify_release(self.releases / name, known=SIGNER.public, recorded=self.recorded)
        return {(f.rule_id, f.object_id) for f in found}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = tmp_path_factory.mktemp("pristine")
    release(home, make_cohort())
    release(home, make_cohort(extra_subject="S92-DDDD5555"))
    sums = {v: sha256_of_file(home / "releases" / v / "SHA256SUMS") for v in (OLD, NEW)}
    return Home(home / "releases", dict(sums))


@pytest.fixture
def home(pristine: Home, tmp_path: Path) -> Home:
    shutil.copytree(pristine.releases, tmp_path / "releases", symlinks=True)
    return Home(tmp_path / "releases", pristine.recorded)


def put(path: Path, data: bytes) -> None:
    """Write a file anew, whoever it is shared with."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def flip(path: Path, place: int = -20) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    put(path, bytes(data))


def cut(path: Path) -> None:
    put(path, path.read_bytes()[: path.stat().st_size // 2])


def redo_sums(folder: Path) -> None:
    """Make `SHA256SUMS` right again for every file that is there."""
    files = [p for p in folder.rglob("*") if p.is_file()]
    names = {p.relative_to(folder).as_posix(): p for p in files}
    listed = {n: sha256_of_file(p) for n, p in names.items() if n not in ("SHA256SUMS", SIGNATURE)}
    (folder / "SHA256SUMS").unlink(missing_ok=True)
    write_sums(folder, listed)


def redo_all(folder: Path) -> None:
    """Make manifest, content hash and sums right again: only the signature cannot be."""
    manifest = read_manifest(folder)
    hashes = {}
    for entry in manifest["tables"].values():
        for path, facts in entry["files"].items():
            table = pq.read_table(folder / path)
            facts |= {"sha256": sha256_of_file(folder / path), "rows": table.num_rows}
            facts["content"] = hashes[path] = table_hash(table)
        entry["rows"] = sum(facts["rows"] for facts in entry["files"].values())
    stated = {name: entry["sha256"] for name, entry in manifest["contracts"].items()}
    apart = {p: h for p, h in hashes.items() if "/release/" not in p}
    manifest["content_hash"] = content_hash(apart, stated, manifest["registers"])
    manifest["files"] = {
        path: sha256_of_file(folder / path)
        for path in manifest["files"]
        if (folder / path).is_file()
    }
    put(folder / "manifest.json", canonical_json(manifest))
    redo_sums(folder)


def sql(folder: Path, statement: str) -> None:
    path = folder / "cohort.duckdb"
    put(path, path.read_bytes())
    with duckdb.connect(str(path)) as connection:
        connection.execute(statement)
        connection.execute("CHECKPOINT")


def every_lesion_a_cyst(folder: Path) -> None:
    """Change a table in Parquet, database and CSV alike."""
    tables = read_release_tables(folder, CONTRACTS)
    table = tables["subject"]
    index = table.column_names.index("age_years")
    for path in (folder / "tables/subject").iterdir():
        part = pq.read_table(path)
        changed = part.set_column(index, "age_years", pa.array([1.0] * part.num_rows))
        path.unlink()
        write_parquet(changed.cast(part.schema), path)
    rewrite_database(
        folder / "cohort.duckdb", folder / "new.duckdb", read_release_tables(folder, CONTRACTS)
    )
    (folder / "new.duckdb").replace(folder / "cohort.duckdb")
    redo_all(folder)


def edit_json(path: Path, **changes: object) -> None:
    put(path, canonical_json(json.loads(path.read_bytes()) | changes))


def swap(one: Path, other: Path) -> None:
    first, second = one.read_bytes(), other.read_bytes()
    put(one, second)
    put(other, first)


def replay(home: Home) -> None:
    shutil.rmtree(home.new)
    shutil.copytree(home.old, home.new)


def point_back(home: Home) -> None:
    (home.releases / "latest").unlink()
    (home.releases / "latest").symlink_to(OLD)


def resign(home: Home) -> None:
    every_lesion_a_cyst(home.new)
    sign_sums(home.new, FORGER, NEW)


def resign_with_own_public_key(home: Home) -> None:
    every_lesion_a_cyst(home.new)
    put(home.new / PUBLIC_KEY, FORGER.public_file)
    redo_all(home.new)
    sign_sums(home.new, FORGER, NEW)


def comment_of_another_version(home: Home) -> None:
    text = (home.new / SIGNATURE).read_text()
    put(home.new / SIGNATURE, text.replace(NEW, "1.2.0").encode())


def first_volume(folder: Path) -> Path:
    return sorted((folder / "nifti").rglob("*.nii.gz"))[0]


def two_volumes(folder: Path) -> tuple[Path, Path]:
    one, other, *_ = sorted((folder / "nifti").rglob("*.nii.gz"))
    return one, other


def with_sums(change: Callable[[Path], None]) -> Callable[[Home], None]:
    def tamper(home: Home) -> None:
        change(home.new)
        redo_sums(home.new)

    return tamper


def with_all(change: Callable[[Path], None]) -> Callable[[Home], None]:
    def tamper(home: Home) -> None:
        change(home.new)
        redo_all(home.new)

    return tamper


def plain(change: Callable[[Path], None]) -> Callable[[Home], None]:
    return lambda home: change(home.new)


def drop_row(folder: Path) -> None:
    path = folder / "tables/subject/S91.parquet"
    table = pq.read_table(path)
    path.unlink()
    write_parquet(table.slice(1), path)


def link_for_a_file(folder: Path) -> None:
    (folder / "README.md").unlink()
    (folder / "README.md").symlink_to("/etc/hostname")


def take_old(name: str) -> Callable[[Path], None]:
    """Return what puts a file of the release before in place of today's."""
    return lambda folder: put(folder / name, (folder.parent / OLD / name).read_bytes())


DB = "REL-DATABASE"
SIGNED = "REL-SIGNATURE"
TAMPERINGS: dict[str, tuple[Callable[[Home], None], str]] = {
    # One file, nothing redone.
    "bit of a table": (plain(lambda f: flip(f / "tables/subject/S91.parquet", 40)), "REL-CHECKSUM"),
    "bit of a volume": (plain(lambda f: flip(first_volume(f))), "REL-CHECKSUM"),
    "bit of a CSV": (plain(lambda f: flip(f / "excel/subject.csv")), "REL-CHECKSUM"),
    "bit of the README": (plain(lambda f: flip(f / "README.md")), "REL-CHECKSUM"),
    "bit of the dictionary": (plain(lambda f: flip(f / "data_dictionary.csv")), "REL-CHECKSUM"),
    "bit of the database": (plain(lambda f: flip(f / "cohort.duckdb")), "REL-CHECKSUM"),
    "bit of the public key": (plain(lambda f: flip(f / PUBLIC_KEY, -10)), "REL-CHECKSUM"),
    "cut table": (plain(lambda f: cut(f / "tables/subject/S91.parquet")), "REL-CHECKSUM"),
    "cut volume": (plain(lambda f: cut(first_volume(f))), "REL-CHECKSUM"),
    "cut database": (plain(lambda f: cut(f / "cohort.duckdb")), "REL-UNREADABLE"),
    "cut manifest": (plain(lambda f: cut(f / "manifest.json")), "REL-UNREADABLE"),
    "cut sums": (plain(lambda f: cut(f / "SHA256SUMS")), SIGNED),
    "cut signature": (plain(lambda f: cut(f / SIGNATURE)), SIGNED),
    "no manifest": (plain(lambda f: (f / "manifest.json").unlink()), "REL-MISSING"),
    "no sums": (plain(lambda f: (f / "SHA256SUMS").unlink()), "REL-MISSING"),
    "no signature": (plain(lambda f: (f / SIGNATURE).unlink()), SIGNED),
    "no public key": (plain(lambda f: (f / PUBLIC_KEY).unlink()), "REL-MISSING"),
    "no database": (plain(lambda f: (f / "cohort.duckdb").unlink()), "REL-MISSING"),
    "no volume": (plain(lambda f: first_volume(f).unlink()), "REL-MISSING"),
    "no table": (plain(lambda f: shutil.rmtree(f / "tables/lesion")), "REL-MISSING"),
    "a file more": (plain(lambda f: put(f / "notes.txt", b"x")), "REL-EXTRA"),
    "a link for a file": (plain(link_for_a_file), "REL-KIND"),
    # Files exchanged.
    "two volumes swapped": (plain(lambda f: swap(*two_volumes(f))), "REL-CHECKSUM"),
    "two volumes swapped, sums redone": (with_sums(lambda f: swap(*two_volumes(f))), "REL-VOLUME"),
    "two volumes swapped, all redone": (with_all(lambda f: swap(*two_volumes(f))), "REL-VOLUME"),
    "two sites swapped": (
        with_all(lambda f: swap(*sorted((f / "tables/subject").iterdir()))),
        SIGNED,
    ),
    "table of the release before": (with_all(take_old("tables/subject/S92.parquet")), DB),
    "database of the release before": (with_sums(take_old("cohort.duckdb")), DB),
    # Consistent changes.
    "UPDATE in the database, sums redone": (
        with_sums(lambda f: sql(f, "UPDATE subject SET age_years = 1")), DB,
    ),
    "DELETE in the database, sums redone": (
        with_sums(lambda f: sql(f, "DELETE FROM finding")), "REL-ROWS",
    ),
    "INSERT in the database, sums redone": (
        with_sums(lambda f: sql(f, "INSERT INTO code_list VALUES ('x', 'y', 1, 'a', 'b')")),
        "REL-ROWS",
    ),
    "a table more in the database": (with_sums(lambda f: sql(f, "CREATE TABLE mine (a INT)")), DB),
    "a view changed": (
        with_sums(
            lambda f: sql(
                f, "CREATE OR REPLACE VIEW analysis_set AS SELECT * FROM subject WHERE sex = 'M'"
            )
        ),
        DB,
    ),
    "a view more": (with_sums(lambda f: sql(f, "CREATE VIEW mine AS SELECT 1 AS a")), DB),
    "a macro more": (with_sums(lambda f: sql(f, "CREATE MACRO mine(a) AS a + 1")), DB),
    "a comment changed": (
        with_sums(lambda f: sql(f, "COMMENT ON COLUMN subject.sex IS 'other'")), DB,
    ),
    "a row dropped, sums redone": (with_sums(drop_row), "REL-ROWS"),
    "a row dropped, all redone": (with_all(drop_row), DB),
    "every table alike, all redone": (plain(every_lesion_a_cyst), SIGNED),
    "README, all redone": (with_all(lambda f: flip(f / "README.md")), SIGNED),
    "dictionary, all redone": (with_all(lambda f: flip(f / "data_dictionary.csv")), SIGNED),
    "decisions, all redone": (with_all(lambda f: flip(f / "decisions.csv")), SIGNED),
    "CSV, all redone": (with_all(lambda f: flip(f / "excel/subject.csv")), SIGNED),
    "manifest: other ledger": (
        with_sums(lambda f: edit_json(f / "manifest.json", input_ledger_sha256="0" * 64)), SIGNED,
    ),
    "manifest: other predecessor": (
        with_sums(lambda f: edit_json(f / "manifest.json", predecessor=None)), SIGNED,
    ),
    "manifest: other version": (
        with_sums(lambda f: edit_json(f / "manifest.json", semver="1.1.1")), "REL-REPLAY",
    ),
    "a file out of all lists": (
        with_all(lambda f: (f / "removed_ids.csv").unlink()), SIGNED,
    ),
    "lines of sums in another order": (
        plain(
            lambda f: put(
                f / "SHA256SUMS", b"".join((f / "SHA256SUMS").read_bytes().splitlines(True)[::-1])
            )
        ),
        SIGNED,
    ),
    # Old releases again, other keys.
    "the release before under this name": (replay, "REL-REPLAY"),
    "latest turned back": (point_back, "REL-REPLAY"),
    "signature of the release before": (
        plain(lambda f: put(f / SIGNATURE, (f.parent / OLD / SIGNATURE).read_bytes())), SIGNED,
    ),
    "signature that names another version": (comment_of_another_version, SIGNED),
    "signed with another key": (resign, SIGNED),
    "signed with another key, public key too": (resign_with_own_public_key, SIGNED),
}  # fmt: skip


def test_the_pristine_releases_hold(pristine: Home) -> None:
    assert pristine.findings() == set()
    assert pristine.findings(OLD) == set()


def test_there_are_more_than_forty_tamperings() -> None:
    assert len(TAMPERINGS) >= 40


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_tampering_is_told(home: Home, name: str) -> None:
    tamper, rule = TAMPERINGS[name]
    tamper(home)
    assert rule in {found for found, _ in home.findings()}


def test_a_release_signed_by_its_maker_but_not_the_one_that_was_made_is_told(home: Home) -> None:
    every_lesion_a_cyst(home.new)
    sign_sums(home.new, SIGNER, NEW)
    assert ("REL-REPLAY", NEW) in home.findings()


def test_without_a_known_key_a_release_signed_anew_passes_as_of_one_piece(home: Home) -> None:
    resign_with_own_public_key(home)
    rules = {f.rule_id for f in verify_release(home.new)}
    assert "REL-SIGNATURE" not in rules


def test_a_release_of_another_major_contract_is_said_to_be_of_another_version(home: Home) -> None:
    manifest = read_manifest(home.old)
    manifest["contracts"]["subject"]["version"] = "1.1.0"
    put(home.old / "manifest.json", canonical_json(manifest))
    assert ("REL-VERSION", "subject") in home.findings(OLD)


@pytest.mark.parametrize("is_older", [True, False], ids=["of an older contract", "changed"])
def test_fewer_columns_are_those_of_an_older_contract_where_the_release_says_so(
    home: Home, *, is_older: bool
) -> None:
    for path in (home.old / "tables" / "subject").glob("*.parquet"):
        fewer = pq.read_table(path).drop_columns(["ascertainment"])
        path.unlink()
        write_parquet(fewer, path)
    if is_older:
        major = CONTRACTS["subject"].version.partition(".")[0]
        manifest = read_manifest(home.old)
        manifest["contracts"]["subject"]["version"] = f"{major}.0.0-before"
        put(home.old / "manifest.json", canonical_json(manifest))
    rules = {rule for rule, table in home.findings(OLD) if table == "subject"}
    assert ("REL-VERSION" in rules, "REL-CONTRACT" in rules) == (is_older, not is_older)


def test_a_table_that_came_later_is_told_as_of_a_later_version(home: Home) -> None:
    manifest = read_manifest(home.old)
    del manifest["contracts"]["lesion"], manifest["tables"]["lesion"]
    put(home.old / "manifest.json", canonical_json(manifest))
    shutil.rmtree(home.old / "tables" / "lesion")
    rules = {rule for rule, table in home.findings(OLD) if table == "lesion"}
    assert "REL-VERSION" in rules
    assert "REL-CONTRACT" not in rules


def test_sums_of_a_release_are_those_that_sha256sum_reads(pristine: Home) -> None:
    assert "livercohort.pub" in read_sums(pristine.new)
