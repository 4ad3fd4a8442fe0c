"""An export: every file proven, resumed where it broke off, and read back by the datalist."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from livercohort import ReleaseError, open_release
from schemas.errors import BadInputError, ContractError, GateBlockedError
from schemas.vault.keys import KeyRing
from tasks.datalist.store import Exported, Wanted, export_release
from tasks.publish.signature import Signer
from tasks.publish.store import build_release
from tests.unit.publish.cohort import (
    AFFINE,
    make_cohort,
    make_facts,
    make_sources,
    volume_array,
    volume_bytes,
)

ART = "MR_T1_ART"
TRAINED, TESTED, UNDECIDED = "S91-AAAA2222", "S92-CCCC4444", "S91-DDDD5555"
ALL_ARTERIAL = f"SELECT rel_path FROM series_choice WHERE label = '{ART}'"


def _with(table: pa.Table, column: str, values: dict[str, str]) -> pa.Table:
    new = [values.get(name, old) for name, old in zip(
        table["subject_id"].to_pylist(), table[column].to_pylist(), strict=True
    )]  # fmt: skip
    at = table.column_names.index(column)
    return table.set_column(at, table.schema.field(at), pa.array(new, pa.string()))


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release with one subject to train on, one to test on, one whose reference is pending."""
    home = tmp_path_factory.mktemp("home")
    tables = make_cohort(extra_subject=UNDECIDED)
    subject = _with(
        tables["subject"], "patient_reference",
        {TRAINED: "malignant", TESTED: "benign", UNDECIDED: "pending"},
    )  # fmt: skip
    roles = {TRAINED: "phase2_development", TESTED: "phase2_validation"}
    tables["subject"] = _with(subject, "analysis_role", roles)
    built = build_release(
        tables,
        releases_dir=home / "releases",
        nifti_sources=make_sources(home / "warehouse", tables),
        facts=make_facts(),
        bump="auto",
        signer=Signer.of(KeyRing(bytes(range(32)))),
    )
    return home / "releases" / str(built.version)


def export(release: Path, target: Path, query: str = ALL_ARTERIAL, **more: Any) -> Exported:
    wanted = Wanted(None, query, (ART,), **more)
    return export_release(release, target, wanted, kept_out=lambda _: ())


def dataset(folder: Path) -> Any:
    return json.loads((folder / "dataset.json").read_bytes())


def test_the_files_of_the_datalist_are_those_of_the_release(release: Path, tmp_path: Path) -> None:
    export(release, tmp_path / "out")
    (item,) = dataset(tmp_path / "out")["training"]
    assert item["subject_id"] == TRAINED
    assert (tmp_path / "out" / item["image"]).read_bytes() == volume_bytes(TRAINED)
    assert dataset(tmp_path / "out")["labels"]["malignant"] == item["label"]


def test_every_item_is_one_that_monai_loads(release: Path, tmp_path: Path) -> None:
    # The rules of `monai.data.load_decathlon_datalist` as its page has them: a list of objects
    # below each key; `image` a path or a list of paths below the folder of the list; any other
    # value that happens to be a path there would be taken for one. `make monai` runs the loop.
    out = tmp_path / "out"
    export(release, out)
    made = dataset(out)
    assert {"training", "test"} <= made.keys()
    for item in (*made["training"], *made["test"]):
        paths = item["image"] if isinstance(item["image"], list) else [item["image"]]
        assert all(not Path(p).is_absolute() and (out / p).is_file() for p in paths)
        others = {key: value for key, value in item.items() if key not in ("image", ART)}
        assert not any(isinstance(v, str) and (out / v).exists() for v in others.values())
    assert all(isinstance(item["label"], int) for item in made["training"])
    assert len(made["training"]) == made["numTraining"]
    assert len(made["test"]) == made["numTest"]


