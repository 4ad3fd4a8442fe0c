"""One person who is several subjects is one finding, and nothing else changes."""

from __future__ import annotations

from tasks.eligibility.persons import check_persons

HERE, THERE, ALSO_HERE = "S91-AAAA2222", "S92-BBBB3333", "S91-CCCC4444"


def test_a_person_at_two_sites_is_one_finding_of_the_cohort() -> None:
    (finding,) = check_persons([(THERE, HERE)], {HERE, THERE, ALSO_HERE})
    assert (finding.object_id, finding.observed) == (f"{HERE}/{THERE}", "2")
    assert finding.site_code == ""
    assert "{" not in finding.message_en + finding.message_zh


def test_a_person_twice_at_one_site_is_a_finding_of_that_site() -> None:
    (finding,) = check_persons([(HERE, ALSO_HERE)], {HERE, ALSO_HERE})
    assert finding.site_code == "S91"


def test_two_numbers_of_one_person_are_one_finding() -> None:
    assert len(check_persons([(HERE, THERE), (HERE, THERE)], {HERE, THERE})) == 1


def test_subjects_outside_the_cohort_are_not_named() -> None:
    assert check_persons([(HERE, THERE)], {HERE}) == []
    (finding,) = check_persons([(HERE, THERE, ALSO_HERE)], {HERE, ALSO_HERE})
    assert THERE not in finding.object_id
