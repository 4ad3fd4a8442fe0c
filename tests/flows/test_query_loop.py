"""Three nights of the query loop: raise, answer, close by itself, come back; never twice."""

from __future__ import annotations

import csv
import datetime as dt
import json
import shutil
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

import pyarrow as pa
import pytest
from openpyxl import load_workbook

from flows import cli
from schemas.errors import ExitCode
from schemas.hospital_day import hospital_today
from schemas.identifiers import RawPatientId, SiteCode, SubjectNo
from schemas.run.zones import Zones
from schemas.tables.contracts import conform
from schemas.vault.keys import KeyRing, create_key_file, read_key_file
from schemas.vault.look_ups import read_log
from schemas.vault.subjects import LinkageRow, Vault
from schemas.vault.suppression import Scope as Withdraw
from schemas.vault.suppression import Withdrawal, record_withdrawal
from tasks.queries.raising import abouts_of
from tasks.queries.states import Query, Status
from tasks.queries.store import changing_queries, read_queries
from tasks.queries.sync import Night, Scope, plan_sync
from tasks.validate.store import read_suites, validate_tables
from tasks.validate.suites import Stage
from tests.unit.publish.cohort import CONTRACTS, make_cohort

SITE = SiteCode("S91")
NUMBER = "0012"
DAY = hospital_today()


@pytest.fixture
def zones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Zones:
    """A home with a key and one linked person."""
    monkeypatch.setenv("LIVERCOHORT_HOME", str(tmp_path / "home"))
    zones = Zones(tmp_path / "home")
    zones.create()
    create_key_file(zones.restricted / "key")
    return zones


@pytest.fixture
def key(zones: Zones) -> KeyRing:
    return read_key_file(zones.restricted / "key")


def tables_with(
    key: KeyRing, faults: Mapping[str, object], number: str = NUMBER
) -> dict[str, pa.Table]:
    """Return image tables of one person, with faults in the one series."""
    made = make_cohort()
    subject = key.subject_id(SITE, SubjectNo(number))
    tables = {}
    for name in ("imaging_study", "series", "nifti_volume"):
        row = made[name].to_pylist()[0] | {"subject_id": subject}
        tables[name] = conform(CONTRACTS[name], [row | (faults if name == "series" else {})])
    return tables


def run_night(zones: Zones, key: KeyRing, number: int, faults: Mapping[str, object]) -> int:
    """Validate for real and put the findings to the loop; return how many events that made."""
    tables = tables_with(key, faults)
    suites = {name: suite for name, suite in read_suites().items() if name in tables}
    report = validate_tables(tables, Stage.BATCH, suites=suites)
    with changing_queries(zones) as register:
        night = Night(
            today=DAY + dt.timedelta(days=number - 1),
            abouts=tuple(abouts_of(report.findings, tables, CONTRACTS)),
            scope=Scope(whole=True),
            n_batches={SITE: number},
        )
        events = plan_sync(register.queries, night)
        register.add(events)
    return len(events)


def by_rule(zones: Zones) -> dict[str, Query]:
    return {query.about.rule_id: query for query in read_queries(zones).values()}


def outgoing(zones: Zones, suffix: str) -> Path:
    return sorted(zones.outgoing(SITE).glob(f"*.{suffix}"))[-1]


def test_nobody_who_withdrew_by_letter_is_looked_up_or_asked_about(
    zones: Zones, key: KeyRing
) -> None:
    Vault(zones.vault, key).assign(SITE, [LinkageRow(SubjectNo(NUMBER), RawPatientId("P-77"))])
    run_night(zones, key, 1, {"n_missing_slices": 2})
    letter = Withdrawal(scope=Withdraw.SUPPRESS, reason="letter 7")
    record_withdrawal(zones.restricted, key, key.subject_id(SITE, SubjectNo(NUMBER)), letter)
    assert cli.run(["queries", "export", SITE]) == ExitCode.DONE
    assert not zones.outgoing(SITE).exists()
    assert read_log(Vault(zones.vault, key), zones.look_up_head) == []


