"""Ratings made in a report as rows of the image quality form, so that E2 reads both alike."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence

from schemas.clinical_rows import ClinicalRow, Missing
from schemas.identifiers import BatchId, SiteCode, SubjectId, SubjectNo
from tasks.report.reviews import KeptRating

_FORM = "image_quality"


def rating_rows(
    ratings: Sequence[KeptRating],
    clinical: Iterable[ClinicalRow],
    batch_of_subject: Mapping[str, str],
    shift_days_of: Callable[[SiteCode], Mapping[SubjectId, int]],
) -> list[ClinicalRow]:
    """Return one row per rating in force; a subject that is not in the cohort has none.

    The day of the rating stays out of the row: beside a shifted one it would tell by how
    many days this person's dates were moved.

    Parameters
    ----------
    ratings : sequence of KeptRating
        The newest of each reviewer on each exam.
    clinical : iterable of ClinicalRow
        The rows of the forms, for the number and shift of each person.
    batch_of_subject : mapping of subject_id to batch_id
        The batch that first brought images of a subject: what was rated came with it.
    shift_days_of : callable
        Shifts of a site's subjects, for those of whom only images came.
    """
    known = {str(row.subject_id): row for row in clinical if row.enrolled}
    rows = []
    for review, rating, viewed in ratings:
        batch = batch_of_subject.get(rating.subject_id)
        if batch is None:
            continue
        site = SiteCode(rating.subject_id.split("-", 1)[0])
        person = known.get(rating.subject_id)
        shift = person.shift_days if person else shift_days_of(site)[SubjectId(rating.subject_id)]
        rows.append(
            ClinicalRow(
                form=_FORM,
                site=site,
                subject_no=person.subject_no if person else SubjectNo(""),
                subject_id=SubjectId(rating.subject_id),
                enrolled=True,
                shift_days=shift,
                key=(rating.exam, review.reviewer, review.made_on.isoformat()),
                values={
                    "exam": rating.exam,
                    "rating": "adequate" if rating.assessable else "inadequate",
                    "reasons": " ".join(rating.reasons) or Missing.NOT_ENTERED,
                    "viewed": viewed,
                    "rater_id": review.reviewer,
                    "rated_on": Missing.NOT_ENTERED,
                    "adjudication": Missing.NOT_ENTERED,
                },
                export_as_of=dt.date.min,
                batch_id=BatchId(batch),
                source_sha256=review.sha256,
                content_digest=review.sha256,
            )
        )
    return rows