def test_who_is_for_validation_is_in_the_test_list_alone_and_without_the_answer(
    release: Path, tmp_path: Path
) -> None:
    export(release, tmp_path / "out")
    made = dataset(tmp_path / "out")
    (item,) = made["test"]
    assert item["subject_id"] == TESTED
    assert "label" not in item
    splits = json.loads((tmp_path / "out" / "splits_final.json").read_bytes())
    assert TESTED not in {name for split in splits for part in split.values() for name in part}
    assert TESTED not in made["dataset"]


def test_every_subject_asked_for_is_listed_or_left_out_with_a_reason(
    release: Path, tmp_path: Path
) -> None:
    export(release, tmp_path / "out")
    with (tmp_path / "out" / "left_out.csv").open(encoding="utf-8") as stream:
        left_out = {row["subject_id"]: row["reason"] for row in csv.DictReader(stream)}
    with (tmp_path / "out" / "cases.csv").open(encoding="utf-8") as stream:
        listed = {row["subject_id"] for row in csv.DictReader(stream)}
    assert left_out == {UNDECIDED: "REFERENCE_NOT_DECIDED"}
    assert listed == {TRAINED, TESTED}


def test_an_interrupted_export_goes_on_and_mends_what_is_cut_short(
    release: Path, tmp_path: Path
) -> None:
    first = export(release, tmp_path / "out")
    paths = sorted((tmp_path / "out").rglob("*.nii.gz"))
    paths[0].write_bytes(paths[0].read_bytes()[:20])
    killed = paths[1].with_name(f".{paths[1].name}.0123abcd.part")
    killed.write_bytes(b"cut short")
    again = export(release, tmp_path / "out")
    assert (first.files, first.files_there) == (2, 0)
    assert (again.files, again.files_there) == (2, 1)
    assert not killed.exists()
    assert {path.read_bytes() for path in paths} == {volume_bytes(TRAINED), volume_bytes(TESTED)}


def test_who_withdrew_since_is_taken_out_of_an_export_begun_before(
    release: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    export(release, out)
    wanted = Wanted(None, ALL_ARTERIAL, (ART,))
    again = export_release(release, out, wanted, kept_out={TRAINED}.intersection)
    assert again.files == 1
    assert [p.read_bytes() for p in out.rglob("*.nii.gz")] == [volume_bytes(TESTED)]
    assert TRAINED not in (out / "dataset.json").read_text(encoding="utf-8")


def test_who_withdraws_while_an_export_is_made_is_in_no_list_of_it(
    release: Path, tmp_path: Path
) -> None:
    asked: list[bool] = []

    def kept_out(subjects: Iterable[str]) -> set[str]:
        assert TRAINED in set(subjects)
        asked.append((tmp_path / "out" / "dataset.json").exists())
        return {TRAINED} if len(asked) > 1 else set()

    wanted = Wanted(None, ALL_ARTERIAL, (ART,))
    with pytest.raises(GateBlockedError, match="1 subjects withdrew"):
        export_release(release, tmp_path / "out", wanted, kept_out=kept_out)
    assert asked == [False, True]  # the last look is at everything that names somebody
    named = [p for p in (tmp_path / "out").glob("*") if p.is_file()]
    assert all(TRAINED not in p.read_text(encoding="utf-8") for p in named)
    assert not (tmp_path / "out" / "dataset.json").exists()
    left = [p.read_bytes() for p in (tmp_path / "out").rglob("*.nii.gz")]
    assert left == [volume_bytes(TESTED)]


def test_the_same_export_writes_the_same_documents(release: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        export(release, tmp_path / name)
    names = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*"))
    assert names == sorted(p.relative_to(tmp_path / "two") for p in (tmp_path / "two").rglob("*"))
    for path in names:
        if (tmp_path / "one" / path).is_file():
            assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()


def test_a_folder_with_something_else_is_refused_and_left_alone(
    release: Path, tmp_path: Path
) -> None:
    export(release, tmp_path / "out")
    before = (tmp_path / "out" / "export.json").read_bytes()
    with pytest.raises(BadInputError, match="something else"):
        export(release, tmp_path / "out", seed="another")
    assert (tmp_path / "out" / "export.json").read_bytes() == before


def test_an_export_does_not_lie_inside_the_release(release: Path) -> None:
    with pytest.raises(BadInputError, match="inside a release"):
        export(release, release / "nifti" / "out")


def test_a_damaged_volume_is_named_and_not_handed_out(release: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(release, tmp_path / "release"))
    (damaged, _) = sorted(copy.rglob("*.nii.gz"))[:2]
    spoilt = bytearray(damaged.read_bytes())
    spoilt[-1] ^= 1
    damaged.chmod(0o644)
    damaged.write_bytes(spoilt)
    with pytest.raises(ContractError, match=damaged.name):
        export(copy, tmp_path / "out")
    assert not (tmp_path / "out" / damaged.relative_to(copy)).exists()
    assert not list((tmp_path / "out").rglob("*.part"))


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("SELECT * FROM nowhere", "refused"),
        ("SELECT subject_id FROM subject", "no column rel_path"),
        ("SELECT 'nifti/../../x.nii.gz' AS rel_path", "1 of 1 paths are no volumes"),
        ("SELECT rel_path FROM nifti_volume WHERE false", "0 of 0 paths"),
        ("SELECT content AS rel_path FROM read_text('/etc/hostname')", "refused"),
        ("DELETE FROM subject", "refused"),
    ],
)
def test_a_query_that_selects_no_volumes_is_refused(
    release: Path, tmp_path: Path, query: str, told: str
) -> None:
    with pytest.raises(BadInputError, match=told):
        export(release, tmp_path / "out", query)
    assert not (tmp_path / "out").exists()


