"""What is held, put together so that a person can decide it, and where each file stands. Pure."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from schemas.dispositions import Disposition, disposition_of
from schemas.held_series import HeldSeries, SeenBox
from schemas.identifiers import Sha256
from schemas.pixel_decisions import (
    Box,
    HeldText,
    Outcome,
    PixelDecision,
    PixelDecisions,
    Question,
    question_of,
)
from schemas.states import ReasonCode

#: Stands for a decision where linkage.csv has come since a file was set aside for want of it.
LINKED_SINCE = "linked since"
#: How much larger than a box that was found the mask is that a reviewer begins with.
MASK_MARGIN_PX = 4
_BY_STUDY = frozenset({ReasonCode.NO_LINKAGE, ReasonCode.STUDY_OF_TWO_SUBJECTS})


class HoldState(StrEnum):
    """Where something held stands."""

    OPEN = "open"
    WAITING = "waiting"
    REJECTED = "rejected"
    TAKEN_IN = "taken_in"


@dataclass(frozen=True, kw_only=True)
class HeldFile:
    """One quarantined file (restricted). All tokens and digests are keyed; nothing is a value.

    Parameters
    ----------
    site, batch, file_no, sha256
        Where it lies: `restricted/quarantine/<site>/<batch>/<sha256>`.
    reason, detail
        Why it was set aside.
    digest : str
        Keyed digest of the decoded pixels, or of the bytes where there are none.
    subject_id : str
        Pseudonym, as far as known.
    series, study, patient, device : str
        Keyed tokens of what the header names; empty where it does not.
    kind : str
        What sort of object it says it is, by the name DICOM gives its class.
    rows, columns, frames : int
        Size of the image; 0 without one.
    instance_number : int
        Place in the series.
    stored : str
        Of what later rules hold, where it lies below the images of the site in the warehouse.
    """

    site: str
    batch: str
    file_no: int
    sha256: str
    reason: ReasonCode
    detail: str = ""
    digest: Sha256
    subject_id: str = ""
    series: str = ""
    study: str = ""
    patient: str = ""
    device: str = ""
    kind: str = ""
    rows: int = 0
    columns: int = 0
    frames: int = 0
    instance_number: int = 0
    stored: str = ""

    @property
    def place(self) -> tuple[str, int]:
        """Batch and number: what one file of a site is known by."""
        return self.batch, self.file_no


@dataclass(frozen=True, kw_only=True)
class Hold:
    """What a person decides about at once (restricted)."""

    hold_id: str
    site: str
    reason: ReasonCode
    files: tuple[HeldFile, ...]
    boxes: tuple[SeenBox, ...] = ()

    @property
    def detail(self) -> str:
        """What was seen, in words."""
        return self.files[0].detail

    @property
    def disposition(self) -> Disposition:
        """What can be done about it."""
        return disposition_of(self.reason, self.detail)

    @property
    def question(self) -> Question:
        """What it asks."""
        return question_of(self.reason)

    @property
    def digests(self) -> tuple[Sha256, ...]:
        """What a decision about it is bound to."""
        return tuple(sorted({file.digest for file in self.files}))

    @property
    def size(self) -> tuple[int, int] | None:
        """Rows and columns, where all images have the same."""
        sizes = {(file.rows, file.columns) for file in self.files}
        found = next(iter(sizes))
        return found if len(sizes) == 1 and all(found) else None

    @property
    def device(self) -> str:
        """The token of the device, where it is one."""
        devices = {file.device for file in self.files}
        return next(iter(devices)) if len(devices) == 1 else ""

    @property
    def text(self) -> HeldText:
        """What a rule for the device is held against."""
        rows, columns = self.size or (0, 0)
        boxes = tuple(seen.box for seen in self.boxes)
        of_person = any(seen.of_person for seen in self.boxes)
        return HeldText(self.site, self.device, self.reason, rows, columns, boxes, of_person)

    def content(self) -> str:
        """Return what a decision is about, as text: pixels, reason, and what was seen."""
        facts = [self.hold_id, self.site, self.reason, self.detail, self.digests]
        return json.dumps([*facts, [asdict(one) for one in self.boxes]])


@dataclass(frozen=True)
class TakenAgain:
    """Which quarantined files have come in again, and by which decision a file came.

    `taken` holds (batch, number) of files that a committed batch took from the quarantine;
    `came_by` the decision by which a file of such a batch came.
    """

    taken: frozenset[tuple[str, int]] = frozenset()
    came_by: Mapping[tuple[str, int], str] = field(default_factory=dict)


def group_holds(
    files: Iterable[HeldFile],
    listed: Iterable[tuple[str, HeldSeries]],
    name: Callable[[list[Sha256]], str],
) -> list[Hold]:
    """Put files together: as the inspection listed them, else by series, study or reason.

    The same pixels held again for the same reason are one hold, in however many batches.

    Parameters
    ----------
    files : iterable of HeldFile
        Files of one site.
    listed : iterable of (str, HeldSeries)
        Batch, and what its inspection says of a series: the same file may be held again in
        another batch, beside others and for what was found then.
    name : callable
        Digests → the name of a hold.
    """
    series_of: dict[tuple[str, str], HeldSeries] = {}
    for batch, series in listed:
        series_of |= {(batch, sha256): series for sha256 in series.files}
    groups: dict[tuple[object, ...], list[HeldFile]] = defaultdict(list)
    for file in files:
        groups[_key(file, series_of.get((file.batch, file.sha256)))].append(file)
    merged: dict[tuple[str, ReasonCode], list[HeldFile]] = defaultdict(list)
    for group in groups.values():
        found = _listed_as(group[0], series_of)
        hold_id = found.hold_id if found else name([file.digest for file in group])
        merged[hold_id, group[0].reason] += group
    return [
        Hold(
            hold_id=hold_id,
            site=group[0].site,
            reason=reason,
            files=tuple(sorted(group, key=_in_series)),
            boxes=_boxes_of(group, series_of),
        )
        for (hold_id, reason), group in sorted(merged.items())
    ]


_SERIES = frozenset({Question.TEXT, Question.FACE, Question.PERSON})


def _key(file: HeldFile, listed: HeldSeries | None) -> tuple[object, ...]:
    what = (file.batch, file.reason, file.detail)
    if question_of(file.reason) in _SERIES and listed is not None:
        return (*what, "listed", listed.hold_id)
    if file.reason in _BY_STUDY and file.study:
        return (*what, "study", file.study)
    return (*what, "series", file.series or file.study)


def _listed_as(
    file: HeldFile, series_of: Mapping[tuple[str, str], HeldSeries]
) -> HeldSeries | None:
    if question_of(file.reason) not in _SERIES:
        return None
    return series_of.get((file.batch, file.sha256))


def _boxes_of(
    group: Sequence[HeldFile], series_of: Mapping[tuple[str, str], HeldSeries]
) -> tuple[SeenBox, ...]:
    found = {
        seen for file in group if (s := _listed_as(file, series_of)) is not None for seen in s.boxes
    }
    return tuple(sorted(found))


def _in_series(file: HeldFile) -> tuple[object, ...]:
    return file.batch, file.instance_number, file.file_no


def first_mask(hold: Hold) -> tuple[Box, ...]:
    """Return the boxes a mask begins with: those found, a little larger, inside the image."""
    if hold.size is None:
        return ()
    rows, columns = hold.size
    boxes = []
    for seen in distinct_boxes(hold):
        left, top = (max(0, start - MASK_MARGIN_PX) for start in (seen.box.x, seen.box.y))
        right = min(columns, seen.box.x + seen.box.width + MASK_MARGIN_PX)
        bottom = min(rows, seen.box.y + seen.box.height + MASK_MARGIN_PX)
        boxes.append(Box(left, top, right - left, bottom - top))
    return tuple(boxes)


def distinct_boxes(hold: Hold) -> list[SeenBox]:
    """Leave out a box that lies in another one: seen on slices and projections alike."""
    largest = sorted(hold.boxes, key=lambda one: (-one.box.width * one.box.height, one))
    kept: list[SeenBox] = []
    for one in largest:
        if not any(one.box.lies_in(other.box, MASK_MARGIN_PX) for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda one: one.box)


def decision_about(
    file: HeldFile, decisions: PixelDecisions, linked: Collection[str] = ()
) -> PixelDecision | str | None:
    """Return what was decided about one file; `LINKED_SINCE` where its cause is gone.

    About a file, not its pixels, a decision holds for the reason it was made for only. What lies
    in the warehouse cannot be masked there: that the same pixels were masked when they came
    otherwise decides nothing about it, and a person is asked.
    """
    question = question_of(file.reason)
    for decision in decisions.of_instance(file.digest):
        if file.stored and decision.outcome is Outcome.MASK:
            continue
        if decision.question is question and (
            question is not Question.FILE or decision.held_for is file.reason
        ):
            return decision
    if file.reason is ReasonCode.NO_LINKAGE and file.patient and file.patient in linked:
        return LINKED_SINCE
    return None


def state_of_file(
    file: HeldFile,
    decisions: PixelDecisions,
    again: TakenAgain,
    linked: Collection[str] = (),
) -> HoldState:
    """Return where one file stands.

    A file that was set aside again although a decision had it taken in is open: each decision
    takes a file in once.
    """
    if file.place in again.taken:
        return HoldState.TAKEN_IN
    decided = decision_about(file, decisions, linked)
    if decided is None:
        return HoldState.OPEN
    if isinstance(decided, PixelDecision) and decided.outcome is Outcome.REJECT:
        return HoldState.REJECTED
    spent = again.came_by.get(file.place) == named(decided)
    return HoldState.OPEN if spent else HoldState.WAITING


def named(decided: PixelDecision | str) -> str:
    """Return how a decision is noted beside a file that it takes in."""
    return decided if isinstance(decided, str) else decided.decision_id


def state_of(
    hold: Hold, decisions: PixelDecisions, again: TakenAgain, linked: Collection[str] = ()
) -> HoldState:
    """Return where a hold stands: open while one of its files is."""
    found = {state_of_file(file, decisions, again, linked) for file in hold.files}
    return next(state for state in HoldState if state in found)
