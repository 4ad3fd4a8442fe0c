"""One prediction for each lesion, by the rule that was decided; masks of either format."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import highdicom as hd
import nibabel
import numpy as np
import pytest
from pydicom.sr.codedict import codes

from tasks.evaluate.masks import Mask, OtherGridError, overlap
from tasks.evaluate.matching import Matching, Method, Reference, Rule, Verdict, match_lesions
from tasks.evaluate.store_masks import read_mask
from tests.builders import make_series

CENTROID = Rule(Method.CENTROID, 1.0)
Place = tuple[float, float, float]


def lesion(name: str, x: float, diameter: float = 10.0, *, accepted: bool = True) -> Reference:
    return Reference(name, (x, 0.0, 0.0), diameter, accepted)


def match(references: list[Reference], *xs: float, rule: Rule = CENTROID) -> Matching:
    return match_lesions(references, [(x, 0.0, 0.0) for x in xs], rule)


@pytest.mark.parametrize(
    ("diameter", "distance", "hit"),
    [(4, 10.0, True), (4, 10.01, False), (40, 20.0, True), (40, 20.01, False)],
)
def test_a_centroid_may_be_off_by_the_larger_of_10_mm_and_the_radius(
    diameter: float, distance: float, hit: bool
) -> None:
    found = match([lesion("a", 0, diameter)], distance)
    assert (found.verdicts[0] is Verdict.MATCHED) is hit


def test_as_many_pairs_as_possible_then_the_closest() -> None:
    """Greedy would give the first mark to the near lesion and leave the other without."""
    found = match([lesion("a", 0), lesion("b", 8)], 5.0, -5.0)
    assert found.lesion_of == ("b", "a")


def test_the_matching_is_the_best_of_all_permutations() -> None:
    draw = np.random.default_rng(2)
    for _ in range(200):
        references = [lesion(f"L{i}", x) for i, x in enumerate(draw.uniform(0, 40, 4))]
        marks = draw.uniform(0, 40, 4)
        found = match(references, *marks)
        best = max(
            (
                sum(abs(references[j].centroid[0] - marks[i]) <= 10 for i, j in enumerate(order)),
                -sum(
                    d
                    for i, j in enumerate(order)
                    if (d := abs(references[j].centroid[0] - marks[i])) <= 10
                ),
            )
            for order in permutations(range(4))
        )
        pairs = [q for q in found.quality if q is not None]
        assert len(pairs) == best[0]
        assert -sum(pairs) == pytest.approx(best[1])


def test_a_lesion_without_accepted_reference_is_ignored_and_never_a_false_positive() -> None:
    found = match([lesion("open", 0, accepted=False)], 1.0, 2.0)
    assert set(found.verdicts) == {Verdict.IGNORED}


def test_an_open_lesion_takes_no_mark_from_a_proven_one() -> None:
    found = match([lesion("open", 0, accepted=False), lesion("proven", 6)], 1.0)
    assert found.lesion_of == ("proven",)


def test_splits_and_merges_are_named() -> None:
    split = match([lesion("a", 0)], 1.0, 3.0)
    assert split.verdicts == (Verdict.MATCHED, Verdict.SPLIT)
    merged = match([lesion("a", 0), lesion("b", 8)], 4.0)
    assert len(merged.merged) == 1


def test_a_mark_far_from_everything_is_false_or_outside_the_liver() -> None:
    places: list[Place] = [(90.0, 0.0, 0.0), (95.0, 0.0, 0.0)]
    found = match_lesions([lesion("a", 0)], places, CENTROID, None, frozenset({1}))
    assert found.verdicts == (Verdict.FALSE_POSITIVE, Verdict.OUTSIDE_LIVER)


def test_nobody_and_nothing() -> None:
    assert match([]).verdicts == ()
    assert match([], 1.0).verdicts == (Verdict.FALSE_POSITIVE,)
    assert match([lesion("a", 0)]).lesion_of == ()


def box(low: int, high: int, affine: np.ndarray | None = None) -> Mask:
    grid = np.zeros((12, 12, 12), dtype=bool)
    grid[low:high, 2:6, 2:6] = True
    return Mask(np.eye(4) if affine is None else affine, np.argwhere(grid).astype(np.int64))


def test_overlap_is_intersection_over_union() -> None:
    assert overlap(box(0, 4), box(2, 6)) == pytest.approx(2 / 6)
    assert overlap(box(0, 4), box(0, 4)) == 1
    assert overlap(box(0, 2), box(4, 6)) == 0


def test_overlap_knows_axes_stored_in_another_order() -> None:
    one = box(0, 4)
    turned = np.eye(4)[[2, 1, 0, 3]]
    other = Mask(turned, one.voxels[:, [2, 1, 0]])
    assert overlap(one, other) == 1


def test_masks_of_two_grids_are_not_compared() -> None:
    shifted = np.eye(4)
    shifted[0, 3] = 0.4
    with pytest.raises(OtherGridError):
        overlap(box(0, 4), box(0, 4, shifted))
    with pytest.raises(OtherGridError):
        overlap(box(0, 4), box(0, 4, np.diag([2.0, 2.0, 2.0, 1.0])))


def write_nifti(path: Path, labels: np.ndarray, affine: np.ndarray) -> Path:
    image = nibabel.Nifti1Image(labels.astype(np.uint8), affine)  # type: ignore[no-untyped-call]
    nibabel.save(image, path)
    return path


def test_a_nifti_mask_lies_where_its_header_says_in_lps(tmp_path: Path) -> None:
    labels = np.zeros((5, 5, 5))
    labels[1, 2, 3], labels[4, 4, 4] = 1, 2
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    affine[:3, 3] = (10, 20, 30)
    found = read_mask(write_nifti(tmp_path / "m.nii.gz", labels, affine), 1)
    assert found.centroid == pytest.approx((-12.0, -26.0, 42.0))  # RAS (12, 26, 42)
    assert read_mask(tmp_path / "m.nii.gz", 2).centroid == pytest.approx((-18.0, -32.0, 46.0))


def test_a_mask_without_the_lesion_or_no_mask_is_refused(tmp_path: Path) -> None:
    path = write_nifti(tmp_path / "m.nii.gz", np.zeros((3, 3, 3)), np.eye(4))
    with pytest.raises(ValueError, match="without a voxel"):
        read_mask(path, 1)
    (tmp_path / "text.nii").write_text("no image")
    with pytest.raises(ValueError, match="cannot be read"):
        read_mask(tmp_path / "text.nii", 1)


def test_a_dicom_seg_lies_where_its_frames_say(tmp_path: Path) -> None:
    """Made by highdicom over slices at z = 2.5, 5, ...; empty frames are left out of the file."""
    sources = make_series(n_slices=6)
    labels = np.zeros((6, sources[0].Rows, sources[0].Columns), dtype=np.uint8)
    labels[2, 3:5, 4:8], labels[4, 1, 1] = 1, 2
    segments = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=f"lesion {number}",
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Neoplasm,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for number in (1, 2)
    ]
    made = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=labels,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=hd.UID(),
        series_number=2,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="made",
        manufacturer_model_name="made",
        software_versions="1",
        device_serial_number="1",
    )
    made.save_as(tmp_path / "seg.dcm")
    one, two = (read_mask(tmp_path / "seg.dcm", number) for number in (1, 2))
    # Columns are 1.25 mm apart from x = -25, rows 1 mm from y = -20; LPS already.
    assert one.centroid == pytest.approx((-25 + 5.5 * 1.25, -20 + 3.5, 7.5))
    assert two.centroid == pytest.approx((-25 + 1.25, -19.0, 12.5))
    # The same lesion as NIfTI on the grid of the series overlaps it wholly.
    affine = np.diag([-1.25, -1.0, 2.5, 1.0])
    affine[:3, 3] = (25.0, 20.0, 2.5)
    nifti = write_nifti(tmp_path / "same.nii.gz", labels.transpose(2, 1, 0), affine)
    assert overlap(one, read_mask(nifti, 1)) == 1
    assert overlap(two, read_mask(nifti, 2)) == 1
