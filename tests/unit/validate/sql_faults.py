"""For every rule in SQL rows that break it, and the ids of those at fault."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pyarrow as pa

from schemas.dicom.features import InstanceFeatures
from tests.unit.publish.cohort import make_row

WHO = "S91-AAAA2222"
STUDY = "2.25.11"
IMAGE = InstanceFeatures(
    subject_id=WHO,
    study_uid=STUDY,
    series_uid="2.25.21",
    sop_uid="2.25.1",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.4",
    modality="MR",
    rows=256,
    columns=256,
    pixel_spacing_mm=(0.8, 0.8),
)
OTHER = replace(IMAGE, sop_uid="2.25.2")

Tables = dict[str, pa.Table]


def timed(uid: str, phase: str, seconds: float) -> dict[str, object]:
    return make_row(
        "series",
        series_uid=uid,
        sub_stack_digest=uid,
        study_uid=STUDY,
        subject_id=WHO,
        label_tier="A",
        contrast_phase=phase,
        acquisition_time_offset_seconds=seconds,
    )


def many(site: str, verdict: str, label: str, n: int) -> list[dict[str, object]]:
    row = {"label_tier": "A", "thickness_verdict": verdict, "label": label}
    own = {"subject_id": f"{site}-AAAA2222", "study_uid": f"{site}-study"}
    return [
        make_row("series", series_uid=f"{site}{i}", sub_stack_digest="d", **own, **row)
        for i in range(n)
    ]


def study(site: str) -> dict[str, object]:
    return make_row(
        "imaging_study",
        study_uid=f"{site}-study",
        subject_id=f"{site}-AAAA2222",
        manufacturer="SIEMENS",
    )


def criterion(reason: str) -> dict[str, object]:
    return make_row(
        "criterion_result",
        subject_id=WHO,
        criterion_id="I5",
        reading="literal",
        reason_code=reason,
    )


def lesion(route: str) -> dict[str, object]:
    return make_row("lesion", lesion_id="l1", subject_id=WHO, reference_route=route)


def image(series: str, number: int, sop_uid: str, **values: object) -> dict[str, object]:
    own = {"series_uid": series, "sub_stack_digest": series, "slice_no": number}
    return make_row("instance", sop_uid=sop_uid, **{"subject_id": WHO, **own, **values})


def volume(uid: str, **values: object) -> dict[str, object]:
    own = {"series_uid": uid, "sub_stack_digest": uid, "study_uid": STUDY, "subject_id": WHO}
    return make_row("nifti_volume", volume_id=uid, pixel_sha256="p", **{**own, **values})


#: rule → tables that break it, and the keys of the rows that are at fault.
FAULTS: dict[str, tuple[dict[str, list[dict[str, object]]], set[str]]] = {
    "SER-PHASE-ORDER": ({"series": [timed("a", "art", 90), timed("b", "pvp", 60)]}, {"b/b"}),
    "SER-UNEQUAL-PHASES": (
        {"series": [timed("a", "art", 1) | {"conversion_codes": ["UNEQUAL_PHASES"]}]},
        {"a/a"},
    ),
    "SER-LOCALIZER-INSIDE": (
        {
            "series": [
                timed("a", "art", 1) | {"sub_stack_digest": "d", "label": "CT_ART"},
                timed("a", "art", 1) | {"sub_stack_digest": "e", "label": "LOCALIZER"},
                timed("b", "art", 1) | {"label": "LOCALIZER"},
            ]
        },
        {"a/e"},
    ),
    "STU-THICKNESS": (
        {
            "imaging_study": [study("S91"), study("S92")],
            "series": [
                *many("S91", "not_met", "MR_T1_ART", 9),
                *many("S92", "met", "MR_T1_ART", 1),
            ],
        },
        {"S91-study"},
    ),
    "STU-THICKNESS-UNKNOWN": (
        {
            "imaging_study": [study("S91"), study("S92")],
            "series": [
                *many("S91", "undetermined", "MR_T2_FS", 9),
                *many("S92", "not_met", "MR_T1_ART", 1),
            ],
        },
        {"S91-study"},
    ),
    "SER-UID-PER-SLICE": (
        {"series": [timed("a", "art", 1) | {"conversion_codes": ["UID_PER_SLICE"]}]},
        {"a/a"},
    ),
    "SER-IMAGE-COUNT": (
        {
            "series": [
                timed("a", "art", 1) | {"n_instances": 2},
                timed("b", "pvp", 1) | {"n_instances": 1},
                timed("c", "pvp", 1) | {"n_instances": 1},
            ],
            "instance": [
                *(image("a", 1, "1.1"), image("b", 1, "1.2")),
                *(image("c", n, "1.3", frame_number=n) for n in (1, 2)),
            ],
        },
        {"a/a"},
    ),
    "IMG-SERIES": (
        {"series": [timed("a", "art", 1)], "instance": [image("a", 1, "1"), image("b", 1, "2")]},
        {"b/b/1"},
    ),
    "IMG-SUBJECT": (
        {
            "series": [timed("a", "art", 1)],
            "instance": [image("a", 1, "1"), image("a", 2, "2", subject_id="S91-BBBB2222")],
        },
        {"a/a/2"},
    ),
    "IMG-TWICE": (
        {"instance": [image("a", 1, "1"), image("b", 1, "1"), image("b", 2, "2")]},
        {"a/a/1", "b/b/1"},
    ),
    "VOL-DUPLICATE": ({"nifti_volume": [volume("a"), volume("b")]}, {"a", "b"}),
    "STU-SERIES-COUNT": (
        {
            "imaging_study": [make_row("imaging_study", study_uid=STUDY, n_series=2)],
            "series": [timed("a", "art", 1)],
        },
        {STUDY},
    ),
    "STU-IMAGE-COUNT": (
        {
            "imaging_study": [make_row("imaging_study", study_uid=STUDY, n_instances=9)],
            "series": [timed("a", "art", 1), timed("b", "pvp", 1)],
        },
        {STUDY},
    ),
    "STU-PHASES": (
        {"imaging_study": [make_row("imaging_study", study_uid=STUDY, role="eob_mri")]},
        {STUDY},
    ),
    "STU-MRI-WINDOW": (
        {
            "imaging_study": [
                make_row(
                    "imaging_study", study_uid=f"u{d}", role="dce_mri", days_from_baseline_ct=d
                )
                for d in (-16, -15, 15, 16)
            ]
        },
        {"u-16", "u16"},
    ),
    "CRI-STUDY-PERIOD": (
        {"criterion_result": [criterion("WINDOW_TRUNCATED")]},
        {f"{WHO}/I5/literal"},
    ),
    "CRI-CONFLICT": (
        {"criterion_result": [criterion("EVIDENCE_CONFLICT")]},
        {f"{WHO}/I5/literal"},
    ),
    "PAT-DATE-ORDER": (
        {
            "pathology": [
                make_row(
                    "pathology",
                    specimen_id=f"p{day}",
                    specimen_date_shifted=dt.date(2024, 3, 6),
                    report_date_shifted=dt.date(2024, 3, day),
                )
                for day in (5, 6)
            ]
        },
        {"p5"},
    ),
    "FUP-DATE-ORDER": (
        {
            "follow_up": [
                make_row("follow_up", followup_id=f"f{days}", days_from_baseline_mri=days)
                for days in (-1, 0)
            ]
        },
        {"f-1"},
    ),
    "LES-PATHOLOGY": ({"lesion": [lesion("pathology")]}, {"l1"}),
    "LES-FOLLOW-UP": ({"lesion": [lesion("followup")]}, {"l1"}),
    "SUB-LESION": (
        {
            "subject": [make_row("subject", subject_id=WHO)],
            "imaging_study": [make_row("imaging_study", study_uid=STUDY, subject_id=WHO)],
        },
        {WHO},
    ),
    "SCR-ENROLLED": (
        {
            "screening_log": [
                make_row("screening_log", site_code="S91", screening_no="N1", enrolled="yes")
            ]
        },
        {"S91/N1"},
    ),
    "SIT-DRIFT-THICKNESS": (
        {
            "series": [
                *many("S91", "not_met", "MR_T2", 20),
                *many("S92", "met", "MR_T2", 20),
                *many("S93", "not_met", "MR_T2", 19),
            ]
        },
        {"S91"},
    ),
    "SIT-DRIFT-VENDOR": (
        {
            "series": [
                *many("S91", "met", "UNCLASSIFIED", 20),
                *many("S92", "met", "MR_T2", 20),
                *many("S93", "met", "UNCLASSIFIED", 19),
            ],
            "imaging_study": [study("S91"), study("S92"), study("S93")],
        },
        {"S91"},
    ),
}
IMAGE_FAULTS: dict[str, tuple[list[InstanceFeatures], set[str]]] = {
    "INS-KEY": ([IMAGE, IMAGE], {"2.25.1"}),
    "INS-SERIES": ([IMAGE, replace(OTHER, series_uid="2.25.9")], {"2.25.2"}),
    "INS-SUBJECT": (
        [IMAGE, replace(OTHER, subject_id="S91-BBBB3333")],
        {"2.25.1", "2.25.2"},
    ),
    "INS-STUDY": ([IMAGE, replace(OTHER, study_uid="2.25.9")], {"2.25.1", "2.25.2"}),
    "INS-MODALITY": ([IMAGE, replace(OTHER, modality="US")], {"2.25.2"}),
    "INS-SIZE": ([IMAGE, replace(OTHER, rows=16)], {"2.25.2"}),
    "INS-SPACING": ([IMAGE, replace(OTHER, pixel_spacing_mm=(0.8, 80.0))], {"2.25.2"}),
}
