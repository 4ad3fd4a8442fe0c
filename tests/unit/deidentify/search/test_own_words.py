"""Ordinary words in headers of staff and places block no release; names and numbers do."""

from __future__ import annotations

import pytest

from tasks.deidentify.identifiers import Identifier, IdentifierKind, SubjectIdentifiers
from tasks.deidentify.search.own_words import is_own_words
from tasks.deidentify.search.residual_scan import Dictionary

WHO = "S91-AAAA2222"


def found(kind: IdentifierKind, value: str, text: str, whose: str | None = None) -> bool:
    person = SubjectIdentifiers(WHO, 700, frozenset([Identifier(kind, value)]))
    return bool(Dictionary([person]).search(text.encode(), whose))


@pytest.mark.parametrize(
    "word", ["System", "standard", "DEFAULT", "Service", "unknown", "Liver", "operator", "Reviewer"]
)
def test_a_word_of_the_software_itself_is_not_searched_for(word: str) -> None:
    assert not found(IdentifierKind.PHYSICIAN, word, f"a {word.lower()} of the release")


@pytest.mark.parametrize("name", ["Zhang Weiming", "wangxiaoming", "李建国"])
def test_a_name_is_no_word_of_ours(name: str) -> None:
    assert not is_own_words(name)
    assert found(IdentifierKind.PHYSICIAN, name, f"read by {name.lower()}.")


def test_a_number_beside_a_word_is_searched_for() -> None:
    assert not is_own_words("System 1391234")
    assert found(IdentifierKind.ADDRESS, "System 1391234", "at system 1391234.")


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (IdentifierKind.NAME, "System^Standard", "system standard"),
        (IdentifierKind.PATIENT_ID, "Reviewer", "reviewer"),
    ],
)
def test_a_patient_called_by_a_word_of_ours_is_told_by_it_in_their_own_data_alone(
    kind: IdentifierKind, value: str, text: str
) -> None:
    assert found(kind, value, text, WHO)
    assert not found(kind, value, text)


def test_the_name_of_a_hospital_is_no_word_of_ours() -> None:
    assert not is_own_words("浙江省人民医院")
