"""The reference standard of a subject: what follows from the labels of its lesions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from schemas.clinical_rows import ClinicalRow
from schemas.protocol import Choices
from schemas.reference import (
    FactSet,
    LesionReference,
    ReferenceAnchors,
    ReferenceState,
    SubjectReference,
)
from schemas.states import Verdict
from tasks.reference.adjudication import adjudicated
from tasks.reference.claim import ADJUDICATION, BENIGN, INDETERMINATE, MALIGNANT, PATHOLOGY
from tasks.reference.evidence import (
    FollowUp,
    LesionEvidence,
    collect_evidence,
    records_of_no_lesion,
)
from tasks.reference.lesion import judge_lesion

#: What names the lesion of a record, by form, in `evidence.yaml`.
_LESION_OF = {"pathology": "path_lesion", "follow_up": "fu_lesion", "diagnosis": "dx"}
_TISSUE_DATES = {"path_specimen": "specimen_date", "path_report": "report_date"}


def judge_subject(
    rows: Sequence[ClinicalRow], anchors: ReferenceAnchors, choices: Choices
) -> SubjectReference:
    """Return the reference standard of a subject and of each of its lesions, in one reading.

    Parameters
    ----------
    rows : sequence of ClinicalRow
        All rows in force of the subject, with real dates.
    anchors : ReferenceAnchors
        Real days of the baseline CT and of the baseline MRI of the reading.
    choices : mapping of decision id to option
        Those of the reading.

    Notes
    -----
    Registered: "malignant by pathology, benign by follow-up of three months"; the table of
    routes is section 5 of the protocol notes.
    """
    forms = [row for row in rows if row.form == "diagnosis" and row.number("lesion_no") is not None]
    evidence = [collect_evidence(rows, row, anchors, choices) for row in forms]
    lesions = tuple(
        adjudicated(judge_lesion(one, anchors, choices), row, rows)
        for one, row in zip(evidence, forms, strict=True)
    )
    carried = _carry(lesions)
    windows = [_window_facts(one, lesion) for one, lesion in zip(evidence, lesions, strict=True)]
    if not forms:
        windows = [_window_facts(collect_evidence(rows, None, anchors, choices), None)]
    every = [one for of in windows for one in of]
    diagnoses = [
        _diagnosis_facts(lesion, one) for lesion, one in zip(lesions, evidence, strict=True)
    ] or [{}]
    state = _worst({one.state for one in carried.lesions})
    strays = records_of_no_lesion(rows)
    proven = {one.state is ReferenceState.PROVEN for one in lesions} | (
        {False} if strays else set()
    )
    if strays and carried.label != MALIGNANT:
        return _held_by_strays(lesions, every, diagnoses, strays, proven == {True, False})
    return SubjectReference(
        lesions=lesions,
        label=carried.label,
        route=_route(carried.lesions),
        state=state,
        partially_verified=proven == {True, False},
        window_facts=tuple(_held_open(lesions, state, every)),
        diagnosis_facts=tuple(diagnoses),
    )


def _held_by_strays(
    lesions: tuple[LesionReference, ...],
    windows: Sequence[FactSet],
    diagnoses: Sequence[FactSet],
    strays: set[str],
    partially_verified: bool,
) -> SubjectReference:
    """Return a subject whom records of a lesion that nobody entered leave open altogether.

    They may belong to any lesion, or to one more.
    """
    held: FactSet = {
        "ref_state": ReferenceState.CONTRADICTED.value,
        "ref_missing": sorted({"dx", *(_LESION_OF[form] for form in strays)}),
    }
    return SubjectReference(
        lesions=lesions,
        label=INDETERMINATE,
        route="none",
        state=ReferenceState.CONTRADICTED,
        partially_verified=partially_verified,
        window_facts=tuple(one | held for one in windows),
        diagnosis_facts=tuple(one | held for one in diagnoses),
    )


def _window_facts(evidence: LesionEvidence, lesion: LesionReference | None) -> list[FactSet]:
    """Return the sets of facts by which this lesion's record may decide I5.

    Each specimen with each follow-up image: the best of them counts.
    """
    state: FactSet = {}
    if lesion is not None:
        state = {"ref_state": lesion.state.value, "ref_missing": list(lesion.missing)}
    return [tissue | image | state for tissue in _tissue(evidence) for image in _images(evidence)]


def _tissue(evidence: LesionEvidence) -> list[FactSet]:
    """Return one set for each specimen; one that says none, or nothing, if there is none."""
    if evidence.specimens:
        return [
            {name: _iso(row, field) for name, field in _TISSUE_DATES.items()}
            for row in evidence.specimens
        ]
    confirmed = evidence.says_no_pathology and not evidence.unattributed
    return [{"path": "none"}] if confirmed else [{}]


def _images(evidence: LesionEvidence) -> list[FactSet]:
    if not evidence.has_follow_up_rows:
        return [{}]
    closed: FactSet = {"fu_closed": evidence.closed}
    return [
        closed
        | {
            "fu": one.date.iso(),
            "fu_treated": one.treated_before is not Verdict.NOT_MET,
            "fu_concluded": one.conclusion is not None,
        }
        for one in evidence.follow_ups
    ] or [closed]


def _diagnosis_facts(lesion: LesionReference, evidence: LesionEvidence) -> FactSet:
    facts: FactSet = {
        "dx": lesion.label,
        "route": lesion.proven_by or lesion.route,
        "ref_state": lesion.state.value,
        "ref_missing": list(lesion.missing),
    }
    followed = [_shows_natural_course(one) for one in evidence.follow_ups]
    seen = Verdict.MET in followed
    if lesion.proven_by != ADJUDICATION or (Verdict.UNDETERMINED in followed and not seen):
        return facts
    return facts | {"fu_natural": seen}


def _shows_natural_course(image: FollowUp) -> Verdict:
    """Return whether an image shows the untreated lesion three months or more after the MRI."""
    if Verdict.NOT_MET is image.long_enough or image.treated_before is Verdict.MET:
        return Verdict.NOT_MET
    sure = image.long_enough is Verdict.MET and image.natural
    return Verdict.MET if sure else Verdict.UNDETERMINED


def _held_open(
    lesions: Sequence[LesionReference], state: ReferenceState, windows: Sequence[FactSet]
) -> list[FactSet]:
    """Return the facts with what leaves the whole subject open: one lesion's record does.

    What one lesion proves in time is no reference for a subject whose label hangs on another.
    """
    missing = sorted({fact for one in lesions if one.state is state for fact in one.missing})
    if state not in (ReferenceState.CONTRADICTED, ReferenceState.UNPROVEN) or not missing:
        return list(windows)
    return [one | {"ref_state": state.value, "ref_missing": missing} for one in windows]


def _iso(row: ClinicalRow, name: str) -> str | None:
    date = row.date(name)
    return date.iso() if date else None


@dataclass(frozen=True)
class _Carried:
    label: str
    lesions: tuple[LesionReference, ...]


def _carry(lesions: tuple[LesionReference, ...]) -> _Carried:
    """Return the label of the subject and the lesions that carry it.

    One proven malignant lesion makes the subject malignant. Else the label is benign when all
    lesions are proven benign, pending while one waits, and indeterminate otherwise.
    """
    proven = [one for one in lesions if one.state is ReferenceState.PROVEN]
    malignant = tuple(one for one in proven if one.label == MALIGNANT)
    if malignant:
        return _Carried(MALIGNANT, malignant)
    if not lesions or any(one.state is ReferenceState.PENDING for one in lesions):
        return _Carried("pending", lesions)
    if len(proven) == len(lesions) and all(one.label == BENIGN for one in proven):
        return _Carried(BENIGN, lesions)
    return _Carried(INDETERMINATE, lesions)


def _route(lesions: Sequence[LesionReference]) -> str:
    routes = {one.proven_by for one in lesions} - {None}
    if PATHOLOGY in routes:
        return PATHOLOGY
    return next(iter(sorted(str(route) for route in routes)), "none")


def _worst(states: set[ReferenceState]) -> ReferenceState:
    order = (
        ReferenceState.CONTRADICTED,
        ReferenceState.UNPROVEN,
        ReferenceState.PENDING,
        ReferenceState.PROVEN,
    )
    return next((state for state in order if state in states), ReferenceState.PENDING)
