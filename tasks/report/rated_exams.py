"""The exams that are rated: which there are, what their pages show, which comes next. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from schemas.run.atomic_files import canonical_json, sha256_of_bytes
from tasks.report.picture_plan import EXAM_ROLES
from tasks.report.subject_view import SeriesView, SubjectView, rating_series


def exam_rows(subjects: Iterable[SubjectView]) -> Iterable[tuple[str, str, int, int]]:
    """Yield subject, exam, number of series, and readers of the full series so far."""
    for view in subjects:
        for exam in view.rated_exams:
            readers = {
                one.rater_id
                for one in view.ratings
                if one.exam == exam and one.viewed == "full_series"
            }
            n_series = len(rating_series(view.exams, exam))
            yield view.subject.subject_id, exam, n_series, len(readers)


def rated_exams(subjects: Iterable[SubjectView]) -> Iterable[tuple[str, dict[str, Any]]]:
    """Yield `subject/exam` and which images its page shows: their hash, frames per series."""
    for view in subjects:
        for exam in EXAM_ROLES:
            series = rating_series(view.exams, exam)
            if series:
                yield (
                    f"{view.subject.subject_id}/{exam}",
                    {
                        "exam_sha256": exam_sha256(series),
                        "frames": {
                            one.series.sub_stack_digest: one.pictures.n_frames
                            for one in series
                            if one.pictures
                        },
                    },
                )


def exam_sha256(series: Iterable[SeriesView]) -> str:
    """Return the hash of the images of an exam; reduced volumes are none of what is rated."""
    shown = {one.series.sub_stack_digest: one.pictures.sheets for one in series if one.pictures}
    return sha256_of_bytes(canonical_json(shown))


def next_exams(exams: Iterable[str]) -> dict[str, str]:
    """Return the page of the exam to rate after each, in the order of subjects."""
    pages = [exam.replace("/", "_") for exam in exams]
    return dict(pairwise(pages))