@pytest.mark.slow
def test_three_nights_raise_answer_close_and_reopen_without_a_duplicate(
    zones: Zones, key: KeyRing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = LinkageRow(SubjectNo(NUMBER), RawPatientId("P-77"))
    Vault(zones.vault, key).assign(SITE, [row])
    two = {"n_missing_slices": 2, "thickness_verdict": "not_met", "slice_thickness_mm": 9.0}

    # Night 1: two findings; the batch and the release see them both, each is one query.
    assert run_night(zones, key, 1, two) == 2
    assert run_night(zones, key, 1, two) == 0
    assert {query.status for query in by_rule(zones).values()} == {Status.CANDIDATE}
    assert cli.run(["queries", "export", SITE]) == ExitCode.DONE
    assert {query.status for query in by_rule(zones).values()} == {Status.OPEN}
    with outgoing(zones, "csv").open(encoding="utf-8-sig", newline="") as stream:
        sent = [{k.partition("（")[0]: v for k, v in row.items()} for row in csv.DictReader(stream)]
    shift = key.date_shift_days(SITE, SubjectNo(NUMBER))
    assert {row["study_subject_no"] for row in sent} == {NUMBER}
    real = dt.date(2024, 3, 6) + dt.timedelta(days=shift)
    assert {row["examination_date"] for row in sent} == {real.isoformat()}
    (looked_up,) = read_log(Vault(zones.vault, key), zones.look_up_head)
    assert looked_up.reason.startswith("query export ")

    # The site answers one of the two in the workbook; the same file a second time is refused.
    book = load_workbook(outgoing(zones, "xlsx"))
    sheet = book.worksheets[0]
    for cells in sheet.iter_rows(min_row=2):
        if cells[4].value == "SER-MISSING-SLICES":
            cells[15].value = "已更正"
    answers = tmp_path / "answers.xlsx"
    book.save(answers)
    assert cli.run(["queries", "import", SITE, str(answers)]) == ExitCode.DONE
    assert by_rule(zones)["SER-MISSING-SLICES"].status is Status.ANSWERED
    assert by_rule(zones)["STU-THICKNESS"].status is Status.OPEN
    assert cli.run(["queries", "import", SITE, str(answers)]) == ExitCode.BAD_INPUT
    assert "imported before" in capsys.readouterr().err

    # Night 2: both are mended; each closes by itself, with what is known of why.
    assert run_night(zones, key, 2, {}) == 2
    closed = {rule: str(query.closed_reason) for rule, query in by_rule(zones).items()}
    assert closed == {"SER-MISSING-SLICES": "data_corrected", "STU-THICKNESS": "auto_resolved"}

    # Night 3: one comes back, as the same query, and is sent again.
    assert run_night(zones, key, 3, {"n_missing_slices": 2}) == 1
    assert by_rule(zones)["SER-MISSING-SLICES"].status is Status.REISSUED
    assert cli.run(["queries", "export", "--all"]) == ExitCode.DONE
    assert len(read_queries(zones)) == 2
    history = [event.status.value for event in by_rule(zones)["SER-MISSING-SLICES"].events]
    assert history == ["candidate", "open", "answered", "closed", "reissued", "open"]
    capsys.readouterr()
    assert cli.run(["queries", "list", "--events"]) == ExitCode.DONE
    assert cli.run(["queries", "list", "--ageing", "--json"]) == ExitCode.DONE
    with capsys.disabled():
        _print_history(zones)


@pytest.mark.slow
def test_status_and_the_page_of_the_report_show_an_open_query(
    released: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    home = tmp_path / "home"
    shutil.copytree(released, home, symlinks=True)
    monkeypatch.setenv("LIVERCOHORT_HOME", str(home))
    zones = Zones(home)
    raised = len(read_queries(zones))
    assert raised
    assert cli.run(["status", "--json"]) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)["oldest_open_query"] is None
    assert cli.run(["queries", "export", SITE]) == ExitCode.DONE
    capsys.readouterr()

    assert cli.run(["status", SITE, "--json"]) == ExitCode.DONE
    oldest = json.loads(capsys.readouterr().out)["oldest_open_query"]
    assert (oldest["site_code"], oldest["age_days"]) == (SITE, 0)
    assert oldest["query_id"] in read_queries(zones)
    assert cli.run(["status"]) == ExitCode.DONE
    assert f"oldest open query: {oldest['query_id']}" in capsys.readouterr().out

    assert cli.run(["report", "--json"]) == ExitCode.DONE
    index = Path(json.loads(capsys.readouterr().out)["index"])
    page = index.with_name("queries.html").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if f"sites/{SITE}.html" in line and "<td" in line]
    assert any(f">{raised}<" in row for row in rows)

    # The files that were set aside stand beside the queries, by the names the site gave them.
    listed = outgoing_files(zones)
    assert {row["reason（隔离原因）"] for row in listed} == {"NO_LINKAGE"}
    assert all(row["file（交付文件）"] for row in listed)


