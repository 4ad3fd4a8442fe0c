"""What the tests of this stage share: one way to run an object, and one to deliver files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from schemas.identifiers import RawPatientId, SiteCode, SubjectId, SubjectNo
from schemas.records import DeliveredFile, FileKind, FileOutcome, SubjectAssignment
from schemas.run.atomic_files import sha256_of_file
from schemas.states import ReasonCode
from schemas.vault.keys import KeyRing
from tasks.deidentify.deidentified import DeidentifiedObject
from tasks.deidentify.objects import deidentify_object
from tasks.deidentify.plan.refusal import Refusal
from tasks.deidentify.rules.profile import load_profile
from tasks.deidentify.store import deidentify_batch
from tests.builders import to_bytes

SITE = SiteCode("S91")
SHIFT_DAYS = 400
RING = KeyRing(bytes(range(32)))


def assignment(
    subject_no: str, *patient_ids: str, shift_days: int = SHIFT_DAYS, site: SiteCode = SITE
) -> SubjectAssignment:
    return SubjectAssignment(
        site=site,
        subject_id=RING.subject_id(site, SubjectNo(subject_no)),
        subject_no=SubjectNo(subject_no),
        patient_ids=tuple(RawPatientId(p) for p in patient_ids),
        shift_days=shift_days,
    )


def linkage(*subjects: SubjectAssignment) -> dict[RawPatientId, SubjectAssignment]:
    return {patient_id: subject for subject in subjects for patient_id in subject.patient_ids}


def anyone(patient_id: RawPatientId) -> SubjectAssignment:
    return assignment(patient_id, patient_id)


def run(data: Dataset | bytes) -> DeidentifiedObject | ReasonCode:
    raw = data if isinstance(data, bytes) else to_bytes(data)
    done = deidentify_object(raw, load_profile(), anyone, RING.uid)
    return done.reason if isinstance(done, Refusal) else done


def refusal(data: Dataset | bytes) -> Refusal:
    """The reason and the detail of an object that is set aside."""
    raw = data if isinstance(data, bytes) else to_bytes(data)
    done = deidentify_object(raw, load_profile(), anyone, RING.uid)
    assert isinstance(done, Refusal)
    return done


def accepted(data: Dataset | bytes) -> DeidentifiedObject:
    result = run(data)
    assert isinstance(result, DeidentifiedObject), refusal(data)
    return result


def written(data: Dataset | bytes) -> Dataset:
    return dcmread(BytesIO(accepted(data).output))


def written_at(site: str, data: Dataset) -> Dataset:
    """The object as written when the subject is one of another site."""
    done = deidentify_object(
        to_bytes(data), load_profile(), lambda p: assignment(p, p, site=SiteCode(site)), RING.uid
    )
    assert isinstance(done, DeidentifiedObject)
    return dcmread(BytesIO(done.output))


def pseudonym(patient_id: str) -> SubjectId:
    return RING.subject_id(SITE, SubjectNo(patient_id))


def deliver(paths: list[Path]) -> list[DeliveredFile]:
    return [
        DeliveredFile(
            n, path.name, str(path), path.stat().st_size, sha256_of_file(path), FileKind.IMAGE
        )
        for n, path in enumerate(paths, start=1)
    ]


def deidentify_files(
    files: Sequence[DeliveredFile],
    links: Mapping[RawPatientId, SubjectAssignment],
    ring: KeyRing,
    out: Path,
    workers: int,
) -> list[FileOutcome]:
    """Return where each file ended."""
    return list(deidentify_batch(files, links, ring, out, workers).outcomes)
