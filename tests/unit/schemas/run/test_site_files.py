"""A site file is read field by field; what cannot be used is refused in plain words."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from schemas.errors import ContractError
from schemas.package_data import data_contracts_dir
from schemas.run.site_files import contradictions, cron_problem, parse_site_file
from schemas.run.sites import check_site_file, read_registered_sites

TODAY = dt.date(2026, 11, 29)
DEMO = (data_contracts_dir() / "sites" / "S91.yaml").read_text(encoding="utf-8")


def problems(**changes: str | None) -> list[str]:
    """Return what is wrong with S91's file after some of its lines were changed."""
    lines = {line.split(":")[0].strip(): line for line in DEMO.splitlines() if ":" in line}
    text = DEMO
    for field, value in changes.items():
        line = lines[field]
        indent = line[: len(line) - len(line.lstrip())]
        text = text.replace(line, "" if value is None else f"{indent}{field}: {value}")
    return parse_site_file(text)[1]


def test_the_file_of_the_demo_can_be_used() -> None:
    assert problems() == []


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("cron", '"15 25 * * *"', "schedule.cron has a hour that is not from 0 to 23"),
        ("cron", '"15 1 * *"', "schedule.cron has 4 fields"),
        ("cron", '"@daily"', "schedule.cron has 1 fields"),
        ("timezone", "Asia/Shanghia", "schedule.timezone is no time zone"),
        ("quiet_minutes", "0", "quiet_minutes is too small"),
        ("quiet_minutes", "half", "quiet_minutes is not a whole number"),
        ("fictitious", "maybe", "fictitious is neither true nor false"),
        ("ethics_date", "2024-13-01", "a date in the file is no day of the calendar"),
        ("ethics_date", "spring", "ethics_date is not a date"),
        ("name_zh", None, "name_zh is missing"),
        ("level_zh", '" "', "level_zh begins or ends with a space"),
    ],
)
def test_a_field_that_cannot_be_used_is_named_with_what_it_should_be(
    field: str, value: str | None, told: str
) -> None:
    (problem,) = problems(**{field: value})
    assert problem.startswith(told)
    assert "http" not in problem


def test_every_problem_is_told_at_once() -> None:
    assert len(problems(cron='"x"', timezone="Mars", quiet_minutes="-1", name_en=None)) == 4


@pytest.mark.parametrize("text", ["", "- a\n", "code: [\n", "just words", "\tx: 1"])
def test_a_text_that_is_no_list_of_fields_is_refused(text: str) -> None:
    site, found = parse_site_file(text)
    assert (site, len(found)) == (None, 1)


def test_an_unknown_field_is_refused() -> None:
    (problem,) = parse_site_file(DEMO + "quite_minutes: 3\n")[1]
    assert problem == "quite_minutes is no field of a site file"


@pytest.mark.parametrize("line", ["15 1 * * *", "*/15 1-5 1,15 * 1-5", "0 0 31 12 7"])
def test_cron_lines_as_cron_knows_them_are_kept(line: str) -> None:
    assert cron_problem(line) == ""


@pytest.mark.parametrize(
    "line", ["60 1 * * *", "1 1 0 * *", "1 1 * 13 *", "1 1 * * 8", "*/0 1 * * *", "5-1 1 * * *"]
)
def test_cron_lines_that_never_come_are_refused(line: str) -> None:
    assert cron_problem(line)


def as_s01(folder: Path, text: str) -> list[str]:
    path = folder / "S01.yaml"
    path.write_text(text, encoding="utf-8")
    return check_site_file(path)[1]


def test_a_copy_of_the_demo_is_no_registered_hospital(tmp_path: Path) -> None:
    copy = DEMO.replace("code: S91", "code: S01").replace("fictitious: true", "fictitious: false")
    told = as_s01(tmp_path, copy)
    assert "ethics_ref is a reference of the demo, not the approval of a hospital" in told
    assert "name_zh is not what sites.csv registers for S01" in told
    assert "ethics_reason still says that the site is fictitious" in told


def test_a_registered_hospital_under_its_own_name_and_approval_can_be_used(tmp_path: Path) -> None:
    record = read_registered_sites()[0]
    lines = {
        "code": "S01", "fictitious": "false", "ethics_ref": "2026-KY-001",
        "ethics_date": "2026-03-01", "ethics_reason": "letter of the committee",
        "patient_id_is_subject_no": "false", "quiet_minutes": "30",
        "expected": "{every_days: 7, since: 2026-03-01}",
    }  # fmt: skip
    for name in ("name_en", "name_zh", "province_en", "province_zh", "level_zh"):
        lines[name] = f'"{getattr(record, name)}"'
    text = "".join(f"{name}: {value}\n" for name, value in lines.items())
    assert as_s01(tmp_path, text) == []
    assert as_s01(tmp_path, text.replace("2026-03-01\n", "2999-01-01\n")) != []
    assert as_s01(tmp_path, text.replace("code: S01", "code: S02")) != []


def test_an_approval_without_its_day_is_a_contradiction() -> None:
    site, _ = parse_site_file(DEMO)
    assert site is not None
    undated = site.model_copy(update={"ethics_date": None})
    assert contradictions(undated, {}, today=TODAY) == ["ethics_date is missing beside ethics_ref"]


def test_a_night_with_a_spoilt_site_file_says_which_and_how_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from schemas.run import sites

    (tmp_path / "X001.yaml").write_text("code: X001\n", encoding="utf-8")
    monkeypatch.setenv("LIVERCOHORT_LOAD_SITES", str(tmp_path))
    with pytest.raises(ContractError, match=r"name_en is missing.*site check X001") as refused:
        sites.read_site("X001")
    assert "pydantic" not in refused.value.message
