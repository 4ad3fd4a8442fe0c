"""Every reason to keep a run or a reader study out, by file and line; nothing is written then."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from flows.evaluations import evaluate
from schemas.errors import BadInputError
from tasks.evaluate.problems import RefusedError
from tasks.simulate.outcomes.index_runs import lesion_places
from tasks.simulate.outcomes.reader_sessions import ReaderTruth, session_files
from tests.unit.evaluate.made import RUN, Made, make_home

Change = Callable[[Path], None]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_home(tmp_path_factory.mktemp("home"), 16)


def refused(made: Made, folder: Path) -> str:
    before = sorted(made.release.rglob("*"))
    with pytest.raises(RefusedError) as told:
        evaluate(made.settings, folder)
    assert sorted(made.release.rglob("*")) == before, "nothing is written"
    return "\n".join(one.text for one in told.value.problems)


def run(made: Made, tmp_path: Path) -> Path:
    return made.write_run(tmp_path / RUN)


def edit_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def replace_cell(path: Path, line: int, column: str, value: str) -> str:
    """Replace a cell of a CSV file; return the subject of that line."""
    lines = path.read_text().splitlines()
    names, cells = lines[0].split(","), lines[line - 1].split(",")
    cells[names.index(column)] = value
    lines[line - 1] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n")
    return cells[0]


def line_with(path: Path, text: str) -> int:
    return next(n for n, line in enumerate(path.read_text().splitlines(), 1) if text in line)


def test_an_input_hash_that_is_not_of_the_release(made: Made, tmp_path: Path) -> None:
    folder = run(made, tmp_path)
    document = json.loads((folder / "run.json").read_text())
    document["inputs"][3]["sha256"] = "0" * 64
    (folder / "run.json").write_text(json.dumps(document))
    assert "run.json: inputs.3: input hash 000000000000 not of the release" in refused(made, folder)


def test_a_volume_that_the_release_does_not_have(made: Made, tmp_path: Path) -> None:
    folder = run(made, tmp_path)
    document = json.loads((folder / "run.json").read_text())
    document["inputs"][0]["volume_id"] = "unknown"
    (folder / "run.json").write_text(json.dumps(document))
    assert "inputs.0: a volume that the release does not have" in refused(made, folder)


def test_a_subject_without_a_row(made: Made, tmp_path: Path) -> None:
    folder = run(made, tmp_path)
    lines = (folder / "patients.csv").read_text().splitlines()
    gone = lines.pop(4).split(",")[0]
    (folder / "patients.csv").write_text("\n".join(lines) + "\n")
    told = refused(made, folder)
    assert f"patients.csv: no row of {gone}: a subject without a row" in told


def test_a_subject_to_be_scored_whose_volumes_were_not_read(made: Made, tmp_path: Path) -> None:
    folder = run(made, tmp_path)
    document = json.loads((folder / "run.json").read_text())
    gone = made.people[2]
    document["inputs"] = [i for i in document["inputs"] if i["volume_id"] != gone.volumes[0][0]]
    (folder / "run.json").write_text(json.dumps(document))
    for name in ("patients.csv", "lesions.csv"):
        kept = [
            line
            for line in (folder / name).read_text().splitlines()
            if not line.startswith(gone.subject_id)
        ]
        (folder / name).write_text("\n".join(kept) + "\n")
    assert f"no row of {gone.subject_id}" in refused(made, folder)


@pytest.mark.parametrize("value", ["1.01", "-0.1", "nan", "high"])
def test_a_score_out_of_range(made: Made, tmp_path: Path, value: str) -> None:
    folder = run(made, tmp_path)
    replace_cell(folder / "patients.csv", 5, "patient_score", value)
    told = refused(made, folder)
    assert "patients.csv:5: patient_score is" in told


def test_a_score_of_a_lesion_out_of_range(made: Made, tmp_path: Path) -> None:
    folder = run(made, tmp_path)
    replace_cell(folder / "lesions.csv", 3, "score", "1.5")
    assert "lesions.csv:3: score is out of range" in refused(made, folder)


def test_class_probabilities_that_sum_to_more_than_one(made: Made, tmp_path: Path) -> None:
    folder = run(made, tmp_path)
    replace_cell(folder / "lesions.csv", 2, "HCC", "0.9")
    replace_cell(folder / "lesions.csv", 2, "haemangioma", "0.9")
    assert "lesions.csv:2: class probabilities that sum" in refused(made, folder)


def test_a_duplicate_lesion(made: Made, tmp_path: Path) -> None:
    folder = run(made, tmp_path)
    path = folder / "lesions.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[1]]) + "\n")
    expected = f"lesions.csv:{len(lines) + 1}: a row that stands twice"
    assert expected in refused(made, folder)


def test_a_duplicate_subject(made: Made, tmp_path: Path) -> None:
    folder = run(made, tmp_path)
    path = folder / "patients.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[1]]) + "\n")
    assert f"patients.csv:{len(lines) + 1}: a row that stands twice" in refused(made, folder)


def roles_changed(made: Made, old: str, new: str) -> Made:
    path = made.settings.zones.restricted / "analysis_roles.csv"
    path.write_text(path.read_text().replace(old, new))
    return made


@pytest.fixture
def own(tmp_path: Path) -> Made:
    """A home whose roles a test may change."""
    return make_home(tmp_path / "home", 16)


def test_a_role_that_may_not_be_scored(own: Made, tmp_path: Path) -> None:
    who = own.people[0].subject_id
    folder = run(own, tmp_path)
    roles_changed(own, f"{who},phase1_validation", f"{who},phase2_development")
    line = line_with(folder / "patients.csv", who)
    assert f"patients.csv:{line}: role phase2_development" in refused(own, folder)


def test_a_model_version_for_which_no_role_was_frozen(own: Made, tmp_path: Path) -> None:
    folder = run(own, tmp_path)
    edit_json(folder / "run.json", model_version="3.0.0")
    assert "a role frozen for model version 2.1.0" in refused(own, folder)


def test_a_run_started_before_the_roles_were_frozen(own: Made, tmp_path: Path) -> None:
    folder = run(own, tmp_path)
    edit_json(folder / "run.json", started_at="2026-01-04T23:00:00+08:00")
    told = refused(own, folder)
    assert "run.json: started_at" in told
    assert "before the role was frozen" in told


def test_nobody_has_a_role(own: Made, tmp_path: Path) -> None:
    folder = run(own, tmp_path)
    (own.settings.zones.restricted / "analysis_roles.csv").unlink()
    assert "a subject without a role" in refused(own, folder)


def test_a_role_that_was_changed_after_the_release(own: Made, tmp_path: Path) -> None:
    folder = run(own, tmp_path)
    who = own.people[0].subject_id
    roles_changed(own, f"{who},phase1_validation", f"{who},phase2_validation")
    assert "a role is never changed" in refused(own, folder)


def test_another_release(made: Made, tmp_path: Path) -> None:
    folder = run(made, tmp_path)
    edit_json(folder / "run.json", release="9.9.9")
    with pytest.raises(BadInputError, match="release that the run names is not there"):
        evaluate(made.settings, folder)


def test_a_lesion_of_a_failed_test(made: Made, tmp_path: Path) -> None:
    folder = run(made, tmp_path)
    who = (folder / "lesions.csv").read_text().splitlines()[1].split(",")[0]
    line = line_with(folder / "patients.csv", who)
    replace_cell(folder / "patients.csv", line, "run_status", "failed")
    replace_cell(folder / "patients.csv", line, "patient_call", "no_result")
    replace_cell(folder / "patients.csv", line, "patient_score", "")
    assert "lesions.csv:2: a lesion of a subject whose test is failed" in refused(made, folder)


@pytest.mark.parametrize(
    ("file", "line", "column", "value", "told"),
    [
        ("patients.csv", 2, "run_status", "skipped", "patients.csv:2: run_status is"),
        ("patients.csv", 2, "patient_call", "maybe", "patients.csv:2: patient_call is"),
        ("patients.csv", 3, "inference_seconds", "1_0", "patients.csv:3: inference_seconds is no"),
        ("patients.csv", 3, "patient_score", "０.５", "patients.csv:3: patient_score is no"),
        ("patients.csv", 3, "patient_score", "1e999", "patients.csv:3: patient_score is out"),
        ("patients.csv", 3, "patient_call", "no_result", "patients.csv:3: patient_score beside"),
        ("patients.csv", 3, "inference_seconds", "-1", "patients.csv:3: inference_seconds is"),
        ("lesions.csv", 2, "pred_lesion_no", "0", "lesions.csv:2: pred_lesion_no is"),
        ("lesions.csv", 2, "centroid_lps_x_mm", "99999", "lesions.csv:2: centroid_lps_x_mm is out"),
        ("lesions.csv", 2, "centroid_lps_x_mm", "", "lesions.csv:2: centroid_lps_x_mm is"),
        ("patients.csv", 1, "inference_seconds", "seconds", "patients.csv:1: other columns"),
    ],
)
def test_cells_that_cannot_be_used(
    made: Made, tmp_path: Path, file: str, line: int, column: str, value: str, told: str
) -> None:
    folder = run(made, tmp_path)
    replace_cell(folder / file, line, column, value)
    assert told in refused(made, folder)


def test_a_message_never_quotes_what_stood_in_a_cell(made: Made, tmp_path: Path) -> None:
    folder = run(made, tmp_path)
    replace_cell(folder / "patients.csv", 2, "patient_score", "WANG XIAOMING")
    assert "WANG" not in refused(made, folder)


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": 1.5},
        {"threshold_prespecified": "yes"},
        {"weights_sha256": "abc"},
        {"started_at": "yesterday"},
        {"another": 1},
        {"threshold": True},
        {"model_name": "line one\nline two"},
    ],
)
def test_a_run_document_that_cannot_be_used(
    made: Made, tmp_path: Path, change: dict[str, object]
) -> None:
    folder = run(made, tmp_path)
    edit_json(folder / "run.json", **change)
    assert f"run.json: {next(iter(change))}" in refused(made, folder)


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ('"threshold": 0.1, ', "run.json: a key that stands twice"),
        ('"another": NaN, ', "run.json: NaN or Infinity"),
        ("[" * 100_000, "run.json: not JSON"),
    ],
)
def test_json_that_two_programs_read_differently(
    made: Made, tmp_path: Path, extra: str, told: str
) -> None:
    folder = run(made, tmp_path)
    path = folder / "run.json"
    path.write_text("{" + extra + path.read_text().lstrip()[1:])
    assert told in refused(made, folder)


def study(made: Made, tmp_path: Path, **truth: object) -> Path:
    folder = tmp_path / "readers"
    folder.mkdir()
    places = lesion_places(made.people, 1)
    readers = ReaderTruth(**{"readers": 2, **truth})  # type: ignore[arg-type]
    files = session_files(made.people, places, readers, made.release.name, 1, None)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def test_a_read_after_unblinding(made: Made, tmp_path: Path) -> None:
    folder = study(made, tmp_path)
    last = (folder / "reads.csv").read_text().splitlines()[-1].split(",")[5]
    edit_json(folder / "design.json", unblinded_at=last)
    told = refused(made, folder)
    n = len((folder / "reads.csv").read_text().splitlines())
    assert f"reads.csv:{n}: a read after unblinding" in told


def test_an_unaided_read_too_soon_after_the_aided_one(made: Made, tmp_path: Path) -> None:
    """The second reader begins aided: the AI result is remembered a week later."""
    told = refused(made, study(made, tmp_path, washout_days=7))
    assert "the reader saw the AI result of this case" in told


@pytest.mark.parametrize(
    ("file", "line", "column", "value", "told"),
    [
        ("reads.csv", 2, "score", "101", "reads.csv:2: score is out of range"),
        ("reads.csv", 2, "arm", "both", "reads.csv:2: arm is"),
        ("reads.csv", 2, "ended", "2020-01-01T08:00:00+00:00", "reads.csv:2: ended, without"),
        ("reads.csv", 2, "ended", "2027-01-01", "reads.csv:2: ended is a day without a time"),
        (
            "reads.csv",
            2,
            "ended",
            "2027-01-01T08:00:00",
            "reads.csv:2: started and ended: one with",
        ),
        ("reads.csv", 2, "reader_id", "王小明", "reads.csv:2: reader_id is no code"),
        ("reads.csv", 2, "reader_id", "R99", "reads.csv:2: a reader without an order"),
        ("reads.csv", 2, "subject_id", "S91-ZZZZZZZZ", "reads.csv:2: a subject that the release"),
        ("marks.csv", 2, "session_id", "none", "marks.csv:2: a mark without a read"),
        ("marks.csv", 2, "score", "-1", "marks.csv:2: score is out of range"),
    ],
)
def test_reads_that_cannot_be_used(
    made: Made, tmp_path: Path, file: str, line: int, column: str, value: str, told: str
) -> None:
    folder = study(made, tmp_path)
    replace_cell(folder / file, line, column, value)
    assert told in refused(made, folder)


def test_times_of_which_only_some_have_a_zone(made: Made, tmp_path: Path) -> None:
    """Their order, and so the washout and the unblinding, would be eight hours off."""
    folder = study(made, tmp_path)
    for column in ("started", "ended"):
        path = folder / "reads.csv"
        cells = path.read_text().splitlines()[2].split(",")
        moment = cells[path.read_text().splitlines()[0].split(",").index(column)]
        replace_cell(path, 3, column, moment[:19])
    assert "reads.csv:3: times without a time zone (expected: as in line 2)" in refused(
        made, folder
    )
    edit_json(folder / "design.json", unblinded_at="2040-01-01T00:00:00")
    told = refused(made, folder)
    assert "reads.csv:2: times with a time zone" in told
    assert "reads.csv:3: times" not in told


def test_one_read_twice(made: Made, tmp_path: Path) -> None:
    folder = study(made, tmp_path)
    path = folder / "reads.csv"
    lines = path.read_text().splitlines()
    cells = lines[1].split(",")
    cells[2] = "another-session"
    path.write_text("\n".join([*lines, ",".join(cells)]) + "\n")
    assert "the same reader, subject and arm as in line 2" in refused(made, folder)


def test_a_folder_that_is_neither(made: Made, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="neither a run nor a reader study"):
        evaluate(made.settings, tmp_path)


def test_a_run_that_ended_before_it_began(made: Made, tmp_path: Path) -> None:
    folder = run(made, tmp_path)
    edit_json(folder / "run.json", finished_at="2026-02-02T15:00:00")  # 07:00 UTC
    assert "run.json: finished_at is before started_at" in refused(made, folder)


@pytest.mark.parametrize("release", ["a" * 5_000, "../1.0.0", "/etc", ".", "", "livercohort:"])
def test_a_release_that_is_a_path(made: Made, tmp_path: Path, release: str) -> None:
    folder = run(made, tmp_path)
    edit_json(folder / "run.json", release=release)
    with pytest.raises(BadInputError, match="release"):
        evaluate(made.settings, folder)


@pytest.mark.parametrize("mask", ["../run.json", "/etc/passwd", "link.nii.gz", "a" * 400 + ".nii"])
def test_a_mask_that_is_not_of_the_run(made: Made, tmp_path: Path, mask: str) -> None:
    folder = run(made, tmp_path)
    (folder / "link.nii.gz").symlink_to("/etc/passwd")
    path = folder / "lesions.csv"
    head, first, *rest = path.read_text().splitlines()
    lines = [f"{head},mask", f"{first},{mask}", *(f"{line}," for line in rest)]
    path.write_text("\n".join(lines) + "\n")
    assert "lesions.csv:2: a mask that is not there" in refused(made, folder)


def test_a_file_that_lies_elsewhere_was_not_delivered(made: Made, tmp_path: Path) -> None:
    folder = run(made, tmp_path)
    (folder / "lesions.csv").rename(tmp_path / "lesions.csv")
    (folder / "lesions.csv").symlink_to(tmp_path / "lesions.csv")
    assert "lesions.csv: what is no plain file" in refused(made, folder)


def test_a_release_that_somebody_changed_gives_no_number(own: Made, tmp_path: Path) -> None:
    table = next((own.release / "tables" / "lesion").glob("*.parquet"))
    rows = pq.read_table(table)
    table.chmod(0o644)
    pq.write_table(rows.slice(1), table)
    with pytest.raises(BadInputError, match="not what was released"):
        evaluate(own.settings, run(own, tmp_path))
