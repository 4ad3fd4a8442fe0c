"""Every shipped table of labels is tried on the day it is added."""

from __future__ import annotations

import pytest

from schemas.dicom.descriptors import clean_descriptor
from schemas.package_data import data_contracts_dir
from tasks.harmonise.decide import CT_PHASE_LABELS, MR_PHASE_LABELS
from tasks.harmonise.matching import build_matcher, check_examples
from tasks.harmonise.rules import RuleSet, parse_rules, read_rules, rule_files
from tasks.harmonise.vocabulary import read_labels, read_phase_windows

FOLDER = data_contracts_dir() / "sequence_labels"


@pytest.mark.parametrize("path", rule_files(FOLDER), ids=lambda path: path.name)
def test_a_rule_file_passes_its_own_examples(path) -> None:  # type: ignore[no-untyped-def]  # pytest passes the Path
    rules = tuple(parse_rules(path.read_text(encoding="utf-8"), path.name))
    rule_set = RuleSet(rules, "")
    check_examples(rule_set, build_matcher(rule_set))
    assert rules


def test_rule_ids_are_unique_and_every_rule_gives_reason_and_source() -> None:
    rules = read_rules().rules
    assert len({rule.rule_id for rule in rules}) == len(rules)
    assert all(rule.reason and rule.source for rule in rules)


def test_every_label_a_decision_can_give_is_of_the_vocabulary() -> None:
    votes = {rule.vote for rule in read_rules().rules if rule.facet == "exclusion"}
    assert votes | set(CT_PHASE_LABELS.values()) | set(MR_PHASE_LABELS.values()) <= set(
        read_labels()
    )


def test_the_vocabulary_has_thirty_four_labels_and_unclassified() -> None:
    assert len(read_labels()) == 35
    assert "UNCLASSIFIED" in read_labels()


def test_limits_are_those_of_the_protocol() -> None:
    limits = {label.label: label.thickness_limit_mm for label in read_labels().values()}
    assert {limits[f"MR_T1_{p}"] for p in ("PRE", "ART", "PVP", "DEL", "TRANS", "HBP")} == {5.0}
    assert (limits["MR_T2"], limits["MR_T2_FS"], limits["MR_MRCP"]) == (8.0, 8.0, None)


def test_every_phase_of_the_dynamic_has_a_window() -> None:
    windows = read_phase_windows()
    assert {p for m, p, _ in windows if m == "MR"} == {"pre", "art", "pvp", "late", "hbp"}
    assert {p for m, p, _ in windows if m == "CT"} == {"pre", "art", "pvp", "late"}


def test_every_phrase_of_a_rule_is_its_own_cleaned_form() -> None:
    for rule in read_rules().rules:
        for phrase in (*rule.words, *rule.with_any, *rule.unless):
            assert clean_descriptor(" ".join(phrase)) == " ".join(phrase)
