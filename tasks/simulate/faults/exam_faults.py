"""Headers and series that contradict what is true: registration days, kernels, agents, copies.

The images are as they were, so that labels, roles and verdicts of the answer key stay true; what
is added fills no slot. `study_dates` is the one reading that a day of registration changes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO

import pydicom
from pydicom.dataset import Dataset

from tasks.simulate.exports import Export, ExportFile
from tasks.simulate.faults.fault_tools import beside, files_of, note, replace_file, template_of

_REGISTERED_BEFORE_DAYS = 20
_ROUNDED_MM = -2e-7
_SECOND_AFTER_S = 30.0

Change = Callable[[Dataset], None]
Apply = Callable[[Export, int], None]


def rewritten(file: ExportFile, change: Change) -> Callable[[], bytes]:
    """Return the content of a file with its header changed."""
    before = file.content

    def content() -> bytes:
        data = pydicom.dcmread(BytesIO(before()))
        change(data)
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
        stream = BytesIO()
        pydicom.dcmwrite(stream, data)
        return stream.getvalue()

    return content


def exam_of(export: Export, label: str) -> list[ExportFile]:
    """Return the images of the exam that the site's last series with this label belongs to."""
    study = template_of(files_of(export, label)[0]).context.exam.study_uid
    return [
        file
        for file in export.files
        if file.template
        and file.state == "accepted"
        and file.template.context.exam.study_uid == study
    ]


def acquired_later(data: Dataset, seconds: float) -> None:
    """Move the time of acquisition; of an enhanced object, or one without a time, it stays."""
    stamp = str(data.get("AcquisitionTime") or "")
    if stamp:
        moment = dt.datetime.strptime(stamp[:6], "%H%M%S").replace(tzinfo=dt.UTC)
        data.AcquisitionTime = f"{moment + dt.timedelta(seconds=seconds):%H%M%S.%f}"


def _change_exam(export: Export, name: str, label: str, change: Change) -> None:
    files = exam_of(export, label)
    for file in files:
        replace_file(export, file, replace(file, content=rewritten(file, change)))
    note(export, name, files[0], n_files=len(files))


def _registered_earlier(export: Export, _seed: int) -> None:
    def change(data: Dataset) -> None:
        day = dt.datetime.strptime(data.StudyDate, "%Y%m%d").replace(tzinfo=dt.UTC)
        data.StudyDate = f"{day - dt.timedelta(days=_REGISTERED_BEFORE_DAYS):%Y%m%d}"

    _change_exam(export, "registered_earlier", "CT_PVP", change)


def _agent_unnamed(export: Export, _seed: int) -> None:
    def change(data: Dataset) -> None:
        for keyword in ("ContrastBolusAgent", "ContrastBolusAgentSequence", "ProtocolName"):
            if keyword in data:
                delattr(data, keyword)

    _change_exam(export, "agent_unnamed", "MR_T1_DEL", change)


def _thickness_rounded(export: Export, _seed: int) -> None:
    def change(data: Dataset) -> None:
        if "SliceThickness" in data and int(data.get("InstanceNumber") or 0) % 2:
            data.SliceThickness = f"{float(data.SliceThickness) + _ROUNDED_MM:.7f}"

    _change_exam(export, "thickness_rounded", "MR_T1_TRANS", change)


def add_series(
    export: Export,
    name: str,
    files: list[ExportFile],
    number: int,
    change: Change,
    *,
    shows: tuple[str, ...],
) -> None:
    """Add a series that looks like that of the files and is computed, or made otherwise.

    `shows` are the labels that are right for it; the answer key has them.
    """
    series_uid = f"{template_of(files[0]).context.exam.study_uid}.{number}"

    def anew(data: Dataset) -> None:
        change(data)
        data.SeriesInstanceUID, data.SeriesNumber = series_uid, number
        data.SOPInstanceUID = f"{series_uid}.{data.InstanceNumber}"

    for file in files:
        path = beside(file, f"{name}_{number}_{file.path.rsplit('/', 1)[1]}")
        export.files.append(ExportFile(path, rewritten(file, anew), "accepted", fault=name))
    note(
        export, name, files[0],
        other_series_uid=series_uid, n_files=len(files), labels="|".join(shows),
    )  # fmt: skip


def _lung_kernel(export: Export, _seed: int) -> None:
    def change(data: Dataset) -> None:
        data.ConvolutionKernel, data.SliceThickness = "Br64f", "0.8"

    add_series(export, "lung_kernel", files_of(export, "CT_ART"), 981, change, shows=("CT_ART",))


def _dual_energy(export: Export, _seed: int) -> None:
    def change(data: Dataset) -> None:
        data.KVP, data.SliceThickness = "80", "0.8"
        data.SeriesDescription = f"{data.get('SeriesDescription', '')} 80kV".strip()

    add_series(export, "dual_energy", files_of(export, "CT_PVP"), 982, change, shows=("CT_PVP",))


def _derived_thin(export: Export, _seed: int) -> None:
    def change(data: Dataset) -> None:
        data.ImageType = ["DERIVED", "SECONDARY", "RESAMPLED"]
        data.SliceThickness = "1.0"

    add_series(
        export, "derived_thin", files_of(export, "MR_T1_TRANS"), 983, change, shows=("REFORMAT",)
    )


def _second_flip_angle(export: Export, _seed: int) -> None:
    def change(data: Dataset) -> None:
        data.FlipAngle = "30"
        acquired_later(data, _SECOND_AFTER_S)

    add_series(
        export,
        "second_flip_angle",
        files_of(export, "MR_T1_HBP"),
        984,
        change,
        shows=("MR_T1_HBP",),
    )


# Name -> index of the site that has it, and what it does on the first night.
EXAM_FAULTS: dict[str, tuple[int, Apply]] = {
    "registered_earlier": (0, _registered_earlier),
    "lung_kernel": (0, _lung_kernel),
    "dual_energy": (1, _dual_energy),
    "agent_unnamed": (1, _agent_unnamed),
    "thickness_rounded": (2, _thickness_rounded),
    "derived_thin": (2, _derived_thin),
    "second_flip_angle": (1, _second_flip_angle),
}