def test_a_cohort_by_name_takes_the_analysis_set(release: Path, tmp_path: Path) -> None:
    wanted = Wanted("eligible", None, unassigned_may_train=True)
    exported = export_release(release, tmp_path / "out", wanted, kept_out=lambda _: ())
    with open_release(release) as opened:
        eligible = set(opened.subjects(eligible=True)["subject_id"])
    told = {one.subject.subject_id for one in exported.cases.listed}
    assert told | {one.subject_id for one in exported.cases.left_out} == eligible


def test_an_unknown_cohort_names_those_there_are(release: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="hbp_eligible"):
        export_release(release, tmp_path / "o", Wanted("hbp", None), kept_out=lambda _: ())


def test_linked_files_take_no_space(release: Path, tmp_path: Path) -> None:
    wanted = Wanted(None, ALL_ARTERIAL, (ART,))
    export_release(release, tmp_path / "out", wanted, kept_out=lambda _: (), link=True)
    for path in (tmp_path / "out").rglob("*.nii.gz"):
        assert path.samefile(release / path.relative_to(tmp_path / "out"))


def test_a_volume_is_read_with_its_scale_and_affine(release: Path) -> None:
    with open_release(release) as opened:
        volume = opened.volume(TRAINED, ART)
    np.testing.assert_allclose(volume.array, volume_array(TRAINED) * 2.0 - 1024, atol=1e-3)
    np.testing.assert_array_equal(volume.affine, AFFINE)
    assert volume.spacing_mm == (2.0, 1.5, 3.0)
    assert (volume.subject_id, volume.label) == (TRAINED, ART)


@pytest.mark.parametrize(
    ("subject_id", "label", "told"),
    [(TRAINED, "MR_T1_HBP", "has no"), ("S91-ZZZZ2222", ART, "has no"), (TRAINED, "X", "expected")],
)
def test_a_volume_that_is_not_there_is_an_error_that_says_so(
    release: Path, subject_id: str, label: str, told: str
) -> None:
    with open_release(release) as opened, pytest.raises(ReleaseError, match=told):
        opened.volume(subject_id, label)


def test_a_folder_that_is_no_release_is_told(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"manifest\.json"):
        open_release(tmp_path)


def test_a_release_cannot_be_written_through_the_interface(release: Path) -> None:
    with open_release(release) as opened, pytest.raises(Exception, match="read-only"):
        opened.sql("CREATE TABLE x AS SELECT 1")
