"""Names of volumes are BIDS in style, say what is known, and depend on their own volume only."""

from __future__ import annotations

import pytest

from tasks.publish.naming import VolumeFacts, nifti_path, sidecar_path

DIGEST = "0123456789abcdef"
ARTERIAL = VolumeFacts(
    subject_id="S91-7K3QF2ZN",
    sub_stack_digest=DIGEST,
    modality="MR",
    role="eob_mri",
    label="MR_T1_ART",
    weighting="T1",
    contrast_phase="art",
    contrast_agent_class="gadoxetate",
)


def name(**changes: object) -> str:
    return nifti_path(VolumeFacts(**(vars(ARTERIAL) | changes)))


def test_an_arterial_phase_with_gadoxetate() -> None:
    assert name() == (
        "nifti/sub-S917K3QF2ZN/ses-baseline/mr/sub-S917K3QF2ZN_ses-baseline"
        f"_acq-{DIGEST}_ce-gadoxetate_phase-arterial_T1w.nii.gz"
    )


@pytest.mark.parametrize(
    ("changes", "ending"),
    [
        ({"contrast_phase": "pre"}, "_phase-native_T1w.nii.gz"),
        ({"contrast_agent_class": "unknown"}, "_phase-arterial_T1w.nii.gz"),
        ({"contrast_phase": None, "weighting": "DWI"}, f"_acq-{DIGEST}_dwi.nii.gz"),
        ({"label": "UNCLASSIFIED", "contrast_phase": None}, "_unclassified.nii.gz"),
        ({"label": "MR_MAP", "weighting": "other", "contrast_phase": None}, "_mrmap.nii.gz"),
    ],
    ids=["before contrast", "agent unknown", "diffusion", "unclassified", "other map"],
)
def test_a_name_says_no_more_than_is_known(changes: dict[str, object], ending: str) -> None:
    assert name(**changes).endswith(ending)


@pytest.mark.parametrize(
    ("role", "session"),
    [("baseline_ct", "baseline"), ("followup", "followup"), ("other", "other")],
)
def test_the_session_is_the_role_of_the_exam(role: str, session: str) -> None:
    assert f"/ses-{session}/" in name(role=role)


def test_a_sidecar_stands_beside_its_volume() -> None:
    assert sidecar_path(name(), ".bval") == name().replace(".nii.gz", ".bval")
