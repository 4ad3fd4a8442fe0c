"""The tables of the de-identification profile: sound, documented, and strict enough."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import pytest
from pydicom.datadict import private_dictionary_VR

from schemas.errors import ContractError
from schemas.package_data import data_contracts_dir
from tasks.deidentify.rules.profile import (
    Action,
    Option,
    PrivateRule,
    Profile,
    Rule,
    load_profile,
    read_profile,
)
from tasks.deidentify.rules.rules_markdown import render_rules_markdown

ROOT = Path(__file__).parents[2]
REQUIRED = ROOT / "tests" / "golden" / "ps3_15_required_strength.csv"

#: What each basic action of table E.1-1 demands, as the actions of ours that are as strict.
#: X removed, Z empty or dummy, D dummy, U mapped; a choice (X/Z) may be met by any of them.
_AS_STRICT = {
    "X": frozenset[Action](),
    "Z": frozenset({Action.EMPTY, Action.PSEUDONYM, Action.STUDY, Action.KEYED}),
    "D": frozenset({Action.PSEUDONYM, Action.STUDY, Action.KEYED}),
    "U": frozenset({Action.UID}),
    "U*": frozenset({Action.UID, Action.SEQUENCE}),
}
#: Under which option of ours a weaker action is allowed, and where the table must say so.
_OPTION_COLUMN = {
    Option.DATES: ("dates", frozenset({Action.DATE, Action.TIME})),
    Option.DESCRIPTORS: ("descriptors", frozenset({Action.DESCRIPTOR})),
    Option.PATIENT: ("patient", frozenset({Action.KEEP, Action.AGE})),
}


#: Texts that stay only when the whole of them is a number in a fixed form.
_CLEANED_BY_CONTRACT = frozenset({"ImageComments"})


def required_rows() -> list[dict[str, str]]:
    with REQUIRED.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def rules_for(profile: Profile, tag: str) -> list[Rule]:
    pattern = re.compile(tag.replace(",", "").replace("x", "[0-9A-F]"))
    return [r for r in profile.all_rules() if pattern.fullmatch(f"{r.tag:08X}")]


def text_rules(profile: Profile) -> list[Rule | PrivateRule]:
    rules: list[Rule | PrivateRule] = [*profile.all_rules(), *profile.all_private_rules()]
    return [r for r in rules if r.vr in ("LO", "SH", "CS") and r.contract.accepts_values]


def is_emptied(rule: Rule) -> bool:
    """A sequence of whose items nothing is allowed is written without items."""
    return rule.action is Action.SEQUENCE and not load_profile().rules.get(rule.items_place)


def is_strict_enough(rule: Rule, row: dict[str, str]) -> bool:
    ways = row["basic"].split("/")
    if any(rule.action in _AS_STRICT[way] for way in ways):
        return True
    if "Z" in ways and is_emptied(rule):
        return True
    column, actions = _OPTION_COLUMN.get(rule.option, ("", frozenset()))
    if rule.keyword in _CLEANED_BY_CONTRACT and row["descriptors"]:
        return rule.action is Action.KEEP and rule.contract.text.startswith("regex:b=")
    return bool(column and row[column] and rule.action in actions)


def test_private_rules_that_name_the_private_dictionary_have_its_vr() -> None:
    named = [r for r in load_profile().all_private_rules() if "dictionary of pydicom" in r.source]
    stated = [private_dictionary_VR(r.group << 16 | 0x1000 | r.element, r.creator) for r in named]
    assert stated == [r.vr for r in named]
    assert len(named) > 30


def test_the_profile_is_at_least_as_strict_as_the_basic_profile_and_our_options() -> None:
    rows = required_rows()
    assert len(rows) > 600
    weaker = [
        (row["tag"], rule.action)
        for row in rows
        if row["tag"][:4].isalnum() and not row["tag"].startswith("gggg")
        for rule in rules_for(load_profile(), row["tag"])
        if not is_strict_enough(rule, row)
        # Marks of de-identification are written anew, never carried over.
        and rule.action is not Action.FIXED
    ]
    assert weaker == []


def test_dates_and_times_of_the_table_that_we_keep_are_all_under_the_dates_option() -> None:
    kept = [r for r in load_profile().all_rules() if r.vr in ("DA", "DT", "TM")]
    assert {r.option for r in kept if r.action is not Action.EMPTY} == {Option.DATES}


def test_no_rule_keeps_a_persons_name_or_free_text() -> None:
    names = [r for r in load_profile().all_rules() if r.vr in ("PN", "LT", "ST", "UT", "AE")]
    free = [r for r in names if r.keyword not in _CLEANED_BY_CONTRACT]
    assert {r.action for r in free} <= {Action.EMPTY, Action.PSEUDONYM}


def test_no_text_contract_lets_an_eight_digit_number_through() -> None:
    profile = load_profile()
    texts = text_rules(profile)
    assert len(texts) > 20
    loose = [r for r in texts if r.contract.accepts(r.vr, "1-n", b"88123456 ", little=True)]
    assert loose == []
    assert [n for n, words in profile.word_lists.items() if words.has("88123456")] == []


@pytest.mark.parametrize("name", ["ZHANG", "WEIMING", "Li Wei", "WANGFANG", "Zhang^Wei", "张伟"])
def test_no_text_contract_lets_a_name_through(name: str) -> None:
    profile = load_profile()
    texts = text_rules(profile)
    raw = name.encode()
    assert [r for r in texts if r.contract.accepts(r.vr, "1-n", raw, little=True)] == []
    assert [n for n, words in profile.word_lists.items() if words.has(name)] == []


def test_the_manual_contains_the_rules_in_force() -> None:
    manual = (ROOT / "docs" / "deidentification.md").read_text(encoding="utf-8")
    assert render_rules_markdown() in manual


@pytest.mark.parametrize(
    ("table", "found", "put", "why"),
    [
        ("profile.csv", "PatientSex,,keep", "PatientSexy,,keep", "different attributes"),
        ("profile.csv", "PatientSex,,keep", "PatientSex,,preserve", "not a valid Action"),
        ("profile.csv", "PatientSex,,keep", "PatientSex,,remove", "without a rule"),
        ("profile.csv", "enum:M|F|O", "", "needs a contract"),
        ("profile.csv", "enum:M|F|O", "anything:goes", "unknown kind"),
        ("profile.csv", "enum:M|F|O", "range:5..1", "lo..hi"),
        ("profile.csv", "enum:M|F|O", "words:nowhere", "no word list"),
        ("profile.csv", "Subgroup of the analysis,PS3.15 E.3.7", ",PS3.15 E.3.7", "reason"),
        ("profile.csv", "PatientSex,,keep", "PatientSex,NoSequence,keep", "not allowed itself"),
        ("private_attributes.csv", "ELSCINT1,01F1,26", "ELSCINT1,01F0,26", "odd group"),
        ("private_attributes.csv", "ELSCINT1,01F1,26", "ELSCINT1,01F1,27", "stands twice"),
        ("private_attributes.csv", "range:0..20,", "range:0..20,,", "cells"),
        ("words.csv", "device,words", "device,wordz", "neither words nor pattern"),
    ],
)
def test_a_bad_row_is_refused_by_file_and_reason(
    tmp_path: Path, table: str, found: str, put: str, why: str
) -> None:
    shutil.copytree(data_contracts_dir() / "deidentification", tmp_path / "tables")
    path = tmp_path / "tables" / table
    text = path.read_text(encoding="utf-8")
    assert found in text
    path.write_text(text.replace(found, put, 1), encoding="utf-8")
    with pytest.raises(ContractError, match=re.escape(why)) as refusal:
        read_profile(tmp_path / "tables")
    assert table in str(refusal.value)
