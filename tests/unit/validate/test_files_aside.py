"""A site learns which exam lacks files and why, once; the finding goes when the images came."""

from __future__ import annotations

import pyarrow as pa
import pytest

from schemas.finding_texts import read_finding_texts
from schemas.package_data import data_contracts_dir
from schemas.records import DELIVERED_STUDY, Finding
from schemas.states import ReasonCode
from schemas.tables.record_tables import table_from_records
from tasks.validate.files_aside import (
    DROPPED,
    FOLDER,
    SAID_OF_FORMS,
    FileFate,
    findings_of_files,
    rule_of,
)
from tasks.validate.store import known_rules

WHO, STUDY = "S91-ABCD2345", "2.25.7"
ORDER = ["b1", "b2", "b3"]


def fate(batch: str, reason: ReasonCode | None, sop_uid: str | None, *, linked: bool) -> FileFate:
    study, who = (STUDY, WHO) if linked else (None, None)
    return FileFate("S91", batch, reason.value if reason else None, sop_uid, study, who)


def found(*fates: FileFate, accepted: tuple[str, ...] = ()) -> list[Finding]:
    return findings_of_files(table(fates), accepted, ORDER)


def table(fates: tuple[FileFate, ...]) -> pa.Table:
    return table_from_records(fates, FileFate, key=["batch_id"])


def test_ten_thousand_files_of_one_exam_are_one_finding_that_counts_them() -> None:
    fates = [fate("b1", ReasonCode.TRUNCATED, f"2.25.{n}", linked=True) for n in range(10_000)]
    (finding,) = found(*fates)
    assert (finding.object_type, finding.object_id) == (DELIVERED_STUDY, f"{WHO}/{STUDY}")
    assert (finding.site_code, finding.observed) == ("S91", "10000 files")


def test_files_of_nobody_knows_which_exam_are_one_finding_of_their_batch() -> None:
    fates = [fate("b1", ReasonCode.EMPTY_FILE, None, linked=False) for _ in range(3)]
    (finding,) = found(*fates)
    assert (finding.object_type, finding.object_id) == ("ingest_batch", "b1")


def test_another_number_of_files_is_the_same_finding() -> None:
    one, more = (
        found(*[fate("b1", ReasonCode.TRUNCATED, str(n), linked=True) for n in range(count)])
        for count in (1, 2)
    )
    assert one[0].finding_id == more[0].finding_id
    # A query keeps the words it was raised with, so no number stands in them.
    assert one[0].message_en == more[0].message_en


def test_the_same_broken_image_delivered_again_counts_once() -> None:
    fates = [fate(batch, ReasonCode.TRUNCATED, "2.25.1", linked=True) for batch in ("b1", "b2")]
    (finding,) = found(*fates)
    assert finding.observed == "1 files"


def test_an_image_that_came_again_and_was_taken_in_is_mended() -> None:
    broken = fate("b1", ReasonCode.TRUNCATED, "2.25.1", linked=True)
    unlinked = fate("b1", ReasonCode.NO_LINKAGE, "2.25.2", linked=False)
    assert len(found(broken, unlinked)) == 2
    assert found(broken, unlinked, accepted=("2.25.1", "2.25.2")) == []


@pytest.mark.parametrize(
    ("later", "mended"),
    [
        ([("b2", None, "1"), ("b2", None, "2"), ("b2", None, "3")], True),
        ([("b2", None, "1"), ("b2", None, "3")], False),
        ([("b2", None, "1"), ("b2", None, "2"), ("b2", ReasonCode.EMPTY_FILE, None)], False),
        ([("b2", None, None)], False),
        ([], False),
    ],
    ids=["whole again", "another part", "the same fault", "forms only", "nothing"],
)
def test_files_of_no_known_exam_are_mended_when_the_export_came_again_whole(
    later: list[tuple[str, ReasonCode | None, str | None]], mended: bool
) -> None:
    first = [
        fate("b1", None, "1", linked=True),
        fate("b1", None, "2", linked=True),
        fate("b1", ReasonCode.EMPTY_FILE, None, linked=False),
    ]
    second = [fate(b, reason, uid, linked=bool(uid)) for b, reason, uid in later]
    left = [one for one in found(*first, *second) if one.object_id == "b1"]
    assert (not left) is mended


def test_a_delivery_of_another_site_mends_nothing() -> None:
    other = FileFate("S92", "b2", None, "1", STUDY, "S92-ABCD2345")
    assert found(fate("b1", ReasonCode.EMPTY_FILE, None, linked=False), other)


def test_a_finding_says_what_was_seen_and_each_thing_once() -> None:
    lost = ReasonCode.DECIDING_ATTRIBUTE_LOST.value
    fates = [
        FileFate("S91", "b1", lost, f"2.25.{n}", STUDY, WHO, seen)
        for n, seen in enumerate(("RescaleSlope", "PixelSpacing, RescaleSlope"))
    ]
    (finding,) = found(*fates)
    assert finding.observed == "2 files: PixelSpacing, RescaleSlope"


def test_an_accepted_image_that_lost_a_time_is_a_finding_of_its_exam() -> None:
    (finding,) = found(FileFate("S91", "b1", None, "2.25.1", STUDY, WHO, "AcquisitionTime"))
    assert (finding.rule_id, finding.observed) == (DROPPED, "1 files: AcquisitionTime")
    assert finding.rule_id in known_rules()


def test_every_reason_has_its_texts_or_is_told_with_the_forms() -> None:
    texts = read_finding_texts(data_contracts_dir() / FOLDER / "findings.yaml")
    said = {reason for reason in ReasonCode if rule_of(reason) in texts}
    assert said | SAID_OF_FORMS == set(ReasonCode)
    assert said.isdisjoint(SAID_OF_FORMS)
    assert {rule_of(reason) for reason in said} <= known_rules()
