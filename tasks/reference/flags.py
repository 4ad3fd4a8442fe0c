"""What a reader of a lesion's reference must know beside its state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from schemas.clinical_rows import ClinicalRow
from schemas.partial_dates import PartialDate, days_between
from schemas.protocol import Choices
from schemas.protocol_windows import pathology_days
from schemas.reference import ReferenceAnchors
from schemas.states import Verdict
from tasks.reference.claim import BENIGN, FOLLOW_UP, MALIGNANT, PATHOLOGY, Claim, label_of
from tasks.reference.evidence import QUIET, LesionEvidence


def reference_flags(
    evidence: LesionEvidence, claim: Claim, anchors: ReferenceAnchors, choices: Choices
) -> Iterator[str]:
    """Yield the codes of `reference_flag` that hold for one lesion."""
    yield from _about_the_route(evidence, claim)
    yield from _about_the_records(evidence, claim)
    if claim.route == PATHOLOGY and evidence.specimens:
        yield from _about_the_window(evidence.specimens, anchors, choices)


def _about_the_route(evidence: LesionEvidence, claim: Claim) -> Iterator[str]:
    if (claim.label, claim.route) == (BENIGN, PATHOLOGY):
        yield "benign_by_pathology"
    if claim.label not in (MALIGNANT, BENIGN):
        return
    if claim.route not in claim.accepted_routes:
        yield "route_not_accepted"
    records = {PATHOLOGY: evidence.specimens, FOLLOW_UP: evidence.follow_ups}
    if claim.route in records and not records[claim.route]:
        yield "no_record_of_route"


def _about_the_records(evidence: LesionEvidence, claim: Claim) -> Iterator[str]:
    tissue = {label_of(row.text("diagnosis_code")) for row in evidence.specimens}
    if claim.label is not None and tissue - {None, claim.label}:
        yield "pathology_differs"
    contrary = {BENIGN: ("progressed",), MALIGNANT: QUIET}.get(claim.label or "", ())
    if any(one.natural and one.conclusion in contrary for one in evidence.follow_ups):
        yield "follow_up_differs"
    if any(one.treated_before is not Verdict.NOT_MET for one in evidence.follow_ups):
        yield "treated_before_follow_up"
    if evidence.unattributed:
        yield "specimen_without_lesion"


def _about_the_window(
    specimens: Sequence[ClinicalRow], anchors: ReferenceAnchors, choices: Choices
) -> Iterator[str]:
    """Yield whether every specimen surely lies outside the window of pathology."""
    first, last = pathology_days(choices)
    dates = [row.date("specimen_date") for row in specimens]
    if anchors.mri is None or any(date is None for date in dates):
        return
    mri = PartialDate.of(anchors.mri)
    bounds = [days_between(mri, date) for date in dates if date is not None]
    if all(low > last for low, _ in bounds):
        yield "late_pathology"
    if all(high < first for _, high in bounds):
        yield "early_pathology"
