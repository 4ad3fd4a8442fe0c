"""Who looked a person up, when and why: a log in the vault, each entry chained to the last.

The links are HMACs under a subkey of the master key, so nobody without it can write, change,
drop or move an entry unseen. Entries cut off at the end show against the sealed head beside the
vault. An entry is on disk, and the head says so, before anything of a person is returned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from sqlalchemy.engine import Connection

from schemas.errors import BadInputError, EnvironmentProblemError, GateBlockedError
from schemas.identifiers import SubjectId
from schemas.records import SubjectAssignment
from schemas.run.atomic_files import write_bytes
from schemas.vault.database import look_up, seal, subject
from schemas.vault.keys import Purpose
from schemas.vault.subjects import LOOK_UP_SEALS, Vault

HEAD_CONTEXT = "look-up-head/v1"
#: What a look-up returns, as it stands in the log.
RETURNED = ("site", "study_subject_no", "patient_ids", "shift_days")
_FIRST_LINK = ""


@dataclass(frozen=True)
class LookUp:
    """One entry of the log (restricted: a reason may name a person)."""

    number: int
    at_utc: str
    by: str
    subject_id: str
    reason: str
    returned: tuple[str, ...]


@dataclass(frozen=True)
class _Head:
    """How many entries there were, and the last one's link."""

    number: int = 0
    mac: str = _FIRST_LINK


def look_up_subject(
    vault: Vault, head_file: Path, subject_id: SubjectId, *, reason: str, by: str
) -> SubjectAssignment:
    """Return who a subject is, after the log has an entry for it (restricted).

    Parameters
    ----------
    vault : Vault
        The vault of the installation.
    head_file : Path
        Where the sealed head of the log lies (`Zones.look_up_head`).
    subject_id : SubjectId
        The pseudonym.
    reason, by : str
        Why, and who asks; both are sealed in the log.

    Raises
    ------
    BadInputError
        If there is no reason, or no such subject; the log has no entry then.
    GateBlockedError
        If the log is broken: it must be mended before anybody is looked up.
    """
    if not reason.strip() or not by.strip():
        raise BadInputError(
            "a look-up needs a reason and somebody who asks",
            hint='Example: livercohort reidentify S91-ABCD2345 --reason "letter 7"',
        )
    assignment = vault.assignment(subject_id)
    if assignment is None:
        read_log(vault, head_file)  # a vault that was emptied shows in its log, not here
        raise BadInputError(
            "no such subject in the vault",
            expected="a pseudonym of this cohort, e.g. S91-ABCD2345",
            hint="Copy it from the release; nothing was looked up or logged.",
        )
    with vault.writing() as connection:
        _require_unbroken(vault, connection, head_file)
        head = _last(connection)
        if head.number == 0:
            _write_head(vault, head_file, head)
        _append(vault, connection, head, subject_id, {"by": by, "reason": reason})
    with vault.writing() as connection:
        # Under the writer's lock, so that of two look-ups at once the later head stays.
        _write_head(vault, head_file, _last(connection))
    return assignment


def read_log(vault: Vault, head_file: Path) -> list[LookUp]:
    """Return all entries, after checking every link of the chain and its end.

    Raises
    ------
    GateBlockedError
        If a link is broken or entries are missing; the message names the first.
    """
    with vault.reading() as connection:
        return _require_unbroken(vault, connection, head_file)


def _require_unbroken(vault: Vault, connection: Connection | None, head_file: Path) -> list[LookUp]:
    head = _read_head(vault, head_file)
    entries: list[LookUp] = []
    links = {0: _FIRST_LINK}
    for row in _rows(connection):
        number = len(entries) + 1
        facts = _open_entry(vault, row)
        if facts is None or row["number"] != number or row["previous_mac"] != links[number - 1]:
            raise _broken(f"entry {number} of the look-up log is missing, moved or cannot be read")
        if _link(vault, row, facts) != row["mac"]:
            raise _broken(f"entry {number} of the look-up log was changed")
        links[number] = str(row["mac"])
        entries.append(_entry(row, facts))
    if head is None and entries:
        raise _broken("the sealed head of the look-up log is missing")
    if head is not None and links.get(head.number) != head.mac:
        found = f"the look-up log ends at entry {len(entries)}, but had {head.number}"
        if len(entries) >= head.number:
            found = f"entry {head.number} of the look-up log is not the one that was written"
        raise _broken(found)
    return entries


