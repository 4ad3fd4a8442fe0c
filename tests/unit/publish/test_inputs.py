"""What lets a release answer at once: all it is made from, and whatever nobody thought of."""

from __future__ import annotations

import datetime as dt
import os
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.unchanged_release import keep_for_next
from schemas.hospital_day import hospital_today
from schemas.identifiers import RawPatientId, SiteCode, SubjectNo
from schemas.run.settings import read_settings
from schemas.vault.database import VaultDatabase
from schemas.vault.keys import KeyRing
from schemas.vault.subjects import LinkageRow, Vault
from tasks.publish import store_inputs
from tasks.publish.store_inputs import NOT_READ, keep_inputs, read_inputs, renewed, unchanged_since

RING = KeyRing(bytes(range(32)))
TODAY = dt.date(2026, 11, 30)
RESULT = {"status": "unchanged", "version": "1.1.0"}

#: One place of every kind of input, and some that nobody has thought of.
INPUTS = (
    "home/warehouse/batches/S91/b1/batch.json",
    "home/warehouse/batches/S91/b1/instance.parquet",
    "home/warehouse/batches/S91/b1/finding.parquet",
    "home/warehouse/dicom/S91/series/one.dcm",
    "home/warehouse/nifti/S91/series/one.nii.gz",
    "home/warehouse/reviews/rating.json",
    "home/restricted/batches/S91/b1/forms.sealed",
    "home/restricted/batches/S91/b1/identifiers.sealed",
    "home/restricted/vault.sqlite",
    "home/restricted/withdrawn.jsonl",
    "home/restricted/analysis_roles.csv",
    "home/restricted/accepted_words.csv",
    "home/restricted/held_words.csv",
    "home/restricted/inspections/S91.sealed",
    "home/restricted/pixel_decisions.jsonl",
    "home/restricted/review/decisions.csv",
    "home/restricted/reviews/sign_off.json",
    "home/restricted/quarantine/S91/b1/held.dcm",
    "home/restricted/checked/S91.parquet",
    "home/restricted/anchors.sealed",
    "home/restricted/accrual/accrual.csv",
    "home/restricted/of_a_later_version/anything",
    "home/decisions/signatures.csv",
    "home/operations/waivers.csv",
    "home/operations/queries/000001.json",
    "home/operations/label_rules/current",
    "home/operations/ledger/S91/export.json",
    "home/operations/verification/S91.csv",
    "home/evaluations/of_a_later_version.json",
    "home/unthought_of.txt",
    "home/releases/1.1.0/manifest.json",
    "home/releases/1.1.0/SHA256SUMS",
    "home/releases/1.1.0/cohort.duckdb",
    "home/releases/1.1.0/tables/subject/S91.parquet",
    "home/releases/1.1.0/nifti/S91/one.nii.gz",
    "home/reports/release-1.1.0/report.json",
    "key",
    "sites/X001.yaml",
    "package/data_contracts/cohort/subject.yaml",
    "package/data_contracts/protocol/eligibility.yaml",
    "package/expectations/subject.yaml",
    "package/flows/release_cohort.py",
    "package/schemas/records.py",
    "package/tasks/eligibility/evaluate.py",
)
OUTSIDE = (
    *(f"home/{place}" for place in NOT_READ if "." not in place.rpartition("/")[2]),
    "home/releases/1.0.0/manifest.json",
    "home/reports/release-1.1.0/subjects/S91-ABCDEFGH.html",
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home after a release, its package and its key, with a file of every kind."""
    for name in INPUTS:
        write(tmp_path / name, "as it was")
    for name in OUTSIDE:
        write(tmp_path / name / "file" if "." not in name[-6:] else tmp_path / name, "as it was")
    (tmp_path / "home/releases/latest").symlink_to("1.1.0")
    monkeypatch.setenv("LIVERCOHORT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LIVERCOHORT_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("LIVERCOHORT_LOAD_SITES", str(tmp_path / "sites"))
    monkeypatch.setattr(
        store_inputs, "data_contracts_dir", lambda: tmp_path / "package" / "data_contracts"
    )
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def keep(*, today: dt.date = TODAY, look_again_at: float | None = None) -> bool:
    settings = read_settings()
    began = read_inputs(settings, RING)
    later = time.time() + 3600 if look_again_at is None else look_again_at
    return keep_inputs(settings, RING, began, RESULT, today=today, look_again_at=later)


def answer(today: dt.date = TODAY) -> dict[str, Any] | None:
    settings = read_settings()
    return unchanged_since(settings.zones, read_inputs(settings, RING), RING, today)


def test_a_home_that_nothing_touched_is_answered_at_once(place: Path) -> None:
    assert answer() is None, "before any release"
    assert keep()
    assert answer() == RESULT


@pytest.mark.parametrize("name", INPUTS)
def test_whatever_changes_makes_a_release_look_at_everything(place: Path, name: str) -> None:
    keep()
    write(place / name, "changed!!")  # as long as before
    assert answer() is None


@pytest.mark.parametrize("name", INPUTS)
def test_whatever_goes_makes_a_release_look_at_everything(place: Path, name: str) -> None:
    keep()
    (place / name).unlink()
    if name == "key":  # without a key no release begins
        return
    assert answer() is None


#: What lies in a report is stated by its `report.json`.
FOLDERS = {str(Path(name).parent) for name in INPUTS} - {".", "home/reports/release-1.1.0"}


@pytest.mark.parametrize("folder", sorted(FOLDERS))
def test_whatever_comes_makes_a_release_look_at_everything(place: Path, folder: str) -> None:
    keep()
    write(place / folder / "new", "came")
    assert answer() is None


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_no_release_reads_changes_nothing(place: Path, name: str) -> None:
    keep()
    write(place / name / "more" if (place / name).is_dir() else place / name, "changed")
    assert answer() == RESULT


def test_every_setting_counts(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep()
    monkeypatch.setenv("LIVERCOHORT_WORKERS", "3")
    assert answer() is None
    monkeypatch.delenv("LIVERCOHORT_WORKERS")
    assert answer() == RESULT
    monkeypatch.setenv("LIVERCOHORT_OF_A_LATER_VERSION", "1")
    assert answer() is None


def test_an_inbox_under_another_name_is_no_input(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVERCOHORT_INBOX", str(place / "home" / "deliveries"))
    keep()
    write(place / "home" / "deliveries" / "S91" / "image.dcm", "delivered")
    assert answer() == RESULT


def test_every_library_counts(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keep()
    (place / "more_libraries" / "newer-2.0.dist-info").mkdir(parents=True)
    monkeypatch.syspath_prepend(place / "more_libraries")
    assert answer() is None


def test_an_image_exchanged_with_its_time_kept_is_seen(place: Path) -> None:
    keep()
    image = place / "home/warehouse/dicom/S91/series/one.dcm"
    before = image.stat()
    image.write_text("exchanged", encoding="utf-8")
    os.utime(image, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert answer() is None


def test_latest_turned_back_is_seen(place: Path) -> None:
    keep()
    (place / "home/releases/latest").unlink()
    (place / "home/releases/latest").symlink_to("1.0.0")
    assert answer() is None


@pytest.mark.parametrize(
    ("linked", "file"),
    [
        ("operations", "home/operations/waivers.csv"),
        ("operations/waivers.csv", "home/operations/waivers.csv"),
        ("warehouse", "home/warehouse/batches/S91/b1/instance.parquet"),
        ("warehouse/dicom/S91", "home/warehouse/dicom/S91/series/one.dcm"),
        ("warehouse/dicom/S91/series/one.dcm", "home/warehouse/dicom/S91/series/one.dcm"),
        ("restricted", "home/restricted/vault.sqlite"),
    ],
)
def test_what_lies_on_another_disk_behind_a_link_counts(
    place: Path, linked: str, file: str
) -> None:
    (place / "disk").mkdir()
    (place / "home" / linked).rename(place / "disk" / "moved")
    (place / "home" / linked).symlink_to(place / "disk" / "moved")
    keep()
    assert answer() == RESULT
    write(place / file, "changed!!")
    assert answer() is None


def test_links_in_a_circle_have_an_end(place: Path) -> None:
    (place / "home/operations/home").symlink_to(place / "home")
    (place / "home/warehouse/dicom/S91/again").symlink_to("..")
    keep()
    assert answer() == RESULT


def test_a_report_without_its_first_page_is_made_again(place: Path) -> None:
    page = place / "home/reports/release-1.1.0/index.html"
    write(page, "page")
    keep()
    page.unlink()
    assert answer() is None


def test_a_release_that_ran_past_midnight_judged_by_the_day_it_began(place: Path) -> None:
    """A waiver counts on the day before it expires: the release that used it was begun then."""
    today = hospital_today()
    yesterday = today - dt.timedelta(days=1)
    write(place / "home/operations/waivers.csv", f"rule,expires_on\nX,{today}\n")
    write(place / "key", bytes(range(32)).hex())
    (place / "key").chmod(0o600)
    settings = read_settings()
    began = replace(read_inputs(settings, RING), day=yesterday)
    keep_for_next(settings, began, {"version": "1.1.0", "rows": {}}, time.time() + 3600)
    assert answer(yesterday) is not None
    assert answer(today) is None


def test_a_clock_that_was_set_back_makes_a_release_look_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the true day a waiver may stand that had ended by the wrong clock."""
    keep()
    assert answer(TODAY - dt.timedelta(days=1)) is None
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)
    assert answer() is None


