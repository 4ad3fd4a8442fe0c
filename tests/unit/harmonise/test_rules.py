"""A rule file with an error is refused by file, line and reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.errors import ContractError
from tasks.harmonise.matching import build_matcher, check_examples
from tasks.harmonise.rules import (
    RULES_VERSION,
    RuleSet,
    mapping_version,
    parse_rules,
    require_unique_ids,
)

GOOD = """\
rules:
  - id: PHASE-X
    priority: 10
    facet: contrast_phase
    vote: art
    words: [arterial]
    positive: [Arterial]
    negative: [Venous]
    reason: a test
    source: a test
"""


def test_a_good_file_is_read() -> None:
    [rule] = parse_rules(GOOD, "x.yaml")
    assert (rule.rule_id, rule.words, rule.where) == ("PHASE-X", (("arterial",),), "x.yaml:2")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("    reason: a test\n", "", "without reason"),
        ("vote: art", "vote: arterial", "facet or vote"),
        ("facet: contrast_phase", "facet: phase", "facet or vote"),
        ("words: [arterial]", "words: [Arterial Phase]", "no cleaned text contains"),
        ("words: [arterial]", "words: [zhang]", "no cleaned text contains"),
        ("words: [arterial]", "words: arterial", "not a list"),
        ("words: [arterial]", "seconds: [5, 1]", "closed range"),
        ("words: [arterial]", "word: [arterial]", "unknown keys word"),
        ("    words: [arterial]\n", "", "no matcher"),
        ("words: [arterial]", "numeric: {tesla: [1, 2]}", "unknown header field"),
        ("words: [arterial]", "numeric: {echo_time_ms: long}", "in no known form"),
    ],
)
def test_a_bad_rule_is_refused_with_file_line_and_reason(old: str, new: str, reason: str) -> None:
    with pytest.raises(ContractError, match=reason) as caught:
        parse_rules(GOOD.replace(old, new), "x.yaml")
    assert caught.value.where == "x.yaml:2"


@pytest.mark.parametrize("text", ["rules: [", "- 1", "rules: 3"])
def test_a_file_that_is_no_rule_file_is_refused(text: str) -> None:
    with pytest.raises(ContractError):
        parse_rules(text, "x.yaml")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("positive: [Arterial]", "positive: [Venous]"),
        ("negative: [Venous]", "negative: [AX arterial]"),
        ("positive: [Arterial]", "positive: [3]"),
    ],
)
def test_a_rule_that_fails_its_own_examples_is_refused(old: str, new: str) -> None:
    rule_set = RuleSet(tuple(parse_rules(GOOD.replace(old, new), "x.yaml")), "")
    with pytest.raises(ContractError) as caught:
        check_examples(rule_set, build_matcher(rule_set))
    assert caught.value.where == "x.yaml:2"


def test_two_rules_of_one_id_are_refused() -> None:
    with pytest.raises(ContractError, match="stands twice"):
        require_unique_ids(parse_rules(GOOD, "x.yaml") * 2)


def test_the_version_changes_with_any_byte_of_a_table_but_not_with_line_ends(
    tmp_path: Path,
) -> None:
    table = tmp_path / "t.csv"
    versions = []
    for content in (b"a,b\n", b"a,b\r\n", b"a,c\n"):
        table.write_bytes(content)
        versions.append(mapping_version([table]))
    assert versions[0] == versions[1] != versions[2]
    assert versions[0].startswith(f"{RULES_VERSION}+")
