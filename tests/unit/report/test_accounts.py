"""The account of the files: every delivered file stands in one state."""

from __future__ import annotations

from tasks.report.accounts import sites_off, sum_files, sum_reasons
from tasks.report.model import BatchAccount


def batch(site: str = "S91", n_files: int = 10, **counts: int) -> BatchAccount:
    return BatchAccount(site, f"{site}{n_files}", n_files, counts)


def test_the_states_of_all_batches_sum_to_the_files_delivered() -> None:
    total = sum_files(
        [batch(accepted=7, quarantined=3), batch(n_files=4, duplicate=1, clinical=2, control=1)]
    )
    assert (total.n_batches, total.n_files, total.accounted, total.adds_up) == (2, 14, 14, True)


def test_every_state_is_shown_even_when_it_is_empty() -> None:
    assert [name for name, _ in sum_files([]).counts] == [
        *("accepted", "quarantined", "duplicate", "clinical", "control")
    ]


def test_a_file_in_an_unknown_state_is_a_gap() -> None:
    assert sum_files([batch(accepted=9, lost=1)]).gap == 1


def test_two_errors_of_opposite_sign_do_not_cancel() -> None:
    too_many, too_few = batch(accepted=11), batch(accepted=9)
    assert sum_files([too_many, too_few]).gap == 0
    assert sites_off([too_many, too_few]) == ("S91",)


def test_only_the_sites_that_are_off_are_named() -> None:
    assert sites_off([batch("S92", accepted=10), batch("S93", accepted=8)]) == ("S93",)


def test_reasons_are_summed_and_the_most_frequent_comes_first() -> None:
    one = BatchAccount("S91", "a", 3, {}, {"TRUNCATED": 1, "NOT_DICOM": 2})
    two = BatchAccount("S91", "b", 3, {}, {"TRUNCATED": 3})
    assert sum_reasons([one, two]) == (("TRUNCATED", 4), ("NOT_DICOM", 2))
