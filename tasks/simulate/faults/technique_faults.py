"""Scans beside the dynamic that are easily taken for it, and names that deny what they speak of.

The passes of a perfusion, the dynamic of an injection that failed, other organs in the same
study, images of one energy, words such as `no IV contrast`. What is added fills no slot, so the
verdicts of the answer key stay true; its labels stand with the fault.
"""

from __future__ import annotations

from dataclasses import replace

from pydicom.dataset import Dataset

from tasks.simulate.exports import Export, ExportFile
from tasks.simulate.faults.exam_faults import (
    Apply,
    Change,
    acquired_later,
    add_series,
    exam_of,
    rewritten,
)
from tasks.simulate.faults.fault_tools import beside, files_of, note, replace_file, template_of

_PASSES, _EVERY_S, _SLICES = 30, 2.5, 3
#: The perfusion has an injection of its own, ten minutes before the dynamic.
_BEFORE_S = -600.0
_OPEN = "UNCLASSIFIED"
_OF_CONTRAST = (
    "ContrastBolusAgent", "ContrastBolusAgentSequence", "ContrastBolusStartTime",
    "ContrastBolusRoute",
)  # fmt: skip
_TIMES = ("AcquisitionTime", "SeriesTime", "ContentTime")
#: Names of native scans, as hospitals write them, in the order of the scans they are given to.
_DENIALS = ("Abd/Pel no IV contrast", "PO CONTRAST ONLY", "上腹部 增强扫描前", "Liver non con 5mm")
_EVENTS = ("POST ABLATION", "POST BIOPSY", "post-chemo", "术后复查 上腹部")


def _perfusion(export: Export, _seed: int) -> None:
    files = files_of(export, "CT_ART")[:_SLICES]
    number = 985
    series_uid = f"{template_of(files[0]).context.exam.study_uid}.{number}"
    for one in range(_PASSES):
        for place, file in enumerate(files, 1):
            change = _one_pass(series_uid, number, one, place)
            path = beside(file, f"perfusion_{one:02d}_{file.path.rsplit('/', 1)[1]}")
            content = rewritten(file, change)
            export.files.append(ExportFile(path, content, "accepted", fault="perfusion"))
    note(
        export, "perfusion", files[0],
        other_series_uid=series_uid, n_files=_PASSES * len(files), labels="CT_MULTI",
    )  # fmt: skip


def _one_pass(series_uid: str, number: int, one: int, place: int) -> Change:
    def change(data: Dataset) -> None:
        data.SeriesInstanceUID, data.SeriesNumber = series_uid, number
        data.InstanceNumber = one * _SLICES + place
        data.SOPInstanceUID = f"{series_uid}.{data.InstanceNumber}"
        data.AcquisitionNumber = one + 1
        data.SeriesDescription, data.ProtocolName = "Body 5.0", "Body"
        acquired_later(data, _BEFORE_S + _EVERY_S * one)
        _injected_later(data, _BEFORE_S)

    return change


def _injected_later(data: Dataset, seconds: float) -> None:
    if "ContrastBolusStartTime" in data:
        start = Dataset()
        start.AcquisitionTime = data.ContrastBolusStartTime
        acquired_later(start, seconds)
        data.ContrastBolusStartTime = start.AcquisitionTime


def _repeated_dynamic(export: Export, _seed: int) -> None:
    # A first injection that failed: its native and arterial scans, ten minutes before the others.
    def change(data: Dataset) -> None:
        acquired_later(data, _BEFORE_S)
        _injected_later(data, _BEFORE_S)

    beside_these = exam_of(export, "MR_T1_DEL")
    # Whether contrast had arrived in the arterial scan, nobody knows.
    for label, number, shown in (("MR_T1_PRE", 986, "MR_T1_PRE"), ("MR_T1_ART", 987, _OPEN)):
        files = [f for f in beside_these if template_of(f).context.plan.name_key == label]
        add_series(export, "repeated_dynamic", files, number, change, shows=(shown,))


def _other_organs(export: Export, _seed: int) -> None:
    # Series of a head in the study of the liver: only BodyPartExamined tells them apart.
    for label, number in (("MR_DWI", 988), ("MR_T2_FS", 989)):

        def change(data: Dataset) -> None:
            data.BodyPartExamined = "BRAIN"

        files = files_of(export, label)
        add_series(export, "other_organs", files, number, change, shows=("OTHER",))


def _monoenergetic(export: Export, _seed: int) -> None:
    # Only the name tells: the header has no energy, and the voltage is the usual one.
    for text, number in (("MonoE 50 keV", 990), ("单能量 55keV", 991)):

        def change(data: Dataset, text: str = text) -> None:
            data.SeriesDescription = f"{data.get('SeriesDescription', '')} {text}".strip()
            data.SliceThickness = "0.8"

        files = files_of(export, "CT_PVP")
        add_series(export, "monoenergetic", files, number, change, shows=("CT_PVP",))


def _denied_contrast(export: Export, _seed: int) -> None:
    # Every native CT of the site goes by another name that denies the contrast it speaks of.
    natives = [
        file
        for file in export.files
        if file.template and file.fault is None
        and file.template.context.plan.name_key == "CT_NC"
    ]  # fmt: skip
    texts: dict[str, str] = {}
    for file in natives:
        uid = template_of(file).context.series_uid
        text = texts.setdefault(uid, _DENIALS[len(texts) % len(_DENIALS)])

        def change(data: Dataset, text: str = text) -> None:
            data.SeriesDescription, data.ProtocolName = text, "Abdomen"

        replace_file(export, file, replace(file, content=rewritten(file, change)))
    for file in {template_of(f).context.series_uid: f for f in natives}.values():
        note(export, "denied_contrast", file, labels="CT_NC")


def _after_an_event(export: Export, _seed: int) -> None:
    # A scan after an ablation or a biopsy: nothing in it tells whether contrast was given.
    for number, text in enumerate(_EVENTS, 992):

        def change(data: Dataset, text: str = text) -> None:
            data.SeriesDescription, data.ProtocolName = text, "Abdomen"
            for keyword in (*_OF_CONTRAST, *_TIMES):
                if keyword in data:
                    delattr(data, keyword)

        files = files_of(export, "CT_NC")
        add_series(export, "after_an_event", files, number, change, shows=(_OPEN,))


# Name -> index of the site that has it, and what it does on the first night.
TECHNIQUE_FAULTS: dict[str, tuple[int, Apply]] = {
    "perfusion": (6, _perfusion),
    "repeated_dynamic": (4, _repeated_dynamic),
    "other_organs": (5, _other_organs),
    "monoenergetic": (7, _monoenergetic),
    "denied_contrast": (3, _denied_contrast),
    "after_an_event": (8, _after_an_event),
}
