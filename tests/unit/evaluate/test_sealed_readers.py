"""What an evaluation says of readers and of lesions."""

from __future__ import annotations

import shutil
from pathlib import Path

import nibabel
import numpy as np
import pyarrow.parquet as pq
import pytest

from flows.evaluations import evaluate
from tasks.evaluate.lesions import NO_LESIONS
from tasks.evaluate.problems import RefusedError
from tests.unit.evaluate.judged import find, rules_broken, run, study
from tests.unit.evaluate.made import RUN, Made, make_home
from tests.unit.evaluate.test_refusals import line_with, replace_cell


def test_readers_are_judged_alone_together_and_beside_the_system(
    made: Made, tmp_path: Path
) -> None:
    run(made, tmp_path)
    sealed = study(made, tmp_path, RUN)
    assert sealed.exploratory == ()
    assert rules_broken(made) == set()
    row = find(
        sealed,
        measure="auc",
        arm="ai_aided - unaided",
        reader_id="all",
        method="obuchowski_rockette_rrrc",
    )
    assert row["state"] == "estimated"
    assert row["p_value"] is None
    beside = find(
        sealed,
        measure="sensitivity",
        arm="ai - unaided",
        reader_id="R01",
        method="tango_exact_mcnemar",
    )
    alone = find(sealed, measure="sensitivity", arm="unaided", reader_id="R01")
    system = find(
        evaluate(made.settings, tmp_path / RUN, tmp_path / "reference"), measure="sensitivity"
    )
    gap = float(str(system["estimate"])) - float(str(alone["estimate"]))
    assert beside["estimate"] == pytest.approx(gap)
    time = find(
        sealed,
        unit="read",
        measure="reading_time_ratio",
        arm="ai_aided / unaided",
        reader_id="all",
        method="crossover_log_ratio",
    )
    assert float(str(time["ci_low"])) < 0.85 < float(str(time["ci_high"]))
    figure = find(
        sealed,
        unit="lesion",
        measure="afroc1_figure",
        arm="unaided",
        reader_id="R01",
        method="jackknife",
    )
    assert figure["state"] == "estimated"


def test_marks_outside_the_liver_are_named(made: Made, tmp_path: Path) -> None:
    """Simulated false marks lie some 400 mm away from the lesions; the liver is a box."""
    folder = made.write_run(tmp_path / RUN)
    box = np.ones((30, 30, 30), dtype=np.uint8)
    affine = np.diag([10.0, 10.0, 10.0, 1.0])
    affine[:3, 3] = -150.0
    image = nibabel.Nifti1Image(box, affine)  # type: ignore[no-untyped-call]
    nibabel.save(image, tmp_path / "reference" / "liver.nii.gz")
    lines = [f"{one.subject_id},liver.nii.gz" for one in made.people]
    listed = "\n".join(["subject_id,mask", *lines]) + "\n"
    (tmp_path / "reference" / "livers.csv").write_text(listed)
    sealed = evaluate(made.settings, folder, tmp_path / "reference")
    rows = pq.read_table(sealed.path / "tables" / "index_lesion.parquet").to_pylist()
    far = {row["verdict"] for row in rows if row["centroid_lps_x_mm"] > 200}
    near = {row["verdict"] for row in rows if row["centroid_lps_x_mm"] < 200}
    assert far == {"outside_liver"}
    assert near == {"matched"}


