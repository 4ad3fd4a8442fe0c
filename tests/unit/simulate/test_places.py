"""Full exams of every hospital: each planted item is at the place that the answer key names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from io import BytesIO

import pydicom
import pytest
from pydicom.dataset import Dataset

from tasks.simulate.answer_key import PlantedIdentifier
from tasks.simulate.exports import Export
from tasks.simulate.people.hospitals import HOSPITALS, PathHabit, Vendor
from tests.unit.simulate.exams import by_series, full_export

PLACES = range(len(HOSPITALS))
# Where identifiers leak, at every site whatever its machines and habits.
EVERYWHERE = {
    "AccessionNumber", "AcquisitionDate", "ContentDate", "CurrentPatientLocation",
    "DeviceSerialNumber", "FrameOfReferenceUID", "ImageComments", "InstitutionAddress",
    "InstitutionName", "IssuerOfPatientID", "OperatorsName",
    "OriginalAttributesSequence, four deep",
    "OriginalAttributesSequence>...>PatientID", "OriginalAttributesSequence>AccessionNumber",
    "OriginalAttributesSequence>AttributeModificationDateTime",
    "OriginalAttributesSequence>PatientName", "OriginalAttributesSequence>SourceOfPreviousValues",
    "OtherPatientIDs", "OtherPatientNames", "OverlayDescription", "OverlayLabel", "PatientAddress",
    "PatientBirthDate", "PatientComments", "PatientID", "PatientName", "PatientTelephoneNumbers",
    "PerformingPhysicianName", "ReferencedStudySequence, hospital number and day in the UID",
    "ReferringPhysicianName", "RequestAttributesSequence",
    "RequestAttributesSequence>ReasonForTheRequestedProcedure", "RequestingPhysician", "SeriesDate",
    "SeriesInstanceUID", "StationName", "StudyDate", "StudyInstanceUID", "(0002,0016)", "preamble",
    "pixels: dose report", "pixels: overlay", "private (0039,xx01)", "private (0039,xx02) OB",
}  # fmt: skip
PRIVATE_OF_MR = {
    Vendor.SIEMENS: {"CSA text (0029,xx20)", "private (0029,xx60)"},
    Vendor.GE: {"private (0009)"},
    Vendor.PHILIPS: {"private (2001)"},
    Vendor.UIH: {"private (0065,xx07) OB"},
    Vendor.CANON: {"private (700D)"},
    Vendor.NEUSOFT: {"private (0009,xx20)"},
}


def texts(data: Dataset, above: tuple[str, ...] = ()) -> Iterator[tuple[set[str], str]]:
    """Yield the keywords and groups that lead to each value, and the value as text."""
    for element in data:
        # Elements of repeating groups (overlays) have a name and no keyword.
        keyword = element.keyword or element.name.replace(" ", "")
        here = {*above, keyword, f"{element.tag.group:04X}"}
        if element.VR == "SQ":
            for item in element.value:
                yield from texts(item, tuple(here))
        elif isinstance(element.value, bytes):
            if element.keyword != "PixelData":
                for form in ("utf-8", "gb18030"):
                    yield here, element.value.decode(form, "replace")
        else:
            yield here, str(element.value)


def texts_by_place(export: Export) -> dict[str, str]:
    """Return all text of one image per series and of the other files, by keyword and group."""
    found: dict[str, list[str]] = defaultdict(list)
    for files in by_series(export).values():
        data = files[0].content()
        image = pydicom.dcmread(BytesIO(data))
        found["preamble"].append(data[:128].decode("ascii", "replace"))
        found["0002"].append(str(image.file_meta))
        found["path"].append(files[0].path)
        for keys, text in texts(image):
            for key in keys:
                found[key].append(text)
    for file in export.files:
        if file.template is None:
            found[file.path.rsplit("/", 1)[-1]].append(file.content().decode("gb18030", "replace"))
    return {key: "\n".join(parts) for key, parts in found.items()}


def is_at_its_place(entry: PlantedIdentifier, found: dict[str, str]) -> bool:
    """Whether the value is where the place says; Han under a wrong charset reads as Latin 1."""
    group = re.search(r"\(([0-9A-F]{4})", entry.place)
    key = group[1] if group else re.split(r"[>, ]", entry.place)[-1 if ">" in entry.place else 0]
    misread = entry.value.encode("gb18030").decode("latin-1")
    return any(form in found.get(key, "") for form in (entry.value, misread))


@pytest.mark.parametrize("place", PLACES)
def test_each_planted_item_is_at_the_place_that_the_answer_key_names(place: int) -> None:
    export = full_export(place)
    found = texts_by_place(export)
    drawn = {entry for entry in export.planted if entry.place.startswith("pixels")}
    strays = [e.place for e in export.planted - drawn if not is_at_its_place(e, found)]
    assert sorted(strays) == []


@pytest.mark.parametrize("place", PLACES)
def test_identifiers_leak_in_every_place_that_machines_and_habits_of_a_site_have(
    place: int,
) -> None:
    export, hospital = full_export(place), HOSPITALS[place]
    places = {entry.place for entry in export.planted}
    wanted = set(EVERYWHERE)
    for scanner in (hospital.dce, hospital.eob):
        wanted |= PRIVATE_OF_MR[scanner.vendor]
    if hospital.paths is not PathHabit.UIDS:
        wanted.add("path")
    if hospital.paths is PathHabit.NAMES:
        wanted.add("DICOMDIR")
    if hospital.name_in_series_description:
        wanted.add("SeriesDescription")
    if hospital.name_in_study_description:
        wanted.add("StudyDescription")
    assert wanted - places == set()
    assert any(found.startswith("private") and found not in EVERYWHERE for found in places)
