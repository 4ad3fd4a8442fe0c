"""One rule for the code of a person, on every desk and in every form."""

from __future__ import annotations

import pytest

from schemas.reviewer_codes import REVIEWER
from tasks.clinical.form_contracts import read_form_contracts


@pytest.mark.parametrize(
    ("form", "name"), [("adjudication", "reader_id"), ("image_quality", "rater_id")]
)
def test_a_form_takes_the_codes_of_the_desk_and_no_others(form: str, name: str) -> None:
    (field,) = [f for f in read_form_contracts()[form].fields if f.name == name]
    assert field.pattern is not None
    assert field.pattern == REVIEWER.pattern
