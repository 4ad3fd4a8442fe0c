"""Faults of how things are sent: twice, in parts, under the wrong person, with the wrong clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from pydicom.dataset import Dataset

from schemas.errors import BadInputError
from tasks.simulate.answer_key import Kind
from tasks.simulate.exports import Export, ExportFile, plan_images
from tasks.simulate.faults.fault_tools import beside, frame_of, note, replace_file, template_of
from tasks.simulate.images.pixels import SeriesTemplate, file_bytes, image_dataset, sop_uid
from tasks.simulate.images.vendors import Frame
from tasks.simulate.people.hospitals import HOSPITALS
from tasks.simulate.people.subjects import FOLLOW_UP_NIGHT, Subject, make_subjects

_SPLIT_LABELS = ("CT_NC", "CT_DEL", "CT_NC_THIN", "CT_DEL_THIN")
_REPEATED = 76
_RESET_DAY = "20000101"
_DATES = ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")

Apply = Callable[[Export, int], None]
Edit = Callable[[Dataset, SeriesTemplate], None]


def _first_series(files: list[ExportFile], *labels: str) -> list[ExportFile]:
    """Return the clean files of the first series with one of these labels."""
    found = [
        file
        for file in files
        if file.template and file.fault is None and file.template.context.plan.name_key in labels
    ]
    if not found:
        raise BadInputError(
            f"no series {' or '.join(labels)} is left to put a fault into",
            hint="Give the site more subjects, or ask for fewer faults at a time.",
        )
    first = template_of(found[0]).context.series_uid
    return [file for file in found if template_of(file).context.series_uid == first]


def _first_night(export: Export, seed: int) -> list[ExportFile]:
    """Return the clean images of the site's first night once more."""
    return _clean_first_night(export, seed).files


def _clean_first_night(export: Export, seed: int) -> Export:
    return plan_images(
        export.hospital, export.subjects, 1, seed, full=export.full, small=export.small
    )


def _again(export: Export, file: ExportFile, fault: str) -> ExportFile:
    """Return a file as sent once more: a duplicate only if the first one was accepted."""
    known = sop_uid(template_of(file).context, frame_of(file)) in export.earlier
    return replace(file, state="duplicate" if known else file.state, fault=fault)


def _duplicate_delivery(export: Export, seed: int) -> None:
    if export.night != FOLLOW_UP_NIGHT:
        return
    first = export.subjects[0].subject_no
    again = [
        _again(export, file, "duplicate_delivery")
        for file in _first_night(export, seed)
        if file.template and file.template.context.subject.subject_no == first
    ]
    export.files.extend(again)
    note(export, "duplicate_delivery", again[0], n_files=len(again))


def _one_more_slice(export: Export, seed: int) -> None:
    name = "redelivered_with_one_more_slice"
    if export.night == 1:
        last = _first_series(export.files, "CT_PVP")[-1]
        export.files.remove(last)
        note(export, name, last)
    elif export.night == FOLLOW_UP_NIGHT:
        whole = _first_series(_first_night(export, seed), "CT_PVP")
        export.files.extend(_again(export, file, name) for file in whole)
        note(export, name, whole[-1], n_files=len(whole))


def _over_two_nights(export: Export, seed: int) -> None:
    name = "study_over_two_nights"
    if export.night == 1:
        later = _split_off(export.files)
        gone = {_series_of(file) for file in later}
        export.files = [file for file in export.files if _series_of(file) not in gone]
        export.labels = [row for row in export.labels if row["series_uid"] not in gone]
        note(export, name, later[0], n_files=len(later))
    elif export.night == FOLLOW_UP_NIGHT:
        clean = _clean_first_night(export, seed)
        came = {row["series_uid"] for row in export.earlier_labels}
        later = [replace(file, fault=name) for file in clean.files if _series_of(file) not in came]
        export.files.extend(later)
        export.labels.extend(
            row | {"night": export.night} for row in clean.labels if row["series_uid"] not in came
        )
        note(export, name, later[0], n_files=len(later))


def _series_of(file: ExportFile) -> str | None:
    return file.template.context.series_uid if file.template else None


def _split_off(files: list[ExportFile]) -> list[ExportFile]:
    """Return the images of the first native or delayed phases of a CT that no fault has hit."""
    hit = {_series_of(file) for file in files if file.fault}
    whole = [file for file in files if _series_of(file) not in hit]
    first = _first_series(whole, *_SPLIT_LABELS)
    study = template_of(first[0]).context.exam.study_uid
    return [
        file
        for file in whole
        if file.template
        and file.template.context.exam.study_uid == study
        and file.template.context.plan.name_key in _SPLIT_LABELS
    ]


def _edited(
    file: ExportFile, seed: int, edit: Edit, fault: str, *, state: str, reason: str | None = None
) -> ExportFile:
    template, frame = template_of(file), frame_of(file)
    content = partial(_edited_bytes, template, frame, seed, edit)
    return replace(file, content=content, fault=fault, state=state, reason=reason)


def _edited_bytes(template: SeriesTemplate, frame: Frame, seed: int, edit: Edit) -> bytes:
    data = image_dataset(template, frame, seed)
    edit(data, template)
    return file_bytes(template, data)


