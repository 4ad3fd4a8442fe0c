"""A round of source data verification, from the plan to the report, and what is refused."""

from __future__ import annotations

import csv
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest
from openpyxl import load_workbook

from flows import cli
from schemas.errors import ExitCode
from schemas.identifiers import BatchId, RawPatientId, SiteCode, SubjectNo
from schemas.run.zones import Zones
from schemas.vault.keys import KeyRing, create_key_file, read_key_file
from schemas.vault.look_ups import read_log
from schemas.vault.subjects import LinkageRow, Vault
from schemas.vault.suppression import Scope, Withdrawal, record_withdrawal
from schemas.verification_counts import read_counts
from tasks.clinical.store import write_sealed
from tasks.report.verification import error_rates
from tasks.verification.store import erase_from_verification, read_rounds
from tests.unit.clinical.forms import form_row, intake_of, read_rows

SITE = SiteCode("S91")
NUMBERS = [f"LC-{n:04}" for n in range(1, 21)]
WITHDRAWN = NUMBERS[7]


@pytest.fixture
def zones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Zones:
    """A home with the forms of twenty subjects of one site, one of whom withdrew consent."""
    monkeypatch.setenv("LIVERCOHORT_HOME", str(tmp_path / "home"))
    zones = Zones(tmp_path / "home")
    zones.create()
    create_key_file(zones.restricted / "key")
    ring = ring_of(zones)
    rows = [LinkageRow(SubjectNo(n), RawPatientId(f"P-{n}")) for n in NUMBERS]
    Vault(zones.vault, ring).assign(SITE, rows)
    consent = {WITHDRAWN: "withdrawn"}
    forms = [
        read_rows("diagnosis", *(form_row("diagnosis", subject_no=n) for n in NUMBERS))[0],
        read_rows(
            "demographics",
            *(
                form_row("demographics", subject_no=n, consent_status=consent.get(n, "consented"))
                for n in NUMBERS
            ),
        )[0],
    ]
    batch = BatchId("b1")
    folder = zones.restricted_batch(SITE, batch)
    write_sealed(folder, intake_of(*forms), ring, site=SITE, batch_id=batch)
    committed = zones.batch(SITE, batch) / "batch.json"
    committed.parent.mkdir(parents=True)
    committed.write_text("{}", encoding="utf-8")
    return zones


def ring_of(zones: Zones) -> KeyRing:
    return read_key_file(zones.restricted / "key")


def form(zones: Zones, number: int = 1) -> Path:
    return zones.outgoing(SITE) / f"verification_S91_{number:03}.csv"


def lines(zones: Zones, number: int = 1) -> list[dict[str, str]]:
    text = form(zones, number).read_text(encoding="utf-8-sig")
    return list(csv.DictReader(StringIO(text)))


def filled(zones: Zones, answer: Callable[[int, dict[str, str]], str], *, number: int = 1) -> Path:
    rows = lines(zones, number)
    (result,) = (name for name in rows[0] if name.startswith("result"))
    text = StringIO()
    table = csv.DictWriter(text, list(rows[0]))
    table.writeheader()
    for place, row in enumerate(rows):
        table.writerow(row | {result: answer(place, row)})
    path = zones.home / f"verification_S91_{number:03}.csv"
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def plan(*more: str) -> int:
    return cli.run(["sdv", "plan", SITE, *more])


def subjects(zones: Zones, number: int = 1) -> set[str]:
    return {row["study_subject_no（研究受试者编号）"] for row in lines(zones, number)}


def test_a_round_goes_out_comes_back_and_stands_in_the_report(zones: Zones) -> None:
    assert plan() == ExitCode.DONE
    chosen = subjects(zones)
    assert len(chosen) == 4, "a fifth of the nineteen who consent, rounded up"
    assert WITHDRAWN not in chosen
    headings = next(csv.reader(StringIO(form(zones).read_text(encoding="utf-8-sig"))))
    assert all("（" in heading for heading in headings)
    book = load_workbook(form(zones).with_suffix(".xlsx"))
    assert book.worksheets[0].max_row == len(lines(zones)) + 1
    looked_up = read_log(Vault(zones.vault, ring_of(zones)), zones.look_up_head)
    assert {one.reason for one in looked_up} == {"source data verification S91 round 1"}

    wrong = "reference_class"
    back = filled(zones, lambda _, row: "不一致" if wrong in row["field（字段）"] else "agrees")
    assert cli.run(["sdv", "import", str(back)]) == ExitCode.DONE
    found = {one.field: (one.compared, one.differed) for one in read_counts(zones)}
    assert found["reference_class"] == (4, 4)
    assert found["reference_route"] == (4, 0)
    rates = {one.field: one for one in error_rates(read_counts(zones))}
    assert rates["diagnosis.reference_class"].share == 100.0
    assert rates[""].high is not None

    # The next round is another sample, and larger: more than one critical value in twenty differs.
    assert plan() == ExitCode.DONE
    assert len(subjects(zones, 2)) == 10
    assert read_rounds(zones, SITE)[1].risk == "high"


