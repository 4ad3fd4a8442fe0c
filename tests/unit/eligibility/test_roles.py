"""Analysis roles: signed, one per subject, and never a leak into phase 1."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import BadInputError
from schemas.protocol import choices_of
from schemas.reference import ReferenceAnchors
from schemas.run.zones import Zones
from tasks.eligibility.published import subject_row
from tasks.eligibility.roles import assign_roles
from tasks.eligibility.store import read_roles, roles_file
from tasks.reference.judge import judge_subject
from tests.unit.eligibility.cohort import CT, SUBJECT, record, row

NOBODY_JUDGED = judge_subject((), ReferenceAnchors(ct=None, mri=None), choices_of("literal"))
HEAD = "subject_id,analysis_role,model_version,assigned_by,assigned_on,document\n"
LINE = f"{SUBJECT},phase1_validation,1.0,PI,2026-12-01,minutes 7\n"


def home_with(tmp_path: Path, text: str) -> Zones:
    zones = Zones(tmp_path)
    roles_file(zones).parent.mkdir()
    roles_file(zones).write_text(text, encoding="utf-8")
    return zones


def test_without_a_signed_file_nobody_has_a_role(tmp_path: Path) -> None:
    assert read_roles(Zones(tmp_path)) == {}
    rows, findings = assign_roles(
        [subject_row(record([row("demographics")]), CT, NOBODY_JUDGED, "b")], {}
    )
    assert rows[0]["analysis_role"] == "not_assigned"
    assert findings == []


@pytest.mark.parametrize(
    ("ascertainment", "exposure", "role"),
    [
        ("prospective", "no", "phase1_validation"),
        ("prospective", "yes", "not_assigned"),
        ("prospective", None, "not_assigned"),
        ("retrospective", "no", "not_assigned"),
    ],
)
def test_phase_1_takes_prospective_subjects_that_trained_nothing(
    tmp_path: Path, ascertainment: str, exposure: str | None, role: str
) -> None:
    demographics = row("demographics", ascertainment=ascertainment)
    if exposure:
        demographics = row(
            "demographics", ascertainment=ascertainment, prior_training_exposure=exposure
        )
    subject = subject_row(record([demographics]), CT, NOBODY_JUDGED, "b")
    rows, findings = assign_roles([subject], read_roles(home_with(tmp_path, HEAD + LINE)))
    assert rows[0]["analysis_role"] == role
    assert [f.rule_id for f in findings] == (
        [] if role == "phase1_validation" else ["ELIG_ROLE_NOT_ALLOWED"]
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (HEAD + LINE.replace("PI", ""), "without assigned_by.*:2"),
        (HEAD + LINE.replace("phase1_validation", "phase9"), "analysis_role.*:2"),
        (HEAD + LINE + LINE, "stands twice.*:3"),
        (
            HEAD.replace(",document", "") + LINE.replace(",minutes 7", ""),
            "other columns: without document",
        ),
    ],
)
def test_a_role_that_is_unsigned_unknown_or_twice_refuses_the_file(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(BadInputError, match=complaint) as refusal:
        read_roles(home_with(tmp_path, text))
    assert "phase9" not in str(refusal.value)
