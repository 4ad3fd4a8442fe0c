"""Rows of the published tables as a release would give them, at any size."""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from random import Random
from typing import Any

from schemas.run.sites import read_registered_sites

READINGS = ("literal", "combined_exam")
CRITERIA = ("I1", "I2", "I3", "I4", "I5", "E1", "E2", "E3", "E4")
VENDORS = ("SIEMENS", "GE", "UIH", "Philips")
AGENTS = {"baseline_ct": "iodinated", "dce_mri": "extracellular", "eob_mri": "gadoxetate"}
MISSING = (
    "edc.pathology.specimen_date",
    "edc.follow_up.image_date",
    "edc.treatment.prior_treatment",
    "edc.image_quality.rating",
    "dicom.eob_mri.T1_HBP",
    "dicom.dce_mri.contrast_agent",
    "edc.diagnosis.route",
)
EXAMS = {
    "baseline_ct": ("CT", ("CT_NC", "CT_ART", "CT_PVP", "CT_DEL")),
    "dce_mri": ("MR", ("MR_T1_PRE", "MR_T1_ART", "MR_T1_PVP", "MR_T1_DEL", "MR_T2_FS", "MR_DWI")),
    "eob_mri": (
        "MR",
        ("MR_T1_PRE", "MR_T1_ART", "MR_T1_PVP", "MR_T1_TRANS", "MR_T1_HBP", "MR_T2"),
    ),
}
FLOW = (
    ("screened", None, "Screened", "筛查"),
    ("not_enrolled", "screened", "Not enrolled", "未入组"),
    ("enrolled", "screened", "Enrolled in the registry", "登记入组"),
    ("consent_unknown", "enrolled", "Consent unknown", "知情同意不详"),
    ("consent_withdrawn", "enrolled", "Consent withdrawn", "撤回同意"),
    ("in_release", "enrolled", "In the release", "进入本版"),
    *(
        (f"excluded_{one}", "in_release", f"Excluded at {one}", f"因 {one} 排除")
        for one in CRITERIA
    ),
    ("undetermined", "in_release", "Undetermined", "未定"),
    ("window_truncated", "in_release", "Window truncated by study end", "研究结束截断窗口"),
    ("eligible", "in_release", "Eligible", "合格"),
)


