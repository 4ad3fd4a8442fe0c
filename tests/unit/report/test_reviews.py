"""A review is believed only as far as it can be checked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.clinical_rows import Missing
from schemas.errors import BadInputError
from schemas.identifiers import SubjectId
from tasks.report.rating_rows import rating_rows
from tasks.report.reviews import (
    FORMAT,
    Imported,
    RatedExam,
    Rating,
    SignOff,
    checksum,
    ratings_in_force,
    read_review,
    viewed_as,
)

HASH = "a" * 64


def review(kind: str = "image_quality", **changes: Any) -> dict[str, Any]:
    contents: dict[str, dict[str, Any]] = {
        "image_quality": {
            "subject_id": "S91-7PTUFKAO",
            "exam": "ct",
            "exam_sha256": HASH,
            "assessable": True,
            "series": [{"series": "d1", "n_frames": 20, "n_seen": 20}],
        },
        "sign_off": {"decision": "accepted", "comment": "好 \u2028 \x7f"},
    }
    facts = {
        "format": FORMAT,
        "kind": kind,
        "run": "release-1.1.0",
        "report_sha256": HASH,
        "reviewer": "QC01",
        "made_on": "2026-11-23",
        "content": contents[kind],
    } | changes
    return facts | {"sha256": checksum(facts)}


def reseal(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the review with a checksum that fits: what somebody with a program could send."""
    return facts | {"sha256": checksum(facts)}


def as_bytes(facts: dict[str, Any]) -> bytes:
    return json.dumps(facts, ensure_ascii=False).encode()


def test_both_kinds_are_read() -> None:
    assert isinstance(read_review(as_bytes(review())).content, Rating)
    assert read_review(as_bytes(review("sign_off"))).content == SignOff(
        "accepted", "好 \u2028 \x7f"
    )


def test_the_way_the_file_is_laid_out_changes_nothing() -> None:
    facts = review()
    turned = dict(reversed(facts.items()))
    assert read_review(json.dumps(turned, indent=3).encode()) == read_review(as_bytes(facts))


@pytest.mark.parametrize(
    "change",
    [
        {"reviewer": "QC02"},
        {"report_sha256": "b" * 64},
        {"made_on": "2026-11-24"},
        {"content": review()["content"] | {"assessable": False}},
    ],
)
def test_a_change_after_the_making_is_seen(change: dict[str, Any]) -> None:
    with pytest.raises(BadInputError, match="changed after it was made"):
        read_review(as_bytes(review() | change))


@pytest.mark.parametrize(
    "facts",
    [
        review(run="../../etc"),
        review(run="release-1.1.0/.."),
        review(reviewer="Dr Li"),
        review(reviewer="ZHANGWEI"),
        review(report_sha256="short"),
        review(made_on="yesterday"),
        review(content={}),
        review(content=review()["content"] | {"exam": "pet"}),
        review(content=review()["content"] | {"assessable": "yes"}),
        review(content=review()["content"] | {"series": [{"series": "d1"}]}),
        review("sign_off", content={"decision": "maybe", "comment": ""}),
        review("sign_off", content={"decision": "accepted", "comment": "x" * 3000}),
        review(content=review("sign_off")["content"]),
        review(content=review()["content"] | {"reasons": ["the patient moved"]}),
        review(content=review()["content"] | {"reasons": ["motion", "motion"]}),
        review(content=review()["content"] | {"comment": "x" * 3000}),
        reseal(review("sign_off") | {"kind": "something"}),
    ],
)
def test_a_review_that_says_something_impossible_is_refused_without_being_quoted(
    facts: dict[str, Any],
) -> None:
    with pytest.raises(BadInputError) as refusal:
        read_review(as_bytes(facts))
    assert "Dr Li" not in str(refusal.value)


def test_reasons_and_a_comment_may_be_given_and_reasons_reach_the_form() -> None:
    """Pages of earlier reports ask for neither; their ratings are read all the same."""
    content = review()["content"] | {"reasons": ["noise", "motion"], "comment": "呼吸"}
    taken_in = Imported(read_review(as_bytes(review(content=content))), "full_series", new=False)
    assert isinstance(taken_in.review.content, Rating)
    assert taken_in.review.content.comment == "呼吸"
    (row,) = rating_rows(
        ratings_in_force([taken_in]),
        [],
        {"S91-7PTUFKAO": "batch1"},
        lambda _site: {SubjectId("S91-7PTUFKAO"): 77},
    )
    assert row.values["reasons"] == "motion noise"
    assert "呼吸" not in str(row.values)


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"\xff\xfe", b"x" * 2_000_000])
def test_a_file_that_is_no_review_is_refused(data: bytes) -> None:
    with pytest.raises(BadInputError):
        read_review(data)


def rating(n_seen: int = 20, series: str = "d1", n_frames: int = 20) -> Rating:
    content = review()["content"] | {
        "series": [{"series": series, "n_frames": n_frames, "n_seen": n_seen}]
    }
    found = read_review(as_bytes(review(content=content))).content
    assert isinstance(found, Rating)
    return found


def test_only_every_slice_of_every_series_is_the_full_series() -> None:
    exam = RatedExam(HASH, {"d1": 20})
    assert viewed_as(rating(20), exam) == "full_series"
    assert viewed_as(rating(19), exam) == "mosaic"


@pytest.mark.parametrize(
    ("given", "exam"),
    [
        (rating(), RatedExam(HASH, {"d1": 20, "d2": 20})),
        (rating(series="d9"), RatedExam(HASH, {"d1": 20})),
        (rating(n_seen=10, n_frames=10), RatedExam(HASH, {"d1": 20})),
        (rating(n_seen=21), RatedExam(HASH, {"d1": 20})),
        (rating(), RatedExam("b" * 64, {"d1": 20})),
    ],
)
def test_a_rating_must_fit_the_exam_its_report_showed(given: Rating, exam: RatedExam) -> None:
    with pytest.raises(BadInputError):
        viewed_as(given, exam)


def taken(day: str, *, assessable: bool, reviewer: str = "QC01") -> Imported:
    content = review()["content"] | {"assessable": assessable}
    facts = review(made_on=day, content=content, reviewer=reviewer)
    return Imported(read_review(as_bytes(facts)), "full_series", new=False)


def test_the_newest_rating_of_each_reviewer_is_in_force() -> None:
    kept = ratings_in_force(
        [
            taken("2026-11-20", assessable=True),
            taken("2026-11-21", assessable=False),
            taken("2026-11-21", assessable=True, reviewer="QC02"),
        ]
    )
    assert [(one.review.reviewer, one.rating.assessable) for one in kept] == [
        ("QC01", False),
        ("QC02", True),
    ]


def test_a_rating_becomes_a_row_of_the_form_without_the_day_it_was_made() -> None:
    """Beside a shifted day the real one would give the shift away."""
    kept = ratings_in_force([taken("2026-11-20", assessable=False)])
    (row,) = rating_rows(
        kept, [], {"S91-7PTUFKAO": "batch1"}, lambda _site: {SubjectId("S91-7PTUFKAO"): 77}
    )
    assert row.form == "image_quality"
    assert row.values["rating"] == "inadequate"
    assert row.values["viewed"] == "full_series"
    assert row.values["rated_on"] is Missing.NOT_ENTERED
    assert (row.batch_id, row.shift_days) == ("batch1", 77)


def test_a_rating_of_a_subject_who_is_not_in_the_cohort_has_no_row() -> None:
    kept = ratings_in_force([taken("2026-11-20", assessable=True)])
    assert rating_rows(kept, [], {}, lambda _site: {}) == []
