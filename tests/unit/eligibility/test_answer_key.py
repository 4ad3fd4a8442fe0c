"""Forms of simulated sites, read and judged, agree with the simulator's answer key."""

from __future__ import annotations

import pyarrow as pa
import pytest

from schemas.identifiers import SiteCode, SubjectNo
from schemas.protocol import read_protocol
from schemas.vault.keys import KeyRing
from tasks.clinical.merge import merge_batches
from tasks.eligibility.assemble import assemble_cohort
from tasks.publish.checks import check_flow
from tasks.reference.judge import judge_subject
from tasks.simulate.nights import Request, plan_nights
from tasks.simulate.people.stories import STORIES
from tests.unit.eligibility.simulated import batch_of_forms, planned_forms, true_labels


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_nights", "faults"), [(1, ()), (2, ()), (2, ("incremental_forms", "late_edc_form"))]
)
def test_nine_sites_with_their_formats_give_the_true_verdicts_and_a_flow_that_closes(
    ring: KeyRing, n_nights: int, faults: tuple[str, ...]
) -> None:
    request = Request(sites=9, subjects=6, nights=2, seed=7, faults=faults)
    nights = [night for night in plan_nights(request) if night.export.night <= n_nights]
    merged = merge_batches(
        [
            batch_of_forms(
                SiteCode(n.export.hospital.code), f"{n.export.night}", planned_forms(n.export)
            )
            for n in nights
        ],
        ring,
    )
    labels = [row for night in nights for row in night.export.labels]
    found = assemble_cohort(merged.rows, true_labels(labels, ring), judge_subject).tables
    effects = {
        (r["subject_id"], r["reading"], r["criterion_id"]): r["effect"]
        for r in found["criterion_result"]
    } | {(r["subject_id"], r["reading"], "status"): r["status"] for r in found["eligibility"]}
    truth = [row for night in nights if night.export.night == n_nights for row in night.eligibility]
    assert len(truth) == 9 * 6 * len(read_protocol().readings) * 10
    for one in truth:
        subject = ring.subject_id(SiteCode(str(one["site"])), SubjectNo(str(one["subject_no"])))
        assert effects[subject, one["reading"], one["criterion"]] == one["effect"], one
    table = pa.Table.from_pylist(found["stard_flow"])
    assert len(set(table["reading"].to_pylist())) == len(read_protocol().readings)
    assert check_flow(table) == []


@pytest.mark.slow
def test_every_story_at_a_limit_gets_its_true_verdict(ring: KeyRing) -> None:
    request = Request(sites=1, subjects=len(STORIES), nights=2, seed=5, faults=())
    nights = list(plan_nights(request))
    site = SiteCode("S91")
    batches = [batch_of_forms(site, n.export.name, planned_forms(n.export)) for n in nights]
    labels = [row for night in nights for row in night.export.labels]
    merged = merge_batches(batches, ring)
    found = assemble_cohort(merged.rows, true_labels(labels, ring), judge_subject).tables
    effects = {
        (r["subject_id"], r["reading"], r["criterion_id"]): r["effect"]
        for r in found["criterion_result"]
    }
    differing = []
    for one in nights[-1].eligibility:
        subject = ring.subject_id(site, SubjectNo(str(one["subject_no"])))
        key = (subject, one["reading"], one["criterion"])
        if one["criterion"] != "status" and effects.get(key) != one["effect"]:
            differing.append((one["story"], *key[1:], one["effect"], effects.get(key)))
    assert differing == [], "\n".join(map(str, differing))
