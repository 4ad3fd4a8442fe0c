"""What one site sends in one night: files with their path, content and expected state."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from tasks.simulate.answer_key import Kind, Ledger, PlantedIdentifier
from tasks.simulate.images.dicomdir import dicomdir_bytes, plant_dicomdir
from tasks.simulate.images.enhanced import enhanced_bytes
from tasks.simulate.images.headers import SeriesContext
from tasks.simulate.images.pixels import SeriesTemplate, image_bytes, make_template, sop_uid
from tasks.simulate.images.secondary_capture import plant_capture
from tasks.simulate.images.true_images import Row, label_rows
from tasks.simulate.images.vendors import Frame, frames_of
from tasks.simulate.load_sites import small_plan
from tasks.simulate.people.hospitals import Hospital, PathHabit
from tasks.simulate.people.subjects import Subject, exams_of_night, night_date


@dataclass(frozen=True)
class ArchiveMember:
    """One file inside an archive of an export, by its path in the export."""

    path: str
    state: str
    reason: str | None = None


@dataclass(frozen=True)
class ExportFile:
    """One file of an export. `state` and `reason` are what ingest should make of it.

    A link has a target instead of content; an archive that is opened has the states of its
    members, which count in its place.
    """

    path: str
    content: Callable[[], bytes]
    state: str
    reason: str | None = None
    fault: str | None = None
    template: SeriesTemplate | None = None
    frame: Frame | None = None
    link_target: str | None = None
    mode: int | None = None
    members: tuple[ArchiveMember, ...] = ()


@dataclass
class Export:
    """The files of one site and night, and what is true of them.

    `earlier` are the SOPInstanceUIDs that should have been accepted on the nights before,
    `earlier_labels` the rows of the sub-stacks that came then, `moved` the subjects whose CT was
    registered on another day than it was made.
    """

    hospital: Hospital
    night: int
    subjects: list[Subject]
    files: list[ExportFile] = field(default_factory=list)
    planted: set[PlantedIdentifier] = field(default_factory=set)
    labels: list[Row] = field(default_factory=list)
    answers: list[Row] = field(default_factory=list)
    false_hashes: set[str] = field(default_factory=set)
    earlier: frozenset[str] = frozenset()
    earlier_labels: tuple[Row, ...] = ()
    moved: frozenset[str] = frozenset()
    full: bool = False
    small: bool = False
    faults: list[Row] = field(default_factory=list)

    @property
    def as_of(self) -> dt.date:
        """The day of the export."""
        return night_date(self.subjects, self.night)

    @property
    def name(self) -> str:
        """Name of the export folder or zip, without suffix."""
        return self.as_of.isoformat()

    @property
    def file_name(self) -> str:
        """Name of the export folder or zip as the site delivers it."""
        return f"{self.name}.zip" if self.hospital.zipped else self.name

    def ledger(self, subject_no: str) -> Ledger:
        """Return a ledger that notes into this export."""
        return Ledger(self.hospital.code, subject_no, self.planted)

    def note_fault(self, name: str, **facts: object) -> None:
        """Note an injected fault for the answer key."""
        row: Row = {"fault": name, "site": self.hospital.code, "night": self.night}
        self.faults.append(row | facts)


def plan_images(
    hospital: Hospital,
    subjects: list[Subject],
    night: int,
    seed: int,
    *,
    full: bool = False,
    small: bool = False,
) -> Export:
    """Return the export with its images; content is made when asked for."""
    export = Export(hospital, night, subjects, full=full, small=small)
    for subject in subjects:
        ledger = export.ledger(subject.subject_no)
        for exam in exams_of_night(subject, night, seed, full=full):
            for plan in map(small_plan, exam.plan.series) if small else exam.plan.series:
                context = SeriesContext(subject, exam, plan, ledger)
                export.labels.extend(label_rows(context, night))
                export.files.extend(_series_files(make_template(context), seed))
    if full and hospital.paths is PathHabit.NAMES and export.files:
        export.files.append(_dicomdir(export))
    return export


def _dicomdir(export: Export) -> ExportFile:
    templates = [file.template for file in export.files if file.template]
    contexts = list({t.context.series_uid: t.context for t in templates}.values())
    plant_dicomdir(contexts)
    return ExportFile(
        "dicom/DICOMDIR",
        partial(dicomdir_bytes, contexts),
        "quarantined",
        "SOP_CLASS_NOT_ADMITTED",
    )


def accepted_uids(export: Export) -> frozenset[str]:
    """Return the SOPInstanceUIDs of the images that ingest should accept."""
    return frozenset(
        sop_uid(file.template.context, file.frame)
        for file in export.files
        if file.template and file.frame and file.state == "accepted"
    )


def _series_files(template: SeriesTemplate, seed: int) -> list[ExportFile]:
    frames = frames_of(template.context.plan)
    if template.context.enhanced:
        whole = partial(enhanced_bytes, template, seed)
        return [_image_file(template, frames[0], whole)]
    return [_image_file(template, f, partial(image_bytes, template, f, seed)) for f in frames]


def _image_file(template: SeriesTemplate, frame: Frame, content: Callable[[], bytes]) -> ExportFile:
    paper = template.context.plan.name_key == "DOSE_REPORT"
    if paper:
        plant_capture(template.context, "dose report")
    return ExportFile(
        path=image_path(template.context, frame),
        content=content,
        state="quarantined" if paper else "accepted",
        reason="SECONDARY_OR_DERIVED" if paper else None,
        template=template,
        frame=frame,
    )


def image_path(context: SeriesContext, frame: Frame) -> str:
    """Return the path a site gives an image; folder names identify people, as in the wild."""
    exam, person, plan = context.exam, context.subject.person, context.plan
    habit, plant = context.subject.hospital.paths, context.ledger.plant
    if habit is PathHabit.UIDS:
        uid = sop_uid(context, frame)
        return f"dicom/{exam.study_uid}/{context.series_uid}/{uid}.dcm"
    plant(exam.patient_id, Kind.PATIENT_ID, "path")
    if habit is PathHabit.HAN_NAMES:
        folder = f"{plant(person.name_han, Kind.NAME_HAN, 'path')}_{exam.patient_id}"
        accession = plant(exam.accession, Kind.ACCESSION, "path")
        return f"dicom/{folder}/{accession}/{plan.number}/IMG{frame.instance_number:05d}"
    folder = f"{plant(person.name_glued, Kind.NAME_PINYIN, 'path')}_{exam.patient_id}"
    study = f"{exam.date:%Y%m%d}_{plan.modality}"
    return f"dicom/{folder}/{study}/SE{plan.number:04d}/IM{frame.instance_number:04d}.dcm"