def make_rows(random: Random, codes: list[str], per_site: int) -> dict[str, list[dict[str, Any]]]:
    """Return rows of all tables the report reads."""
    rows: dict[str, list[dict[str, Any]]] = {
        "site": [
            {
                "site_code": site.site_code,
                "name_en": site.name_en,
                "name_zh": site.name_zh,
                "registration_status": "registered",
            }
            for site in read_registered_sites()
        ]
        + [
            {
                "site_code": code,
                "name_en": f"Demonstration Hospital {code}",
                "name_zh": f"示范医院 {code}",
                "registration_status": "fictitious",
            }
            for code in codes
            if code.startswith("S9")
        ],
        **{name: [] for name in ("subject", "imaging_study", "series")},
        **{name: [] for name in ("criterion_result", "eligibility", "nifti_volume")},
        **{name: [] for name in ("pathology", "follow_up", "treatment", "lesion")},
        "image_quality": [],
    }
    for code in codes:
        for _ in range(random.randint(max(1, per_site // 2), max(1, per_site * 3 // 2))):
            add_subject(random, code, rows)
    rows["stard_flow"] = make_flow(rows)
    return rows


def add_subject(random: Random, code: str, rows: dict[str, list[dict[str, Any]]]) -> None:
    subject_id = f"{code}-{digest(code, len(rows['subject']))[:8].upper()}"
    rows["subject"].append(
        {
            "subject_id": subject_id,
            "site_code": code,
            "sex": random.choice("MF"),
            "age_years": round(random.uniform(18, 90), 2),
            "ascertainment": random.choice(["prospective", "retrospective", None]),
            "detected_by": random.choice(["US", "screening_CT"]),
        }
    )
    ct_day = date(2021, 1, 1) + timedelta(days=random.randint(0, 700))
    vendor = VENDORS[int(code[1:]) % len(VENDORS)]
    for role, (modality, labels) in EXAMS.items():
        if random.random() < 0.12:
            continue
        day = 0 if role == "baseline_ct" else random.randint(-12, 14)
        study_uid = f"2.25.{int(digest(subject_id, role)[:12], 16)}"
        rows["imaging_study"].append(
            {
                "study_uid": study_uid,
                "subject_id": subject_id,
                "modality": modality,
                "role": role,
                "study_date_shifted": ct_day + timedelta(days=day),
                "days_from_baseline_ct": day,
                "manufacturer": vendor,
                "model": f"{vendor} {modality}",
                "field_strength_t": None if modality == "CT" else random.choice([1.5, 3.0]),
                "contrast_agent_class": AGENTS[role],
            }
        )
        for label in labels:
            if random.random() > 0.08:
                series = make_series_row(random, subject_id, study_uid, label)
                rows["series"].append(series | {"batch_id": batch_id(code, random.randint(0, 1))})
                rows["nifti_volume"].append(make_volume_row(rows["series"][-1]))
    add_clinical(random, subject_id, ct_day, rows)
    for reading in READINGS:
        add_verdicts(random, subject_id, reading, rows)


def make_series_row(random: Random, subject_id: str, study_uid: str, label: str) -> dict[str, Any]:
    weighting = label.split("_")[1] if label.startswith("MR") else "CT"
    limit = {"T1": 5.0, "T2": 8.0}.get(weighting)
    thickness = random.choice([2.0, 2.5, 3.0, 3.0, 4.0, 5.0, 5.0, 5.5, 6.0, 8.0, None])
    verdict = None
    if limit is not None:
        verdict = "undetermined" if thickness is None else "met"
        if thickness is not None and thickness > limit + 0.05:
            verdict = "not_met"
    return {
        "series_uid": f"2.25.{int(digest(study_uid, label)[:12], 16)}",
        "sub_stack_digest": digest(study_uid, label, "stack")[:16],
        "study_uid": study_uid,
        "subject_id": subject_id,
        "label": label,
        "weighting": weighting,
        "label_tier": random.choice("AAAB" if label != "MR_DWI" else "ABCX"),
        "orientation": "axial",
        "conversion_verdict": "OK",
        "conversion_codes": [],
        "n_slices": 40,
        "acquisition_time_offset_seconds": None,
        "n_missing_slices": int(random.random() < 0.04),
        "slice_thickness_mm": thickness,
        "thickness_limit_mm": limit,
        "thickness_verdict": verdict,
        # Before the hepatobiliary phase the person got up.
        "frame_of_reference_uid": f"{study_uid}.{int(label.endswith('_HBP'))}",
    }


def make_volume_row(series: dict[str, Any]) -> dict[str, Any]:
    return {
        "volume_id": digest(series["sub_stack_digest"], "id")[:16],
        "series_uid": series["series_uid"],
        "sub_stack_digest": series["sub_stack_digest"],
        "subject_id": series["subject_id"],
        "rel_path": f"nifti/{series['sub_stack_digest']}.nii.gz",
        "sha256": digest(series["sub_stack_digest"], "volume"),
        "dim_z": 40,
        "n_volumes": 1,
    }


def add_clinical(
    random: Random, subject_id: str, ct_day: date, rows: dict[str, list[dict[str, Any]]]
) -> None:
    """Add a lesion, pathology or follow-up, now and then a treatment, and two ratings."""
    lesion = f"{subject_id}-L1"
    malignant = random.random() < 0.6
    rows["lesion"].append(
        {
            "subject_id": subject_id,
            "lesion_no": 1,
            "segment": "IV",
            "diameter_mm": 31.0,
            "reference_class": "HCC" if malignant else "FNH",
            "reference_route": "pathology" if malignant else "followup",
        }
    )
    taken = ct_day + timedelta(days=random.randint(5, 40))
    if malignant:
        rows["pathology"].append(
            {
                "subject_id": subject_id,
                "lesion_id": lesion,
                "specimen_date_shifted": taken,
                "report_date_shifted": taken + timedelta(days=6),
                "procedure": "biopsy",
                "diagnosis_code": "HCC",
            }
        )
    else:
        rows["follow_up"].append(
            {
                "subject_id": subject_id,
                "image_date_shifted": taken + timedelta(days=90),
                "modality": "MR",
                "conclusion": "benign_stable",
                "followup_status": "complete",
            }
        )
    if random.random() < 0.05:
        rows["treatment"].append(
            {
                "subject_id": subject_id,
                "type": "TACE",
                "start_date_shifted": ct_day - timedelta(days=900),
                "target": "this_lesion",
            }
        )
    rows["image_quality"] += [
        {
            "subject_id": subject_id,
            "exam": exam,
            "rating": "adequate",
            "reasons": [],
            "viewed": "full_series",
            "rater_id": "R-1",
        }
        for exam in ("ct", "mri")
        if random.random() < 0.9
    ]


def add_verdicts(
    random: Random, subject_id: str, reading: str, rows: dict[str, list[dict[str, Any]]]
) -> None:
    effects = {}
    for criterion in CRITERIA:
        effect = random.choices(["pass", "fail", "undetermined"], [0.93, 0.03, 0.04])[0]
        effects[criterion] = effect
        missing = [random.choice(MISSING)] if effect == "undetermined" else []
        rows["criterion_result"].append(
            {
                "subject_id": subject_id,
                "criterion_id": criterion,
                "reading": reading,
                "status": "undetermined" if missing else "met",
                "effect": effect,
                "observed_value": None if missing else "benign/followup",
                "threshold": "lesion not assessable on CT or MRI",
                "reason_code": "MET",
                "missing_evidence": missing,
            }
        )
    failing = [one for one in CRITERIA if effects[one] == "fail"]
    undetermined = [one for one in CRITERIA if effects[one] == "undetermined"]
    status = "ineligible" if failing else "undetermined" if undetermined else "eligible"
    rows["eligibility"].append(
        {
            "subject_id": subject_id,
            "reading": reading,
            "status": status,
            "first_failing_criterion": failing[0] if failing else None,
            "all_undetermined": undetermined,
        }
    )


def make_flow(rows: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    flow = []
    for reading in READINGS:
        verdicts = [row for row in rows["eligibility"] if row["reading"] == reading]
        n = {
            f"excluded_{one}": sum(row["first_failing_criterion"] == one for row in verdicts)
            for one in CRITERIA
        }
        for status in ("eligible", "undetermined"):
            n[status] = sum(row["status"] == status for row in verdicts)
        n |= {"window_truncated": 0, "in_release": len(verdicts), "consent_unknown": 3}
        n |= {"consent_withdrawn": 0, "enrolled": len(verdicts) + 3, "not_enrolled": 41}
        n["screened"] = n["enrolled"] + n["not_enrolled"]
        flow += [
            {
                "reading": reading,
                "site_code": "all",
                "node_id": node,
                "parent_id": parent,
                "node_order": order,
                "label_en": english,
                "label_zh": chinese,
                "n": n[node],
            }
            for order, (node, parent, english, chinese) in enumerate(FLOW, start=1)
        ]
    return flow


def batch_id(code: str, night: int) -> str:
    return digest(code, night)[:16]


def digest(*parts: object) -> str:
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()
