"""A DICOMDIR as it comes along from a CD: the names and dates of everybody in one file.

What it points to are the names on the CD; whoever copied the files has renamed them since.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as SqItems
from pydicom.uid import UID, ExplicitVRLittleEndian, MediaStorageDirectoryStorage

from tasks.simulate.answer_key import Kind
from tasks.simulate.images.headers import SeriesContext
from tasks.simulate.people.subjects import clock

_LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")
_IN_USE = 0xFFFF


@dataclass
class _Entry:
    level: int
    record: Dataset


def dicomdir_bytes(contexts: list[SeriesContext]) -> bytes:
    """Return a DICOMDIR (PS3.3 annex F) of these series, by person, study and series."""
    series = sorted(contexts, key=lambda c: (c.exam.patient_id, c.exam.study_uid, c.plan.number))
    entries = list(_entries(series))
    data = Dataset()
    data.FileSetID = "CD_EXPORT"
    data.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = 0
    data.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = 0
    data.FileSetConsistencyFlag = 0
    data.DirectoryRecordSequence = SqItems([entry.record for entry in entries])
    written = _file(data, series)
    _link(data, entries, written)
    return _file(data, series)


def plant_dicomdir(contexts: list[SeriesContext]) -> None:
    """Note for the answer key what a DICOMDIR of these series says of people."""
    for context in contexts:
        plant, person = context.ledger.plant, context.subject.person
        plant(person.name_caret, Kind.NAME_PINYIN, "DICOMDIR")
        plant(person.name_han, Kind.NAME_HAN, "DICOMDIR")
        plant(context.exam.patient_id, Kind.PATIENT_ID, "DICOMDIR")
        plant(context.exam.accession, Kind.ACCESSION, "DICOMDIR")
        plant(f"{context.exam.date:%Y%m%d}", Kind.DATE, "DICOMDIR")


def _entries(series: list[SeriesContext]) -> Iterator[_Entry]:
    seen: set[str] = set()
    for number, context in enumerate(series, start=1):
        makers = (_patient, _study, _series)
        keys = (context.exam.patient_id, context.exam.study_uid, context.series_uid)
        for level, (key, maker) in enumerate(zip(keys, makers, strict=True)):
            if key not in seen:
                seen.add(key)
                yield _Entry(level, maker(context))
        yield _Entry(3, _image(context, number))


def _record(level: int) -> Dataset:
    record = Dataset()
    record.OffsetOfTheNextDirectoryRecord = 0
    record.RecordInUseFlag = _IN_USE
    record.OffsetOfReferencedLowerLevelDirectoryEntity = 0
    record.DirectoryRecordType = _LEVELS[level]
    return record


def _patient(context: SeriesContext) -> Dataset:
    record = _record(0)
    record.SpecificCharacterSet = "GB18030"
    person = context.subject.person
    record.PatientName = f"{person.name_caret}={person.name_han}"
    record.PatientID = context.exam.patient_id
    return record


def _study(context: SeriesContext) -> Dataset:
    record, exam = _record(1), context.exam
    record.StudyDate, record.StudyTime = f"{exam.date:%Y%m%d}", clock(exam.start_s)
    record.StudyDescription = ""
    record.StudyInstanceUID = exam.study_uid
    record.StudyID, record.AccessionNumber = str(exam.index), exam.accession
    return record


def _series(context: SeriesContext) -> Dataset:
    record = _record(2)
    record.Modality = context.plan.modality
    record.SeriesInstanceUID = context.series_uid
    record.SeriesNumber = context.plan.number
    return record


def _image(context: SeriesContext, number: int) -> Dataset:
    record = _record(3)
    record.ReferencedFileID = ["DICOM", f"SE{number:06d}", "IM000001"]
    record.ReferencedSOPClassUIDInFile = context.sop_class
    record.ReferencedSOPInstanceUIDInFile = f"{context.series_uid}.1"
    record.ReferencedTransferSyntaxUIDInFile = str(ExplicitVRLittleEndian)
    record.InstanceNumber = 1
    return record


def _link(data: Dataset, entries: list[_Entry], written: bytes) -> None:
    """Fill in the offsets of next and lower records; lengths do not change by it."""
    read = dcmread(BytesIO(written))
    offsets = [int(item.seq_item_tell) for item in read.DirectoryRecordSequence]
    last_of_level: dict[int, int] = {}
    for index, entry in enumerate(entries):
        level = entry.level
        for deeper in [k for k in last_of_level if k > level]:
            del last_of_level[deeper]
        if level in last_of_level:
            before = entries[last_of_level[level]].record
            before.OffsetOfTheNextDirectoryRecord = offsets[index]
        elif level > 0:
            above = entries[last_of_level[level - 1]].record
            above.OffsetOfReferencedLowerLevelDirectoryEntity = offsets[index]
        last_of_level[level] = index
    roots = [offsets[i] for i, entry in enumerate(entries) if entry.level == 0]
    data.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = roots[0]
    data.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = roots[-1]


def _file(data: Dataset, series: list[SeriesContext]) -> bytes:
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    meta.MediaStorageSOPInstanceUID = UID(f"{series[0].exam.study_uid}.900")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID("1.2.156.999999.1")
    data.file_meta = meta
    data.preamble = bytes(128)
    stream = BytesIO()
    dcmwrite(stream, data, enforce_file_format=True)
    return stream.getvalue()
