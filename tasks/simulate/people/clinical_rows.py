"""The rows of each form for each subject, as far as the site knows them on a given night."""

from __future__ import annotations

import datetime as dt

from tasks.simulate.people.form_habits import Vague
from tasks.simulate.people.forms import FormRow, FormValue
from tasks.simulate.people.scenarios import Evidence, diagnosis_known
from tasks.simulate.people.subjects import Subject

_MM_PER_SEED = 0.4


def demographics(subject: Subject, evidence: Evidence) -> list[FormRow]:
    """Return consent, birth date, how the lesion was found, days of the baseline exams."""
    story, ct = subject.story, subject.ct_date
    entered_first = None if evidence.corrected else story.first_entered_detected_by
    return [
        {
            "subject_no": subject.subject_no,
            "sex": subject.person.sex,
            "birth_date": _known_to(subject.person.birth_date, story.birth_precision),
            "consent_status": evidence.consent,
            "consent_document": _consent_document(subject),
            "consent_date": ct - dt.timedelta(days=1) if story.consent == "consented" else "NA",
            "ascertainment": story.ascertainment,
            "detected_by": entered_first or story.detected_by,
            "detected_date": ct - dt.timedelta(days=9),
            "baseline_ct_done": "yes" if story.ct_done else "no",
            "baseline_ct_date": ct if story.ct_done else "NA",
            "dce_mri_done": "no" if story.dce_day is None else "yes",
            "dce_mri_date": _after(ct, story.dce_day),
            "eob_mri_done": "no" if story.eob_day is None else "yes",
            "eob_mri_date": _after(ct, story.eob_day),
            "prior_training_exposure": "no",
        }
    ]


def _consent_document(subject: Subject) -> str | None:
    if not subject.story.consent_documented:
        return None
    kind = "IRB-WAIVER" if subject.story.consent == "waived" else "ICF"
    return f"{kind}-{subject.subject_no}"


def screening_log(subject: Subject, _evidence: Evidence) -> list[FormRow]:
    """Return the line of an enrolled person."""
    return [
        {
            "screening_no": subject.screening_no,
            "screened_on": subject.ct_date - dt.timedelta(days=2),
            "enrolled": "yes",
            "subject_no": subject.subject_no,
            "reason_not_enrolled": "NA",
        }
    ]


def not_enrolled(screening_no: str, screened_on: dt.date) -> FormRow:
    """Return the line of a person who was screened and declined."""
    return {
        "screening_no": screening_no,
        "screened_on": screened_on,
        "enrolled": "no",
        "subject_no": "NA",
        "reason_not_enrolled": "declined",
    }


def pathology(subject: Subject, evidence: Evidence) -> list[FormRow]:
    """Return the specimen, or the line that says there is none."""
    if not evidence.pathology_form:
        return []
    day = subject.story.pathology_day
    if day is None:
        blank = ("lesion_no", "specimen_date", "report_date", "procedure", "diagnosis_code")
        none: FormRow = {"specimen_no": "0", "pathology_done": "no"}
        return [{"subject_no": subject.subject_no} | none | dict.fromkeys(blank, "NA")]
    specimen = subject.baseline_mri_date + dt.timedelta(days=day)
    return [
        {
            "subject_no": subject.subject_no,
            "specimen_no": "1",
            "pathology_done": "yes",
            "lesion_no": "1",
            "specimen_date": _known_to(specimen, subject.story.specimen_precision),
            "report_date": specimen + dt.timedelta(days=6),
            "procedure": _procedure(subject),
            "diagnosis_code": subject.story.reference_class,
            "verbatim": f"患者{subject.person.name_han}，肝脏肿物，镜下所见如上。",
        }
    ]


def _procedure(subject: Subject) -> str:
    """Return how the tissue was taken; a metastasis is only biopsied."""
    story = subject.story
    return "biopsy" if story.reference_class == "metastasis" else story.procedure