def test_a_day_with_a_time_is_a_day(place: Path) -> None:
    write(place / "home/operations/register.json", '{"until": "2026-12-03T00:00:00Z"}')
    keep()
    assert answer(dt.date(2026, 12, 3)) is None


def test_a_staged_release_of_a_killed_run_is_seen(place: Path) -> None:
    keep()
    write(place / "home/releases/.1.2.0.0a1b2c3d.part/manifest.json", "half")
    assert answer() is None


@pytest.mark.parametrize(
    ("day", "until", "from_when"),
    [("2026-12-03", "2026-12-02", "2026-12-03"), ("2026-11-30", "2026-11-30", "2026-12-01")],
)
def test_a_dated_input_is_looked_at_again_on_its_day(
    place: Path, day: str, until: str, from_when: str
) -> None:
    """A waiver that ends that day, counted with it or without."""
    write(place / "home/operations/waivers.csv", f"rule,expires_on\nX,{day}\n")
    keep()
    assert answer(dt.date.fromisoformat(until)) == RESULT
    assert answer(dt.date.fromisoformat(from_when)) is None


def test_the_weekly_look_at_every_image_is_not_left_out(place: Path) -> None:
    keep(look_again_at=time.time() - 1)
    assert answer() is None


def test_what_is_kept_cannot_be_exchanged_without_the_key(place: Path) -> None:
    keep()
    kept = place / "home/restricted/release_inputs.json"
    kept.write_text(kept.read_text().replace("1.1.0", "9.9.9"))
    assert answer() is None
    kept.write_text("{", encoding="utf-8")
    assert answer() is None