def test_the_same_seed_draws_the_same_sample_and_another_one_does_not(
    zones: Zones, tmp_path: Path
) -> None:
    assert plan("--seed", "2026-11") == ExitCode.DONE
    first = form(zones).read_bytes()
    assert plan("--seed", "2026-11") == ExitCode.DONE
    assert form(zones).read_bytes() == first
    assert len(read_rounds(zones, SITE)) == 1
    assert plan("--seed", "other") == ExitCode.BAD_INPUT, "the round is out"


@pytest.mark.parametrize(
    ("bad", "told"),
    [("", "line 5: no result"), ("张伟", "line 5: the result is none of the words")],
)
def test_a_form_with_a_bad_line_is_refused_by_it_and_changes_nothing(
    zones: Zones, capsys: pytest.CaptureFixture[str], bad: str, told: str
) -> None:
    assert plan() == ExitCode.DONE
    back = filled(zones, lambda place, _: bad if place == 3 else "agrees")
    assert cli.run(["sdv", "import", str(back)]) == ExitCode.BAD_INPUT
    error = capsys.readouterr().err
    assert told in error
    assert "verification_S91_001.csv" in error
    assert "张伟" not in error
    assert read_counts(zones) == ()
    assert read_rounds(zones, SITE)[0].results is None


def test_a_form_is_imported_once(zones: Zones, capsys: pytest.CaptureFixture[str]) -> None:
    assert plan() == ExitCode.DONE
    back = filled(zones, lambda *_: "agrees")
    assert cli.run(["sdv", "import", str(back)]) == ExitCode.DONE
    assert cli.run(["sdv", "import", str(back)]) == ExitCode.BAD_INPUT
    assert "no form of site S91 is out" in capsys.readouterr().err


def test_what_is_no_form_is_refused(zones: Zones, tmp_path: Path) -> None:
    assert plan() == ExitCode.DONE
    path = tmp_path / "notes.csv"
    path.write_bytes(b"\xff\xfe\xff")
    assert cli.run(["sdv", "import", str(path)]) == ExitCode.BAD_INPUT
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    assert cli.run(["sdv", "import", str(path)]) == ExitCode.BAD_INPUT
    assert cli.run(["sdv", "import", str(tmp_path / "none.csv")]) == ExitCode.BAD_INPUT


def test_a_site_without_forms_has_nothing_to_compare(
    zones: Zones, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["sdv", "plan", "S92"]) == ExitCode.BAD_INPUT
    assert "no subject of this site" in capsys.readouterr().err
    assert cli.run(["sdv", "plan"]) == ExitCode.BAD_INPUT
    assert cli.run(["sdv", "plan", "--all"]) == ExitCode.DONE


def test_who_withdrew_by_a_letter_is_in_no_round_and_out_of_one_that_is_out(zones: Zones) -> None:
    assert plan() == ExitCode.DONE
    before = subjects(zones)
    someone = next(iter(read_rounds(zones, SITE)[0].planned.values())).subject_id
    letter = Withdrawal(scope=Scope.SUPPRESS, reason="letter 7")
    record_withdrawal(zones.restricted, ring_of(zones), someone, letter)
    assert plan() == ExitCode.DONE
    assert subjects(zones) < before
    assert len(subjects(zones)) == len(before) - 1


def test_an_erased_subject_is_in_no_round(zones: Zones) -> None:
    assert plan() == ExitCode.DONE
    back = filled(zones, lambda *_: "agrees")
    assert cli.run(["sdv", "import", str(back)]) == ExitCode.DONE
    someone = next(iter(read_rounds(zones, SITE)[0].planned.values())).subject_id
    assert erase_from_verification(zones, SITE, someone) > 0
    (one,) = read_rounds(zones, SITE)
    assert someone not in repr(one.planned)
    assert one.results is not None
    assert one.results.keys() == one.planned.keys()
