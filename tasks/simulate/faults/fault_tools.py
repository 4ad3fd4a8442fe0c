"""What faults share: finding the files of a series, putting others in their place, noting it."""

from __future__ import annotations

from schemas.errors import BadInputError
from tasks.simulate.exports import Export, ExportFile
from tasks.simulate.images.pixels import SeriesTemplate, sop_uid
from tasks.simulate.images.vendors import Frame


def files_of(export: Export, *labels: str) -> list[ExportFile]:
    """Return the clean files of the site's last series with one of these labels.

    A series that has a fault already is taken only when there is no other: faults asked for
    together then meet in it.
    """
    found = [
        file
        for file in export.files
        if file.template and file.fault is None and file.template.context.plan.name_key in labels
    ]
    if not found:
        raise BadInputError(f"no series {' or '.join(labels)} to put a fault into")
    hit = {row.get("series_uid") for row in export.faults}
    hit |= {row.get("other_series_uid") for row in export.faults}
    sound = [f for f in found if template_of(f).context.series_uid not in hit]
    last = template_of((sound or found)[-1]).context
    return [f for f in found if template_of(f).context.series_uid == last.series_uid]


def template_of(file: ExportFile) -> SeriesTemplate:
    """Return the template of an image file."""
    if file.template is None:
        raise BadInputError("a fault was asked for on a file that is no image")
    return file.template


def frame_of(file: ExportFile) -> Frame:
    """Return the frame of an image file."""
    if file.frame is None:
        raise BadInputError("a fault was asked for on a file that is no image")
    return file.frame


def replace_file(export: Export, old: ExportFile, new: ExportFile) -> None:
    """Put one file in the place of another."""
    export.files[export.files.index(old)] = new


def beside(file: ExportFile, name: str) -> str:
    """Return a path in the folder of `file`."""
    return f"{file.path.rsplit('/', 1)[0]}/{name}"


def note(export: Export, name: str, file: ExportFile, **facts: object) -> None:
    """Note a fault on one image for the answer key."""
    context, frame = template_of(file).context, frame_of(file)
    export.note_fault(
        name,
        path=file.path,
        subject_no=context.subject.subject_no,
        series_uid=context.series_uid,
        sop_uid=sop_uid(context, frame),
        instance_number=frame.instance_number,
        **facts,
    )
