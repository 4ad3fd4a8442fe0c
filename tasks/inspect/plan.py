"""Which series are looked at and how, and what follows from what was seen. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from schemas.dicom.features import InstanceFeatures
from schemas.identifiers import BatchId
from schemas.inspection import InspectionOutcome
from schemas.pixel_decisions import Question, question_of
from schemas.states import ReasonCode
from tasks.inspect.faces import FaceFacts, body_parts_of, is_axial, length_mm_of, shows_face
from tasks.inspect.records import ImageFile, InspectJob, Looked
from tasks.inspect.rules import InspectionRules

_ONE_BYTE = 8
Settled = Mapping[str, tuple[Question, ...]]


@dataclass(frozen=True)
class Series:
    """The instances of one series that a batch brought, in the order of its images."""

    series_uid: str
    subject_id: str
    members: tuple[InstanceFeatures, ...]

    @property
    def uids(self) -> tuple[str, ...]:
        """SOPInstanceUIDs."""
        return tuple(str(member.sop_uid) for member in self.members)

    def is_settled(self, question: Question, settled: Settled) -> bool:
        """Return whether a person answered a question for every instance."""
        return all(question in settled.get(uid, ()) for uid in self.uids)


@dataclass(frozen=True)
class OfBatch:
    """A series and the batch that brought these images of it."""

    batch: BatchId
    series: Series


@dataclass(frozen=True)
class Judged:
    """What becomes of a series, and why it is held if it is."""

    outcome: InspectionOutcome
    reason: ReasonCode | None = None


def series_of(members: Sequence[InstanceFeatures]) -> list[Series]:
    """Return the series of accepted instances, sorted by UID; images by number, then by UID."""
    found: dict[str, list[InstanceFeatures]] = defaultdict(list)
    for member in members:
        found[str(member.series_uid)].append(member)
    return [
        Series(uid, str(found[uid][0].subject_id), tuple(sorted(found[uid], key=_order)))
        for uid in sorted(found)
    ]


def _order(member: InstanceFeatures) -> tuple[int, int, str]:
    numbers = member.acquisition_number or 0, member.instance_number or 0
    return (*numbers, str(member.sop_uid))


def job_of(
    series: Series,
    place_of: Callable[[InstanceFeatures], Path],
    draw: Callable[[str], int],
    words: frozenset[str] = frozenset(),
) -> InspectJob:
    """Return what a worker is told of a series."""
    files = tuple(
        ImageFile(str(m.sop_uid), place_of(m), max(1, m.number_of_frames or 1), _spacing_mm(m))
        for m in series.members
    )
    every = any(_is_looked_at_whole(member) for member in series.members)
    return InspectJob(files, draw(series.series_uid), every, words)


def _spacing_mm(member: InstanceFeatures) -> tuple[float, float] | None:
    spacing = member.pixel_spacing_mm or member.frame_pixel_spacings_mm[:2]
    grid = member.mosaic_tiles or member.grid_across
    if len(spacing) != 2 or grid or not is_axial(member):
        return None
    return float(spacing[0]), float(spacing[1])


def _is_looked_at_whole(member: InstanceFeatures) -> bool:
    """Return whether every image is looked at: what no scanner made may be written on anywhere."""
    kinds = tuple(word.upper() for word in member.image_type[:2])
    return (member.bits_allocated or 0) <= _ONE_BYTE or "DERIVED" in kinds or "SECONDARY" in kinds


def judge(
    series: Series, looked: Looked | None, rules: InspectionRules, settled: Settled
) -> Judged:
    """Return what becomes of a series; None says that nobody could look."""
    reasons = _reasons(series, looked, rules, settled)
    open_ = [r for r in reasons if not series.is_settled(question_of(r), settled)]
    if open_:
        return Judged(InspectionOutcome.HELD, open_[0])
    if reasons or any(settled.get(uid) for uid in series.uids):
        return Judged(InspectionOutcome.DECIDED)
    if looked is not None and looked.n_marks:
        return Judged(InspectionOutcome.ANNOTATION)
    return Judged(InspectionOutcome.CLEAN)


def _reasons(
    series: Series, looked: Looked | None, rules: InspectionRules, settled: Settled
) -> list[ReasonCode]:
    if looked is None:
        return [ReasonCode.PIXELS_NOT_INSPECTED]
    # A person has seen the images of these: what stands in one of them was answered.
    seen = {uid for uid in series.uids if Question.TEXT in settled.get(uid, ())}
    reasons = []
    if any(box.views - seen for box in looked.boxes):
        reasons.append(ReasonCode.TEXT_IN_PIXELS)
    facts = FaceFacts(
        modality=next((m.modality for m in series.members if m.modality), ""),
        body_parts=body_parts_of(series.members),
        length_mm=length_mm_of(series.members),
        head_sections=looked.head_sections,
    )
    if shows_face(facts, rules):
        reasons.append(ReasonCode.FACE_IN_VIEW)
    return reasons
