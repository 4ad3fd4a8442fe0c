"""The vault: who a subject is. Apart from everything else, encrypted, append-only.

Values are filed under keyed tokens and sealed with AES-256-GCM, so the database alone tells
neither a number nor a shift. An assignment, once made, never changes: the date shift of a person
must be the same on every night, and no pseudonym may come to mean another. It goes only when the
subject is erased; then the pseudonym stays taken, and nothing links it to a person any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from sqlalchemy.engine import Connection

from schemas.errors import EnvironmentProblemError, LivercohortError
from schemas.identifiers import RawPatientId, SiteCode, SubjectId, SubjectNo
from schemas.records import SubjectAssignment
from schemas.vault.database import (
    VaultDatabase,
    VaultPlace,
    erasure,
    patient_link,
    person_link,
    seal,
    subject,
)
from schemas.vault.keys import KeyRing, sealed_version

Row = dict[str, object]

#: Seals of the look-up log stand under `look-up/<number>`, which is their context too.
LOOK_UP_SEALS = "look-up/"
_SEAL = (seal.c.token, seal.c.version, seal.c.sealed)
_SUBJECT_SEALS = sa.select(*_SEAL, subject.c.subject_id.label("context")).join(
    subject, subject.c.token == seal.c.token
)
_SEALS = sa.union_all(
    _SUBJECT_SEALS,
    sa.select(*_SEAL, patient_link.c.subject_id.label("context")).join(
        patient_link, patient_link.c.token == seal.c.token
    ),
    sa.select(*_SEAL, seal.c.token.label("context")).where(seal.c.token.startswith(LOOK_UP_SEALS)),
)


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
    place : Path or SecretStr
        A SQLite file inside the restricted zone, or the URL of a PostgreSQL database.
    ring : KeyRing
        Its seals and tokens come from this key.
    """

    def __init__(self, place: VaultPlace, ring: KeyRing) -> None:
        self.ring = ring
        self._database = VaultDatabase(place)

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
        with self.writing() as connection:
            filing = _Filing(self, connection, site)
            for row in rows:
                filing.add(row)
            filing.write(connection)
        return self.assignments(site)

    def assignments(self, site: SiteCode) -> dict[RawPatientId, SubjectAssignment]:
        """Return who every known PatientID of a site is."""
        with self.reading() as connection:
            if connection is None:
                return {}
            known = self._read_assignments(connection, subject.c.site == site)
        by_patient = [(number, a) for a in known for number in a.patient_ids]
        return dict(by_patient)

    def assignment(self, subject_id: SubjectId) -> SubjectAssignment | None:
        """Return who one subject is; None for one that was never assigned (restricted)."""
        with self.reading() as connection:
            if connection is None:
                return None
            known = self._read_assignments(connection, subject.c.subject_id == subject_id)
        return known[0] if known else None

    def shift_days(self, site: SiteCode) -> dict[SubjectId, int]:
        """Return by how many days each subject's dates were moved back (restricted)."""
        return {a.subject_id: a.shift_days for a in self.assignments(site).values()}

    def subject_tokens(self) -> frozenset[str]:
        """Return the token of every subject that was ever filed: none of them leaves."""
        with self.reading() as connection:
            if connection is None:
                return frozenset()
            return frozenset(connection.execute(sa.select(subject.c.token)).scalars())

    def subjects_sharing_a_person(self) -> list[tuple[SubjectId, ...]]:
        """Return groups of subjects that one resident ID links, for a finding."""
        with self.reading() as connection:
            if connection is None:
                return []
            links = connection.execute(sa.select(person_link)).all()
        groups: dict[str, set[SubjectId]] = {}
        for token, subject_id in links:
            groups.setdefault(token, set()).add(SubjectId(subject_id))
        # Two numbers of one person may link the same subjects twice.
        return sorted({tuple(sorted(group)) for group in groups.values() if len(group) > 1})

    def erase(self, subject_id: SubjectId) -> int:
        """Take away all that links a subject to a person, for good; repeats are harmless.

        The pseudonym stays taken and the look-up log whole. A linkage that names the subject
        again files nothing of it.

        Returns
        -------
        int
            How many links to a PatientID or a resident ID went.
        """
        if not self._database.is_made():
            return 0
        theirs = {t: t.c.subject_id == subject_id for t in (subject, patient_link, person_link)}
        with self.writing() as connection:
            if connection.execute(sa.select(subject).where(theirs[subject])).first() is None:
                return 0
            recorded = sa.select(erasure).where(erasure.c.subject_id == subject_id)
            if connection.execute(recorded).first() is None:
                connection.execute(sa.insert(erasure), {"subject_id": subject_id})
            for table in (subject, patient_link):
                tokens = sa.select(table.c.token).where(theirs[table])
                connection.execute(sa.delete(seal).where(seal.c.token.in_(tokens)))
            links = (patient_link, person_link)
            return sum(connection.execute(sa.delete(t).where(theirs[t])).rowcount for t in links)

    def check(self) -> int:
        """Open every seal, to show that the key belongs to this vault; return how many.

        Raises
        ------
        EnvironmentProblemError
            If the vault was made with another key or is damaged.
        """
        with self.reading() as connection:
            if connection is None:
                return 0
            rows = connection.execute(_SEALS).all()
        for row in rows:
            self.open_seal(row.sealed, row.context)
        return len(rows)

    def rewrap(self) -> int:
        """Seal every field anew with the newest secret, all or none; return how many.

        Assignments, pseudonyms and shifts stay as they are.
        """
        if not self._database.is_made():
            return 0
        with self.writing() as connection:
            rows = connection.execute(_SEALS).all()
            anew = [
                self.seal_row(row.token, row.context, self.open_seal(row.sealed, row.context))
                for row in rows
            ]
            known = {(row.token, row.version) for row in rows}
            newer = [row for row in anew if (row["token"], row["version"]) not in known]
            if newer:
                connection.execute(sa.insert(seal), newer)
                connection.execute(sa.delete(seal).where(seal.c.version < self.ring.vault_version))
        return len(newer)

    @contextmanager
    def reading(self) -> Iterator[Connection | None]:
        """Give a connection that sees one state of the vault; None if nothing was ever filed.

        Raises
        ------
        EnvironmentProblemError
            If the vault was made with another key.
        """
        if not self._database.is_made():
            yield None
            return
        with self._database.reading() as connection:
            self._require_own_key(connection)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give the only connection that may write now, after the key has opened a seal.

        Raises
        ------
        EnvironmentProblemError
            If the vault was made with another key; nothing is written then.
        """
        with self._database.writing() as connection:
            self._require_own_key(connection)
            yield connection

    def seal_row(self, token: str, context: str, facts: Mapping[str, object]) -> Row:
        """Return the row that files facts under a token; `context` binds them to their place."""
        plain = json.dumps(facts, sort_keys=True).encode()
        sealed = self.ring.seal(plain, context=context)
        return {"token": token, "version": sealed_version(sealed), "sealed": sealed}

    def open_seal(self, sealed: bytes, context: str) -> Row:
        """Return the facts of a sealed field.

        Raises
        ------
        EnvironmentProblemError
            If this key did not seal them, or they stand in another place than they were put.
        """
        try:
            facts: Row = json.loads(self.ring.unseal(bytes(sealed), context=context))
        except InvalidTag:
            raise EnvironmentProblemError(
                "the vault cannot be opened with this key",
                where=self._database.name,
                hint="Use the key with which this home was started (`livercohort key show-id`).",
            ) from None
        return facts

    def _require_own_key(self, connection: Connection) -> None:
        row = connection.execute(_SUBJECT_SEALS.limit(1)).first()
        if row is not None:
            self.open_seal(row.sealed, row.context)

    def _read_assignments(
        self, connection: Connection, chosen: sa.ColumnElement[bool]
    ) -> list[SubjectAssignment]:
        """Return the chosen subjects to whom a PatientID is linked, by subject."""
        facts = connection.execute(
            sa.select(subject.c.subject_id, subject.c.site, seal.c.sealed)
            .join(seal, seal.c.token == subject.c.token)
            .where(chosen)
        ).all()
        links = connection.execute(
            sa.select(patient_link.c.subject_id, seal.c.sealed)
            .join(seal, seal.c.token == patient_link.c.token)
            .join(subject, subject.c.subject_id == patient_link.c.subject_id)
            .where(chosen)
        ).all()
        numbers: dict[str, list[RawPatientId]] = {}
        for subject_id, sealed in links:
            number = RawPatientId(str(self.open_seal(sealed, subject_id)["patient_id"]))
            numbers.setdefault(subject_id, []).append(number)
        return [
            self._assignment(SiteCode(site), SubjectId(subject_id), sealed, numbers[subject_id])
            for subject_id, site, sealed in sorted(facts, key=lambda row: str(row.subject_id))
            if subject_id in numbers
        ]

    def _assignment(
        self, site: SiteCode, subject_id: SubjectId, sealed: bytes, numbers: list[RawPatientId]
    ) -> SubjectAssignment:
        facts = self.open_seal(sealed, subject_id)
        return SubjectAssignment(
            site=site,
            subject_id=subject_id,
            subject_no=SubjectNo(str(facts["subject_no"])),
            patient_ids=tuple(sorted(numbers)),
            shift_days=int(str(facts["shift_days"])),
            key_id=self.ring.key_id,
        )


class _Filing:
    """What one linkage adds to a site, beside what the vault knows of it."""

    def __init__(self, vault: Vault, connection: Connection, site: SiteCode) -> None:
        self._vault, self._ring, self._site = vault, vault.ring, site
        subjects = sa.select(subject.c.subject_id, subject.c.token).where(subject.c.site == site)
        links = sa.select(patient_link.c.token, patient_link.c.subject_id)
        persons = sa.select(person_link).join(subject).where(subject.c.site == site)
        self._token_of = _pairs(connection, subjects)
        self._owner_of = _pairs(connection, links.where(patient_link.c.site == site))
        self._erased = set(connection.execute(sa.select(erasure.c.subject_id)).scalars())
        self._persons = {(row.token, row.subject_id) for row in connection.execute(persons)}
        self._new: dict[sa.Table, list[Row]] = {subject: [], patient_link: [], person_link: []}
        self._seals: list[Row] = []

    def add(self, row: LinkageRow) -> None:
        """File one row, or refuse it; of an erased subject nothing is filed."""
        subject_id = self._ring.subject_id(self._site, row.subject_no)
        if subject_id in self._erased:
            return
        self._add_subject(subject_id, row.subject_no)
        self._add_patient(subject_id, row.patient_id)
        if row.resident_id:
            link = (self._ring.person_token(row.resident_id), subject_id)
            if link not in self._persons:
                self._persons.add(link)
                self._new[person_link].append({"token": link[0], "subject_id": link[1]})

    def write(self, connection: Connection) -> None:
        """Add the new rows."""
        for table, rows in (*self._new.items(), (seal, self._seals)):
            if rows:
                connection.execute(sa.insert(table), rows)

    def _add_subject(self, subject_id: SubjectId, subject_no: SubjectNo) -> None:
        token = self._ring.lookup_token("subject", self._site, subject_no)
        known = self._token_of.get(subject_id)
        if known is None:
            self._token_of[subject_id] = token
            shift = self._ring.date_shift_days(self._site, subject_no)
            facts: Row = {"subject_no": subject_no, "shift_days": shift}
            self._file(subject, token, subject_id, facts, key_id=self._ring.key_id)
        elif known != token:
            raise LinkageConflictError(
                f"two subject numbers would share the pseudonym {subject_id}",
                hint="Report this: 40 bits of HMAC have collided and must be lengthened.",
            )

    def _add_patient(self, subject_id: SubjectId, patient_id: RawPatientId) -> None:
        token = self._ring.lookup_token("patient", self._site, patient_id)
        owner = self._owner_of.get(token)
        if owner is None:
            self._owner_of[token] = subject_id
            self._file(patient_link, token, subject_id, {"patient_id": patient_id})
        elif owner != subject_id:
            raise LinkageConflictError(
                f"a PatientID of linkage.csv is linked to {subject_id} and to {owner}",
                expected="one subject for each PatientID",
                hint="Ask the site which is right; nothing of this linkage was used.",
            )

    def _file(
        self, table: sa.Table, token: str, subject_id: SubjectId, facts: Row, **more: str
    ) -> None:
        row: Row = {"token": token, "site": self._site, "subject_id": subject_id, **more}
        self._new[table].append(row)
        self._seals.append(self._vault.seal_row(token, subject_id, facts))


def _pairs(connection: Connection, chosen: sa.Select[tuple[str, str]]) -> dict[str, str]:
    return {row[0]: row[1] for row in connection.execute(chosen)}
