"""Whom a hit keeps out: never the sites that did not write the word, always whose data hold it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.deidentify.identifiers import IdentifierKind as K
from tasks.deidentify.search.hits import ScanHit, judge_hits, telling_hits

A, B, C, D = "S91-AAAA2222", "S91-BBBB2222", "S92-CCCC2222", "S93-DDDD2222"
EVERYBODY = {A, B, C, D}
FILE = Path("README.md")


def hit(kind: K, of: str, where: str = "", *, one_word: bool = False) -> ScanHit:
    return ScanHit(FILE, kind, of, where, one_word)


@pytest.mark.parametrize("kind", list(K))
def test_what_stands_in_a_persons_own_row_keeps_that_person_out(kind: K) -> None:
    assert judge_hits([hit(kind, A, A)], EVERYBODY).hold == {A}


@pytest.mark.parametrize("kind", list(K))
def test_a_word_of_one_in_the_row_of_another_of_the_site_keeps_both_out(kind: K) -> None:
    assert judge_hits([hit(kind, A, B, one_word=True)], EVERYBODY).hold == {A, B}


@pytest.mark.parametrize("kind", [K.NAME, K.PATIENT_ID, K.PHYSICIAN])
def test_a_name_that_wandered_to_another_site_keeps_both_out(kind: K) -> None:
    assert judge_hits([hit(kind, A, C)], EVERYBODY).hold == {A, C}


@pytest.mark.parametrize("kind", [K.NAME, K.PHYSICIAN, K.HOSPITAL])
def test_one_word_of_one_site_never_keeps_others_out(kind: K) -> None:
    hits = [hit(kind, A, C, one_word=True), hit(kind, A, "", one_word=True)]
    assert judge_hits(hits, EVERYBODY).hold == {A}
    assert judge_hits(hits, EVERYBODY - {A}).is_clean


def test_words_of_the_trade_of_one_site_never_keep_many_others_out() -> None:
    hits = [hit(K.HOSPITAL, A, C), hit(K.HOSPITAL, A, D)]
    assert judge_hits(hits, EVERYBODY).hold == {A}


def test_what_still_holds_a_word_of_somebody_who_is_outside_has_it_from_elsewhere() -> None:
    assert judge_hits([hit(K.NAME, A)], EVERYBODY).hold == {A}
    assert judge_hits([hit(K.NAME, A)], EVERYBODY - {A}).is_clean
    assert telling_hits([hit(K.NAME, A)], EVERYBODY - {A}) == []


def test_a_number_by_its_form_alone_stops_everything_or_keeps_out_whose_row_it_is() -> None:
    assert judge_hits([hit(K.PHONE, "", C)], EVERYBODY).hold == {C}
    stopped = judge_hits([hit(K.PHONE, "")], EVERYBODY)
    assert (stopped.hold, len(stopped.stop)) == (frozenset(), 1)
    assert not stopped.is_clean
    assert telling_hits([hit(K.PHONE, "")], EVERYBODY) == [hit(K.PHONE, "")]


def test_it_ends_since_each_search_keeps_somebody_more_out() -> None:
    hits = [hit(K.NAME, A, B), hit(K.PHYSICIAN, C, ""), hit(K.HOSPITAL, D, C)]
    inside, rounds = set(EVERYBODY), 0
    while not (
        judged := judge_hits([h for h in hits if h.whose in inside | {""}], inside)
    ).is_clean:
        assert judged.hold
        inside -= judged.hold
        rounds += 1
    assert rounds <= len(EVERYBODY)
