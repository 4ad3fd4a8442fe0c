"""What an evaluation says, that it repeats, and that the release beside it stays what it was."""

from __future__ import annotations

import csv
import hashlib
import json
from io import StringIO
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from flows.evaluations import evaluate
from schemas.errors import BusyError
from schemas.vault.keys import read_key_file
from tasks.evaluate.admission import NOT_PRESPECIFIED, OTHER_THRESHOLD, SAME_DAY
from tasks.evaluate.cohort import TWICE
from tasks.publish.erase.store_erase import erase_from_releases
from tasks.publish.signature import Signer
from tests.unit.evaluate.judged import find, rules_broken, run, study
from tests.unit.evaluate.made import RUN, STARTED, Made, make_home
from tests.unit.evaluate.test_refusals import edit_json, line_with, replace_cell


def sums_of(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_release_stays_what_it_was_and_still_verifies(made: Made, tmp_path: Path) -> None:
    before = sums_of(made.release)
    sealed = run(made, tmp_path)
    after = sums_of(made.release)
    assert {name: after[name] for name in before} == before
    assert {name.split("/")[0] for name in after.keys() - before.keys()} == {"evaluations"}
    assert sealed.path == made.release / "evaluations" / RUN
    assert rules_broken(made) == set()


def test_the_same_run_repeats_byte_for_byte_and_writes_nothing_twice(
    made: Made, tmp_path: Path
) -> None:
    first, again = run(made, tmp_path / "a"), run(made, tmp_path / "b")
    assert (first.written, again.written) == (True, False)
    other = make_home(tmp_path / "other", 48)
    twin = run(other, tmp_path / "c")
    apart = {"evaluation.duckdb", "SHA256SUMS", "SHA256SUMS.minisig"}  # a database never repeats
    one, two = sums_of(first.path), sums_of(twin.path)
    assert one.keys() == two.keys()
    same_release = json.loads((first.path / "evaluation.json").read_text())
    same_release = same_release["release_sums_sha256"]
    for name in one.keys() - apart - {"evaluation.json", "tables/evaluation.parquet"}:
        assert one[name] == two[name], name
    assert same_release == sums_of(made.release)["SHA256SUMS"]


def test_other_content_under_the_same_name_is_refused(made: Made, tmp_path: Path) -> None:
    folder = made.write_run(tmp_path / RUN)
    sealed = evaluate(made.settings, folder)
    before = sums_of(sealed.path)
    replace_cell(folder / "patients.csv", 2, "inference_seconds", "1.5")
    with pytest.raises(BusyError, match="other content"):
        evaluate(made.settings, folder)
    assert sums_of(sealed.path) == before
    assert sorted(p.name for p in sealed.path.parent.iterdir()) == [RUN]


@pytest.mark.parametrize(
    ("harm", "rule"),
    [
        ("change", "REL-CHECKSUM"),
        ("add", "REL-EXTRA"),
        ("remove", "REL-MISSING"),
        ("loose", "REL-EXTRA"),
        ("unsigned", "REL-SIGNATURE"),
        ("renamed", "REL-REPLAY"),
    ],
)
def test_verify_tells_what_somebody_did_to_an_evaluation(
    made: Made, tmp_path: Path, harm: str, rule: str
) -> None:
    path = run(made, tmp_path).path
    table = path / "tables" / "estimate.parquet"
    table.chmod(0o644)
    if harm == "change":
        table.write_bytes(table.read_bytes() + b"x")
    elif harm == "add":
        (path / "more.csv").write_text("x")
    elif harm == "remove":
        table.unlink()
    elif harm == "loose":
        (path.parent / "loose.csv").write_text("x")
    elif harm == "unsigned":
        (path / "SHA256SUMS.minisig").unlink()
    else:
        path.rename(path.parent / "run-b")
    assert rules_broken(made) == {rule}


def test_an_erased_subject_takes_the_evaluations_of_the_release_along(
    made: Made, tmp_path: Path
) -> None:
    run(made, tmp_path)
    signer = Signer.of(read_key_file(made.settings.master_key_file))
    erase_from_releases(made.settings.zones.releases, made.people[0].subject_id, signer)
    assert not (made.release / "evaluations").exists()
    assert rules_broken(made) == set()


def test_the_cells_are_those_of_counting_the_files(made: Made, tmp_path: Path) -> None:
    sealed = run(made, tmp_path)
    malignant = {one.subject_id: one.malignant for one in made.people}
    text = (tmp_path / RUN / "patients.csv").read_text()
    cells = {"tp": 0, "fn": 0, "tn": 0, "fp": 0}
    for row in csv.DictReader(StringIO(text)):
        right = {True: "positive", False: "negative"}[malignant[row["subject_id"]]]
        is_right = row["patient_call"] == right  # failed and indeterminate are not
        cells[
            ("tp" if is_right else "fn") if right == "positive" else "tn" if is_right else "fp"
        ] += 1
    for measure, above, below in (
        ("sensitivity", "tp", ("tp", "fn")),
        ("specificity", "tn", ("tn", "fp")),
        ("ppv", "tp", ("tp", "fp")),
        ("npv", "tn", ("tn", "fn")),
        ("miss_rate", "fn", ("tp", "fn")),
        ("misdiagnosis_rate", "fp", ("tn", "fp")),
    ):
        row = find(sealed, measure=measure)
        assert row["numerator"] == cells[above]
        assert row["denominator"] == sum(cells[name] for name in below)


def test_no_answer_is_wrong_and_best_and_worst_enclose_it(made: Made, tmp_path: Path) -> None:
    folder = made.write_run(tmp_path / RUN)
    who = next(one for one in made.people if one.malignant).subject_id
    line = line_with(folder / "patients.csv", who)
    replace_cell(folder / "patients.csv", line, "patient_call", "indeterminate")
    sealed = evaluate(made.settings, folder)
    values = {
        analysis: float(str(find(sealed, measure="sensitivity", analysis=analysis)["estimate"]))
        for analysis in ("worst", "main", "conclusive", "best")
    }
    assert values["worst"] == values["main"] < values["conclusive"] < values["best"]


def test_subgroups_sum_to_everybody(made: Made, tmp_path: Path) -> None:
    sealed = run(made, tmp_path)
    for unit, method in (("patient", "wilson"), ("lesion", "ratio_wilson")):
        whole = find(sealed, unit=unit, measure="sensitivity", method=method)
        for by in ("site", "maker", "field", "lesion_class", "lesion_size", "role"):
            parts = [
                row
                for row in sealed.estimates
                if (row["unit"], row["subset_by"], row["method"]) == (unit, by, method)
                and (row["measure"], row["reading"]) == ("sensitivity", "literal")
            ]
            assert sum(float(str(r["denominator"])) for r in parts) == whole["denominator"], by
            assert sum(float(str(r["numerator"])) for r in parts) == whole["numerator"], by


def test_what_the_population_cannot_give_says_so(made: Made, tmp_path: Path) -> None:
    row = find(run(made, tmp_path), measure="detection_specificity", method="none")
    assert (row["state"], row["estimate"]) == ("not_defined", None)
    assert "has a lesion" in str(row["note"])


def test_nothing_of_nothing_is_not_estimable(tmp_path: Path) -> None:
    made = make_home(tmp_path / "home", 16, eligible=False)
    sealed = run(made, tmp_path)
    row = find(sealed, measure="sensitivity")
    assert (row["state"], row["denominator"], row["estimate"]) == ("not_estimable", 0.0, None)
    assert rules_broken(made) == set()


def test_lesions_without_a_place_give_no_number(made: Made, tmp_path: Path) -> None:
    sealed = evaluate(made.settings, made.write_run(tmp_path / RUN))
    row = find(sealed, unit="lesion", measure="detection_rate", method="none")
    assert row["state"] == "not_estimable"
    assert "place" in str(row["note"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"threshold_prespecified": False}, NOT_PRESPECIFIED),
        ({"started_at": "2026-01-05T09:00:00+00:00"}, SAME_DAY),
        ({"threshold": 0.05}, OTHER_THRESHOLD),
        ({"started_at": STARTED}, None),
    ],
)
def test_what_makes_a_run_exploratory_is_said_everywhere(
    made: Made, tmp_path: Path, change: dict[str, object], reason: str | None
) -> None:
    folder = made.write_run(tmp_path / RUN)
    edit_json(folder / "run.json", **change)
    sealed = evaluate(made.settings, folder)
    assert sealed.exploratory == ((reason,) if reason else ())
    assert {row["exploratory"] for row in sealed.estimates} == {bool(reason)}
    shared = csv.DictReader(StringIO((sealed.path / "shared_estimates.csv").read_text()))
    assert {row["exploratory"] for row in shared} == {"yes" if reason else "no"}


