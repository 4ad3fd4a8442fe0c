"""linkage.csv and manifest.csv are read strictly, and errors name the line, never the value."""

from __future__ import annotations

import random

import pytest

from schemas.errors import BadInputError
from tasks.receive.control_files import read_linkage, read_manifest


def test_one_subject_may_have_several_patient_ids() -> None:
    rows = read_linkage(b"study_subject_no,patient_id\nA01,P1\nA01,P2\n")
    assert [(row.subject_no, row.patient_id) for row in rows] == [("A01", "P1"), ("A01", "P2")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_linkage_is_read_in_the_encodings_sites_use(encoding: str) -> None:
    data = "study_subject_no,patient_id,resident_id\nA01,住1,\n".encode(encoding)
    assert read_linkage(data)[0].patient_id == "住1"


def test_a_subject_number_is_keyed_as_the_forms_key_it() -> None:
    data = "study_subject_no,patient_id\nＡ０１ ,P1\n".encode()
    assert read_linkage(data)[0].subject_no == "A01"


def test_one_patient_id_for_two_subjects_is_refused_by_line() -> None:
    with pytest.raises(BadInputError, match="line 3") as caught:
        read_linkage(b"study_subject_no,patient_id\nA01,SECRET\nA02,SECRET\n")
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"patient_id\nP1\n", "study_subject_no is missing"),
        (b"study_subject_no,patient_id\nA01,\n", "line 2"),
        (b"study_subject_no,patient_id\n1.00E+05,P1\n", "line 2"),
        (b"", "study_subject_no is missing"),
        (b"study_subject_no,patient_id\n\xff\xff,1\n", "neither UTF-8 nor GB18030"),
    ],
)
def test_an_unusable_linkage_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(BadInputError, match=told):
        read_linkage(data)


def test_a_manifest_with_a_malformed_hash_is_refused() -> None:
    with pytest.raises(BadInputError, match="line 2"):
        read_manifest(b"path,sha256,bytes\na,123,1\n")


def test_a_spoilt_linkage_or_manifest_is_read_or_refused() -> None:
    noise = random.Random(1)
    linkage = "study_subject_no,patient_id,resident_id\r\nA01,住1,\r\nA02,P2,\r\n".encode("gb18030")
    manifest = f"path,sha256\ndicom/a,{'a' * 64}\n".encode()
    refused = []
    for data, read in ((linkage, read_linkage), (manifest, read_manifest)):
        for _ in range(400):
            raw = bytearray(data)
            for _ in range(noise.randint(1, 10)):
                raw[noise.randrange(len(raw))] = noise.randrange(256)
            try:
                read(bytes(raw[: noise.randint(0, len(raw))]))
            except BadInputError as refusal:
                refused.append(refusal.message)
    assert refused
    assert not [message for message in refused if "P2" in message]
