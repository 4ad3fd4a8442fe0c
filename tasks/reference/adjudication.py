"""What blinded readers make of a lesion that its own record cannot settle.

Two readers who name one class settle it; when they differ, a chair who is neither of them does.
A judgement counts only for the evidence that it was made on. It replaces missing or contradictory
evidence, never a rule: a label by a route that the protocol does not accept stays what it is, and
the windows of I5 are decided by the dates of the records as before.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from schemas.clinical_rows import ClinicalRow
from schemas.reference import LesionReference, ProvingRecord, ReferenceState
from tasks.reference.claim import ADJUDICATION, BENIGN, MALIGNANT, label_of
from tasks.reference.evidence import unclaimed_labels

STALE, OPEN, NOT_DUE = (f"REF_ADJUDICATION_{problem}" for problem in ("STALE", "OPEN", "NOT_DUE"))
_FORM = "adjudication"
_READERS_MIN = 2
#: Digits of the code that readers copy: 64 bits under a key. The letters before them keep a
#: spreadsheet from taking it for a number.
_PREFIX, _DIGITS = "EV-", 16


def adjudicated(
    judged: LesionReference, lesion: ClinicalRow, rows: Sequence[ClinicalRow]
) -> LesionReference:
    """Return a lesion with what its adjudication makes of it.

    Parameters
    ----------
    judged : LesionReference
        What the record alone makes of the lesion.
    lesion : ClinicalRow
        Its row of the diagnosis form.
    rows : sequence of ClinicalRow
        All rows in force of the subject.
    """
    digest = evidence_digest(lesion, rows)
    votes = [row for row in rows if row.form == _FORM and _is_about(row, lesion)]
    fresh = [row for row in votes if row.text("evidence_digest") == digest]
    due = judged.needs_readers
    verdict = _verdict(fresh) if due else None
    problems = {*_problems(len(votes) - len(fresh), len(fresh), due=due, settled=bool(verdict))}
    known = replace(
        judged,
        evidence_digest=digest,
        adjudication_problems=tuple(sorted(problems)),
        readers_differ=due and verdict is None and _differ(fresh),
    )
    if verdict is None:
        return known
    return replace(
        known,
        label=label_of(verdict),
        adjudicated_class=verdict,
        route=ADJUDICATION,
        state=ReferenceState.PROVEN,
        proven_by=ADJUDICATION,
        proof=tuple(_proof(fresh)),
        missing=(),
        conflicts=(),
    )


def evidence_digest(lesion: ClinicalRow, rows: Sequence[ClinicalRow]) -> str:
    """Return the code of all records that bear on a lesion, whatever their order.

    It is made of keyed digests, so nobody finds a date from it by trying. Records that
    concern another lesion only do not enter; whether the lesion is the only one does where a
    specimen names none, because that decides whose it is.
    """
    records = [row for row in rows if _bears_on(row, lesion)]
    several = len([row for row in rows if row.form == "diagnosis"]) > 1
    unattributed = any(
        row.form == "pathology" and row.number("lesion_no") is None for row in records
    )
    parts = sorted(str(row.content_digest) for row in records)
    nobody_is = sorted(unclaimed_labels(rows))
    text = "\n".join([*parts, "one of several" if several and unattributed else "", *nobody_is])
    return _PREFIX + hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _bears_on(row: ClinicalRow, lesion: ClinicalRow) -> bool:
    match row.form:
        case "diagnosis":
            return _is_about(row, lesion)
        case "pathology":
            # A transplant takes every lesion, whichever the specimen names.
            everywhere = row.number("lesion_no") is None or row.text("procedure") == "transplant"
            return everywhere or row.text("pathology_done") == "no" or _is_about(row, lesion)
        case "follow_up":
            # The dead have no later image, whichever lesion the contact names.
            everywhere = row.number("lesion_no") is None or row.text("followup_status") == "died"
            return everywhere or _is_about(row, lesion)
        case "treatment":
            return True
    return False


def _is_about(row: ClinicalRow, lesion: ClinicalRow) -> bool:
    number = row.number("lesion_no")
    return number is not None and number == lesion.number("lesion_no")


def _verdict(votes: Sequence[ClinicalRow]) -> str | None:
    """Return the malignant or benign class that settles a lesion, or None.

    Closed by default: a chair who differs from readers of one mind, or who is a reader of this
    lesion, settles nothing.
    """
    readers = {
        row.text("reader_id"): row.text("reference_class") for row in _cast_by(votes, "reader")
    }
    chairs = {
        row.text("reader_id"): row.text("reference_class") for row in _cast_by(votes, "chair")
    }
    if len(readers.keys() - {None}) < _READERS_MIN or readers.keys() & chairs.keys():
        return None
    agreed, ruled = set(readers.values()), set(chairs.values())
    decided = agreed | ruled if len(agreed) == 1 else ruled
    if len(decided) != 1:
        return None
    (found,) = decided
    return found if label_of(found) in (MALIGNANT, BENIGN) else None


def _differ(votes: Sequence[ClinicalRow]) -> bool:
    """Return whether two readers have judged and do not agree on a malignant or benign class."""
    readers = {
        row.text("reader_id"): row.text("reference_class") for row in _cast_by(votes, "reader")
    }
    found = set(readers.values())
    settles = len(found) == 1 and label_of(next(iter(found))) in (MALIGNANT, BENIGN)
    return len(readers) >= _READERS_MIN and not settles


def _cast_by(votes: Sequence[ClinicalRow], role: str) -> list[ClinicalRow]:
    return [row for row in votes if row.text("role") == role]


def _problems(n_stale: int, n_fresh: int, *, due: bool, settled: bool) -> Iterator[str]:
    if n_stale:
        yield STALE
    if n_fresh and not due:
        yield NOT_DUE
    if n_fresh and due and not settled:
        yield OPEN


def _proof(votes: Sequence[ClinicalRow]) -> Iterator[ProvingRecord]:
    """Yield one record for each judgement; its day stays sealed.

    Readers judge many subjects in one session: shifted days of it would tell their shifts.
    """
    for number, row in enumerate(sorted(votes, key=lambda row: row.key), 1):
        yield ProvingRecord(f"{row.subject_id}-A{number}", None)
