"""Law of labelling texts: what is indexed, remembered and cut gives what plain reading gives."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.dicom import descriptors
from schemas.dicom.contrast_agents import read_agent_table
from schemas.dicom.descriptor_vocabulary import read_vocabulary
from tasks.harmonise.decide import decide
from tasks.harmonise.matching import _B_VALUE, _time_of, stated_delays_s
from tasks.harmonise.reconstruction import BODY, kernel_class_of_words
from tasks.harmonise.rules import Phrase, Rule, read_rules
from tasks.harmonise.text import _CT_PHASES, StringLabel, label_string
from tasks.harmonise.vocabulary import UNCLASSIFIED
from tasks.harmonise.votes import Facets, Vote, resolve

_NAMES = Path(__file__).parents[1] / "golden" / "series_names.csv"
_WORDS = st.sampled_from(sorted(read_vocabulary().words))
_OTHERS = st.sampled_from(
    [
        *("5mm", "2.5mm", "70s", "3min", "20min", "30s", "150s", "b800", "b50", "te90", "3t"),
        *("1.5t", "b30f", "3phase", "ph2", "+c", "c+", "primovist", "gd", "eob", "dtpa"),
        *("np300", "碘海醇", "普美显", "zhang", "张"),
    ]
)
_TEXTS = st.lists(
    st.tuples(st.one_of(_WORDS, _OTHERS), st.sampled_from([" ", " ", "_", "-", ""])), max_size=7
).map(lambda pieces: "".join(word + separator for word, separator in pieces))


def _plain_label(text: str, modality: str) -> StringLabel:
    """Return the label by the definition of a rule, one rule after the other."""
    words = _plain_words(text)
    votes = [
        Vote(rule.rule_id, rule.facet, rule.vote, rule.priority, "SeriesDescription", matched)
        for rule in read_rules().rules
        if rule.is_text_rule and not rule.vendors and not rule.sites
        if not rule.modalities or modality in rule.modalities
        if not rule.with_any or any(_at(p, words) for p in rule.with_any)
        if not any(_at(p, words) for p in rule.unless)
        if not (rule.unless_seconds and any(_says(w, rule.unless_seconds, "s") for w in words))
        for matched in _matched(rule, words)
    ]
    decision = decide(modality or None, resolve(votes), Facets())
    cleaned = " ".join(words)
    if decision.label in _CT_PHASES and kernel_class_of_words(cleaned) not in (BODY, None):
        evidence = (*decision.evidence, "KERNEL SeriesDescription")
        return StringLabel(UNCLASSIFIED, "X", evidence)
    return StringLabel(decision.label, decision.tier, decision.evidence)


def _plain_words(text: str) -> list[str]:
    while True:
        whole = descriptors._words_of_part(descriptors._normalise(text))
        words = descriptors._without_initials(list(whole))
        if " ".join(words) == text:
            return words
        text = " ".join(words)


def _matched(rule: Rule, words: list[str]) -> list[str]:
    found = ["_".join(phrase) for phrase in rule.words for _ in _at(phrase, words)]
    if rule.seconds is not None:
        found += [word for word in words if _says(word, rule.seconds, "")]
    if rule.several_delays and len(stated_delays_s(words)) > 1:
        found.append("delays")
    if rule.b_value:
        found += [word for word in words if _B_VALUE.fullmatch(word)]
    text = " ".join(words)
    agents = {kind for pattern, kind in read_agent_table() if pattern.search(text)}
    if rule.agent is not None and agents == {rule.agent}:
        found.append(rule.agent)
    return found


def _at(phrase: Phrase, words: list[str]) -> list[int]:
    size = len(phrase)
    return [i for i in range(len(words) - size + 1) if tuple(words[i : i + size]) == phrase]


def _says(word: str, limits: tuple[float, float], unit: str) -> bool:
    time_s = _time_of(word)
    return word.endswith(unit) and time_s is not None and limits[0] <= time_s <= limits[1]


@given(_TEXTS, st.sampled_from(["CT", "MR", ""]))
@settings(max_examples=1000, deadline=None)
def test_a_made_text_gets_the_label_of_plain_reading(text: str, modality: str) -> None:
    assert label_string(text, "", modality) == _plain_label(text, modality)


def test_real_names_with_other_numbers_get_the_label_of_plain_reading() -> None:
    with _NAMES.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for row in rows:
        for suffix in ("", " 5mm", "_70s", " 3 min", " b800", "_te90"):
            text = row["description"] + suffix
            assert label_string(text, "", row["modality"]) == _plain_label(text, row["modality"])


@pytest.mark.parametrize("synonym", ["np300", "gd eob dtpa", "Gd-DTPA", "碘海醇"])
def test_an_agent_of_several_words_or_with_digits_is_found_among_numbers(synonym: str) -> None:
    text = f"3phase {synonym} 5mm abdomen"
    assert label_string(text, "", "CT") == _plain_label(text, "CT")
