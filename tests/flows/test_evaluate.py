"""`simulate --index-runs`, `evaluate` and `verify` as a user runs them."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path

import pytest

from flows.evaluations import evaluate
from schemas.errors import GateBlockedError
from schemas.tables.contracts import read_table_contracts
from tasks.publish.store_tables import read_release_tables
from tests.flows.conftest import run
from tests.unit.evaluate.made import Made, make_home


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_home(tmp_path_factory.mktemp("home") / "home", 24)


def simulated(made: Made, out: Path) -> tuple[Path, Path]:
    """Return the run and the folder of the reference lesions."""
    home = made.settings.home
    told = run("simulate", out, "--index-runs", "latest", "--home", home, "--json")
    assert told.code == 0, told.err
    return Path(told.json()["run"]), Path(told.json()["reference"])


def test_a_run_is_judged_sealed_and_verified(made: Made, tmp_path: Path) -> None:
    home = made.settings.home
    folder, reference = simulated(made, tmp_path / "out")
    told = run("evaluate", folder, "--reference", reference, "--home", home)
    assert told.code == 0, told.err
    for word in ("sensitivity", "detection_rate", "95 % intervals", "Written:"):
        assert word in told.out
    again = run("evaluate", folder, "--reference", reference, "--home", home, "--json").json()
    assert not again["written"]
    assert {row["outcome_no"] for row in again["estimates"]} >= set(range(1, 10))
    rows = run("evaluate", folder, "--reference", reference, "--home", home, "--csv").out
    assert len(list(csv.DictReader(StringIO(rows)))) == len(again["estimates"])
    verified = run("verify", "latest", "--home", home)
    assert verified.code == 0, verified.out


def test_a_run_that_may_not_be_taken_in_exits_2_and_names_the_line(
    made: Made, tmp_path: Path
) -> None:
    folder, _ = simulated(made, tmp_path / "out")
    path = folder / "patients.csv"
    lines = path.read_text().splitlines()
    cells = lines[3].split(",")
    lines[3] = ",".join([*cells[:2], "7", *cells[3:]])
    path.write_text("\n".join(lines) + "\n")
    told = run("evaluate", folder, "--home", made.settings.home)
    assert told.code == 2
    assert "patients.csv:4: patient_score is out of range" in told.err


def test_an_evaluation_in_which_somebody_withdrew_meanwhile_is_not_sealed(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, reference = simulated(made, tmp_path / "out")
    tables = read_release_tables(made.settings.zones.releases / "latest", read_table_contracts())
    said = iter([frozenset(), frozenset(tables["subject"]["subject_id"].to_pylist())])
    monkeypatch.setattr("flows.evaluations.withdrawn_subjects", lambda _: next(said))
    sealed = sorted(made.settings.zones.releases.rglob("*"))
    with pytest.raises(GateBlockedError, match="withdrew while"):
        evaluate(made.settings, folder, reference)
    assert sorted(made.settings.zones.releases.rglob("*")) == sealed


def test_a_folder_that_is_not_there(made: Made, tmp_path: Path) -> None:
    told = run("evaluate", tmp_path / "none", "--home", made.settings.home)
    assert (told.code, told.out) == (2, "")
