"""A person decides that a word names nobody; without author, day and reason nothing is decided."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import ContractError
from tasks.deidentify.identifiers import Identifier, IdentifierKind, SubjectIdentifiers
from tasks.deidentify.search.store_accepted_words import read_accepted, without_accepted

HEAD = "site,kind,value,decided_by,date,reason\n"
WORD = Identifier(IdentifierKind.PHYSICIAN, "nightdesk")
PERSON = SubjectIdentifiers("S91-AAAA2222", 700, frozenset([WORD]))


def decide(folder: Path, row: str) -> Path:
    path = folder / "accepted_words.csv"
    path.write_text(HEAD + row + "\n")
    return path


def test_an_accepted_word_of_a_site_is_left_out_of_that_site_alone(tmp_path: Path) -> None:
    row = "S91,physician,nightdesk,DM01,2026-11-29,name of a workstation account"
    accepted = read_accepted(decide(tmp_path, row))
    assert without_accepted(PERSON, accepted).identifiers == frozenset()
    other = SubjectIdentifiers("S92-AAAA2222", 700, frozenset([WORD]))
    assert without_accepted(other, accepted).identifiers == {WORD}


def test_without_a_file_nothing_is_accepted(tmp_path: Path) -> None:
    assert read_accepted(tmp_path / "none.csv") == frozenset()


@pytest.mark.parametrize(
    "row",
    [
        "S91,physician,nightdesk,,2026-11-29,name of a workstation account",
        "S91,physician,nightdesk,DM01,,name of a workstation account",
        "S91,physician,nightdesk,DM01,2026-11-29,short",
        "S91,name,nightdesk,DM01,2026-11-29,name of a workstation account",
        "S91,patient_id,12345678,DM01,2026-11-29,it is only a number here",
    ],
)
def test_a_decision_that_is_not_whole_or_not_for_a_person_is_refused(
    tmp_path: Path, row: str
) -> None:
    with pytest.raises(ContractError, match=r"accepted_words\.csv:2") as caught:
        read_accepted(decide(tmp_path, row))
    assert "nightdesk" not in str(caught.value)
