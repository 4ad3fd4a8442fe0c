"""Masks come in for a release, are published beside their volume, and go out as DICOM SEG."""

from __future__ import annotations

import gzip
import json
import shutil
import tracemalloc
from functools import partial
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from pydicom.uid import DeflatedExplicitVRLittleEndian

from schemas.errors import BadInputError, ContractError, GateBlockedError
from schemas.identifiers import SiteCode
from schemas.lesion_masks import (
    MaskFile,
    list_masks,
    mask_folder,
    mask_name,
    register_of_masks,
    require_unchanged_masks,
    source_key,
)
from schemas.run.atomic_files import sha256_of_file
from schemas.run.zones import Zones
from schemas.vault.keys import KeyRing, Purpose
from tasks.masks.segmentation import make_segmentation
from tasks.masks.store import TakenIn, export_segmentation, import_mask
from tasks.publish.erase.store_erase import erase_from_releases, publish_without
from tasks.publish.masks import published_masks
from tasks.publish.store import build_release
from tasks.receive.store_erase import erase_from_warehouse
from tests.builders import make_instance
from tests.unit.publish.cohort import (
    AFFINE,
    digest_of,
    make_cohort,
    make_facts,
    make_row,
    make_sources,
    make_table,
)

SUBJECT, OTHER = "S91-AAAA2222", "S92-CCCC4444"
KEYED = partial(KeyRing(bytes(range(32))).keyed_digest, purpose=Purpose.MASK)
VOLUME, SERIES = digest_of(SUBJECT), "2.25.21"
MASK = np.zeros((4, 3, 2), np.uint8)
MASK[1:3, 2, 1] = 1


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one release, made once."""
    made = Zones(tmp_path_factory.mktemp("home"))
    made.create()
    released(made)
    return made.home


@pytest.fixture
def zones(home: Path, tmp_path: Path) -> Zones:
    shutil.copytree(home, tmp_path / "home", symlinks=True)
    return Zones(tmp_path / "home")


def tables() -> dict[str, pa.Table]:
    cohort = make_cohort()
    rows = [
        make_row("lesion", lesion_id=f"{s}-L{n}", subject_id=s, lesion_no=n, batch_id=f"b-{s[:3]}")
        for s, n in ((SUBJECT, 1), (SUBJECT, 2), (OTHER, 1))
    ]
    return cohort | {"lesion": make_table("lesion", rows)}


def released(zones: Zones) -> Path:
    """Publish what the warehouse has, as the flow does."""
    cohort = tables()
    found = published_masks(cohort["lesion"], cohort["nifti_volume"], list_masks(zones))
    require_unchanged_masks(found.masks, KEYED)
    result = build_release(
        cohort | {"lesion": found.lesion},
        releases_dir=zones.releases,
        nifti_sources=make_sources(zones.home / "nifti", cohort) | found.sources,
        facts=make_facts(masks_sha256=found.sha256),
    )
    assert result.path is not None
    return result.path


def drawn(folder: Path, mask: NDArray[Any] = MASK, affine: NDArray[Any] = AFFINE) -> Path:
    image: Any = nibabel.Nifti1Image(mask, affine)  # type: ignore[no-untyped-call]
    path = folder / "Zhang Wei.nii.gz"
    path.write_bytes(gzip.compress(image.to_bytes()))
    return path


def taken(zones: Zones, path: Path, lesion: int = 1, **more: Any) -> TakenIn:
    more.setdefault("volume_id", VOLUME)
    return import_mask(zones, zones.releases / "latest", path, lesion, keyed=KEYED, **more)


def objects(zones: Zones, write: bool = True) -> list[Any]:
    """The de-identified objects of the series, as they lie in the warehouse."""
    made = []
    for number in (1, 2):
        image = make_instance(
            modality="MR", instance=number, Rows=3, Columns=4, PixelSpacing=[1.5, 2.0],
            SeriesInstanceUID=SERIES, SOPInstanceUID=f"{SERIES}.{number}",
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            ImagePositionPatient=[-50, 37, 10 + 3 * (number - 1)],
        )  # fmt: skip
        image.PixelData = np.zeros((3, 4), np.uint16).tobytes()
        place = zones.warehouse / "dicom" / "S91" / SERIES
        place.mkdir(parents=True, exist_ok=True)
        if write:
            image.save_as(place / f"{image.SOPInstanceUID}.dcm", enforce_file_format=True)
        made.append(image)
    return made


def test_a_mask_drawn_on_a_released_volume_is_published_beside_it(zones: Zones) -> None:
    done = taken(zones, drawn(zones.home))
    assert (done.subject_id, done.lesion_no, done.voxels, done.new) == (SUBJECT, 1, 2, True)
    assert not taken(zones, drawn(zones.home)).new
    second = released(zones)
    assert second.name == "1.0.1"
    [path] = second.rglob("*_mask.nii.gz")
    assert path.name == f"{VOLUME}.lesion-1_mask.nii.gz"
    assert (path.parent / f"{VOLUME}.nii.gz").is_file()
    image = nibabel.Nifti1Image.from_filename(path)
    assert np.array_equal(np.asarray(image.dataobj), MASK)
    assert np.allclose(image.affine, AFFINE)
    cohort = tables()
    linked = published_masks(cohort["lesion"], cohort["nifti_volume"], list_masks(zones)).lesion
    assert linked["mask_volume_id"].to_pylist() == [VOLUME, None, None]


def test_no_mask_of_a_subject_who_withdrew_is_taken_in_or_handed_out(zones: Zones) -> None:
    asked: list[str] = []

    def withdrew(subjects: list[str]) -> None:
        asked.extend(subjects)
        raise GateBlockedError("1 subjects withdrew")

    with pytest.raises(GateBlockedError):
        taken(zones, drawn(zones.home), at_last=withdrew)
    assert list_masks(zones) == ()
    taken(zones, drawn(zones.home))
    objects(zones)
    target = zones.home / "out.dcm"
    with pytest.raises(GateBlockedError):
        export_segmentation(zones, released(zones), VOLUME, 1, target, at_last=withdrew)
    assert not target.exists()
    assert asked == [SUBJECT, SUBJECT]


def test_nifti_to_seg_to_nifti_by_way_of_the_released_objects(zones: Zones) -> None:
    taken(zones, drawn(zones.home))
    release, seg = released(zones), zones.home / "lesion.dcm"
    images = objects(zones)
    assert export_segmentation(zones, release, VOLUME, 1, seg) == 1
    before = [one.path.read_bytes() for one in list_masks(zones)]
    assert not taken(zones, seg, volume_id=None).new
    assert [one.path.read_bytes() for one in list_masks(zones)] == before
    with pytest.raises(BadInputError, match="there already"):
        export_segmentation(zones, release, VOLUME, 1, seg)
    with pytest.raises(BadInputError, match="no mask of lesion 2"):
        export_segmentation(zones, release, VOLUME, 2, zones.home / "other.dcm")
    (zones.warehouse / "dicom" / "S91" / SERIES / f"{images[1].SOPInstanceUID}.dcm").unlink()
    with pytest.raises(ContractError, match="not in the warehouse"):
        export_segmentation(zones, release, VOLUME, 1, zones.home / "other.dcm")


def test_a_segmentation_of_a_hospital_is_found_by_the_key_and_brings_nothing_but_voxels(
    zones: Zones,
) -> None:
    images = objects(zones, write=False)
    for image in images:
        image.SeriesInstanceUID, image.PatientName = "1.2.3.4.5", "Zhang^Wei"
        image.PatientID = image.StudyID = "88123456"
    seg = zones.home / "site.dcm"
    make_segmentation(MASK, AFFINE, images, 1, "0").save_as(seg)
    with pytest.raises(BadInputError, match="0 such volumes"):
        taken(zones, seg, volume_id=None)
    done = taken(zones, seg, volume_id=None, map_uid={"1.2.3.4.5": SERIES}.get)
    assert done.volume_id == VOLUME
    [mask] = list_masks(zones)
    raw = gzip.decompress(mask.path.read_bytes()) + str(mask.path).encode()
    assert not any(word in raw for word in (b"Zhang", b"88123456", b"1.2.3.4.5"))


def test_a_segmentation_that_cannot_be_read_is_refused_without_a_word_of_it(zones: Zones) -> None:
    """A name stands where a reader expects something else, and readers quote what they find."""
    made = make_segmentation(MASK, AFFINE, objects(zones, write=False), 1, "0")
    made.SegmentationType = "ZHANG WEI"
    made.save_as(zones.home / "site.dcm")
    with pytest.raises(BadInputError, match="cannot be read") as refusal:
        taken(zones, zones.home / "site.dcm")
    assert "ZHANG" not in str(refusal.value)


def test_a_deflated_segmentation_is_not_unpacked(zones: Zones) -> None:
    made = make_segmentation(MASK, AFFINE, objects(zones, write=False), 1, "0")
    made.PixelData = bytes(1 << 24)
    made.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    made.save_as(zones.home / "site.dcm")
    assert (zones.home / "site.dcm").stat().st_size < 1 << 17
    tracemalloc.start()
    with pytest.raises(BadInputError, match="a deflated file"):
        taken(zones, zones.home / "site.dcm", volume_id=None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 24


@pytest.mark.parametrize(
    ("mask", "affine", "why"),
    [
        (np.ones((4, 3, 3), np.uint8), AFFINE, "4 x 3 x 3 voxels"),
        (MASK, AFFINE @ np.diag([1, 1, 1.01, 1]), "another size"),
        (MASK, AFFINE + np.eye(4)[[3, 0, 0, 0]] * 0.3, "refused"),
        (MASK * 0, AFFINE, "no voxel"),
        (MASK * 0.5, AFFINE, "no whole numbers"),
    ],
)
def test_a_mask_on_another_grid_is_refused_and_nothing_of_its_name_is_said(
    zones: Zones, mask: NDArray[Any], affine: NDArray[Any], why: str
) -> None:
    with pytest.raises(BadInputError, match=why) as refusal:
        taken(zones, drawn(zones.home, mask.astype(np.float32), affine))
    assert "Zhang" not in str(refusal.value)
    assert list_masks(zones) == ()


def test_a_mask_of_the_same_size_a_voxel_away_was_drawn_on_another_volume(zones: Zones) -> None:
    for axis in range(3):
        away = AFFINE.copy()
        away[:3, 3] -= AFFINE[:3, axis]
        with pytest.raises(BadInputError, match="another place"):
            taken(zones, drawn(zones.home, MASK, away))
    turned = np.moveaxis(MASK[::-1], 2, 0)
    back = AFFINE @ np.array([[0, -1, 0, 3], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]])
    assert taken(zones, drawn(zones.home, turned, back)).voxels == 2
    [one] = list_masks(zones)
    assert np.array_equal(nibabel.Nifti1Image.from_filename(one.path).dataobj, MASK)


def test_a_segmentation_of_another_series_is_not_taken_for_the_volume_that_is_named(
    zones: Zones,
) -> None:
    images = objects(zones, write=False)
    for image in images:
        image.SeriesInstanceUID = "2.25.99"
    seg = zones.home / "other.dcm"
    make_segmentation(MASK, AFFINE, images, 1, "0").save_as(seg)
    with pytest.raises(BadInputError, match="another series"):
        taken(zones, seg)
    with pytest.raises(BadInputError, match="another series"):
        taken(zones, seg, map_uid=lambda uid: f"{uid}.1")
    assert taken(zones, seg, map_uid={"2.25.99": SERIES}.get).volume_id == VOLUME


def test_a_mask_is_unpacked_as_far_as_its_header_announces(zones: Zones) -> None:
    path = drawn(zones.home)
    whole = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(whole) + gzip.compress(bytes(1 << 20)) * 600)
    tracemalloc.start()
    assert taken(zones, path).voxels == 2
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()
    huge = bytearray(whole)
    huge[42:48] = np.array([30000, 30000, 30000], "<i2").tobytes()
    path.write_bytes(gzip.compress(bytes(huge)))
    with pytest.raises(BadInputError, match="30000 x 30000 x 30000 voxels"):
        taken(zones, path, lesion=2)


def test_what_is_no_mask_or_of_no_lesion_is_refused(zones: Zones) -> None:
    released(zones)
    broken = zones.home / "broken.nii.gz"
    broken.write_bytes(b"Zhang Wei")
    with pytest.raises(BadInputError, match="cannot be read"):
        taken(zones, broken)
    with pytest.raises(BadInputError, match="has no lesion 7"):
        taken(zones, drawn(zones.home), lesion=7)
    with pytest.raises(BadInputError, match="on which volume"):
        taken(zones, drawn(zones.home), volume_id=None)


def test_a_lesion_has_one_mask_and_another_takes_its_place_only_on_request(zones: Zones) -> None:
    taken(zones, drawn(zones.home))
    first = released(zones)
    wider = MASK.copy()
    wider[1:3, 1, 1] = 1
    with pytest.raises(BadInputError, match="has another mask"):
        taken(zones, drawn(zones.home, wider))
    taken(zones, drawn(zones.home, wider), replace=True)
    assert len(list_masks(zones)) == 1
    second = released(zones)
    assert (first.name, second.name) == ("1.0.1", "1.0.2")
    sums = [next(r.rglob("*_mask.nii.gz")).read_bytes() for r in (first, second)]
    assert sums[0] != sums[1]


def test_a_mask_of_a_series_that_came_anew_is_not_published(zones: Zones) -> None:
    taken(zones, drawn(zones.home))
    cohort = tables()
    gone = cohort["nifti_volume"].slice(1)
    found = published_masks(cohort["lesion"], gone, list_masks(zones))
    assert (found.masks, found.left_out, found.sha256) == ((), 1, None)
    assert found.lesion["mask_volume_id"].null_count == 3


def test_of_two_masks_of_one_lesion_on_two_volumes_none_is_chosen() -> None:
    cohort = tables()
    of_other = cohort["nifti_volume"].slice(0, 1).to_pylist()
    of_other[0]["volume_id"] = "f" * 16
    volumes = pa.concat_tables(
        [cohort["nifti_volume"], pa.Table.from_pylist(of_other, cohort["nifti_volume"].schema)]
    )
    own = str(volumes["volume_id"][0])
    masks = [MaskFile(v, 1, "0" * 16, Path(v)) for v in (own, "f" * 16)]
    found = published_masks(cohort["lesion"], volumes, masks)
    assert (found.masks, found.left_out) == ((), 2)
    assert found.lesion["mask_volume_id"].null_count == 3
    assert published_masks(cohort["lesion"], volumes, masks[:1]).masks == tuple(masks[:1])


def test_a_mask_that_was_changed_stops_the_release(zones: Zones) -> None:
    released(zones)
    taken(zones, drawn(zones.home))
    [mask] = list_masks(zones)
    mask.path.write_bytes(b"other")
    with pytest.raises(ContractError, match="not the one that was taken in"):
        released(zones)


def test_a_mask_that_was_put_into_the_warehouse_and_not_taken_in_stops_the_release(
    zones: Zones,
) -> None:
    """Letters drawn in voxels are no name that a search finds."""
    released(zones)
    data = drawn(zones.home).read_bytes()
    planted = mask_folder(zones, SiteCode("S91"), SERIES)
    planted.mkdir(parents=True)
    (planted / mask_name(VOLUME, 1, data, lambda plain: plain)).write_bytes(data)
    with pytest.raises(ContractError, match="not the one that was taken in"):
        released(zones)


def test_the_register_of_masks_is_of_those_that_an_erasure_left(zones: Zones) -> None:
    def register(release: Path) -> object:
        return json.loads((release / "manifest.json").read_bytes())["registers"].get("masks_sha256")

    taken(zones, drawn(zones.home))
    release = released(zones)
    before = register(release)
    assert before == register_of_masks(
        {source_key(VOLUME, 1): sha256_of_file(list_masks(zones)[0].path)}
    )
    issued = publish_without(zones.releases, OTHER)
    erase_from_releases(zones.releases, OTHER)
    assert register(release) == register(zones.releases / str(issued)) == before
    issued = publish_without(zones.releases, SUBJECT)
    erase_from_releases(zones.releases, SUBJECT)
    assert register(zones.releases / str(issued)) is None
    assert register(release) is None


def test_the_masks_of_a_subject_go_with_the_subject(zones: Zones) -> None:
    taken(zones, drawn(zones.home))
    release = released(zones)
    erase_from_releases(zones.releases, SUBJECT)
    assert list((zones.releases / release.name).rglob("*_mask.nii.gz")) == []
    folder = zones.warehouse / "batches" / "S91" / "b"
    folder.mkdir(parents=True)
    row = {"series_uid": SERIES, "sop_uid": f"{SERIES}.1", "subject_id": SUBJECT, "study_uid": "1"}
    pq.write_table(pa.Table.from_pylist([row]), folder / "instance.parquet")
    (folder / "batch.json").write_text("{}")
    erase_from_warehouse(zones, SiteCode("S91"), SUBJECT, [])
    assert list_masks(zones) == ()