@pytest.mark.slow
def test_a_release_keeps_of_each_rule_whether_it_ran_in_counts_only(released: Path) -> None:
    kept = json.loads((released / "releases" / "latest" / "validation.json").read_bytes())
    rules = {
        rule.meta.rule_id for suite in read_suites().values() for rule in suite.at(Stage.RELEASE)
    }
    assert {one["rule_id"] for one in kept["results"]} == rules
    assert all(one["ran"] for one in kept["results"])
    words = {"table", "rule_id", "type", "severity"}
    values = [v for one in kept["results"] for k, v in one.items() if k not in words]
    assert all(value is None or isinstance(value, bool | int | float) for value in values)


def outgoing_files(zones: Zones) -> list[dict[str, str]]:
    (path,) = zones.outgoing(SITE).glob("files_*.csv")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def test_a_blank_file_and_a_late_answer_are_told_by_file_row_and_what_to_do(
    zones: Zones, key: KeyRing, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_night(zones, key, 1, {"n_missing_slices": 2}) == 1
    assert cli.run(["queries", "export", SITE]) == ExitCode.DONE
    assert run_night(zones, key, 2, {}) == 1
    capsys.readouterr()
    blank = outgoing(zones, "csv")
    assert cli.run(["queries", "import", SITE, str(blank)]) == ExitCode.BAD_INPUT
    assert f"1 rows, none with an answer in {blank.name}" in capsys.readouterr().err
    assert not zones.answers(SITE).exists()
    late = tmp_path / "answers_late.csv"
    late.write_bytes(as_excel_in_china_saves(blank, "属实"))
    assert cli.run(["queries", "import", SITE, str(late)]) == ExitCode.BLOCKED
    told = capsys.readouterr().out
    assert "answers_late.csv row 2 Q-" in told
    assert "QUERY_CLOSED: the query is closed (expected: a query that is open)." in told


def test_a_file_name_of_a_site_is_not_repeated(
    zones: Zones, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "张伟的答复.csv"
    path.write_bytes(b"\xff\xfe\xff")
    assert cli.run(["queries", "import", SITE, str(path)]) == ExitCode.BAD_INPUT
    told = capsys.readouterr().err
    assert "in the file given" in told
    assert "张伟" not in told


def as_excel_in_china_saves(path: Path, answer: str) -> bytes:
    """Return a file that went out as GBK without a mark, every row answered."""
    rows = list(csv.reader(StringIO(path.read_text(encoding="utf-8-sig"), newline="")))
    for row in rows[1:]:
        row[15] = answer
    text = StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode("gbk")


def test_nothing_outside_restricted_has_the_sites_own_number(zones: Zones, key: KeyRing) -> None:
    tables = tables_with(key, {"n_missing_slices": 2}, "ZH-4711")
    findings = validate_tables(
        tables, Stage.BATCH, suites={"series": read_suites()["series"]}
    ).findings
    abouts = tuple(abouts_of(findings, tables, CONTRACTS))
    with changing_queries(zones) as register:
        register.add(plan_sync({}, Night(today=DAY, abouts=abouts, scope=Scope(whole=True))))
    row = LinkageRow(SubjectNo("ZH-4711"), RawPatientId("P-77"))
    Vault(zones.vault, key).assign(SITE, [row])
    assert cli.run(["queries", "export", SITE]) == ExitCode.DONE
    assert b"ZH-4711" in outgoing(zones, "csv").read_bytes()
    for path in zones.home.rglob("*"):
        if path.is_file() and zones.restricted not in path.parents:
            assert b"ZH-4711" not in path.read_bytes()


def test_an_export_that_would_open_nothing_writes_nothing(
    zones: Zones, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["queries", "export", SITE, "--json"]) == ExitCode.DONE
    assert json.loads(capsys.readouterr().out)[0]["files"] == []
    assert not zones.outgoing(SITE).exists()


@pytest.mark.parametrize(
    ("arguments", "about"),
    [
        (["export"], "give sites or --all"),
        (["export", "S99", "--all"], "give sites or --all"),
        (["export", "S00"], "no file"),
        (["import", "S91", "nowhere.csv"], "no such answer file"),
        (["list", "--status", "lost"], "no such state"),
        (["list", "--events", "--ageing"], "exclude each other"),
    ],
)
def test_wrong_use_is_told(
    zones: Zones, arguments: list[str], about: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["queries", *arguments]) == ExitCode.BAD_INPUT
    assert about in capsys.readouterr().err


def _print_history(zones: Zones) -> None:
    print()  # noqa: T201 - the table is what the test shows
    for rule, query in sorted(by_rule(zones).items()):
        for event in query.events:
            why = event.closed_reason or event.answer or ""
            print(f"{event.on}  {rule:<20} {event.seq}  {event.status:<10} {why}")  # noqa: T201
