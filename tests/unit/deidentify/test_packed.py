"""What a worker packs comes back as it was, and takes little while nobody opens it."""

from __future__ import annotations

import pickle
import tracemalloc
from dataclasses import replace
from datetime import date
from typing import Any

import pyarrow as pa

from schemas.dicom.delivered_facts import DeliveredFacts
from schemas.dicom.features import InstanceFeatures
from schemas.identifiers import Sha256, SopUid
from schemas.record_copies import Altered
from schemas.states import FileState, ReasonCode
from tasks.deidentify.gathered import Gathered, facts_table, outcome_records
from tasks.deidentify.identifiers import Identifier, IdentifierKind
from tasks.deidentify.job_records import JobResult
from tasks.deidentify.packed import pack
from tasks.deidentify.settle import settle

WHO = "S91-AAAA2222"


def result(number: int, **features: object) -> JobResult:
    uid = f"2.25.{10**38 + number}"
    known = InstanceFeatures(
        subject_id=WHO,
        study_uid="2.25.1",
        series_uid="2.25.2",
        sop_uid=uid,
        sop_class_uid="1.2",
        image_type=("ORIGINAL", "PRIMARY"),
    )
    return JobResult(
        file_no=number,
        size_bytes=6000,
        source_sha256=Sha256(f"{number:064x}"),
        staged=f"/staging/{number:09d}.part",
        output_sha256=Sha256(f"{number + 1:064x}"),
        pixel_sha256=Sha256(f"{number + 2:064x}"),
        sop_uid=SopUid(uid),
        study_uid="2.25.1",
        subject_id=WHO,
        features=Altered(known, features),
        facts=Altered(
            DeliveredFacts(sop_uid=uid, rescale_slope=1.0, position_lps=(0.0, -0.0, number))
        ),
        counts={"keep": 30, "uid": 4},
        trail=("00080018:uid", "00100010:pseudonym"),
        options=("basic",),
        days=((date(2025, 3, 6), date(2024, 1, 31)),),
        identifiers=frozenset(
            [
                Identifier(IdentifierKind.NAME, "Zhang^Weiming"),
                Identifier(IdentifierKind.UID, f"1.2.840.{number}"),
            ]
        ),
    )


def gathered(*series: list[JobResult]) -> tuple[Gathered, pa.Table]:
    """What a run has of its workers' answers, and where each file ended."""
    known = Gathered()
    # As they come: through a pipe.
    list(known.take_in([pickle.loads(pickle.dumps(pack(one))) for one in series]))
    return known, settle(known.files, known.moved_by)


def told(found: Altered[Any] | None) -> str:
    """Return a record as text: equal numbers of another type or sign are another text."""
    return str(found and found.record)


def test_records_come_back_as_they_were_to_the_sign_of_a_zero() -> None:
    one, two = result(1, echo_time_ms=0.0), result(2, echo_time_ms=-0.0, b_value=1)
    held = JobResult(3, 9, Sha256("0" * 64), ReasonCode.NOT_DICOM, "no preamble")
    known, outcomes = gathered([one, held], [two])
    records = outcome_records(outcomes, known.features, known.facts)
    assert [str(r.features) for r in records] == [told(one.features), told(two.features), "None"]
    assert [str(r.facts) for r in records if r.facts] == [told(one.facts), told(two.facts)]
    by_number = {r.file_no: r for r in records}
    assert by_number[3].state is FileState.QUARANTINED
    assert (by_number[3].reason, by_number[3].detail) == (ReasonCode.NOT_DICOM, "no preamble")
    assert by_number[1].output_sha256 == one.output_sha256
    assert by_number[2].subject_id == WHO


def test_what_files_change_of_a_record_that_they_share_comes_back() -> None:
    first = result(1, echo_time_ms=0.0)
    assert first.features is not None
    shared = first.features.record
    changes: list[dict[str, object]] = [
        {},
        {"echo_time_ms": -0.0},
        {"echo_time_ms": 0.0, "sop_uid": "2.25.7"},
        {"image_type": ()},
    ]
    files = [replace(result(n), features=Altered(shared, c)) for n, c in enumerate(changes)]
    known, outcomes = gathered(files)
    records = outcome_records(outcomes, known.features, known.facts)
    assert [str(r.features) for r in records] == [told(one.features) for one in files]
    uids = [r.features.sop_uid for r in records if r.features is not None]
    assert uids == [shared.sop_uid, shared.sop_uid, "2.25.7", shared.sop_uid]


def test_only_facts_of_what_is_kept_are_told_by_uid() -> None:
    again = replace(result(1), file_no=4, source_sha256=Sha256("f" * 64))
    known, outcomes = gathered([result(2), result(1)], [again])
    table = facts_table(outcomes, known.facts)
    assert table["sop_uid"].to_pylist() == [str(result(n).sop_uid) for n in (1, 2)]
    assert [repr(p[:2]) for p in table["position_lps"].to_pylist()] == ["[0.0, -0.0]"] * 2
    assert facts_table(outcomes.slice(0, 0), []).num_rows == 0


def test_a_file_of_a_series_takes_less_than_a_kilobyte_while_it_waits() -> None:
    series = [[result(100 * s + n) for n in range(64)] for s in range(20)]
    answers = [pickle.dumps(pack(one)) for one in series]
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    known = Gathered()
    people = {
        i
        for answer in answers
        for p in known.take_in([pickle.loads(answer)])
        for i in p.identifiers
    }
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    n_files = 20 * 64
    assert len(people) == n_files + 1
    # What people are called is kept besides, once; all else is columns.
    assert (taken + pa.total_allocated_bytes() - before) / n_files < 1000
