"""Images are looked at by columns and a part at a time: the same comes of it as of all at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from schemas.dicom.features import InstanceFeatures
from schemas.identifiers import BatchId, Sha256, SiteCode
from schemas.records import CohortLabels
from schemas.run.atomic_files import canonical_json, sha256_of_file
from schemas.run.zones import Zones
from schemas.tables.contracts import conform
from schemas.tables.record_tables import records_from_table, table_from_records
from schemas.vault.keys import KeyRing
from tasks.harmonise.exam import label_instances
from tasks.publish import store_images
from tasks.publish.batches import BatchTables, CommittedBatch, merge_batches
from tasks.publish.images import (
    SiteImages,
    codes_of,
    components,
    joined_sites,
    packs,
    taken_rows,
)
from tasks.publish.instances import instance_table
from tasks.publish.rows import image_rows, labelled_stacks
from tasks.publish.store_batches import read_committed
from tasks.publish.store_image_rows import INSTANCE, SHORT, ImageRows
from tasks.publish.store_images import StoredImages
from tasks.publish.store_kept_images import KeptImages, forget_images
from tests.unit.publish.cohort import CONTRACTS

RING = KeyRing(bytes(range(32)))


def image(site: str, person: str, series: int, number: int, **more: object) -> InstanceFeatures:
    """Return an image of a CT; two series make a study."""
    plain = InstanceFeatures(
        subject_id=f"{site}-{person * 4}2222",
        study_uid=f"1.{site[1:]}.{person}.{series // 2}",
        series_uid=f"1.{site[1:]}.{person}.{series // 2}.{series}",
        sop_uid=f"1.{site[1:]}.{person}.{series // 2}.{series}.{number}",
        sop_class_uid="1.2",
        modality="CT",
        patient_sex="F",
        study_date=f"2026010{series + 1}",
        series_description=("venous", "arterial", "plain")[series % 3],
        rows=16,
        columns=20,
        position_lps=(0.0, 0.0, 2.5 * number),
        orientation_lps=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    )
    return replace(plain, **more)  # type: ignore[arg-type]  # fields of a record


def images_of(site: str, people: str = "AB") -> list[InstanceFeatures]:
    return [image(site, p, s, n) for p in people for s in range(3) for n in range(4)]


def write(zones: Zones, site: str, name: str, images: Sequence[InstanceFeatures]) -> None:
    """Commit a batch; those earlier in the alphabet are earlier."""
    folder = zones.warehouse / "batches" / site / name
    folder.mkdir(parents=True)
    path = folder / "instance.parquet"
    pq.write_table(table_from_records(images, InstanceFeatures, key=("sop_uid",)), path)
    record = {
        "batch_id": name,
        "site_code": site,
        "state": "committed",
        "n_files": len(images),
        "n_bytes": 10,
        "counts": {"accepted": len(images)},
        "manifest_sha256": "a" * 64,
        "tables": {"instance": {"sha256": sha256_of_file(path)}},
    }
    (folder / "batch.json").write_bytes(canonical_json(record))


@pytest.fixture
def zones(tmp_path: Path) -> Zones:
    """A home of two sites; the second batch of one brings a part again, and more."""
    made = Zones(home=tmp_path)
    made.create()
    first = images_of("S91")
    write(made, "S91", "a", first)
    write(made, "S91", "b", [*first[3:7], *images_of("S91", "C"), image("S91", "A", 0, 9)])
    write(made, "S92", "c", images_of("S92"))
    return made


def all_at_once(zones: Zones) -> tuple[CohortLabels, dict[str, pa.Table]]:
    """Return labels and rows made from the records of all images, as one merge has them."""
    items = []
    for path in sorted((zones.warehouse / "batches").glob("*/*/batch.json")):
        record = json.loads(path.read_bytes())
        table = pq.read_table(path.parent / "instance.parquet")
        batch = CommittedBatch(
            batch_id=BatchId(record["batch_id"]),
            site_code=SiteCode(record["site_code"]),
            n_files=1,
            n_bytes=1,
            counts={},
            manifest_sha256=Sha256("a" * 64),
        )
        records = tuple(records_from_table(table, InstanceFeatures))
        items.append(BatchTables(batch=batch, instances=records))
    merged = merge_batches(items)
    labels = label_instances(merged.instances)
    stacks = labelled_stacks(labels, merged)
    rows = image_rows(labels, merged, stacks)
    tables = {name: conform(CONTRACTS[name], rows[name]) for name in SHORT}
    tables[INSTANCE] = instance_table(labels, stacks, merged.batch_of_instance, CONTRACTS[INSTANCE])
    return labels, tables


def made_of(
    images: StoredImages, folder: Path, kept: KeptImages, stated: str = "x"
) -> tuple[ImageRows, list[CohortLabels], list[int]]:
    """Return rows, labels by group, and how many images each call to label was given."""
    rows, calls = ImageRows(CONTRACTS, folder, kept), list[int]()

    def label(part: Sequence[InstanceFeatures]) -> CohortLabels:
        calls.append(len(part))
        return label_instances(part)

    return rows, [rows.make(group, stated, label) for group in images.groups], calls


@pytest.mark.parametrize("limit", [1, 20, 1 << 15], ids=["one person", "few", "all"])
def test_parts_give_the_rows_of_the_whole(
    zones: Zones, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(store_images, "_ROWS", limit)
    monkeypatch.setattr(store_images, "_RECORDS", limit)
    labels, tables = all_at_once(zones)
    cohort, images = read_committed(zones)
    rows, found, calls = made_of(images, tmp_path / "w", KeptImages(zones, None))
    assert len(calls) == {1: 5, 20: 3, 1 << 15: 2}[limit]
    assert sum(calls) == images.n_images == tables[INSTANCE].num_rows == 61
    series = [one for part in found for one in part.series]
    assert tuple(sorted(series, key=lambda s: (s.series_uid, s.sub_stack_digest))) == labels.series
    for name, table in rows.tables().items():
        assert table.equals(tables[name]), name
    keys = [(key, "ascending") for key in CONTRACTS[INSTANCE].primary_key]
    assert rows.images().whole().sort_by(keys).equals(tables[INSTANCE])
    assert cohort.taken == {
        (row["series_uid"], row["batch_id"]) for row in tables[INSTANCE].to_pylist()
    }
    assert images.batch_of_subject["S91-CCCC2222"] == "b"
    assert images.sexes["S92-AAAA2222"] == {"F"}
    assert images.in_force(["1.91.A.0.0.9", "1.91.Z.0.0.0"]) == {"1.91.A.0.0.9"}


def test_what_is_the_same_is_not_labelled_again(zones: Zones, tmp_path: Path) -> None:
    def again(stated: str = "x") -> tuple[dict[str, pa.Table], pa.Table, list[int]]:
        kept = KeptImages(zones, RING)
        _, images = read_committed(zones, ring=RING)
        rows, _, calls = made_of(images, tmp_path / "w", kept, stated)
        return rows.tables(), rows.images().whole(), calls

    tables, whole, calls = again()
    assert calls == [37, 24]
    same, images, calls = again()
    assert calls == []
    assert same == tables
    assert images.equals(whole)
    assert again(stated="y")[2] == [37, 24]  # what people state of them has changed
    assert again(stated="")[2] == [37, 24]  # what nobody can tell is never kept
    again(stated="x")
    write(zones, "S92", "d", [image("S92", "C", 0, 0)])
    assert again()[2] == [25]
    for path in (zones.restricted / "images").glob("*.kept"):
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert again()[2] == [37, 25]
    assert again()[2] == []
    forget_images(zones)
    assert again()[2] == [37, 25]


@pytest.mark.parametrize("has_table", [True, False])
def test_a_site_without_images_has_none(tmp_path: Path, *, has_table: bool) -> None:
    zones = Zones(home=tmp_path)
    zones.create()
    write(zones, "S91", "a", [])
    if not has_table:
        (zones.warehouse / "batches" / "S91" / "a" / "instance.parquet").unlink()
    cohort, images = read_committed(zones)
    rows, found, calls = made_of(images, tmp_path / "w", KeptImages(zones, None))
    assert (cohort.taken, images.n_images, calls) == (frozenset(), 0, [])
    assert found == [CohortLabels(series=(), studies=())]
    assert {name: table.num_rows for name, table in rows.tables().items()} == dict.fromkeys(
        SHORT, 0
    )
    assert rows.images().num_rows == 0


def test_a_batch_that_states_no_digests_is_never_kept(zones: Zones, tmp_path: Path) -> None:
    for path in (zones.warehouse / "batches").glob("S91/*/batch.json"):
        record = json.loads(path.read_bytes())
        del record["tables"]
        path.write_bytes(canonical_json(record))
    for expected in ([37, 24], [37]):
        _, images = read_committed(zones, ring=RING)
        assert made_of(images, tmp_path / "w", KeptImages(zones, RING))[2] == expected


def test_a_hold_of_another_site_is_no_secret_of_what_is_kept(zones: Zones, tmp_path: Path) -> None:
    _, images = read_committed(zones, ring=RING)
    made_of(images, tmp_path / "w", KeptImages(zones, RING))
    held = pa.table({"sop_uid": ["1.91.A.0.0.1"], "reason": ["uid_conflict"]})
    pq.write_table(held, zones.warehouse / "batches" / "S92" / "c" / "hold.parquet")
    _, images = read_committed(zones, ring=RING)
    rows, _, calls = made_of(images, tmp_path / "w", KeptImages(zones, RING))
    assert calls == [36]  # the other site has nothing of it
    assert "1.91.A.0.0.1" not in rows.images().whole()["sop_uid"].to_pylist()


def test_rows_in_force_are_those_of_a_merge_of_records() -> None:
    random = np.random.default_rng(3)
    for _ in range(20):
        sizes = random.integers(0, 9, 3)
        uids = [[None if n == 0 else f"1.{n}" for n in random.integers(0, 12, k)] for k in sizes]
        held = {f"1.{n}" for n in random.integers(1, 12, 2)}
        masks = taken_rows([pa.chunked_array([pa.array(u, pa.string())]) for u in uids], held)
        seen: set[str] = set()
        for own, mask in zip(uids, masks, strict=True):
            expected = []
            for uid in own:
                expected.append(uid is not None and uid not in held and uid not in seen)
                seen |= {uid} if uid else set()
            assert mask.tolist() == expected


def test_rows_are_together_that_share_a_value_and_whoever_hangs_on_them() -> None:
    random = np.random.default_rng(5)
    for _ in range(20):
        columns = [random.integers(-1, 12, 30) for _ in range(3)]
        group = {row: {row} for row in range(30)}
        for one in range(30):
            for other in range(one):
                if any(c[one] == c[other] >= 0 for c in columns) and group[one] is not group[other]:
                    joined = group[one] | group[other]
                    group.update(dict.fromkeys(joined, joined))
        found = components([column.astype(np.int64) for column in columns])
        expected = [min(group[row]) for row in range(30)]
        assert found.tolist() == expected
        for pack in packs(found, 7):
            assert set(found[pack]).isdisjoint(np.delete(found, pack))
        assert sorted(row for pack in packs(found, 7) for row in pack) == list(range(30))


@pytest.mark.parametrize("kind", ["subjects", "studies", "series", "hashes"])
def test_sites_that_share_anything_of_an_image_are_looked_at_together(kind: str) -> None:
    def site(code: str, own: str, number: int) -> SiteImages:
        names = frozenset({own})
        hashes = np.array([number, 2**64 - 1 - number], dtype=np.uint64)
        return SiteImages(
            site=SiteCode(code), subjects=names, studies=names, series=names, hashes=hashes
        )

    alone = [site("S91", "a", 1), site("S92", "b", 2), site("S93", "c", 3)]
    assert joined_sites(alone) == [("S91",), ("S92",), ("S93",)]
    shared = replace(alone[2], **{kind: getattr(alone[0], kind)})
    assert joined_sites([*alone[:2], shared]) == [("S91", "S93"), ("S92",)]


def test_an_exam_from_two_hospitals_is_one(zones: Zones, tmp_path: Path) -> None:
    study = {"study_uid": "1.91.A.0", "subject_id": "S92-AAAA2222"}
    write(zones, "S92", "d", [image("S92", "A", 5, n, **study) for n in range(3)])
    labels, tables = all_at_once(zones)
    _, images = read_committed(zones)
    assert [group.sites for group in images.groups] == [("S91", "S92")]
    rows, found, _ = made_of(images, tmp_path / "w", KeptImages(zones, None))
    assert found[0].studies == labels.studies
    assert rows.tables()["imaging_study"].equals(tables["imaging_study"])
    assert set(rows.images().parts) == {"S91", "S92"}


def test_texts_get_the_number_of_the_first_that_is_like_them() -> None:
    codes, texts = codes_of([pa.chunked_array([["b", None, "a"]]), pa.chunked_array([["b"]])])
    assert codes.tolist() == [0, -1, 1, 0]
    assert texts.to_pylist() == ["b", "a"]
