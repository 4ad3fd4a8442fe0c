"""Laws of labelling: order and clock mean nothing, every answer has its grounds."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.dicom.features import InstanceFeatures
from tasks.harmonise.exam import label_instances
from tasks.harmonise.vocabulary import read_labels

NAMES = [
    "",
    "t1 vibe fs tra",
    "t1 vibe art",
    "t1 portal",
    "动脉期",
    "t2 tse fs",
    "care bolus",
    "hbp",
]
NUMBERS = st.none() | st.floats(-10, 100_000)


@st.composite
def exams(draw: st.DrawFn) -> list[InstanceFeatures]:
    modality = draw(st.sampled_from(["CT", "MR"]))
    return [
        InstanceFeatures(
            subject_id="S91-AAAAAAAA",
            study_uid="1.2",
            series_uid=f"1.2.{number}",
            sop_uid=f"1.2.{number}.{k}",
            sop_class_uid=None,
            modality=modality,
            acquisition_time_s=draw(st.none() | st.floats(36_000, 38_000)),
            contrast_start_time_s=draw(st.none() | st.floats(35_900, 37_000)),
            scanning_sequence=draw(st.sampled_from([("GR",), ("SE",), ()])),
            mr_acquisition_type="3D",
            repetition_time_ms=draw(NUMBERS),
            echo_time_ms=draw(NUMBERS),
            flip_angle_deg=draw(NUMBERS),
            agent_class=draw(st.sampled_from([None, "gadoxetate", "extracellular", "iodinated"])),
            position_lps=(0.0, 0.0, 3.0 * k),
            orientation_lps=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
            series_description=draw(st.sampled_from(NAMES)),
        )
        for number in range(1, draw(st.integers(2, 5)))
        for k in range(2)
    ]


@given(exams(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_instances_changes_nothing(exam: list[InstanceFeatures], rng) -> None:  # type: ignore[no-untyped-def]  # hypothesis passes a random.Random
    shuffled = list(exam)
    rng.shuffle(shuffled)
    assert label_instances(shuffled) == label_instances(exam)


@given(exams(), st.integers(-6, 6))
@settings(max_examples=40, deadline=None)
def test_the_hour_of_the_day_changes_no_label(exam: list[InstanceFeatures], hours: int) -> None:
    def later(value: float | None) -> float | None:
        return None if value is None else value + 3600.0 * hours if 0 <= 10 + hours <= 22 else value

    moved = [
        replace(
            m,
            acquisition_time_s=later(m.acquisition_time_s),
            contrast_start_time_s=later(m.contrast_start_time_s),
        )
        for m in exam
    ]
    before = [(s.series_uid, s.label) for s in label_instances(exam).series]
    assert [(s.series_uid, s.label) for s in label_instances(moved).series] == before


@given(exams())
@settings(max_examples=40, deadline=None)
def test_every_label_is_of_the_vocabulary_and_has_evidence(exam: list[InstanceFeatures]) -> None:
    for row in label_instances(exam).series:
        assert row.label in read_labels()
        assert row.label == "UNCLASSIFIED" or row.label_evidence
