"""Forms that contradict themselves, over three nights, agree with the simulator's answer key."""

from __future__ import annotations

import pytest

from schemas.identifiers import SiteCode, SubjectNo
from schemas.vault.keys import KeyRing
from tasks.clinical.merge import merge_batches
from tasks.clinical.reconcile import check_rows
from tasks.eligibility.assemble import assemble_cohort
from tasks.reference.judge import judge_subject
from tasks.simulate.nights import Request, plan_nights
from tasks.simulate.people.conflicts import CONFLICTS
from tests.unit.eligibility.simulated import batch_of_forms, planned_forms, true_labels

SITE = SiteCode("S91")
PLANTED = {one.rule_id for one in CONFLICTS.values()}


@pytest.mark.parametrize("kind", sorted(CONFLICTS))
def test_a_conflict_is_found_and_leaves_every_reading_open_until_it_is_mended(
    ring: KeyRing, kind: str
) -> None:
    request = Request(sites=1, subjects=1, nights=3, seed=5, faults=(f"conflict_{kind}",))
    nights = list(plan_nights(request))
    batches, labels = [], []
    for number, night in enumerate(nights, 1):
        forms = planned_forms(night.export)
        batches.append(batch_of_forms(SITE, night.export.name, forms, PLANTED))
        labels += night.export.labels
        merged = merge_batches(batches, ring)
        cohort = assemble_cohort(merged.rows, true_labels(labels, ring), judge_subject)
        effects = {
            (row["subject_id"], row["reading"], row["criterion_id"]): row["effect"]
            for row in cohort.tables["criterion_result"]
        }
        for one in night.eligibility:
            if one["criterion"] != "status":
                subject = ring.subject_id(SITE, SubjectNo(str(one["subject_no"])))
                assert effects[subject, one["reading"], one["criterion"]] == one["effect"], one
        found = {one.rule_id for one in (*merged.findings, *check_rows(merged.rows))}
        found |= {one.rule_id for one in cohort.findings}
        if number == 2:
            assert CONFLICTS[kind].rule_id in found
        if number == 3:
            assert not found & PLANTED
            assert cohort.tables["subject"][0]["patient_reference"] in ("malignant", "benign")
        else:
            assert cohort.tables["subject"][0]["patient_reference"] in ("pending", "indeterminate")
