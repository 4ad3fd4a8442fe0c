"""Delivered files that were set aside, as findings a site can act on. Pure.

One finding for each exam and reason, or for each batch and reason where nobody knows the exam:
ten thousand files of one export with one fault are one finding.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from schemas.finding_texts import make_finding
from schemas.records import DELIVERED_STUDY, Finding
from schemas.states import ReasonCode
from schemas.tables.record_tables import records_from_table

FOLDER = "site_delivery"
#: Accepted images of which an attribute was dropped that decides something.
DROPPED = "IMG_DECIDING_DROPPED"
#: The findings of the forms say these, with the column at fault.
SAID_OF_FORMS = frozenset(
    {
        ReasonCode.UNKNOWN_FORM,
        ReasonCode.UNREADABLE_FORM,
        ReasonCode.DIRECT_IDENTIFIER_COLUMN,
        ReasonCode.NO_EXPORT_DATE,
    }
)


@dataclass(frozen=True)
class FileFate:
    """Where one delivered file ended; UIDs and pseudonym as far as its header told them."""

    site_code: str
    batch_id: str
    reason: str | None = None
    sop_uid: str | None = None
    study_uid: str | None = None
    subject_id: str | None = None
    detail: str | None = None


def rule_of(reason: ReasonCode) -> str:
    """Return the rule that says a file was set aside for this reason."""
    return f"FIL_{reason.value}"


def findings_of_files(
    files: pa.Table, accepted: Iterable[str | None], batch_order: Sequence[str]
) -> list[Finding]:
    """Return a finding for each exam and reason with files that are still missing.

    Parameters
    ----------
    files : pyarrow.Table
        One row per file of the batches looked at, with the columns of `FileFate`.
    accepted : iterable of str
        SOPInstanceUIDs in force: an image that came again and was taken in is mended.
    batch_order : sequence of str
        The batches, earliest first. Files of which nobody knows the exam are mended when a
        later batch of the site brings all images of theirs again and sets none aside for this
        reason.
    """
    aside = records_from_table(files.filter(pc.is_valid(files["reason"])), FileFate)
    wanted = {fate.sop_uid for fate in aside if fate.sop_uid}
    mended = wanted.intersection(accepted)
    known, unknown = defaultdict[tuple[str, ...], list[FileFate]](list), Counter[tuple[str, ...]]()
    for fate in aside:
        reason = ReasonCode(str(fate.reason))
        if reason in SAID_OF_FORMS or fate.sop_uid in mended:
            continue
        if fate.study_uid and fate.subject_id:
            exam = f"{fate.subject_id}/{fate.study_uid}"
            known[reason, fate.site_code, DELIVERED_STUDY, exam].append(fate)
        else:
            unknown[reason, fate.site_code, "ingest_batch", fate.batch_id] += 1
    reasons = {(fate.site_code, fate.batch_id, str(fate.reason)) for fate in aside}
    counted = {place: _distinct(own) for place, own in known.items()}
    counted |= {
        place: number
        for place, number in unknown.items()
        if not _came_again(place, reasons, files, batch_order)
    }
    details = {place: _details(own) for place, own in known.items()}
    aside_now = [
        _finding(rule_of(ReasonCode(place[0])), place[1:], number, details.get(place, ""))
        for place, number in sorted(counted.items())
    ]
    return [*aside_now, *_findings_of_dropped(files)]


def _findings_of_dropped(files: pa.Table) -> list[Finding]:
    """Return a finding for each exam with accepted images that lost what decides something."""
    if "detail" not in files.column_names:
        return []  # batches from before it was noted
    taken = pc.and_(pc.is_null(files["reason"]), pc.is_valid(files["detail"]))
    exams = defaultdict[tuple[str, ...], list[FileFate]](list)
    for fate in records_from_table(files.filter(taken), FileFate):
        exam = f"{fate.subject_id}/{fate.study_uid}"
        exams[fate.site_code, DELIVERED_STUDY, exam].append(fate)
    return [
        _finding(DROPPED, place, _distinct(own), _details(own))
        for place, own in sorted(exams.items())
    ]


def _details(fates: Sequence[FileFate]) -> str:
    """Return what was seen of several files, each thing once."""
    return ", ".join(sorted({part for f in fates for part in (f.detail or "").split(", ") if part}))


def _distinct(fates: Sequence[FileFate]) -> int:
    """Count files, those delivered again with the same fault once."""
    named = {fate.sop_uid for fate in fates if fate.sop_uid}
    return len(named) + sum(fate.sop_uid is None for fate in fates)


def _came_again(
    place: tuple[str, ...],
    reasons: Collection[tuple[str, str, str]],
    files: pa.Table,
    batch_order: Sequence[str],
) -> bool:
    """Return whether a later batch has all the images of this one, and not its fault."""
    reason, site, _, batch = place
    own = _images(files, site, batch)
    later = batch_order[batch_order.index(batch) + 1 :]
    return any(
        (images := _images(files, site, other)).length() > 0
        and pc.all(pc.is_in(own, value_set=images), min_count=0).as_py()
        for other in later
        if (site, other, reason) not in reasons
    )


def _images(files: pa.Table, site: str, batch: str) -> pa.ChunkedArray:
    here = pc.and_(pc.equal(files["site_code"], site), pc.equal(files["batch_id"], batch))
    taken = pc.and_(pc.is_null(files["reason"]), pc.is_valid(files["sop_uid"]))
    return files.filter(pc.and_(here, taken))["sop_uid"]


def _finding(rule_id: str, place: tuple[str, ...], number: int, detail: str) -> Finding:
    site, object_type, object_id = place
    return make_finding(
        FOLDER,
        rule_id,
        site,
        object_type=object_type,
        object_id=object_id,
        observed=f"{number} files" + (f": {detail}" if detail else ""),
        expected="0 files",
    )