def _wrong_patient(export: Export, seed: int) -> None:
    # A repeated diffusion exam of one person, into which a technologist sent another person's.
    if export.night != 1:
        return
    if len(export.subjects) == 1:
        raise BadInputError("1", expected="2 or more for wrong_patient_series", where="subjects")
    name, reason = "wrong_patient_series", "STUDY_OF_TWO_SUBJECTS"
    by_person = [_first_series(_of(export, subject), "MR_DWI") for subject in export.subjects[:2]]
    study = f"{template_of(by_person[0][0]).context.exam.study_uid}.{_REPEATED}"
    for number, series in enumerate(by_person, start=1):
        for file in series:
            path = beside(by_person[0][0], f"again_{number}_{frame_of(file).instance_number:04d}")
            moved = _edited(
                file, seed, _into(study, number), name, state="quarantined", reason=reason
            )
            export.files.append(replace(moved, path=path))
    n_files = sum(len(series) for series in by_person)
    note(export, name, by_person[0][0], code=reason, n_files=n_files, study_uid=study)


def _of(export: Export, subject: Subject) -> list[ExportFile]:
    return [f for f in export.files if f.template and f.template.context.subject == subject]


def _into(study: str, number: int) -> Edit:
    def edit(data: Dataset, _template: SeriesTemplate) -> None:
        data.StudyInstanceUID = study
        data.SeriesInstanceUID = f"{study}.{number}"
        data.SOPInstanceUID = f"{study}.{number}.{data.InstanceNumber}"

    return edit


def _other_sites_subject(export: Export, seed: int) -> None:
    if export.night != 1:
        return
    stranger = _subject_of_another_site(export, seed)
    file = _first_series(export.files, "CT_ART")[0]

    def edit(data: Dataset, template: SeriesTemplate) -> None:
        data.PatientID = stranger.patient_ids[0]
        data.PatientName = stranger.person.name_caret
        data.StudyInstanceUID = f"{template.context.exam.study_uid}.8"
        data.SeriesInstanceUID = f"{data.StudyInstanceUID}.1"
        data.SOPInstanceUID = f"{data.SeriesInstanceUID}.1"

    ledger = template_of(file).context.ledger
    ledger.plant(stranger.patient_ids[0], Kind.PATIENT_ID, "PatientID of another site")
    ledger.plant(stranger.person.name_caret, Kind.NAME_PINYIN, "PatientName of another site")
    foreign = _edited(
        file, seed, edit, "other_sites_subject", state="quarantined", reason="NO_LINKAGE"
    )
    export.files.append(replace(foreign, path=beside(file, "from_elsewhere.dcm")))
    note(export, "other_sites_subject", file, code="NO_LINKAGE")


def _subject_of_another_site(export: Export, seed: int) -> Subject:
    codes = [hospital.code for hospital in HOSPITALS]
    here = codes.index(export.hospital.code) if export.hospital.code in codes else -1
    there = (here + 1) % len(HOSPITALS)
    return make_subjects(HOSPITALS[there], site_index=there, per_site=1, seed=seed)[0]


def _scanner_clock(export: Export, seed: int) -> None:
    # The console lost its battery: every date it wrote in one exam is that of the reset.
    if export.night != 1:
        return
    name, study = "scanner_clock_reset", _exam_uid(export, "dce_mri")

    def edit(data: Dataset, _template: SeriesTemplate) -> None:
        for keyword in _DATES:
            setattr(data, keyword, _RESET_DAY)

    _edit_exam(export, seed, study, edit, name)


def _exam_uid(export: Export, role: str) -> str:
    """Return the study of the first subject who has an exam of this role without a fault."""
    for file in export.files:
        if file.template and file.fault is None and file.template.context.exam.plan.role == role:
            return file.template.context.exam.study_uid
    raise BadInputError(f"no exam {role} to put a fault into")


def _edit_exam(export: Export, seed: int, study: str, edit: Edit, name: str) -> None:
    mine = [
        file
        for file in export.files
        if file.template and file.fault is None and file.template.context.exam.study_uid == study
    ]
    for file in mine:
        replace_file(export, file, _edited(file, seed, edit, name, state="accepted"))
    note(export, name, mine[0], n_files=len(mine))


def _wrong_hash(export: Export, _seed: int) -> None:
    if export.night != 1:
        return
    file = _first_series(export.files, "CT_NC")[0]
    reason = "MANIFEST_MISMATCH"
    held = replace(file, state="quarantined", reason=reason, fault="manifest_hash_wrong")
    replace_file(export, file, held)
    export.false_hashes.add(file.path)
    note(export, "manifest_hash_wrong", file, code=reason)


# Name -> index of the site that has it, and what it does on each night.
DELIVERY_FAULTS: dict[str, tuple[int, Apply]] = {
    "duplicate_delivery": (0, _duplicate_delivery),
    "redelivered_with_one_more_slice": (1, _one_more_slice),
    "study_over_two_nights": (2, _over_two_nights),
    "wrong_patient_series": (0, _wrong_patient),
    "other_sites_subject": (1, _other_sites_subject),
    "scanner_clock_reset": (1, _scanner_clock),
    "manifest_hash_wrong": (1, _wrong_hash),
}