def follow_up(subject: Subject, evidence: Evidence) -> list[FormRow]:
    """Return the follow-up contact: without an image while it is open, then with one."""
    story = subject.story
    if story.follow_up_day is None:
        return []
    row: FormRow = {"subject_no": subject.subject_no, "followup_no": "1", "lesion_no": "1"}
    if not evidence.follow_up:
        blank = ("image_date", "modality", "conclusion")
        return [row | {"image_done": "no", "followup_status": "open"} | dict.fromkeys(blank, "NA")]
    closed = story.follow_up_closed or story.follow_up_day >= 92
    return [
        row
        | {
            "image_done": "yes",
            "image_date": subject.follow_up_date,
            "modality": "CT" if story.malignant else "MR",
            "size_change_percent": "35" if story.malignant else "2",
            "conclusion": "progressed" if story.malignant else "benign_stable",
            "followup_status": "complete" if closed else "open",
        }
    ]


def treatment(subject: Subject, _evidence: Evidence) -> list[FormRow]:
    """Return the prior treatment, or the line that says there was none."""
    row: FormRow = {"subject_no": subject.subject_no}
    if subject.story.prior_treatment is None:
        blank = ("type", "start_date", "target")
        return [row | {"treatment_no": "0", "prior_treatment": "UK"} | dict.fromkeys(blank, "UK")]
    if not subject.story.prior_treatment:
        blank = ("type", "start_date", "target")
        return [row | {"treatment_no": "0", "prior_treatment": "no"} | dict.fromkeys(blank, "NA")]
    return [
        row
        | {
            "treatment_no": "1",
            "prior_treatment": "yes",
            "type": "TACE",
            "start_date": subject.ct_date + dt.timedelta(days=subject.story.treatment_day),
            "target": "this_lesion",
        }
    ]


def diagnosis(subject: Subject, evidence: Evidence) -> list[FormRow]:
    """Return the lesion with its final diagnosis, or as pending."""
    story = subject.story
    known = diagnosis_known(story, evidence)
    inflammatory = "yes" if story.inflammatory else "no"
    return [
        {
            "subject_no": subject.subject_no,
            "lesion_no": "1",
            "segment": ("V", "VI", "VII", "VIII", "IV")[subject.lesion_seed % 5],
            "diameter_mm": f"{18 + subject.lesion_seed * _MM_PER_SEED:.0f}",
            "reference_class": story.reference_class if known else "pending",
            "reference_route": story.route if known else "none",
            "inflammatory": inflammatory if known else None,
        }
        | _features(subject)
    ]


def _features(subject: Subject) -> FormRow:
    """Return findings that no criterion asks for: entered, not done, not applicable, blank."""
    if not subject.story.malignant:
        return {"lirads_category": "NA", "nonrim_aphe": "NA"}
    not_done = subject.lesion_seed % 3 == 0
    return {
        "lirads_category": "LR-5" if subject.story.reference_class == "HCC" else "LR-M",
        "nonrim_aphe": "ND" if not_done else "present",
        "capsule": "UK" if not_done else None,
    }


def image_quality(subject: Subject, _evidence: Evidence) -> list[FormRow]:
    """Return the readers' ratings: both exams by one, the MRI by others where the story says."""
    story = subject.story
    if story.quality is None:
        return []
    ratings = [("ct", "adequate", "R01", "no"), ("mri", story.quality, "R01", "no")]
    if story.second_quality is not None:
        ratings.append(("mri", story.second_quality, "R02", "no"))
    if story.adjudicated_quality is not None:
        ratings.append(("mri", story.adjudicated_quality, "R03", "yes"))
    return [
        {
            "subject_no": subject.subject_no,
            "exam": exam,
            "rating": rating,
            "viewed": story.quality_viewed,
            "rater_id": rater,
            "rated_on": subject.ct_date + dt.timedelta(days=20 + number),
            "adjudication": adjudication,
        }
        for number, (exam, rating, rater, adjudication) in enumerate(ratings)
    ]


def _known_to(day: dt.date, precision: str) -> FormValue:
    return day if precision == "day" else Vague(day, precision)


def _after(day: dt.date, days: int | None) -> dt.date | str:
    return "NA" if days is None else day + dt.timedelta(days=days)


ROWS_OF_FORM = {
    "demographics": demographics,
    "screening_log": screening_log,
    "pathology": pathology,
    "follow_up": follow_up,
    "treatment": treatment,
    "diagnosis": diagnosis,
    "image_quality": image_quality,
}
