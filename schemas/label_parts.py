"""Labels of several parts of a cohort put together. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.records import CohortLabels


def joined_labels(found: Iterable[CohortLabels]) -> CohortLabels:
    """Return the labels of several parts as those of one, in the order of their keys."""
    parts = list(found)
    return CohortLabels(
        series=tuple(
            sorted(
                (one for part in parts for one in part.series),
                key=lambda one: (one.series_uid, one.sub_stack_digest),
            )
        ),
        studies=tuple(
            sorted((one for part in parts for one in part.studies), key=lambda one: one.study_uid)
        ),
        notes=tuple(
            sorted((one for part in parts for one in part.notes), key=lambda one: one.study_uid)
        ),
    )
