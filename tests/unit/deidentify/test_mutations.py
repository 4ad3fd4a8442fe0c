"""However a deciding attribute is written: the same result, held by its name, or a finding."""

from __future__ import annotations

import pytest

from tests.unit.deidentify.mutations import (
    FINDING,
    HELD,
    SAME,
    Mutation,
    mutations,
    numeric_rows,
    outcome_of,
)

EVERY = list(mutations())


def test_every_deciding_attribute_of_numbers_has_a_place() -> None:
    assert {m.row.keyword for m in EVERY} >= {
        r.keyword for r in numeric_rows() if not r.keyword.startswith("DiffusionBValue")
    } - {"NominalCardiacTriggerDelayTime", "RealWorldValueSlope", "RealWorldValueIntercept"} - {
        *("DimensionIndexValues", "TemporalPositionTimeOffset")
    }


@pytest.mark.parametrize("keyword", sorted({m.row.keyword for m in EVERY}))
@pytest.mark.filterwarnings("ignore::UserWarning")  # odd values are the point
def test_nothing_that_decides_is_lost_in_silence(keyword: str) -> None:
    outcomes = {str(m): outcome_of(m) for m in EVERY if m.row.keyword == keyword}
    assert {name for name, o in outcomes.items() if o not in (SAME, HELD, FINDING)} == set()


def readable(mutation: Mutation) -> bool:
    return bool(mutation.numbers) and mutation.place != "no creator"


@pytest.mark.parametrize("form", sorted({m.form for m in EVERY if readable(m)}))
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_reads_in_one_way_only_is_kept(form: str) -> None:
    wanted = ("RescaleIntercept", "PixelSpacing", "EchoTime", "SiemensBValue", "UihBValue")
    kept = [m for m in EVERY if m.form == form and readable(m) and m.row.keyword in wanted]
    assert {str(m): outcome_of(m) for m in kept} == {str(m): SAME for m in kept}
