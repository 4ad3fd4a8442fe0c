"""The label of one lesion held against its own record (protocol section 5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from schemas.clinical_rows import ClinicalRow
from schemas.protocol import Choices, read_protocol
from schemas.reference import (
    LesionReference,
    ProvingRecord,
    ReferenceAnchors,
    ReferenceState,
)
from schemas.states import Verdict
from tasks.reference.claim import (
    BENIGN,
    FOLLOW_UP,
    INDETERMINATE,
    MALIGNANT,
    PATHOLOGY,
    Claim,
    label_of,
)
from tasks.reference.evidence import QUIET, FollowUp, LesionEvidence
from tasks.reference.flags import reference_flags

#: Facts that can contradict each other, by their names in `evidence.yaml`.
_CLASS, _ROUTE, _TISSUE, _DONE = "dx", "route", "path_class", "path"
_CONCLUSION, _SIZE, _IMAGE, _STATUS = "fu_conclusion", "fu_size", "fu", "fu_closed"
#: How the published tables name a row of a form: letter, number and date of its record.
_IDS = {
    "pathology": ("P", "specimen_no", "specimen_date"),
    "follow_up": ("F", "followup_no", "image_date"),
}
_Conflict = tuple[str, str]


def judge_lesion(
    evidence: LesionEvidence, anchors: ReferenceAnchors, choices: Choices
) -> LesionReference:
    """Return what the record of one lesion makes of its label."""
    lesion = evidence.lesion
    if lesion is None:
        raise ValueError("a lesion is judged by its row of the diagnosis form")
    claim = Claim.of(lesion)
    conflicts = tuple(sorted({*_conflicts(evidence, claim)}))
    proven_by, records = (None, []) if conflicts else _proof(evidence, claim)
    missing = () if records else tuple(sorted({*_missing(evidence, claim)}))
    return LesionReference(
        lesion_no=_lesion_no(lesion),
        label=claim.label,
        route=claim.route,
        state=_state(evidence, claim, conflicts, proven_by),
        proven_by=proven_by,
        proof=tuple(_proving_record(row, anchors) for row in records),
        missing=tuple(sorted({fact for pair in conflicts for fact in pair})) or missing,
        conflicts=conflicts,
        flags=tuple(sorted({*reference_flags(evidence, claim, anchors, choices)})),
    )


def _state(
    evidence: LesionEvidence,
    claim: Claim,
    conflicts: Sequence[_Conflict],
    proven_by: str | None,
) -> ReferenceState:
    if conflicts:
        return ReferenceState.CONTRADICTED
    if proven_by:
        return ReferenceState.PROVEN
    if evidence.class_unreadable:
        return ReferenceState.UNPROVEN
    if claim.label is None or _is_waiting(evidence, claim):
        return ReferenceState.PENDING
    return ReferenceState.UNPROVEN


def _is_waiting(evidence: LesionEvidence, claim: Claim) -> bool:
    """Return whether the site follows the lesion up and the images are too early so far."""
    early = all(one.long_enough is Verdict.NOT_MET for one in evidence.follow_ups)
    return (
        claim.route == FOLLOW_UP and evidence.has_follow_up_rows and early and not evidence.closed
    )


def _conflicts(evidence: LesionEvidence, claim: Claim) -> Iterator[_Conflict]:
    """Yield each pair of facts that cannot both be true of this lesion."""
    yield from _conflicts_with_tissue(evidence, claim)
    yield from _conflicts_with_follow_up(evidence, claim)


def _conflicts_with_tissue(evidence: LesionEvidence, claim: Claim) -> Iterator[_Conflict]:
    tissue = {label_of(row.text("diagnosis_code")) for row in evidence.specimens} - {None}
    others = tissue - {claim.label} if claim.label else set()
    undecided_only = claim.label not in tissue and claim.route == PATHOLOGY
    contrary = others - {INDETERMINATE} or (others and undecided_only)
    if contrary or (evidence.tissue_of_nobody and claim.label is not None):
        yield _CLASS, _TISSUE
    if claim.label in (MALIGNANT, BENIGN) and claim.label in tissue and claim.names_other_route:
        yield _ROUTE, _TISSUE
    if claim.route == PATHOLOGY and evidence.says_no_pathology and not evidence.specimens:
        yield _ROUTE, _DONE


def _conflicts_with_follow_up(evidence: LesionEvidence, claim: Claim) -> Iterator[_Conflict]:
    if evidence.imaged_after_death:
        yield _IMAGE, _STATUS
    natural = [one for one in evidence.follow_ups if one.natural]
    contrary = {BENIGN: ("progressed",), MALIGNANT: QUIET}.get(claim.label or "", ())
    if any(one.conclusion in contrary for one in natural):
        yield _CLASS, _CONCLUSION
    if claim.label == BENIGN and any(_has_grown(one) for one in natural):
        yield _CONCLUSION, _SIZE
    if claim.label == BENIGN and claim.names_other_route and _settled(evidence.follow_ups):
        yield _ROUTE, _CONCLUSION


def _has_grown(one: FollowUp) -> bool:
    """Return whether a lesion called stable or gone grew by as much as threshold growth."""
    change = one.row.number("size_change_percent")
    limit = read_protocol().limit("growth_percent")
    return one.conclusion in QUIET and change is not None and change >= limit


def _settled(follow_ups: Sequence[FollowUp]) -> list[FollowUp]:
    """Return the images that prove a benign lesion: late enough, untreated, quiet."""
    return [
        one
        for one in follow_ups
        if one.long_enough is Verdict.MET and one.natural and one.conclusion in QUIET
    ]


def _proof(evidence: LesionEvidence, claim: Claim) -> tuple[str | None, list[ClinicalRow]]:
    """Return the accepted route that the record proves, the entered one first, and its rows."""
    if claim.route not in claim.accepted_routes:
        return None, []
    tissue = [
        row for row in evidence.specimens if label_of(row.text("diagnosis_code")) == claim.label
    ]
    images = [one.row for one in _settled(evidence.follow_ups)]
    # A record without its running number can be named by nobody, so it proves nothing.
    found = {
        PATHOLOGY: [row for row in tissue if row.number("specimen_no") is not None],
        FOLLOW_UP: [row for row in images if row.number("followup_no") is not None],
    }
    for one in (claim.route, *claim.accepted_routes):
        if found.get(str(one)):
            return one, found[str(one)]
    return None, []


def _proving_record(row: ClinicalRow, anchors: ReferenceAnchors) -> ProvingRecord:
    letter, number, name = _IDS[row.form]
    date = row.date(name)
    day = date.exact if date else None
    days = (day - anchors.mri).days if day and anchors.mri else None
    return ProvingRecord(f"{row.subject_id}-{letter}{int(row.number(number) or 0)}", days)


def _missing(evidence: LesionEvidence, claim: Claim) -> Iterator[str]:
    """Yield the facts that would prove the label; an indeterminate one is no label to prove."""
    if claim.label == INDETERMINATE:
        return
    if claim.label is None:
        yield "dx"
    elif claim.route is None:
        yield "route"
    elif claim.route == PATHOLOGY:
        yield from _missing_tissue(evidence)
    elif claim.route == FOLLOW_UP and claim.label == BENIGN:
        yield from _missing_image(evidence)


def _missing_tissue(evidence: LesionEvidence) -> Iterator[str]:
    if evidence.specimens:
        yield "path_class"
    elif evidence.unattributed:
        yield "path_lesion"
    else:
        yield "path"


def _missing_image(evidence: LesionEvidence) -> Iterator[str]:
    late = [one for one in evidence.follow_ups if one.long_enough is Verdict.MET]
    if any(one.treated_before is Verdict.UNDETERMINED for one in late):
        yield "prior_tx_date"
    if any(one.natural and one.conclusion is None for one in late):
        yield "fu_conclusion"
    if any(one.long_enough is Verdict.UNDETERMINED for one in evidence.follow_ups):
        yield "mri"
    if not late:
        yield "fu"
    elif all(one.treated_before is Verdict.MET for one in late):
        yield "path"


def _lesion_no(row: ClinicalRow) -> int | None:
    number = row.number("lesion_no")
    return None if number is None else int(number)
