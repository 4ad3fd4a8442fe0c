"""One object from bytes to bytes: scan, admit, plan, rebuild, and check what was built."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO

from pydicom import dcmread
from pydicom.datadict import keyword_for_tag
from pydicom.dataset import FileDataset

from schemas.dicom.charsets import decode_text
from schemas.dicom.elements import PIXEL_DATA, Header, scan_file
from schemas.dicom.features import read_features
from schemas.dicom.scan_errors import ContradictionError, NotDicomError, ScanError, TruncatedError
from schemas.identifiers import RawPatientId, Sha256, SopUid
from schemas.record_copies import Altered
from schemas.states import ReasonCode
from tasks.deidentify.decided import UNDECIDED, Decided
from tasks.deidentify.deidentified import DeidentifiedObject, NotAsPlannedError, days_written
from tasks.deidentify.delivered import harvest_facts
from tasks.deidentify.identifiers import harvest_identifiers
from tasks.deidentify.masking import masked, require_masked
from tasks.deidentify.plan.actions import Assign, ElementAction, Person, every_action
from tasks.deidentify.plan.admission import check_admission
from tasks.deidentify.plan.plan import SPECIFIC_CHARACTER_SET, context_of, plan_actions
from tasks.deidentify.plan.rebuild import rebuild
from tasks.deidentify.plan.refusal import Refusal
from tasks.deidentify.replay import Memory, remember, replay
from tasks.deidentify.rules.profile import Option, Profile, tag_of
from tasks.deidentify.template import Source
from tasks.deidentify.trails import options_of, trail_of


def deidentify_object(
    data: bytes,
    profile: Profile,
    assign: Assign,
    map_uid: Callable[[str], str],
    memory: Memory | None = None,
    decided: Decided = UNDECIDED,
    *,
    hashes_source: bool = False,
) -> DeidentifiedObject | Refusal:
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
    decided : Decided
        What a person decided about the pixels of this object.
    hashes_source : bool
        Whether the file is hashed too where that costs little: with a series seen before.

    Returns
    -------
    DeidentifiedObject or Refusal
        The new object, or why this one is set aside.

    Raises
    ------
    Exception
        Whatever a rule or the check of the result raises; the caller holds the object.
    """
    if memory is not None:
        done = replay(data, memory, profile, assign, map_uid, hashes_source=hashes_source)
        if done is not None:
            return done
    header = _admitted(data, decided)
    if isinstance(header, Refusal):
        return header
    charset = decode_text(header.get(SPECIFIC_CHARACTER_SET))
    patient_id = decode_text(header.get(tag_of("PatientID")), charset)
    subject = assign(RawPatientId(patient_id)) if patient_id else None
    if subject is None:
        return Refusal(ReasonCode.NO_LINKAGE)
    person = Person(subject.subject_id, subject.shift_days, map_uid)
    context = context_of(header, profile, person)
    try:
        actions = plan_actions(header, context)
    except ContradictionError as found:
        return _contradiction(found)
    lost = lost_attributes(actions)
    held = [keyword for keyword in lost if keyword in context.deciding.holding]
    if held:
        return Refusal(ReasonCode.DECIDING_ATTRIBUTE_LOST, ", ".join(held))
    if decided.boxes:
        actions = [replace(a, option=Option.PIXELS) if a.tag == PIXEL_DATA else a for a in actions]
    output = rebuild(actions, header.transfer_syntax)
    require_masked(data, output, decided.boxes)
    written = dcmread(BytesIO(output))
    pixel_sha256 = _require_same_pixels(header, written)
    done = DeidentifiedObject(
        parts=(output,),
        output_sha256=Sha256(hashlib.sha256(output).hexdigest()),
        pixel_sha256=pixel_sha256,
        sop_uid=SopUid(str(written.SOPInstanceUID)),
        features=Altered(read_features(written, subject_id=subject.subject_id, just_written=True)),
        facts=Altered(harvest_facts(header, str(written.SOPInstanceUID))),
        counts=count_actions(actions),
        trail=(*trail_of(actions), *decided.steps),
        options=options_of(actions),
        days=days_written(actions, written),
        dropped=lost,
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


def lost_attributes(actions: Sequence[ElementAction]) -> tuple[str, ...]:
    """Return the deciding attributes that were delivered and are not kept, by name."""
    return tuple(sorted({a.lost for a in every_action(actions) if a.lost}))


def _contradiction(found: ContradictionError) -> Refusal:
    name = keyword_for_tag(found.tag) or f"({found.tag >> 16:04X},{found.tag & 0xFFFF:04X})"
    return Refusal(ReasonCode.CONTRADICTORY_HEADER, name)


def _admitted(data: bytes, decided: Decided) -> Header | Refusal:
    """Return the header of an object that is let in, its pixels masked where that was decided."""
    header = _scan(data)
    if isinstance(header, Refusal):
        return header
    reason = check_admission(header, looked_at=decided.looked_at)
    if reason is not None:
        return reason
    return masked(header, data, decided.boxes) if decided.boxes else header


def _scan(data: bytes) -> Header | Refusal:
    if not data:
        return Refusal(ReasonCode.EMPTY_FILE)
    try:
        return scan_file(data)
    except NotDicomError:
        return Refusal(ReasonCode.NOT_DICOM)
    except TruncatedError:
        return Refusal(ReasonCode.TRUNCATED)
    except ContradictionError as found:
        return _contradiction(found)
    except ScanError:
        return Refusal(ReasonCode.UNPARSABLE)


def _require_same_pixels(header: Header, written: FileDataset) -> Sha256:
    after = written.get_item(PIXEL_DATA).value
    if header.get(PIXEL_DATA) != after:
        raise NotAsPlannedError("the pixel data written differs from the source")
    return Sha256(hashlib.sha256(after).hexdigest())
