"""Across the DICOM hierarchy: what must agree and what must differ."""

from __future__ import annotations

from datetime import date

from pydicom.dataset import Dataset

from schemas.identifiers import RawPatientId
from schemas.vault.keys import KeyRing
from tasks.deidentify.deidentified import DeidentifiedObject
from tasks.deidentify.objects import deidentify_object
from tasks.deidentify.rules.profile import load_profile
from tasks.deidentify.rules.values import read_date
from tests.builders import make_instance, make_series, make_uid, to_bytes
from tests.unit.deidentify.helpers import RING, SITE, anyone, assignment, linkage, written


def values(objects: list[Dataset], *keywords: str) -> list[set[object]]:
    return [{str(o[k].value) for o in objects} for k in keywords]


def sizes(objects: list[Dataset], *keywords: str) -> list[int]:
    return [len(v) for v in values(objects, *keywords)]


def test_one_series_agrees_in_all_but_the_instance() -> None:
    slices = [written(s) for s in make_series(n_slices=4)]
    same = (
        "PatientID",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "FrameOfReferenceUID",
        "StudyDate",
    )
    assert sizes(slices, *same) == [1] * 5
    assert sizes(slices, "SOPInstanceUID", "InstanceNumber") == [4, 4]


def test_one_study_of_two_series_agrees_in_person_and_study_only() -> None:
    pair = [written(make_instance(series=n)) for n in (1, 2)]
    assert sizes(pair, "PatientID", "StudyInstanceUID", "StudyDate") == [1, 1, 1]
    assert sizes(pair, "SeriesInstanceUID", "SOPInstanceUID") == [2, 2]


def test_two_studies_of_one_person_agree_in_person_and_keep_their_distance_in_days() -> None:
    early = written(make_instance(study=1, StudyDate="20240229"))
    late = written(make_instance(study=2, StudyDate="20250306"))
    assert early.PatientID == late.PatientID
    assert early.StudyInstanceUID != late.StudyInstanceUID
    days = [read_date(d.StudyDate) for d in (early, late)]
    assert days[0] is not None
    assert days[1] is not None
    assert days[1] - days[0] == date(2025, 3, 6) - date(2024, 2, 29)


def test_two_persons_differ_in_everything_that_names() -> None:
    pair = [written(make_instance(subject=n)) for n in (1, 2)]
    keys = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    assert sizes(pair, *keys) == [2, 2, 2, 2]


def test_one_person_with_two_patient_ids_is_one_subject_with_one_shift() -> None:
    links = linkage(assignment("LC-001", "IN123456", "OUT98765"))
    results = [
        deidentify_object(
            to_bytes(make_instance(study=n, PatientID=patient_id)),
            load_profile(),
            links.get,
            RING.uid,
        )
        for n, patient_id in enumerate(links, start=1)
    ]
    found = [r.features.record for r in results if isinstance(r, DeidentifiedObject)]
    assert len(found) == 2
    assert len({(f.subject_id, f.study_date) for f in found}) == 1


def test_a_reference_to_another_object_holds_across_files() -> None:
    target = make_instance(instance=1)
    named = Dataset()
    named.CodeValue, named.CodingSchemeDesignator = "88123456", "99SITE"
    named.CodeMeaning = "Zhang Wei"
    item = Dataset()
    item.ReferencedSOPClassUID = target.SOPClassUID
    item.ReferencedSOPInstanceUID = target.SOPInstanceUID
    item.PurposeOfReferenceCodeSequence = [named]
    after = written(make_instance(instance=2, SourceImageSequence=[item]))
    reference = after.SourceImageSequence[0]
    assert reference.ReferencedSOPInstanceUID == written(target).SOPInstanceUID
    assert "PurposeOfReferenceCodeSequence" not in reference


def test_another_key_shares_no_uid_and_no_pseudonym() -> None:
    other = KeyRing(bytes(range(1, 33)))
    uid = make_uid("any")
    assert other.uid(uid) != RING.uid(uid)
    me = anyone(RawPatientId("1"))
    assert other.subject_id(SITE, me.subject_no) != me.subject_id
