"""Each geometry fault shows the misbehaviour that the plain converter is known for."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest

from tasks.simulate.exports import Export, ExportFile, plan_images
from tasks.simulate.faults.apply import apply_image_faults
from tasks.simulate.faults.fault_tools import template_of
from tasks.simulate.faults.geometry_faults import GEOMETRY_FAULTS
from tasks.simulate.people.hospitals import HOSPITALS
from tasks.simulate.people.subjects import make_subjects
from tests.unit.simulate.conftest import SEED
from tests.unit.simulate.exams import Converted, convert

# Sites with native pixels, one vendor each.
SITE = {"clock_error": 1}
N_SLICES, SPACING_MM = 12, 5.0


def faulted(*names: str, subjects: int = 1, place: int = 0) -> Export:
    hospital = HOSPITALS[place]
    people = make_subjects(hospital, site_index=0, per_site=subjects, seed=SEED)
    export = plan_images(hospital, people, 1, SEED)
    apply_image_faults(export, names, SEED)
    return export


def files_of_fault(export: Export, name: str) -> list[ExportFile]:
    [row] = [row for row in export.faults if row["fault"] == name]
    hit = {row["series_uid"], row.get("other_series_uid")}
    return [
        file
        for file in export.files
        if file.template and template_of(file).context.series_uid in hit
    ]


def converted(name: str, folder: Path) -> Converted:
    return convert((f.content() for f in files_of_fault(faulted(name), name)), folder)


@dataclass(frozen=True)
class Known:
    """What dcm2niix does: exit code, shapes of what is on disk, and whether it warns."""

    code: int
    slices: tuple[int, ...]
    resampled: str = ""


# The table of defects in the design of conversion, as this simulator brings them about.
KNOWN = {
    "missing_slice": Known(0, (11,), "_Eq_1"),
    "first_slice_missing": Known(0, (11,)),
    "zero_byte_slice": Known(0, (11,), "_Eq_1"),
    "slice_without_pixels": Known(0, (11,), "_Eq_1"),
    "broken_file": Known(1, ()),
    "duplicate_position": Known(0, (13,), "_Eq_1"),
    "unequal_phases": Known(1, (19,)),
    "localizer_inside": Known(0, (12, 1)),
    "no_geometry": Known(0, (12,)),
    "slice_jitter": Known(0, (12,)),
    "gantry_tilt": Known(0, (12,), "_Tilt_1"),
    "variable_spacing": Known(0, (12,), "_Eq_1"),
    "uid_per_slice": Known(0, (1,) * 12),
}


@pytest.mark.parametrize("name", KNOWN)
def test_dcm2niix_misbehaves_as_it_is_known_to(name: str, tmp_path: Path) -> None:
    found, known = converted(name, tmp_path), KNOWN[name]
    native = {n: image for n, image in found.volumes.items() if "_Eq" not in n and "_Tilt" not in n}
    slices = tuple(image.shape[2] for image in native.values())
    assert (found.code, slices) == (known.code, known.slices)
    resampled = set(found.volumes) - set(native)
    assert {name.removeprefix("x").removesuffix(".nii") for name in resampled} == (
        {known.resampled} if known.resampled else set()
    )


def test_alternating_orientation_is_torn_apart_or_tilted(tmp_path: Path) -> None:
    found = converted("alternating_orientation", tmp_path)
    assert found.code == 0
    assert any("_Tilt" in name for name in found.volumes) or len(found.volumes) > 1


def test_a_first_slice_that_is_missing_shows_nowhere(tmp_path: Path) -> None:
    assert converted("first_slice_missing", tmp_path).warnings_of_geometry == []


def test_jitter_makes_the_spacing_wrong_and_says_nothing(tmp_path: Path) -> None:
    found = converted("slice_jitter", tmp_path)
    [image] = found.volumes.values()
    spacing = float(image.header["pixdim"][3])
    assert 0.03 < spacing - SPACING_MM < 0.1
    assert found.warnings_of_geometry == []


def test_a_tilted_gantry_gives_a_native_file_of_wrong_spacing(tmp_path: Path) -> None:
    native = converted("gantry_tilt", tmp_path).volumes["x.nii"]
    tilted = SPACING_MM * np.cos(np.radians(18.5))
    assert float(native.header["pixdim"][3]) == pytest.approx(tilted, abs=0.01)


def test_without_geometry_an_affine_is_made_up(tmp_path: Path) -> None:
    native = [
        f for f in faulted().files if f.template and f.template.context.plan.name_key == "CT_NC"
    ]
    sound = convert((f.content() for f in native), tmp_path)
    (tmp_path / "b").mkdir()
    made_up = converted("no_geometry", tmp_path / "b")
    [a], [b] = sound.volumes.values(), made_up.volumes.values()
    assert not np.allclose(a.affine, b.affine)


def test_every_geometry_fault_is_noted_once_with_what_should_become_of_it() -> None:
    for name in GEOMETRY_FAULTS:
        export = faulted(name, place=SITE.get(name, 0))
        [row] = [r for r in export.faults if r["fault"] == name]
        assert row["series_uid"] or row["study_uid"]


def test_faults_asked_for_together_hit_different_series() -> None:
    names = ("missing_slice", "first_slice_missing", "no_geometry", "slice_without_pixels")
    export = faulted(*names, subjects=4)
    hit = [row["series_uid"] for row in export.faults]
    assert len(set(hit)) == len(names)


def test_files_of_a_geometry_fault_are_sound_objects_with_states_of_their_own() -> None:
    expected = {"zero_byte_slice": "EMPTY_FILE", "slice_without_pixels": "NO_PIXEL_DATA"}
    for name in GEOMETRY_FAULTS:
        reasons = {f.reason for f in faulted(name, place=1).files if f.fault == name and f.reason}
        assert reasons == ({expected[name]} if name in expected else set())


def test_a_clock_error_moves_the_injection_and_nothing_else() -> None:
    clean, late = faulted(place=1), faulted("clock_error", place=1)
    changed = []
    for before, after in zip(clean.files, late.files, strict=True):
        if after.fault:
            a, b = (pydicom.dcmread(BytesIO(f.content())) for f in (before, after))
            if a != b:
                changed.append({e.keyword for e in a if b[e.tag] != e})
    assert changed
    assert all(keywords == {"ContrastBolusStartTime"} for keywords in changed)
