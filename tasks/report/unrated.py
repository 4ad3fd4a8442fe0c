"""Which exams of a subject nobody has rated on the full series yet (criterion E2). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tasks.report.messages import chinese, english
from tasks.report.picture_plan import EXAM_ROLES
from tasks.report.tables import QualityRow

#: What the missing rating is called in `missing_evidence`.
RATING_EVIDENCE = "edc.image_quality.rating"
RATED_EXAMS = tuple(EXAM_ROLES)
_DECIDES = "full_series"


def exams_left(ratings: Iterable[QualityRow]) -> dict[str, tuple[str, ...]]:
    """Return the exams left to rate of every subject that has a rating; of others it is all."""
    rated: dict[str, set[str]] = {}
    for one in ratings:
        exams = rated.setdefault(one.subject_id, set())
        if one.viewed == _DECIDES and one.rating:
            exams.add(one.exam)
    return {
        subject: tuple(exam for exam in RATED_EXAMS if exam not in exams)
        for subject, exams in rated.items()
    }


def words_left(words: tuple[str, str], exams: Sequence[str]) -> tuple[str, str]:
    """Return what a missing rating is called, English and Chinese, with the exams it lacks."""
    named = ", ".join(exam.upper() for exam in exams)
    return (
        f"{words[0]} ({english('subject.left_to_rate')} {named})",
        f"{words[1]}（{chinese('subject.left_to_rate')}{named}）",
    )