def test_another_key_is_another_home(place: Path) -> None:
    keep()
    settings, other = read_settings(), KeyRing(bytes(32))
    assert unchanged_since(settings.zones, read_inputs(settings, other), other, TODAY) is None


def test_what_changed_while_a_release_was_made_is_not_taken_for_seen(place: Path) -> None:
    settings = read_settings()
    began = read_inputs(settings, RING)
    write(place / "home/warehouse/batches/S91/b2/batch.json", "a night committed meanwhile")
    kept = keep_inputs(settings, RING, began, RESULT, today=TODAY, look_again_at=time.time() + 3600)
    assert not kept
    assert answer() is None


def test_what_a_release_writes_itself_is_no_change(place: Path) -> None:
    settings = read_settings()
    began = read_inputs(settings, RING)
    volume = place / "home/warehouse/nifti/S91/series/one.nii.gz"
    (place / "home/releases/1.2.0/nifti").mkdir(parents=True)
    os.link(volume, place / "home/releases/1.2.0/nifti/one.nii.gz")
    os.utime(volume, (946_684_800, 946_684_800))
    write(place / "home/restricted/checked/S91.parquet", "newer")
    write(place / "home/operations/queries/000002.json", "raised")
    began = renewed(began, settings.zones)
    assert keep_inputs(settings, RING, began, RESULT, today=TODAY, look_again_at=time.time() + 60)
    assert answer() == RESULT


def test_an_answer_imported_after_the_queries_were_written_is_a_change(place: Path) -> None:
    settings = read_settings()
    began = renewed(read_inputs(settings, RING), settings.zones)
    write(place / "home/operations/queries/000002.json", "imported by somebody")
    later = time.time() + 60
    assert not keep_inputs(settings, RING, began, RESULT, today=TODAY, look_again_at=later)


def test_every_row_of_a_vault_counts(tmp_path: Path) -> None:
    file = tmp_path / "restricted" / "vault.sqlite"
    vault = Vault(file, RING)
    seen = []
    for number in ("0001", "0002"):
        vault.assign(SiteCode("S91"), [LinkageRow(SubjectNo(number), RawPatientId(number))])
        seen.append(VaultDatabase(file).everything())
    assert seen[0] != seen[1]
    assert VaultDatabase(file).everything() == seen[1]


def test_nothing_that_a_release_computes_asks_for_the_day_unseen() -> None:
    """A clock is an input that no digest holds: whoever reads one is named here, with a reason."""
    known = {
        "publish/store_inputs.py",  # this shortcut
        "publish/store_checked.py",  # the weekly look, for which the shortcut stands back
        "report/store_reviews.py",  # refuses a review made tomorrow, when it is taken in
        "validate/store.py",  # waivers: the days that stand in them bound the shortcut
    }
    clock = re.compile(r"hospital_today\(|time\.time\(|datetime\.now\(|date\.today\(")
    tasks = Path(store_inputs.__file__).parents[1]
    stages = ("clinical", "eligibility", "harmonise", "publish", "reference", "report", "validate")
    found = {
        path.relative_to(tasks).as_posix()
        for stage in stages
        for path in (tasks / stage).rglob("*.py")
        if clock.search(path.read_text(encoding="utf-8"))
    }
    assert found == known
