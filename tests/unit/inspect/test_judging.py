"""What is held follows from what was read, from marks, faces, other persons' pixels, decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from schemas.dicom.features import InstanceFeatures
from schemas.identifiers import Sha256
from schemas.inspection import InspectionOutcome, PixelRow
from schemas.pixel_decisions import Question
from schemas.states import ReasonCode
from schemas.vault.keys import KeyRing
from tasks.inspect.conclude import Conclusion, conclude
from tasks.inspect.faces import FaceFacts, shows_face
from tasks.inspect.plan import Series, job_of, judge, series_of
from tasks.inspect.records import FoundBox, Looked, PixelsOfFile
from tasks.inspect.rules import load_rules
from tasks.inspect.store_worker import joined
from tasks.inspect.words import BoxLooks, Standing, is_body, standing_of, telling

RULES = load_rules()
RING = KeyRing(b"k" * 32)
BOX = FoundBox("minimum", 4, 4, 60, 12, 0.95, of_person=False)


@pytest.mark.parametrize(
    ("text", "confidence", "standing"),
    [
        ("ZHANG WEI", 0.9, Standing.TEXT),
        ("张伟明", 0.9, Standing.TEXT),
        ("00482913", 0.85, Standing.TEXT),
        ("ZHANG WEI", 0.7, Standing.NOTHING),
        ("R", 0.99, Standing.NOTHING),
        ("RA", 0.99, Standing.MARK),
        ("10cm", 0.99, Standing.MARK),
        ("W:400 L:-40", 0.9, Standing.MARK),
        ("120kV", 0.9, Standing.MARK),
        ("RA ZHANG", 0.9, Standing.TEXT),
        ("LI", 0.9, Standing.TEXT),
        ("000", 0.99, Standing.NOTHING),
        ("李李", 0.99, Standing.TEXT),
    ],
)
def test_a_reading_is_text_unless_it_is_a_mark_or_too_little(
    text: str, confidence: float, standing: Standing
) -> None:
    assert standing_of(text, confidence, RULES, frozenset()) is standing


def test_a_long_line_that_is_badly_read_is_text_all_the_same() -> None:
    assert standing_of("2月0204日2", 0.55, RULES, (), aspect=5.0) is Standing.TEXT
    assert standing_of("2月0204日2", 0.55, RULES, (), aspect=2.0) is Standing.NOTHING
    assert standing_of("2月0204日2", 0.25, RULES, (), aspect=5.0) is Standing.NOTHING
    assert standing_of("coeoGoe", 0.48, RULES, (), aspect=5.5) is Standing.NOTHING
    assert standing_of("EEEETEEE", 0.6, RULES, (), aspect=5.0) is Standing.NOTHING


def test_few_characters_and_tall_boxes_need_more_confidence() -> None:
    assert standing_of("30", 0.82, RULES, ()) is Standing.NOTHING
    assert standing_of("30", 0.90, RULES, ()) is Standing.TEXT
    assert standing_of("30", 0.90, RULES, (), share=0.4) is Standing.NOTHING
    assert standing_of("3049", 0.82, RULES, ()) is Standing.TEXT
    assert standing_of("建国", 0.75, RULES, ()) is Standing.TEXT
    assert standing_of("国3", 0.75, RULES, ()) is Standing.NOTHING
    assert standing_of("30", 0.6, RULES, telling({"30", "30abc"})) is Standing.NOTHING


def test_a_box_as_high_as_the_body_holds_no_few_letters_but_the_persons_own() -> None:
    assert standing_of("Po", 0.96, RULES, (), share=0.59) is Standing.NOTHING
    assert standing_of("Po", 0.96, RULES, (), share=0.49) is Standing.TEXT
    assert standing_of("王丽华", 0.96, RULES, (), share=0.59) is Standing.TEXT
    assert standing_of("ZHOU", 0.96, RULES, (), share=0.59) is Standing.TEXT
    assert standing_of("张伟", 0.96, RULES, telling({"张伟"}), share=0.59) is Standing.PERSON


@pytest.mark.parametrize(
    ("aspect", "share", "still", "read"),
    [
        (1.2, 0.59, 0.0, False),
        (1.4, 0.59, 0.0, True),
        (1.2, 0.49, 0.0, True),
        (1.0, 0.59, 0.2, True),
    ],
    ids=["a body", "room for two of Han", "no body", "one of Han that stands still"],
)
def test_only_a_box_of_the_body_in_which_nothing_could_count_is_not_read(
    aspect: float, share: float, still: float, read: bool
) -> None:
    assert is_body(BoxLooks(aspect, share, still), RULES) is not read


def test_a_persons_own_word_is_believed_sooner_and_beats_a_mark() -> None:
    words = telling({"ZHANG WEI", "张伟明", "t1ra", "00482913"})
    assert standing_of("zhangwe1", 0.55, RULES, words) is Standing.PERSON
    assert standing_of("某张伟明某", 0.55, RULES, words) is Standing.PERSON
    assert standing_of("O0482913", 0.55, RULES, words) is Standing.PERSON
    assert standing_of("zhangwei", 0.4, RULES, words) is Standing.NOTHING
    assert standing_of("T1 RA", 0.9, RULES, words) is Standing.PERSON
    assert standing_of("T1 RA", 0.9, RULES, frozenset()) is Standing.MARK


def test_one_character_of_the_persons_own_name_that_stands_still_is_the_person() -> None:
    words = telling({"张伟明", "复旦大学附属中山医院"})
    assert standing_of("伟", 0.7, RULES, words, still=0.2) is Standing.PERSON
    assert standing_of("伟", 0.5, RULES, words, still=0.2) is Standing.NOTHING
    assert standing_of("伟", 0.9, RULES, words) is Standing.NOTHING
    assert standing_of("山", 0.9, RULES, words, still=0.2) is Standing.NOTHING
    assert standing_of("行", 0.9, RULES, words, still=0.2) is Standing.NOTHING


def test_two_digits_that_stand_still_need_as_much_as_others_and_two_of_han_less() -> None:
    assert standing_of("13", 0.83, RULES, (), still=0.25) is Standing.NOTHING
    assert standing_of("王芳", 0.83, RULES, (), still=0.25) is Standing.TEXT
    assert standing_of("hbpaa", 0.44, RULES, (), aspect=4.6, still=0.36) is Standing.NOTHING


def _member(
    number: int, series: str = "9", subject: str = "S91-A", **other: object
) -> InstanceFeatures:
    return InstanceFeatures(
        subject_id=subject,
        study_uid="1",
        series_uid=series,
        sop_uid=f"{series}.{number}",
        sop_class_uid="1.2",
        modality="CT",
        bits_allocated=16,
        image_type=("ORIGINAL", "PRIMARY"),
        instance_number=number,
        **other,  # type: ignore[arg-type]
    )


def _looked(series: Series, *boxes: FoundBox, marks: int = 0, content: str = "") -> Looked:
    pixels = tuple(
        PixelsOfFile(uid, Sha256(f"{content or uid}{n}"), tells_apart=True)
        for n, uid in enumerate(series.uids)
    )
    return Looked(boxes, marks, 3, 0, 256, 256, pixels)


ONE = series_of([_member(2), _member(1)])[0]


def test_images_of_a_series_are_ordered_by_their_number() -> None:
    assert ONE.uids == ("9.1", "9.2")


@pytest.mark.parametrize(
    ("looked", "outcome", "reason"),
    [
        (_looked(ONE), InspectionOutcome.CLEAN, None),
        (_looked(ONE, marks=2), InspectionOutcome.ANNOTATION, None),
        (_looked(ONE, BOX), InspectionOutcome.HELD, ReasonCode.TEXT_IN_PIXELS),
        (_looked(ONE, BOX, marks=1), InspectionOutcome.HELD, ReasonCode.TEXT_IN_PIXELS),
        (None, InspectionOutcome.HELD, ReasonCode.PIXELS_NOT_INSPECTED),
    ],
)
def test_text_holds_marks_do_not_and_what_nobody_saw_is_held(
    looked: Looked | None, outcome: InspectionOutcome, reason: ReasonCode | None
) -> None:
    judged = judge(ONE, looked, RULES, {})
    assert (judged.outcome, judged.reason) == (outcome, reason)


def test_a_box_of_a_decided_image_does_not_hide_what_stands_there_in_an_undecided_one() -> None:
    decided, new = (FoundBox(uid, 4, 4, 60, 12, 0.9, of_person=False) for uid in ("9.1", "9.2"))
    (box,) = joined([replace(decided, confidence=0.99), new])
    assert box.seen_in == "9.1"
    part = {"9.1": (Question.TEXT,)}
    assert judge(ONE, _looked(ONE, decided), RULES, part).reason is None
    assert judge(ONE, _looked(ONE, box), RULES, part).reason is ReasonCode.TEXT_IN_PIXELS


def test_a_series_is_decided_only_when_every_image_was() -> None:
    part = {"9.1": (Question.TEXT,)}
    whole = {**part, "9.2": (Question.TEXT,)}
    assert judge(ONE, _looked(ONE, BOX), RULES, part).reason is ReasonCode.TEXT_IN_PIXELS
    assert judge(ONE, _looked(ONE, BOX), RULES, whole).outcome is InspectionOutcome.DECIDED
    assert judge(ONE, None, RULES, whole).outcome is InspectionOutcome.DECIDED


def test_an_answer_about_text_is_none_about_a_face() -> None:
    head = series_of([_member(1, body_part="HEAD")])[0]
    settled = {"9.1": (Question.TEXT,)}
    assert judge(head, _looked(head), RULES, settled).reason is ReasonCode.FACE_IN_VIEW
    settled = {"9.1": (Question.FACE,)}
    assert judge(head, _looked(head), RULES, settled).outcome is InspectionOutcome.DECIDED


@pytest.mark.parametrize(
    ("facts", "face"),
    [
        (FaceFacts("CT", ("ABDOMEN",), 400.0, 0), False),
        (FaceFacts("CT", ("CHESTABDPELVIS",), 700.0, 2), False),
        (FaceFacts("CT", ("ABDOMEN",), 950.0, 0), True),
        (FaceFacts("MR", ("LIVER",), 200.0, 9), True),
        (FaceFacts("MR", ("HEAD",), 100.0, 0), True),
        (FaceFacts("MR", (), 950.0, 0), False),
    ],
)
def test_a_face_is_told_by_body_part_length_or_sections(facts: FaceFacts, face: bool) -> None:
    assert shows_face(facts, RULES) is face


@pytest.mark.parametrize(
    ("other", "every"),
    [
        ({}, False),
        ({"bits_allocated": 8}, True),
        ({"image_type": ("DERIVED", "PRIMARY")}, True),
        ({"image_type": ("ORIGINAL", "SECONDARY")}, True),
    ],
)
def test_derived_secondary_and_8_bit_images_are_looked_at_one_by_one(
    other: Mapping[str, object], every: bool
) -> None:
    from dataclasses import replace
    from pathlib import Path

    member = replace(_member(1), **other)  # type: ignore[arg-type]
    job = job_of(series_of([member])[0], lambda _: Path("x"), lambda _: 1)
    assert job.every_frame is every


def _concluded(
    series: list[Series],
    looked: list[Looked | None],
    settled: Mapping[str, tuple[Question, ...]],
    known: list[PixelRow],
) -> Conclusion:
    names = {uid: Sha256(f"file-{uid}") for one in series for uid in one.uids}
    return conclude(
        series, looked, RULES, ring=RING, settled=settled, name_of=names,
        known=lambda digests: [row for row in known if row.digest in digests],
    )  # fmt: skip


def test_the_listing_says_where_and_never_what() -> None:
    seen = FoundBox("9.2", 4, 4, 60, 12, 0.95, of_person=True)
    found = _concluded([ONE], [_looked(ONE, seen)], {}, [])
    (held,) = found.inspected.held
    assert held.files == ("file-9.1", "file-9.2")
    assert held.boxes[0].view == "file-9.2"
    assert held.boxes[0].box.width == 60
    assert found.inspected.pixels == ()
    again = _concluded([ONE], [_looked(ONE, seen)], {}, [])
    assert again.inspected.held[0].hold_id == held.hold_id


TWO = series_of([_member(1, "8", "S91-B"), _member(2, "8", "S91-B")])[0]


def test_pixels_of_two_subjects_of_a_batch_hold_both() -> None:
    series = [TWO, ONE]
    looked: list[Looked | None] = [_looked(one, content="same") for one in series]
    found = _concluded(series, looked, {}, [])
    assert dict(found.reason_of_series) == dict.fromkeys(
        ("8", "9"), ReasonCode.SAME_PIXELS_AS_OTHER_SUBJECT
    )


def test_the_same_pixels_of_one_subject_hold_nothing() -> None:
    again = series_of([_member(1, "8"), _member(2, "8")])[0]
    looked: list[Looked | None] = [_looked(one, content="same") for one in (again, ONE)]
    assert _concluded([again, ONE], looked, {}, []).reason_of_series == {}


def test_pixels_of_an_earlier_batch_hold_both_until_a_person_says_yes() -> None:
    first = _concluded([TWO], [_looked(TWO, content="same")], {}, [])
    known = list(first.inspected.pixels)
    assert len(known) == 2
    second = _concluded([ONE], [_looked(ONE, content="same")], {}, known)
    assert set(second.held_before) == {"8.1", "8.2"}
    assert second.reason_of_series["9"] is ReasonCode.SAME_PIXELS_AS_OTHER_SUBJECT
    yes = dict.fromkeys(ONE.uids, (Question.PERSON,))
    third = _concluded([ONE], [_looked(ONE, content="same")], yes, known)
    assert third.held_before == {}
    assert third.inspected.lifted == ("8.1", "8.2")
    assert third.inspected.rows[0].outcome is InspectionOutcome.DECIDED