def test_masks_are_matched_by_overlap_where_that_was_decided(tmp_path: Path) -> None:
    made = make_home(tmp_path / "home", 8, lesions=1, D20="overlap of at least 0.1 (IoU)")
    folder = made.write_run(tmp_path / RUN)
    first, second = made.people[0], made.people[1]
    affine = np.diag([2.0, 2.0, 3.0, 1.0])

    def write(path: Path, low: int, high: int) -> None:
        data = np.zeros((20, 20, 10), dtype=np.uint8)
        data[low:high, 5:10, 2:6] = 1
        nibabel.save(nibabel.Nifti1Image(data, affine), path)  # type: ignore[no-untyped-call]

    write(folder / "hit.nii.gz", 6, 10)
    write(folder / "far.nii.gz", 14, 18)
    write(tmp_path / "reference" / "true.nii.gz", 5, 10)
    names = "subject_id,pred_lesion_no,centroid_lps_x_mm,centroid_lps_y_mm,centroid_lps_z_mm"
    (folder / "lesions.csv").write_text(
        f"{names},volume_mm3,score,mask\n"
        f"{first.subject_id},1,-15,-14,10.5,,0.9,hit.nii.gz\n"
        f"{second.subject_id},1,-31,-14,10.5,,0.9,far.nii.gz\n"
    )
    for person in (first, second):
        line = line_with(folder / "patients.csv", person.subject_id)
        replace_cell(folder / "patients.csv", line, "run_status", "ok")
        replace_cell(folder / "patients.csv", line, "patient_call", "positive")
        replace_cell(folder / "patients.csv", line, "patient_score", "0.9")
    reference = tmp_path / "reference" / "reference_lesions.csv"
    lines = reference.read_text().splitlines()
    heads = [",".join(line.split(",")[:2]) for line in lines[1:]]
    reference.write_text(
        "\n".join([lines[0] + ",mask", *(f"{one},-14,-14,10.5,true.nii.gz" for one in heads)])
        + "\n"
    )
    sealed = evaluate(made.settings, folder, tmp_path / "reference")
    table = pq.read_table(sealed.path / "tables" / "index_lesion.parquet").to_pylist()
    found = {row["subject_id"]: (row["verdict"], row["match_iou"]) for row in table}
    assert found[first.subject_id] == ("matched", pytest.approx(4 / 5))
    assert found[second.subject_id][0] == "false_positive"

    lesions = folder / "lesions.csv"
    whole = lesions.read_text()
    lesions.write_text(whole.replace("far.nii.gz", ""))
    with pytest.raises(RefusedError, match=r"lesions.csv:3: a lesion without a mask"):
        evaluate(made.settings, folder, tmp_path / "reference")
    lesions.write_text(whole.replace(",-31,-14,", ",31,14,"))  # RAS
    with pytest.raises(RefusedError, match=r"lesions.csv:3: a centroid that lies \d+ mm beside"):
        evaluate(made.settings, folder, tmp_path / "reference")
    lesions.write_text(whole)
    affine = np.diag([2.1, 2.0, 3.0, 1.0])
    write(folder / "far.nii.gz", 14, 18)
    with pytest.raises(RefusedError, match=r"lesions.csv:3: the voxels do not lie on the grid"):
        evaluate(made.settings, folder, tmp_path / "reference")


def test_lesions_nobody_delivered_are_not_lesions_nobody_found(made: Made, tmp_path: Path) -> None:
    folder = made.write_run(tmp_path / RUN)
    (folder / "lesions.csv").rename(folder / "Lesions.csv")
    sealed = evaluate(made.settings, folder, tmp_path / "reference")
    row = find(sealed, unit="lesion", measure="detection_rate", method="none")
    assert (row["estimate"], row["state"]) == (None, "not_estimable")
    assert row["note"] == NO_LESIONS
    assert not [r for r in sealed.estimates if r["unit"] == "lesion" and r["estimate"] is not None]


def test_an_empty_list_of_lesions_says_that_nothing_was_found(made: Made, tmp_path: Path) -> None:
    folder = made.write_run(tmp_path / RUN)
    path = folder / "lesions.csv"
    path.write_text(path.read_text().splitlines()[0] + "\n")
    sealed = evaluate(made.settings, folder, tmp_path / "reference")
    row = find(sealed, unit="lesion", measure="detection_rate", method="ratio_wilson")
    assert row["estimate"] == 0.0


def test_readers_who_were_not_asked_for_marks_have_no_localisation(
    made: Made, tmp_path: Path
) -> None:
    run(made, tmp_path)
    study(made, tmp_path, RUN)
    folder = tmp_path / "readers-without-marks"
    shutil.copytree(tmp_path / "readers", folder)
    (folder / "marks.csv").unlink()
    sealed = evaluate(made.settings, folder, tmp_path / "reference")
    assert "afroc1_figure" not in {row["measure"] for row in sealed.estimates}
