"""Of an object that is set aside, the mapped UIDs and the pseudonym are known, nothing else."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom import Dataset

from schemas.identifiers import RawPatientId, SiteCode, SubjectId, SubjectNo
from schemas.records import SubjectAssignment
from tasks.deidentify.whose import Whose, whose_object
from tests.builders import make_instance

PERSON = SubjectAssignment(
    SiteCode("S91"), SubjectId("S91-ABCD2345"), SubjectNo("1"), (RawPatientId("P1"),), 3
)


def assign(patient_id: RawPatientId) -> SubjectAssignment | None:
    return PERSON if patient_id == "P1" else None


def map_uid(uid: str) -> str:
    return f"mapped {uid}"


def data_of(dataset: Dataset) -> bytes:
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def whose(data: bytes) -> Whose:
    return whose_object(data, assign, map_uid)


def test_a_file_cut_in_its_pixels_still_says_whose_exam_it_is() -> None:
    made = make_instance(PatientID="P1")
    data = data_of(made)
    told = whose(data[: len(data) - 100])
    assert told.subject_id == PERSON.subject_id
    assert told.study_uid == f"mapped {made.StudyInstanceUID}"
    assert told.sop_uid == f"mapped {made.SOPInstanceUID}"


def test_of_a_person_without_linkage_only_the_object_is_known() -> None:
    told = whose(data_of(make_instance(PatientID="somebody")))
    assert told.sop_uid is not None
    assert (told.study_uid, told.subject_id) == (None, None)


@pytest.mark.parametrize("data", [b"", b"an error report", b"\0" * 128 + b"DICM\x08"])
def test_of_what_is_no_dicom_nothing_is_known(data: bytes) -> None:
    assert whose(data) == Whose()