def test_one_person_under_two_pseudonyms_is_told(tmp_path: Path) -> None:
    made = make_home(tmp_path / "home", 16, one_person=(0, 1))
    sealed = evaluate(made.settings, made.write_run(tmp_path / RUN))
    assert sealed.exploratory == (TWICE,)


def test_cells_under_ten_are_left_out_of_what_may_be_shared(made: Made, tmp_path: Path) -> None:
    sealed = run(made, tmp_path)
    shared = list(csv.DictReader(StringIO((sealed.path / "shared_estimates.csv").read_text())))
    assert {row["left_out"] for row in shared} == {"", "yes"} or all(r["left_out"] for r in shared)
    for row in shared:
        if row["left_out"]:
            assert not row["estimate"]
            assert not row["numerator"]
        else:
            above, below = float(row["numerator"]), float(row["denominator"])
            assert all(n == 0 or n >= 10 for n in (above, below - above))


def test_the_database_has_the_tables_and_the_outcomes(made: Made, tmp_path: Path) -> None:
    sealed = run(made, tmp_path)
    with duckdb.connect(str(sealed.path / "evaluation.duckdb"), read_only=True) as connection:
        found = connection.execute(
            "SELECT DISTINCT outcome_no FROM registered_outcomes ORDER BY 1"
        ).fetchall()
    assert [number for (number,) in found] == list(range(1, 10))


