"""Keep the identifiers of a batch sealed in the restricted zone, for later verification."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from cryptography.exceptions import InvalidTag

from schemas.errors import EnvironmentProblemError
from schemas.run.atomic_files import canonical_json, write_bytes
from schemas.vault.keys import KeyRing
from schemas.vault.sealed_contexts import IDENTIFIERS_CONTEXT
from tasks.deidentify.identifiers import (
    Identifier,
    IdentifierKind,
    SubjectIdentifiers,
    merge_identifiers,
)

IDENTIFIERS_NAME = "identifiers.sealed"


def write_identifiers(path: Path, ring: KeyRing, subjects: Iterable[SubjectIdentifiers]) -> None:
    """Seal the identifiers of a batch into one file of mode 0600."""
    rows = [
        {
            "subject_id": person.subject_id,
            "shift_days": person.shift_days,
            "identifiers": [[str(i.kind), i.value] for i in sorted(person.identifiers)],
        }
        for person in merge_identifiers(subjects)
    ]
    write_bytes(path, ring.seal(canonical_json(rows), context=IDENTIFIERS_CONTEXT), mode=0o600)


def read_identifiers(path: Path, ring: KeyRing) -> list[SubjectIdentifiers]:
    """Read what `write_identifiers` sealed.

    Raises
    ------
    EnvironmentProblemError
        If the key is another one, or the file was changed.
    """
    try:
        rows = json.loads(ring.unseal(path.read_bytes(), context=IDENTIFIERS_CONTEXT))
    except InvalidTag:
        raise EnvironmentProblemError(
            "the sealed identifiers of a batch cannot be opened",
            expected="the key they were sealed with",
            hint="Check LIVERCOHORT_KEY_FILE, or restore the file from your backup.",
        ) from None
    return [
        SubjectIdentifiers(
            row["subject_id"],
            row["shift_days"],
            frozenset(
                Identifier(IdentifierKind(kind), value) for kind, value in row["identifiers"]
            ),
        )
        for row in rows
    ]
