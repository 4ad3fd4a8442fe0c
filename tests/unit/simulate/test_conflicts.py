"""Every kind of conflict: entered wrongly for two nights, mended on the third, and in the key."""

from __future__ import annotations

import pytest

from tasks.simulate.nights import Request, plan_nights
from tasks.simulate.people.conflicts import CONFLICTS


@pytest.mark.parametrize("kind", sorted(CONFLICTS))
def test_a_conflict_leaves_i5_and_e3_open_until_it_is_mended(kind: str) -> None:
    request = Request(sites=1, subjects=1, nights=3, seed=3, faults=(f"conflict_{kind}",))
    nights = [night.eligibility for night in plan_nights(request)]
    found = [
        {
            str(row["effect"])
            for row in rows
            if row["reading"] == "literal" and row["criterion"] in ("I5", "E3")
        }
        for rows in nights
    ]
    assert found == [{"undetermined"}, {"undetermined"}, {"pass"}]


@pytest.mark.parametrize("kind", sorted(CONFLICTS))
def test_forms_differ_from_the_truth_only_until_then(kind: str) -> None:
    faults = (f"conflict_{kind}",)
    request, form = Request(1, 1, 3, 3, faults), CONFLICTS[kind].form

    def written(night: int) -> list[object]:
        export = list(plan_nights(request))[night - 1].export
        return [(a["row_no"], a["field"], a["value"]) for a in export.answers if a["form"] == form]

    assert written(2) != written(3)
