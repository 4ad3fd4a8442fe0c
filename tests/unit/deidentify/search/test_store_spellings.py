"""How names are spelled is looked up in a process that ends, and asked for in this one."""

from __future__ import annotations

import pytest

from tasks.deidentify.identifiers import Identifier, IdentifierKind, SubjectIdentifiers
from tasks.deidentify.search import name_forms
from tasks.deidentify.search.name_forms import full_names, initials, know_spellings
from tasks.deidentify.search.store_spellings import learn_spellings

PERSON = SubjectIdentifiers(
    "S91-A",
    0,
    frozenset(
        {
            Identifier(IdentifierKind.NAME, "Zeng^Li=曾^丽"),
            Identifier(IdentifierKind.PHYSICIAN, "重庆生"),
            Identifier(IdentifierKind.HOSPITAL, "协和医院"),
        }
    ),
)


def test_names_are_written_as_if_they_were_looked_up_here(monkeypatch: pytest.MonkeyPatch) -> None:
    know_spellings({})
    names = [("曾", "丽"), ("重庆生",)]
    here = [(full_names(parts), initials(parts)) for parts in names]
    learn_spellings([PERSON])

    def looked_up(name: str) -> name_forms.Spelling:
        raise AssertionError(f"{len(name)} characters were looked up here")

    monkeypatch.setattr(name_forms, "_looked_up", looked_up)
    assert [(full_names(parts), initials(parts)) for parts in names] == here
    # Of no other batch, and of no other kind.
    learn_spellings([])
    for parts in (*names, ("协和医院",)):
        with pytest.raises(AssertionError):
            full_names(parts)
