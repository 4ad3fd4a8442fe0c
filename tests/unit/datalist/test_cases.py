"""Who is listed and who is left out: nobody in both, nobody in neither, each with a reason."""

from __future__ import annotations

import pytest

from tasks.datalist.cases import Image, Part, Subject, WhyLeftOut, make_cases

ART, HBP = "MR_T1_ART", "MR_T1_HBP"


def subject(reference: str = "benign", role: str = "phase2_development") -> Subject:
    return Subject("S91-AAAA2222", "S91", reference, role)


def image(label: str, grid: float = 1.0, path: str = "") -> Image:
    return Image("S91-AAAA2222", label, path or f"nifti/{label}.nii.gz", "0" * 64, (grid,))


@pytest.mark.parametrize(
    ("who", "labels", "reason", "detail"),
    [
        (subject(), [ART], WhyLeftOut.LABEL_MISSING, HBP),
        (subject(), [], WhyLeftOut.LABEL_MISSING, f"{ART};{HBP}"),
        (subject(), [ART, HBP, HBP], WhyLeftOut.SEVERAL_VOLUMES_OF_LABEL, HBP),
        (subject("pending"), [ART, HBP], WhyLeftOut.REFERENCE_NOT_DECIDED, "pending"),
        (subject("indeterminate"), [ART, HBP], WhyLeftOut.REFERENCE_NOT_DECIDED, "indeterminate"),
        (subject(role="not_assigned"), [ART, HBP], WhyLeftOut.ROLE_NOT_ASSIGNED, "not_assigned"),
        (subject(role="a new role"), [ART, HBP], WhyLeftOut.ROLE_NOT_ASSIGNED, "a new role"),
    ],
)
def test_a_subject_is_left_out_with_a_reason(
    who: Subject, labels: list[str], reason: WhyLeftOut, detail: str
) -> None:
    images = [image(label, path=f"{number}") for number, label in enumerate(labels)]
    cases = make_cases([who], images, [ART, HBP])
    assert cases.listed == ()
    assert [(one.reason, one.detail) for one in cases.left_out] == [(reason, detail)]


def test_a_subject_without_any_volume_is_left_out_where_no_label_is_asked_for() -> None:
    cases = make_cases([subject()], [], [])
    assert [one.reason for one in cases.left_out] == [WhyLeftOut.LABEL_MISSING]


def test_who_withdrew_since_is_left_out_whatever_else_holds() -> None:
    cases = make_cases([subject()], [image(HBP)], [HBP], withdrawn={"S91-AAAA2222"})
    assert [one.reason for one in cases.left_out] == [WhyLeftOut.CONSENT_WITHDRAWN]


@pytest.mark.parametrize(
    ("role", "part"),
    [
        ("phase2_development", Part.TRAINING),
        ("phase1_validation", Part.TEST),
        ("phase2_validation", Part.TEST),
    ],
)
def test_the_role_in_the_study_says_what_a_case_may_be_used_for(role: str, part: Part) -> None:
    (case,) = make_cases([subject(role=role)], [image(HBP)], [HBP]).listed
    assert case.part is part


def test_a_subject_for_validation_is_not_trained_on_though_unassigned_ones_may_be() -> None:
    (case,) = make_cases(
        [subject(role="phase2_validation")], [image(HBP)], [HBP], unassigned_may_train=True
    ).listed
    assert case.part is Part.TEST


def test_images_come_in_the_order_of_the_channels() -> None:
    (case,) = make_cases([subject()], [image(ART), image(HBP)], [HBP, ART]).listed
    assert [one.label for one in case.images] == [HBP, ART]


def test_a_label_that_was_not_asked_for_is_not_handed_out() -> None:
    (case,) = make_cases([subject()], [image(ART), image(HBP)], [HBP]).listed
    assert [one.label for one in case.images] == [HBP]


@pytest.mark.parametrize(("grids", "same"), [((1.0, 1.0), True), ((1.0, 2.0), False)])
def test_images_of_one_grid_may_be_stacked(grids: tuple[float, float], same: bool) -> None:
    (case,) = make_cases(
        [subject()], [image(ART, grids[0]), image(HBP, grids[1])], [ART, HBP]
    ).listed
    assert case.same_grid is same
