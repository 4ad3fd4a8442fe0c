"""A reviewer's decision comes back as an override: it shows, it wins, it can grow stale."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schemas.dicom.features import InstanceFeatures
from schemas.errors import ContractError
from tasks.harmonise.exam import label_instances
from tasks.harmonise.findings import label_findings
from tasks.harmonise.overrides import (
    Override,
    make_override,
    parse_overrides,
    render_overrides,
)
from tests.unit.harmonise.exams import series

HEADER = "series_uid,sub_stack_digest,label,author,date,reason\n"


def unnamed(at_s: float = 25, number: int = 1) -> list[InstanceFeatures]:
    return series(number, "t1_vibe_fs_tra", at_s=at_s)


def override_for(part: list[InstanceFeatures], label: str = "MR_T1_ART") -> Override:
    [row] = label_instances(part).series
    return Override(row.series_uid, row.sub_stack_digest, label, "dr.li", "2026-11-20", "seen")


def test_a_decision_gives_the_label_and_shows_author_and_date() -> None:
    part = unnamed()
    decision = override_for(part)
    [row] = label_instances(part, {decision.key: decision}).series
    assert (row.label, row.label_tier) == ("MR_T1_ART", "A")
    assert row.label_evidence == ("OVERRIDE author=dr.li date=2026-11-20",)


def test_a_decision_stands_above_the_name_that_rules_would_follow() -> None:
    part = series(1, "t1_vibe_fs_tra_portal", at_s=25)
    decision = override_for(part)
    [row] = label_instances(part, {decision.key: decision}).series
    assert row.label == "MR_T1_ART"


def test_a_decision_fixes_the_phases_beside_it() -> None:
    decided, beside = unnamed(25, 1), unnamed(180, 2)
    decision = override_for(decided)
    rows = label_instances([*decided, *beside], {decision.key: decision}).series
    assert {row.label for row in rows} == {"MR_T1_ART", "MR_T1_POST"}


def test_a_decision_about_a_series_that_grew_is_a_finding_and_not_applied() -> None:
    part = unnamed()
    decision = override_for(part)
    grown = [*part, replace(part[0], sop_uid="1.2.3.4", position_lps=(0.0, 0.0, 99.0))]
    labels = label_instances(grown, {decision.key: decision})
    [finding] = label_findings(labels, {decision.key: decision})
    assert labels.series[0].label == "UNCLASSIFIED"
    assert (finding.rule_id, finding.site_code) == ("LABEL_OVERRIDE_STALE", "S91")


def test_decisions_in_force_are_no_finding() -> None:
    part = unnamed()
    decision = override_for(part)
    labels = label_instances(part, {decision.key: decision})
    assert label_findings(labels, {decision.key: decision}) == []


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("x,0123456789abcdef,CT_ART,li,2026-11-20,seen", "no series UID"),
        ("1.2.3,0123,CT_ART,li,2026-11-20,seen", "no series UID"),
        ("1.2.3,0123456789abcdef,CT_XXX,li,2026-11-20,seen", "label"),
        ("1.2.3,0123456789abcdef,UNCLASSIFIED,li,2026-11-20,seen", "label"),
        ("1.2.3,0123456789abcdef,CT_ART,,2026-11-20,seen", "author"),
        ("1.2.3,0123456789abcdef,CT_ART,li,20.11.2026,seen", "date"),
        ("1.2.3,0123456789abcdef,CT_ART,li,2026-11-20,", "reason"),
    ],
)
def test_a_decision_without_author_date_or_reason_is_refused_by_line(row: str, reason: str) -> None:
    with pytest.raises(ContractError, match=reason) as caught:
        parse_overrides(f"{HEADER}{row}\n", "d.csv")
    assert caught.value.where == "d.csv:2"


def test_a_file_of_decisions_reads_as_it_was_written() -> None:
    decision = override_for(unnamed())
    assert parse_overrides(render_overrides([decision]), "d.csv") == {decision.key: decision}


def test_whatever_a_reviewer_types_as_reason_can_be_read_back() -> None:
    row = vars(override_for(unnamed())) | {"date": "2026-11-20"}
    decision = make_override(
        row | {"reason": 'late\r\n"arterial",\u200b\ufffd \0seen\t'}, "q.csv:2"
    )
    assert decision.reason == 'late "arterial", seen'
    assert parse_overrides(render_overrides([decision]), "d.csv") == {decision.key: decision}
