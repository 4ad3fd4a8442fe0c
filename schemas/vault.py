"""The vault: who a subject is. Apart from everything else, encrypted, append-only.

Values are filed under keyed tokens and sealed with AES-256-GCM, so the file alone tells
neither a number nor a shift. An assignment, once made, never changes: the date shift of a
person must be the same on every night.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidTag

from schemas.errors import EnvironmentProblemError, LivercohortError
from schemas.identifiers import RawPatientId, SiteCode, SubjectId, SubjectNo
from schemas.keys import KeyRing
from schemas.records import SubjectAssignment

_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS subject (
    token TEXT PRIMARY KEY, site TEXT NOT NULL, subject_id TEXT NOT NULL UNIQUE,
    key_id TEXT NOT NULL, sealed BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS patient_link (
    token TEXT PRIMARY KEY, site TEXT NOT NULL,
    subject_id TEXT NOT NULL REFERENCES subject(subject_id), sealed BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS person_link (
    token TEXT NOT NULL, subject_id TEXT NOT NULL REFERENCES subject(subject_id),
    PRIMARY KEY (token, subject_id));
COMMIT;
"""


@dataclass(frozen=True)
class LinkageRow:
    """One row of a site's linkage.csv (restricted)."""

    subject_no: SubjectNo = field(repr=False)
    patient_id: RawPatientId = field(repr=False)
    resident_id: str | None = field(default=None, repr=False)


class LinkageConflictError(LivercohortError):
    """A PatientID is linked to another subject than before."""


