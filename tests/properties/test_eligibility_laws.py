"""Laws of three-valued evaluation, over all combinations and over drawn facts."""

from __future__ import annotations

import datetime as dt
import itertools

from hypothesis import given
from hypothesis import strategies as st

from schemas.protocol import (
    CRITERION_IDS,
    read_evidence,
    read_protocol,
    read_reasons,
)
from schemas.states import Effect
from tasks.eligibility.evaluate import evaluate_facts, roll_up

DAYS = st.dates(dt.date(2024, 1, 1), dt.date(2027, 12, 31))
PRECISIONS = st.sampled_from([4, 7, 10])


def test_the_roll_up_is_kleene_and_on_all_19683_combinations() -> None:
    for effects in itertools.product(Effect, repeat=len(CRITERION_IDS)):
        status = roll_up(dict(zip(CRITERION_IDS, effects, strict=True))).status
        if Effect.FAIL in effects:
            assert status == "ineligible"
        elif Effect.UNDETERMINED in effects:
            assert status == "undetermined"
        else:
            assert status == "eligible"


def optional_date(precision: int, day: dt.date) -> str:
    return day.isoformat()[:precision]


DATES = st.none() | st.builds(optional_date, PRECISIONS, DAYS)
THICKNESSES = st.none() | st.lists(st.none() | st.floats(0, 80), max_size=3)
FLAGS = st.none() | st.booleans()
FACTS = {
    "I1": st.fixed_dictionaries({"birth": DATES, "ct": DATES, "consent": DATES}),
    "I2": st.fixed_dictionaries({"detected_by": st.sampled_from([None, "US", "MRI", "other"])}),
    "I3": st.fixed_dictionaries(
        {"ct": DATES, "ct_received": FLAGS, "ct_contrast_phases": st.none() | st.integers(0, 4)}
    ),
    "I4": st.fixed_dictionaries(
        {
            "ct": DATES,
            "dce": DATES | st.just("none"),
            "eob": DATES | st.just("none"),
            "field_t": st.none() | st.floats(0, 20000),
            "t1_mm": THICKNESSES,
            "t2_mm": THICKNESSES,
            "eob_dynamic": FLAGS,
        }
    ),
    "I5": st.fixed_dictionaries(
        {
            "mri": DATES,
            "mri_later": DATES,
            "path": st.none() | st.just("none"),
            "path_specimen": DATES,
            "path_report": DATES,
            "fu": DATES | st.just("none"),
            "fu_closed": FLAGS,
            "fu_treated": FLAGS,
        }
    ),
    "E1": st.fixed_dictionaries(
        {
            "prior_tx": st.sampled_from([None, "yes", "no"]),
            "prior_tx_date": DATES,
            "ct": DATES,
            "mri": DATES,
            "consent": DATES,
        }
    ),
    "E2": st.fixed_dictionaries({"iq": st.sampled_from([None, "adequate", "inadequate"])}),
    "E3": st.fixed_dictionaries(
        {
            "dx": st.sampled_from([None, "malignant", "benign", "indeterminate"]),
            "route": st.sampled_from([None, "pathology", "followup", "imaging"]),
        }
    ),
    "E4": st.fixed_dictionaries({"inflammatory": st.sampled_from([None, "yes", "no"])}),
}
CASES = st.sampled_from(sorted(FACTS)).flatmap(lambda name: st.tuples(st.just(name), FACTS[name]))


@given(CASES, st.sampled_from([reading.id for reading in read_protocol().readings]))
def test_an_open_verdict_names_what_is_missing_and_a_closed_one_nothing(
    case: tuple[str, dict[str, object]], reading: str
) -> None:
    result = evaluate_facts(*case, reading)
    assert bool(result.missing_evidence) == (result.effect is Effect.UNDETERMINED)
    assert set(result.missing_evidence) <= {item.name for item in read_evidence().values()}
    assert result.reason_code in read_reasons()


@given(CASES)
def test_a_fact_taken_away_never_turns_pass_into_fail_or_fail_into_pass(
    case: tuple[str, dict[str, object]],
) -> None:
    criterion, facts = case
    before = evaluate_facts(criterion, facts).effect
    if before is Effect.UNDETERMINED:
        return
    for key in facts:
        if (key, criterion) == ("ct", "I3") and facts["ct_received"] is False:
            continue  # a CT that the site says was not made, and its date, contradict each other
        if (key, criterion) == ("ct_contrast_phases", "I3") and facts["ct_received"] is False:
            continue  # the same
        if key == "fu" and facts["fu_closed"]:
            continue  # closed without an image is evidence of its own: there is none
        after = evaluate_facts(criterion, facts | {key: None}).effect
        assert after in (before, Effect.UNDETERMINED)


@given(DAYS, DAYS, PRECISIONS, PRECISIONS, st.sampled_from(["I1", "E1", "I5"]))
def test_what_a_partial_date_decides_every_day_in_it_decides_too(
    anchor: dt.date, day: dt.date, anchor_precision: int, day_precision: int, criterion: str
) -> None:
    def verdict(first: str, second: str) -> Effect:
        facts: dict[str, dict[str, object]] = {
            "I1": {"ct": first, "birth": second},
            "E1": {"prior_tx": "yes", "ct": first, "prior_tx_date": second},
            "I5": {"mri": first, "path_specimen": second, "fu": "none"},
        }
        return evaluate_facts(criterion, facts[criterion]).effect

    vague = verdict(anchor.isoformat()[:anchor_precision], day.isoformat()[:day_precision])
    exact = verdict(anchor.isoformat(), day.isoformat())
    assert vague in (exact, Effect.UNDETERMINED)


@given(CASES, st.integers(-400, 400))
def test_day_windows_do_not_change_when_all_dates_move_together(
    case: tuple[str, dict[str, object]], days: int
) -> None:
    _, facts = case
    ct, mri = dt.date(2025, 3, 1), dt.date(2025, 3, 9)
    moved = dt.timedelta(days=days)
    still = {"ct": ct.isoformat(), "dce": mri.isoformat(), "eob": mri.isoformat()}
    shifted = {
        "ct": (ct + moved).isoformat(),
        "dce": (mri + moved).isoformat(),
        "eob": (mri + moved).isoformat(),
    }
    technique = {key: facts.get(key) for key in ("field_t", "t1_mm", "t2_mm")}
    assert (
        evaluate_facts("I4", still | technique).effect
        is evaluate_facts("I4", shifted | technique).effect
    )
