"""What a reviewer says limits an exam is published as sorted codes."""

from __future__ import annotations

from tasks.eligibility.published import image_quality_rows
from tests.unit.eligibility.cohort import record, row


def test_reasons_of_a_rating_are_published_sorted_and_none_is_an_empty_list() -> None:
    rows = [
        row("image_quality", exam="ct", reasons="noise motion"),
        row("image_quality", exam="mri"),
    ]
    published = {one["exam"]: one["reasons"] for one in image_quality_rows(record(rows))}
    assert published == {"ct": ["motion", "noise"], "mri": []}