class Vault:
    """Read and extend the vault of one installation.

    Parameters
    ----------
    path : Path
        The SQLite file, inside the restricted zone.
    ring : KeyRing
        Its seals and tokens come from this key.
    """

    def __init__(self, path: Path, ring: KeyRing) -> None:
        self._path = path
        self._ring = ring

    def assign(
        self, site: SiteCode, rows: Iterable[LinkageRow]
    ) -> dict[RawPatientId, SubjectAssignment]:
        """File the rows of a linkage and return the assignments of the whole site.

        Raises
        ------
        LinkageConflictError
            If a PatientID already belongs to another subject, here or in the vault; nothing
            of the linkage is filed then.
        EnvironmentProblemError
            If the vault was made with another key: rows of two keys in one vault could never
            be read again with either.
        """
        with self._transaction() as database:
            self._require_own_key(database)
            for row in rows:
                self._file(database, site, row)
        return self.assignments(site)

    def assignments(self, site: SiteCode) -> dict[RawPatientId, SubjectAssignment]:
        """Return who every known PatientID of a site is."""
        if not self._is_begun():
            return {}
        with closing(self._connect()) as database:
            links = database.execute(
                "SELECT subject_id, sealed FROM patient_link WHERE site = ?", (site,)
            ).fetchall()
            subjects = {
                SubjectId(row[0]): self._open(row[1], row[0])
                for row in database.execute(
                    "SELECT subject_id, sealed FROM subject WHERE site = ?", (site,)
                )
            }
        patients: dict[SubjectId, list[RawPatientId]] = {}
        for subject_id, sealed in links:
            patient_id = RawPatientId(str(self._open(sealed, subject_id)["patient_id"]))
            patients.setdefault(subject_id, []).append(patient_id)
        assignments = {
            subject_id: self._assignment(site, subject_id, subjects[subject_id], sorted(ids))
            for subject_id, ids in patients.items()
        }
        return {
            patient_id: assignments[subject_id]
            for subject_id, ids in sorted(patients.items())
            for patient_id in sorted(ids)
        }

    def shift_days(self, site: SiteCode) -> dict[SubjectId, int]:
        """Return by how many days each subject's dates were moved back (restricted)."""
        return {a.subject_id: a.shift_days for a in self.assignments(site).values()}

    def subjects_sharing_a_person(self) -> list[tuple[SubjectId, ...]]:
        """Return groups of subjects that one resident ID links, for a finding."""
        if not self._is_begun():
            return []
        with closing(self._connect()) as database:
            groups = database.execute(
                "SELECT group_concat(subject_id, ' ') FROM "
                "(SELECT token, subject_id FROM person_link ORDER BY token, subject_id) "
                "GROUP BY token HAVING count(*) > 1"
            ).fetchall()
        return sorted(tuple(SubjectId(s) for s in group[0].split()) for group in groups)

    def check(self) -> None:
        """Open one seal, to show that the key belongs to this vault.

        Raises
        ------
        EnvironmentProblemError
            If the vault was made with another key or is damaged.
        """
        if not self._is_begun():
            return
        with closing(self._connect()) as database:
            self._require_own_key(database)

    def _is_begun(self) -> bool:
        # A kill while the vault is made leaves an empty file, which is no vault yet.
        return self._path.is_file() and self._path.stat().st_size > 0

    def _require_own_key(self, database: sqlite3.Connection) -> None:
        row = database.execute("SELECT sealed, subject_id FROM subject LIMIT 1").fetchone()
        if row is not None:
            self._open(row[0], row[1])

    def rewrap(self) -> int:
        """Seal every field anew with the newest secret, all or none; return how many.

        Assignments, pseudonyms and shifts stay as they are.
        """
        if not self._path.is_file():
            return 0
        with self._transaction() as database:
            done = 0
            for table in ("subject", "patient_link"):
                rows = database.execute(
                    f"SELECT token, subject_id, sealed FROM {table}"  # noqa: S608  fixed names
                ).fetchall()
                for token, subject_id, sealed in rows:
                    anew = self._seal(self._open(sealed, subject_id), subject_id)
                    database.execute(
                        f"UPDATE {table} SET sealed = ? WHERE token = ?",  # noqa: S608  fixed
                        (anew, token),
                    )
                    done += 1
        return done

    def _file(self, database: sqlite3.Connection, site: SiteCode, row: LinkageRow) -> None:
        subject_id = self._ring.subject_id(site, row.subject_no)
        subject_token = self._ring.lookup_token("subject", site, row.subject_no)
        patient_token = self._ring.lookup_token("patient", site, row.patient_id)
        shift = self._ring.date_shift_days(site, row.subject_no)
        facts = {"subject_no": row.subject_no, "shift_days": shift}
        try:
            database.execute(
                "INSERT INTO subject VALUES (?, ?, ?, ?, ?) ON CONFLICT (token) DO NOTHING",
                (subject_token, site, subject_id, self._ring.key_id, self._seal(facts, subject_id)),
            )
        except sqlite3.IntegrityError:
            raise LinkageConflictError(
                f"two subject numbers would share the pseudonym {subject_id}",
                hint="Report this: 40 bits of HMAC have collided and must be lengthened.",
            ) from None
        known = database.execute(
            "SELECT subject_id FROM patient_link WHERE token = ?", (patient_token,)
        ).fetchone()
        if known is not None and known[0] != subject_id:
            raise LinkageConflictError(
                f"a PatientID of linkage.csv is linked to {subject_id} and to {known[0]}",
                expected="one subject for each PatientID",
                hint="Ask the site which is right; nothing of this linkage was used.",
            )
        sealed = self._seal({"patient_id": row.patient_id}, subject_id)
        database.execute(
            "INSERT INTO patient_link VALUES (?, ?, ?, ?) ON CONFLICT (token) DO NOTHING",
            (patient_token, site, subject_id, sealed),
        )
        if row.resident_id:
            token = self._ring.person_token(row.resident_id)
            database.execute("INSERT OR IGNORE INTO person_link VALUES (?, ?)", (token, subject_id))

    def _assignment(
        self,
        site: SiteCode,
        subject_id: SubjectId,
        facts: Mapping[str, object],
        patient_ids: list[RawPatientId],
    ) -> SubjectAssignment:
        return SubjectAssignment(
            site=site,
            subject_id=subject_id,
            subject_no=SubjectNo(str(facts["subject_no"])),
            patient_ids=tuple(patient_ids),
            shift_days=int(str(facts["shift_days"])),
            key_id=self._ring.key_id,
        )

    def _seal(self, facts: Mapping[str, object], context: str) -> bytes:
        return self._ring.seal(json.dumps(facts, sort_keys=True).encode(), context=context)

    def _open(self, sealed: bytes, context: str) -> dict[str, object]:
        try:
            facts: dict[str, object] = json.loads(self._ring.unseal(sealed, context=context))
        except InvalidTag:
            raise EnvironmentProblemError(
                "the vault cannot be opened with this key",
                where=self._path.name,
                hint="Use the key with which this home was started (`livercohort key show-id`).",
            ) from None
        return facts

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, isolation_level=None)
        database.execute("PRAGMA foreign_keys = ON")
        return database

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._path.exists():
            os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        with closing(self._connect()) as database:
            database.executescript(_SCHEMA)
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")