def test_the_flow_goes_on_to_the_reference_behind_each_result(made: Made, tmp_path: Path) -> None:
    path = run(made, tmp_path).path / "tables" / "evaluation_flow.parquet"
    n = {
        row["node_id"]: row["n"]
        for row in pq.read_table(path).to_pylist()
        if (row["site_code"], row["reading"]) == ("all", "literal")
    }
    assert n["eligible"] == 48
    assert n["index_not_run"] == 6  # in development
    assert n["index_done"] + n["index_failed"] + n["index_rejected"] + n["index_not_run"] == 48


def test_p_values_show_only_with_a_signed_plan(tmp_path: Path) -> None:
    made = make_home(tmp_path / "home", 48, D40="signed plan: p-values are shown")
    made.write_run(tmp_path / RUN)
    sealed = study(made, tmp_path, None)
    row = find(
        sealed,
        measure="auc",
        arm="ai_aided - unaided",
        reader_id="all",
        method="obuchowski_rockette_rrrc",
    )
    assert 0 <= float(str(row["p_value"])) <= 1


def test_the_definition_of_the_misdiagnosis_rate_is_the_one_decided(tmp_path: Path) -> None:
    made = make_home(tmp_path / "home", 48, D19="1 - accuracy")
    sealed = evaluate(made.settings, made.write_run(tmp_path / RUN))
    accuracy = float(str(find(sealed, measure="accuracy")["estimate"]))
    found = find(sealed, measure="misdiagnosis_rate")["estimate"]
    assert found == pytest.approx(1 - accuracy)


def test_the_decided_definition_holds_per_lesion_too(tmp_path: Path) -> None:
    made = make_home(tmp_path / "home", 24, D19="1 - accuracy")
    sealed = evaluate(made.settings, made.write_run(tmp_path / RUN), tmp_path / "reference")

    def counts(measure: str) -> tuple[float, float]:
        row = find(sealed, unit="lesion", measure=measure, method="ratio_wilson")
        return float(str(row["numerator"])), float(str(row["denominator"]))

    right, malignant = counts("sensitivity")
    cleared, benign = counts("specificity")
    lesions = malignant + benign
    assert counts("misdiagnosis_rate") == (lesions - right - cleared, lesions)


@pytest.mark.parametrize(
    "started_at", ["2026-01-04T23:00:00+00:00", "2026-01-06T00:30:00+14:00", "2026-01-05T12:00:00"]
)
def test_the_day_a_run_started_is_the_day_at_the_hospitals(
    made: Made, tmp_path: Path, started_at: str
) -> None:
    """Roles were frozen on 2026-01-05; all of these moments lie on that day in Shanghai."""
    folder = made.write_run(tmp_path / RUN)
    path = folder / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"started_at": started_at}))
    assert any("order is not known" in one for one in evaluate(made.settings, folder).exploratory)
