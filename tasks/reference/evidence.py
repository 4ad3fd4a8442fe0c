"""The records of one lesion: its specimens, its follow-up images, and what treated it before.

A specimen belongs to the lesion it names. One that names none belongs to the only lesion of a
subject; with several lesions nobody knows whose it is, and it proves nothing. A follow-up that
names none is about all lesions (`data_contracts/site_delivery/follow_up.yaml`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from schemas.clinical_rows import ClinicalRow, Missing
from schemas.partial_dates import PartialDate, is_before
from schemas.protocol import Choices, read_protocol
from schemas.protocol_windows import is_long_enough
from schemas.reference import ReferenceAnchors
from schemas.states import Verdict
from tasks.reference.claim import BENIGN, MALIGNANT, label_of

#: Conclusions of a follow-up that say something of the lesion.
CONCLUDED = ("benign_stable", "progressed", "resolved")
#: Conclusions that go with a benign lesion.
QUIET = ("benign_stable", "resolved")
_REMOVES_THE_LESION = ("resection", "transplant")
_TREATED, _DIED = "treated", "died"
_SEVERAL = 2


@dataclass(frozen=True)
class FollowUp:
    """One follow-up image of a lesion.

    `long_enough` says whether it lies three months after the baseline MRI, `treated_before`
    whether the lesion had been treated by then; both are undetermined when nobody knows.
    """

    row: ClinicalRow = field(repr=False)
    date: PartialDate = field(repr=False)
    long_enough: Verdict
    treated_before: Verdict

    @property
    def conclusion(self) -> str | None:
        """What the reader concluded, or None when that says nothing."""
        said = self.row.text("conclusion")
        return said if said in CONCLUDED else None

    @property
    def natural(self) -> bool:
        """Whether the image surely shows the untreated lesion."""
        return self.treated_before is Verdict.NOT_MET


@dataclass(frozen=True)
class LesionEvidence:
    """Everything on record about one lesion (restricted).

    `tissue_of_nobody` says that a specimen which names no lesion found what no lesion of the
    subject is said to be; `imaged_after_death` that an image follows a contact which says died.
    """

    lesion: ClinicalRow | None = field(repr=False)
    specimens: tuple[ClinicalRow, ...] = field(repr=False)
    unattributed: int
    says_no_pathology: bool
    follow_ups: tuple[FollowUp, ...] = field(repr=False)
    has_follow_up_rows: bool
    closed: bool
    tissue_of_nobody: bool = False
    imaged_after_death: bool = False

    @property
    def class_unreadable(self) -> bool:
        """Whether a diagnosis was entered that cannot be read, or two that differ."""
        return (
            self.lesion is not None and self.lesion.values.get("reference_class") is Missing.INVALID
        )


def collect_evidence(
    rows: Sequence[ClinicalRow],
    lesion: ClinicalRow | None,
    anchors: ReferenceAnchors,
    choices: Choices,
) -> LesionEvidence:
    """Return the records of one lesion of a subject.

    Parameters
    ----------
    rows : sequence of ClinicalRow
        All rows in force of the subject, with real dates.
    lesion : ClinicalRow or None
        Its row of the diagnosis form; None while the site has entered none: all records count.
    anchors : ReferenceAnchors
        Real days of the baseline CT and of the baseline MRI of the reading.
    choices : mapping of decision id to option
        D12 and D14 bear on follow-ups.
    """
    specimens = [row for row in _form(rows, "pathology") if row.text("pathology_done") == "yes"]
    own = tuple(row for row in specimens if _is_of(row, lesion, rows))
    contacts = sorted(_contacts(rows, lesion), key=lambda row: row.number("followup_no") or 0)
    return LesionEvidence(
        lesion=lesion,
        specimens=own,
        unattributed=len([row for row in specimens if row.number("lesion_no") is None])
        if _is_one_of_several(rows)
        else 0,
        says_no_pathology=any(
            row.text("pathology_done") == "no" for row in _form(rows, "pathology")
        ),
        follow_ups=tuple(_follow_ups(rows, contacts, own, anchors, choices)),
        has_follow_up_rows=bool(contacts),
        closed=_is_closed(contacts),
        tissue_of_nobody=bool(unclaimed_labels(rows)),
        imaged_after_death=_is_imaged_after_death(rows, contacts),
    )


def unclaimed_labels(rows: Sequence[ClinicalRow]) -> set[str]:
    """Return malignant, benign, where tissue of one of several lesions is that and none is said to.

    A lesion without a diagnosis may be the one.
    """
    lesions = _form(rows, "diagnosis")
    claimed = {label_of(row.text("reference_class")) for row in lesions}
    if len(lesions) < _SEVERAL or None in claimed:
        return set()
    return {
        label
        for row in _form(rows, "pathology")
        if row.text("pathology_done") == "yes" and row.number("lesion_no") is None
        if (label := label_of(row.text("diagnosis_code"))) in (MALIGNANT, BENIGN)
    } - claimed


def records_of_no_lesion(rows: Sequence[ClinicalRow]) -> set[str]:
    """Return the forms with a specimen or image of a lesion that the diagnosis form lacks.

    Either its number is wrong, and the record belongs to another lesion, or a lesion was
    never entered. While no lesion is, all of it may still come. A row of the diagnosis form
    without a number is a lesion whose records nobody can find.
    """
    known = {row.number("lesion_no") for row in _form(rows, "diagnosis")}
    records = [
        *(row for row in _form(rows, "pathology") if row.text("pathology_done") == "yes"),
        *(row for row in _form(rows, "follow_up") if row.text("image_done") != "no"),
    ]
    named = {(row.form, row.number("lesion_no")) for row in records}
    strays = {
        form for form, number in named if known and number is not None and number not in known
    }
    return strays | ({"diagnosis"} if None in known else set())


def _is_imaged_after_death(rows: Sequence[ClinicalRow], contacts: Sequence[ClinicalRow]) -> bool:
    """Return whether the lesion has an image after a contact, about any lesion, that says died.

    Days decide where both are known, else the running numbers of the contacts.
    """
    deaths = [row for row in _form(rows, "follow_up") if row.text("followup_status") == _DIED]
    images = [row for row in contacts if row.text("image_done") != "no" and row.date("image_date")]
    return any(_follows(image, death) for death in deaths for image in images if image != death)


def _follows(image: ClinicalRow, death: ClinicalRow) -> bool:
    imaged, died = image.date("image_date"), death.date("image_date")
    if imaged is not None and died is not None:
        return imaged.earliest > died.latest
    return (image.number("followup_no") or 0) > (death.number("followup_no") or 0)


def _form(rows: Sequence[ClinicalRow], name: str) -> list[ClinicalRow]:
    return [row for row in rows if row.form == name]


def _is_one_of_several(rows: Sequence[ClinicalRow]) -> bool:
    return len(_form(rows, "diagnosis")) >= _SEVERAL


def _is_of(specimen: ClinicalRow, lesion: ClinicalRow | None, rows: Sequence[ClinicalRow]) -> bool:
    if lesion is None:
        return True
    number = specimen.number("lesion_no")
    if number is None:
        return not _is_one_of_several(rows)
    return number == lesion.number("lesion_no")


def _contacts(rows: Sequence[ClinicalRow], lesion: ClinicalRow | None) -> list[ClinicalRow]:
    if lesion is None:
        return _form(rows, "follow_up")
    about = (None, lesion.number("lesion_no"))
    return [row for row in _form(rows, "follow_up") if row.number("lesion_no") in about]


def _is_closed(contacts: Sequence[ClinicalRow]) -> bool:
    """Return whether no image can come that counts: the follow-up ended, or a treatment ended it.

    Any contact that says `treated` closes it: images after it show no natural course.
    """
    if not contacts:
        return False
    closing = read_protocol().closed_follow_up
    last = contacts[-1].text("followup_status")
    return last in closing or any(row.text("followup_status") == _TREATED for row in contacts)


def _follow_ups(
    rows: Sequence[ClinicalRow],
    contacts: Sequence[ClinicalRow],
    specimens: Sequence[ClinicalRow],
    anchors: ReferenceAnchors,
    choices: Choices,
) -> Iterator[FollowUp]:
    starts = list(_treatment_starts(rows, specimens, choices))
    said_treated = False
    for contact in contacts:
        date = contact.date("image_date")
        if date is not None and contact.text("image_done") != "no":
            yield FollowUp(
                contact,
                date,
                _length(anchors, date, choices),
                Verdict.MET if said_treated else _treated_before(contact, date, starts, anchors),
            )
        said_treated = said_treated or contact.text("followup_status") == _TREATED


def _length(anchors: ReferenceAnchors, image: PartialDate, choices: Choices) -> Verdict:
    if anchors.mri is None:
        return Verdict.UNDETERMINED
    return is_long_enough(PartialDate.of(anchors.mri), image, choices)


@dataclass(frozen=True)
class _Treatment:
    start: PartialDate | None = field(repr=False)
    surely_this_lesion: bool


def _treatment_starts(
    rows: Sequence[ClinicalRow],
    specimens: Sequence[ClinicalRow],
    choices: Choices,
) -> Iterator[_Treatment]:
    """Yield what treated, or may have treated, the lesion; a resection is one.

    The treatment form names no lesion number: `this_lesion` is sure only where there is one.
    """
    one_lesion = not _is_one_of_several(rows)
    for row in _form(rows, "treatment"):
        if row.text("prior_treatment") != "yes":
            continue
        target, kind = row.text("target"), row.text("type")
        systemic = kind == "systemic" and choices["D14"] == "counts"
        if target == "extrahepatic" and not systemic:
            continue
        if target == "other_liver" and not systemic and kind != "transplant":
            continue
        sure = systemic or kind == "transplant" or (target == "this_lesion" and one_lesion)
        yield _Treatment(row.date("start_date"), sure)
    for specimen in _form(rows, "pathology"):
        procedure = specimen.text("procedure")
        if (
            specimen in specimens and procedure in _REMOVES_THE_LESION
        ) or procedure == "transplant":
            yield _Treatment(specimen.date("specimen_date"), surely_this_lesion=True)


def _treated_before(
    contact: ClinicalRow,
    image: PartialDate,
    treatments: Sequence[_Treatment],
    anchors: ReferenceAnchors,
) -> Verdict:
    """Return whether the lesion was treated after the baseline CT and before the image.

    What was treated before the CT is the matter of E1. On one day nobody knows the order.
    """
    verdicts = {_one_before(one, image, anchors) for one in treatments}
    if contact.text("followup_status") == _TREATED and Verdict.MET not in verdicts:
        # Treated by this contact; only a dated treatment after the image tells which was first.
        later = bool(treatments) and verdicts == {Verdict.NOT_MET}
        return Verdict.NOT_MET if later else Verdict.UNDETERMINED
    for verdict in (Verdict.MET, Verdict.UNDETERMINED):
        if verdict in verdicts:
            return verdict
    return Verdict.NOT_MET


def _one_before(treatment: _Treatment, image: PartialDate, anchors: ReferenceAnchors) -> Verdict:
    start = treatment.start
    if start is None:
        return Verdict.UNDETERMINED
    if anchors.ct is not None and is_before(start, PartialDate.of(anchors.ct)) is Verdict.MET:
        return Verdict.NOT_MET
    if start.earliest > image.latest:
        return Verdict.NOT_MET
    if start.latest < image.earliest and treatment.surely_this_lesion:
        return Verdict.MET
    return Verdict.UNDETERMINED
