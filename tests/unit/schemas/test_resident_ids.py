"""One person's resident ID is one text, however a site keys it."""

from __future__ import annotations

import pytest
from stdnum.cn import ric

from schemas.resident_ids import normalise_resident_id
from schemas.vault.keys import KeyRing

NEW = "11010519491231002X"


@pytest.mark.parametrize(
    "keyed",
    [
        "11010519491231002x",
        " 110105 19491231 002X ",
        "110105-19491231-002X",
        "１１０１０５１９４９１２３１００２Ｘ",
        "110105491231002",
    ],
)
def test_spellings_of_one_number_give_one_token(keyed: str, ring: KeyRing) -> None:
    assert normalise_resident_id(keyed) == NEW
    assert ring.person_token(keyed) == ring.person_token(NEW)


def test_the_check_digit_of_an_old_number_is_the_standards() -> None:
    for serial in range(100, 130):
        assert ric.is_valid(normalise_resident_id(f"110105770706{serial}"))


@pytest.mark.parametrize("other", ["E12345678", "H1234567890", "1101054912310021"])
def test_numbers_of_other_documents_stay(other: str) -> None:
    assert normalise_resident_id(other) == other
