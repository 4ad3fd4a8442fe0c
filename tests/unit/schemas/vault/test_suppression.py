"""The list of withdrawn subjects: keyed, sealed, and complete before it counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import BadInputError
from schemas.vault.keys import KeyRing
from schemas.vault.suppression import (
    SUPPRESSION_LIST,
    Scope,
    Withdrawal,
    erased_among,
    record_withdrawal,
    suppressed_among,
)

RING = KeyRing(bytes(range(32)))
SUBJECT, OTHER = "S91-AAAA2222", "S91-BBBB3333"
LETTER = Withdrawal(scope=Scope.SUPPRESS, reason="letter of Zhang San")
ERASE = Withdrawal(scope=Scope.ERASE, reason="request", document="E-7", by="Li", approved_by="Wang")


def test_a_suppressed_subject_is_known_by_key_and_named_nowhere(tmp_path: Path) -> None:
    record_withdrawal(tmp_path, RING, SUBJECT, LETTER)
    assert suppressed_among(tmp_path, RING, [SUBJECT, OTHER]) == {SUBJECT}
    assert erased_among(tmp_path, RING, [SUBJECT, OTHER]) == frozenset()
    text = (tmp_path / SUPPRESSION_LIST).read_text()
    assert "AAAA2222" not in text
    assert "Zhang" not in text
    assert (tmp_path / SUPPRESSION_LIST).stat().st_mode & 0o077 == 0
    assert not suppressed_among(tmp_path, KeyRing(bytes(32)), [SUBJECT])


def test_the_same_act_twice_is_one_entry_and_erasure_adds_to_suppression(tmp_path: Path) -> None:
    acts = (LETTER, LETTER, ERASE, ERASE, LETTER)
    told = [record_withdrawal(tmp_path, RING, SUBJECT, act) for act in acts]
    assert told == [True, False, True, False, False]
    assert len((tmp_path / SUPPRESSION_LIST).read_text().splitlines()) == 2
    assert erased_among(tmp_path, RING, [SUBJECT]) == {SUBJECT}


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ({"reason": " "}, "no reason"),
        ({"document": ""}, "without a document"),
        ({"approved_by": ""}, "two persons"),
        ({"approved_by": "LI "}, "two persons"),
    ],
)
def test_an_incomplete_erasure_is_refused_and_recorded_nowhere(
    tmp_path: Path, missing: dict[str, str], told: str
) -> None:
    facts = {"reason": "request", "document": "E-7", "by": "Li", "approved_by": "Wang"} | missing
    with pytest.raises(BadInputError, match=told):
        record_withdrawal(tmp_path, RING, SUBJECT, Withdrawal(scope=Scope.ERASE, **facts))
    assert not (tmp_path / SUPPRESSION_LIST).exists()
