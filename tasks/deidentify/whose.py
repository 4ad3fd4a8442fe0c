"""Whose object it is that was set aside, as far as its header tells. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from schemas.dicom.charsets import decode_text
from schemas.identifiers import RawPatientId, SopUid
from tasks.deidentify.plan.actions import Assign
from tasks.deidentify.rules.values import UID_FORM

_CHARSET, _PATIENT_ID = "SpecificCharacterSet", "PatientID"
_STUDY, _INSTANCE = "StudyInstanceUID", "SOPInstanceUID"
_UID_LENGTH_MAX = 64


@dataclass(frozen=True)
class Whose:
    """Mapped UIDs and pseudonym; the study is told only of a person who is linked."""

    sop_uid: SopUid | None = None
    study_uid: str | None = None
    subject_id: str | None = None


def whose_object(data: bytes, assign: Assign, map_uid: Callable[[str], str]) -> Whose:
    """Return whose object this is; nothing for what is no DICOM or ends in its header.

    Parameters
    ----------
    data : bytes
        A file that was refused, which may be anything.
    assign : callable
        Gives the subject of a raw PatientID, or None when no row links it.
    map_uid : callable
        Gives the UID that stands for an original one.
    """
    try:
        header = dcmread(
            BytesIO(data),
            stop_before_pixels=True,
            specific_tags=[_CHARSET, _PATIENT_ID, _STUDY, _INSTANCE],
        )
        charset = _text(header, _CHARSET)
        patient_id = _text(header, _PATIENT_ID, charset)
        uids = {name: _text(header, name) for name in (_STUDY, _INSTANCE)}
    except Exception:  # a broken file raises anything; then nobody knows whose it is
        return Whose()
    mapped = {
        name: map_uid(uid)
        for name, uid in uids.items()
        if UID_FORM.fullmatch(uid) and len(uid) <= _UID_LENGTH_MAX
    }
    subject = assign(RawPatientId(patient_id)) if patient_id else None
    return Whose(
        sop_uid=SopUid(mapped[_INSTANCE]) if _INSTANCE in mapped else None,
        study_uid=mapped.get(_STUDY) if subject else None,
        subject_id=subject.subject_id if subject else None,
    )


def _text(header: Dataset, keyword: str, charset: str = "") -> str:
    element: object = header.get_item(keyword)
    if isinstance(element, RawDataElement):
        return decode_text(element.value or b"", charset)
    value = header.get(keyword) or ""
    return value if isinstance(value, str) else "\\".join(value)