def _rows(connection: Connection | None) -> Sequence[Mapping[str, object]]:
    if connection is None:
        return ()
    token = LOOK_UP_SEALS + sa.cast(look_up.c.number, sa.Text)
    chosen = (
        sa.select(look_up, subject.c.subject_id, seal.c.sealed)
        .join(subject, subject.c.token == look_up.c.subject_token, isouter=True)
        .join(seal, seal.c.token == token, isouter=True)
        .order_by(look_up.c.number)
    )
    return [dict(row) for row in connection.execute(chosen).mappings()]


def _last(connection: Connection) -> _Head:
    chosen = sa.select(look_up.c.number, look_up.c.mac).order_by(look_up.c.number.desc()).limit(1)
    row = connection.execute(chosen).first()
    return _Head(row.number, row.mac) if row is not None else _Head()


def _append(
    vault: Vault, connection: Connection, head: _Head, subject_id: str, asked: dict[str, object]
) -> None:
    chosen = sa.select(subject.c.token).where(subject.c.subject_id == subject_id)
    row = {
        "number": head.number + 1,
        "at_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "subject_token": connection.execute(chosen).scalar_one(),
        "previous_mac": head.mac,
    }
    facts = {**asked, "returned": list(RETURNED)}
    connection.execute(sa.insert(look_up), {**row, "mac": _link(vault, row, facts)})
    token = f"{LOOK_UP_SEALS}{row['number']}"
    connection.execute(sa.insert(seal), vault.seal_row(token, token, facts))


def _link(vault: Vault, row: Mapping[str, object], facts: Mapping[str, object]) -> str:
    parts = (row["number"], row["at_utc"], row["subject_token"], row["previous_mac"])
    text = json.dumps(facts, sort_keys=True)
    return vault.ring.mac(Purpose.LOOK_UP_LOG, *map(str, parts), text).hex()


def _open_entry(vault: Vault, row: Mapping[str, object]) -> dict[str, object] | None:
    if not isinstance(row["sealed"], bytes):
        return None
    try:
        return vault.open_seal(row["sealed"], f"{LOOK_UP_SEALS}{row['number']}")
    except EnvironmentProblemError:
        return None


def _entry(row: Mapping[str, object], facts: Mapping[str, object]) -> LookUp:
    returned = facts["returned"]
    return LookUp(
        number=int(str(row["number"])),
        at_utc=str(row["at_utc"]),
        by=str(facts["by"]),
        subject_id=str(row["subject_id"]),
        reason=str(facts["reason"]),
        returned=tuple(returned) if isinstance(returned, list) else (),
    )


def _read_head(vault: Vault, head_file: Path) -> _Head | None:
    if not head_file.is_file():
        return None
    try:
        facts = json.loads(vault.ring.unseal(head_file.read_bytes(), context=HEAD_CONTEXT))
    except InvalidTag:
        raise _broken("the sealed head of the look-up log cannot be opened") from None
    return _Head(facts["number"], facts["mac"])


def _write_head(vault: Vault, head_file: Path, head: _Head) -> None:
    plain = json.dumps({"number": head.number, "mac": head.mac}).encode()
    write_bytes(head_file, vault.ring.seal(plain, context=HEAD_CONTEXT), mode=0o600)


def _broken(found: str) -> GateBlockedError:
    return GateBlockedError(
        found,
        hint="Somebody changed the vault or its head. Restore both from backups of one day and "
        "tell who is responsible for data protection.",
    )
