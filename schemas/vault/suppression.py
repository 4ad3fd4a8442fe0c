"""Who is kept out: the keyed list of withdrawn subjects. It names nobody to who has no key.

A subject stands on it under a keyed token, so the list survives the erasure of everything
else and still keeps a later delivery of the same person out. The reason is sealed.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from schemas.errors import BadInputError
from schemas.run.atomic_files import write_bytes

if TYPE_CHECKING:
    # Every command loads this module; only few need what opens a key.
    from schemas.vault.keys import KeyRing

SUPPRESSION_LIST = "withdrawn.jsonl"
_PURPOSE = "withdrawn"


class Scope(StrEnum):
    """How far a withdrawal reaches."""

    SUPPRESS = "suppress"
    ERASE = "erase"


@dataclass(frozen=True, kw_only=True)
class Withdrawal:
    """One act of withdrawal.

    Parameters
    ----------
    scope : Scope
        Suppression keeps the subject out of releases to come; erasure destroys the data.
    reason : str
        Free text (restricted: it may identify).
    document : str
        Reference of the document that asks for it; required for erasure.
    by, approved_by : str
        Who asks and who approves; two persons for erasure.
    """

    scope: Scope
    reason: str
    document: str = ""
    by: str = ""
    approved_by: str = ""


def require_complete(withdrawal: Withdrawal) -> None:
    """Raise BadInputError if an act lacks what its scope asks for."""
    if not withdrawal.reason.strip():
        raise BadInputError("no reason given", hint="Say why: --reason TEXT.")
    if withdrawal.scope is Scope.SUPPRESS:
        return
    if not withdrawal.document.strip():
        raise BadInputError(
            "erasure without a document",
            hint="Name the request it rests on: --document REF. To keep a subject out of "
            "releases to come and destroy nothing, use --scope suppress.",
        )
    names = {withdrawal.by.strip().casefold(), withdrawal.approved_by.strip().casefold()}
    if len(names - {""}) < len(("by", "approved_by")):
        raise BadInputError(
            "erasure needs two persons",
            expected="--by NAME and --approved-by ANOTHER NAME",
            hint="It cannot be undone, so a second person approves it.",
        )


def record_withdrawal(
    restricted: Path, ring: KeyRing, subject_id: str, withdrawal: Withdrawal
) -> bool:
    """Add the subject to the list; return False when an act of that scope stands there already.

    An erased subject needs no suppression any more: that changes nothing either.
    """
    require_complete(withdrawal)
    rows = _read(restricted)
    token = ring.lookup_token(_PURPOSE, subject_id)
    before = {row["scope"] for row in rows if row["token"] == token}
    if before & {withdrawal.scope, Scope.ERASE}:
        return False
    facts = {
        "reason": withdrawal.reason,
        "document": withdrawal.document,
        "by": withdrawal.by,
        "approved_by": withdrawal.approved_by,
    }
    sealed = ring.seal(json.dumps(facts, ensure_ascii=False).encode(), context=token)
    rows.append(
        {
            "token": token,
            "scope": withdrawal.scope.value,
            "sealed": base64.b64encode(sealed).decode(),
        }
    )
    data = "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows).encode()
    write_bytes(restricted / SUPPRESSION_LIST, data, mode=0o600)
    return True


def suppressed_among(restricted: Path, ring: KeyRing, subject_ids: Iterable[str]) -> frozenset[str]:
    """Return which of the subjects stand on the list, whatever the scope."""
    listed = {row["token"] for row in _read(restricted)}
    if not listed:
        return frozenset()
    return frozenset(s for s in subject_ids if ring.lookup_token(_PURPOSE, s) in listed)


def erased_among(restricted: Path, ring: KeyRing, subject_ids: Iterable[str]) -> frozenset[str]:
    """Return which of the subjects were erased: nothing of them may be taken in again."""
    listed = {row["token"] for row in _read(restricted) if row["scope"] == Scope.ERASE}
    if not listed:
        return frozenset()
    return frozenset(s for s in subject_ids if ring.lookup_token(_PURPOSE, s) in listed)


def _read(restricted: Path) -> list[dict[str, str]]:
    path = restricted / SUPPRESSION_LIST
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
