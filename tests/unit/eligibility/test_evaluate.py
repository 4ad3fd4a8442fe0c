"""From facts to one status per subject; what nobody decided is undetermined."""

from __future__ import annotations

import pytest

from schemas.errors import BadInputError
from schemas.protocol import CRITERION_IDS, read_evidence, read_reasons
from schemas.states import Effect
from tasks.eligibility.evaluate import evaluate_facts, roll_up

ALL_PASS = dict.fromkeys(CRITERION_IDS, Effect.PASS)


def test_all_nine_passed_is_eligible() -> None:
    total = roll_up(ALL_PASS)
    assert (total.status, total.n_criteria) == ("eligible", 9)


def test_a_criterion_without_a_row_is_undetermined() -> None:
    total = roll_up({name: Effect.PASS for name in CRITERION_IDS if name != "E2"})
    assert (total.status, total.all_undetermined, total.n_criteria) == ("undetermined", ("E2",), 8)


def test_no_rows_at_all_is_undetermined() -> None:
    assert roll_up({}).status == "undetermined"


def test_one_failure_outweighs_everything_unknown_and_the_registered_order_names_it() -> None:
    total = roll_up({"E1": Effect.FAIL, "I4": Effect.FAIL})
    assert total.status == "ineligible"
    assert (total.first_failing_criterion, total.all_failing) == ("I4", ("I4", "E1"))


@pytest.mark.parametrize("criterion", CRITERION_IDS)
def test_without_facts_every_criterion_is_undetermined_and_names_what_is_missing(
    criterion: str,
) -> None:
    result = evaluate_facts(criterion, {})
    assert result.effect is Effect.UNDETERMINED
    assert result.missing_evidence
    assert set(result.missing_evidence) <= {item.name for item in read_evidence().values()}
    assert result.reason_code in read_reasons()
    assert result.decision_ids


@pytest.mark.parametrize(
    ("criterion", "facts"),
    [
        ("I9", {}),
        ("I1", {"brith": "2000"}),
        ("I1", {"birth": "6 March 2000"}),
        ("I1", {"birth": 2000}),
        ("I2", {"detected_by": "PET"}),
        ("I4", {"t1_mm": 5}),
        ("I4", {"t1_mm": ["5"]}),
        ("I4", {"field_t": True}),
        ("I4", {"field_t": float("nan")}),
        ("I5", {"fu_closed": "yes"}),
    ],
)
def test_a_fact_that_is_not_of_the_format_is_refused_and_not_quoted(
    criterion: str, facts: dict[str, object]
) -> None:
    with pytest.raises(BadInputError) as refusal:
        evaluate_facts(criterion, facts)
    assert "March" not in str(refusal.value)
    assert "PET" not in str(refusal.value)


@pytest.mark.parametrize("blank", [None, "", "UK", "NA"])
def test_null_and_the_missing_codes_mean_not_recorded(blank: object) -> None:
    assert evaluate_facts("E1", {"prior_tx": blank}).effect is Effect.UNDETERMINED
