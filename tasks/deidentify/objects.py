"""One object from bytes to bytes: scan, admit, plan, rebuild, and check what was built."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from io import BytesIO

from pydicom import dcmread
from pydicom.dataset import FileDataset

from schemas.dicom.charsets import decode_text
from schemas.dicom.elements import (
    PIXEL_DATA,
    Header,
    NotDicomError,
    ScanError,
    TruncatedError,
    scan_file,
)
from schemas.dicom.features import read_features
from schemas.identifiers import RawPatientId, Sha256, SopUid
from schemas.states import ReasonCode
from tasks.deidentify.audit import options_of, trail_of
from tasks.deidentify.deidentified import DeidentifiedObject, NotAsPlannedError, days_written
from tasks.deidentify.identifiers import harvest_identifiers
from tasks.deidentify.plan.actions import Assign, ElementAction, Person, every_action
from tasks.deidentify.plan.admission import check_admission
from tasks.deidentify.plan.plan import SPECIFIC_CHARACTER_SET, context_of, plan_actions
from tasks.deidentify.plan.rebuild import rebuild
from tasks.deidentify.replay import Memory, remember, replay
from tasks.deidentify.rules.profile import Profile, tag_of
from tasks.deidentify.template import Source


def deidentify_object(
    data: bytes,
    profile: Profile,
    assign: Assign,
    map_uid: Callable[[str], str],
    memory: Memory | None = None,
) -> DeidentifiedObject | ReasonCode:
    """De-identify one DICOM file.

    Parameters
    ----------
    data : bytes
        The file as delivered.
    profile : Profile
        The allow-list.
    assign : callable
        Gives the subject of a raw PatientID, or None when no row links it.
    map_uid : callable
        Gives the UID that stands for an original one.
    memory : Memory, optional
        Series seen before; it changes no byte, and saves most of the work.

    Returns
    -------
    DeidentifiedObject or ReasonCode
        The new object, or why this one is set aside.

    Raises
    ------
    Exception
        Whatever a rule or the check of the result raises; the caller holds the object.
    """
    if memory is not None:
        done = replay(data, memory, profile, assign, map_uid)
        if done is not None:
            return done
    header = _scan(data)
    if isinstance(header, ReasonCode):
        return header
    reason = check_admission(header)
    if reason is not None:
        return reason
    charset = decode_text(header.get(SPECIFIC_CHARACTER_SET))
    patient_id = decode_text(header.get(tag_of("PatientID")), charset)
    subject = assign(RawPatientId(patient_id)) if patient_id else None
    if subject is None:
        return ReasonCode.NO_LINKAGE
    person = Person(subject.subject_id, subject.shift_days, map_uid)
    context = context_of(header, profile, person)
    actions = plan_actions(header, context)
    output = rebuild(actions, header.transfer_syntax)
    written = dcmread(BytesIO(output))
    pixel_sha256 = _require_same_pixels(header, written)
    done = DeidentifiedObject(
        parts=(output,),
        output_sha256=Sha256(hashlib.sha256(output).hexdigest()),
        pixel_sha256=pixel_sha256,
        sop_uid=SopUid(str(written.SOPInstanceUID)),
        features=read_features(written, subject_id=subject.subject_id),
        counts=count_actions(actions),
        trail=trail_of(actions),
        options=options_of(actions),
        days=days_written(actions, written),
        identifiers=harvest_identifiers(header),
    )
    if memory is not None:
        remember(memory, Source(data, header, context, actions), written, done)
    return done


def count_actions(actions: Sequence[ElementAction]) -> dict[str, int]:
    """Return how many elements each action met, and how many values broke their contract."""
    every = list(every_action(actions))
    counts = Counter(str(a.action) for a in every)
    counts["refused"] = sum(a.refused for a in every)
    counts["dropped_words"] = sum(a.dropped_words for a in every)
    return dict(sorted(counts.items()))


def _scan(data: bytes) -> Header | ReasonCode:
    if not data:
        return ReasonCode.EMPTY_FILE
    try:
        return scan_file(data)
    except NotDicomError:
        return ReasonCode.NOT_DICOM
    except TruncatedError:
        return ReasonCode.TRUNCATED
    except ScanError:
        return ReasonCode.UNPARSABLE


def _require_same_pixels(header: Header, written: FileDataset) -> Sha256:
    after = written.get_item(PIXEL_DATA).value
    if header.get(PIXEL_DATA) != after:
        raise NotAsPlannedError("the pixel data written differs from the source")
    return Sha256(hashlib.sha256(after).hexdigest())
