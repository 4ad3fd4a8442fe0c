"""Bad input and bad machines: one clear error or a reason, nothing lost, nothing half-written."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pydicom
import pytest

from schemas.errors import BadInputError
from schemas.identifiers import SiteCode
from schemas.run.settings import Settings
from schemas.run.zones import Zones
from schemas.run_context import require_key
from schemas.vault.keys import KeyRing, create_demo_key_file
from schemas.vault.subjects import Vault
from tests.flows.conftest import COMMITTED, require_one_error, run, status
from tests.flows.exports import (
    KEY,
    cut_export,
    dicom_files,
    file_bytes,
    identifying_values,
    write_key,
)

pytestmark = pytest.mark.slow

OTHER_KEY = bytes(range(32, 64))


def log_text(home: Path) -> str:
    return "".join(
        path.read_text(encoding="utf-8", errors="replace")
        for path in (home / "logs").rglob("*.log")
    )


def states_by_reason(home: Path) -> dict[str, int]:
    """Return how many files were set aside for each reason, over all batches."""
    reasons: dict[str, int] = {}
    for path in (home / "warehouse" / "batches").glob("*/*/batch.json"):
        for reason, number in json.loads(path.read_text())["reasons"].items():
            reasons[reason] = reasons.get(reason, 0) + number
    return reasons


def is_untouched(home: Path) -> bool:
    """Return whether nothing was committed and no scratch is left."""
    return not file_bytes(home, "warehouse/**/*", "releases/**/*", "work/**/*")


# --- the machine -----------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["ingest", "release", "verify", "deidentify", "key"])
def test_a_command_that_needs_the_key_says_that_there_is_none(
    command: str, home: Path, whole_export: Path, released: Path, tmp_path: Path
) -> None:
    (home / "restricted" / "key").unlink()
    export = cut_export(whole_export, home / "inbox", series=1)
    arguments: dict[str, list[str | Path]] = {
        "ingest": ["ingest", "S91"],
        "release": ["release"],
        "verify": ["verify", released / "releases" / "1.0.0"],
        "deidentify": ["deidentify", export, tmp_path / "out"],
        "key": ["key", "show-id"],
    }
    ended = run(*arguments[command], "--home", home)
    require_one_error(ended, 3, about="key")
    assert is_untouched(home)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("spoil", "about"),
    [
        (lambda key: key.chmod(0o644), "other users"),
        (lambda key: key.write_text("not a key\n"), "does not hold a key"),
        (lambda key: key.write_text("00" * 16 + "\n"), "does not hold a key"),
        (lambda key: key.write_bytes(b"\xff\xfe\x00"), "does not hold a key"),
    ],
)
def test_a_key_that_cannot_be_used_is_refused(
    spoil: Callable[[Path], object], about: str, home: Path, whole_export: Path
) -> None:
    cut_export(whole_export, home / "inbox", series=1)
    spoil(home / "restricted" / "key")
    require_one_error(run("ingest", "S91", "--home", home), 3, about=about)
    assert is_untouched(home)


@pytest.mark.parametrize("below", ["a_file", "proc"])
@pytest.mark.parametrize("command", ["ingest", "release", "demo", "key"])
def test_a_home_that_cannot_be_written_is_an_error_of_the_environment(
    command: str, below: str, whole_export: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    home = (tmp_path / "file" / "home") if below == "a_file" else Path("/proc/livercohort-home")
    cut_export(whole_export, tmp_path / "inbox", series=1)
    key = write_key(tmp_path / "key")
    arguments: dict[str, list[str | Path]] = {
        "ingest": ["ingest", "S91", "--inbox", tmp_path / "inbox"],
        "release": ["release"],
        "demo": ["demo"],
        "key": ["key", "create"],
    }
    # `key create` would meet the key that is there, so it gets the home's own place.
    environment = {} if command == "key" else {"LIVERCOHORT_KEY_FILE": str(key)}
    require_one_error(run(*arguments[command], "--home", home, **environment), 3)
    assert (tmp_path / "file").read_text() == "no folder"


def test_doctor_tells_how_to_mend_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    ended = run("doctor", "--home", tmp_path / "file" / "home", "--json")
    assert ended.code == 3
    checks = {check["name"]: check for check in ended.json()}
    assert (checks["home"]["ok"], checks["key"]["ok"]) == (False, False)


# --- the site --------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["S77", "S01", "s91", "S911", "../S91", "张三"])
def test_a_site_that_may_not_deliver_is_refused(code: str, home: Path, whole_export: Path) -> None:
    cut_export(whole_export, home / "inbox", series=1)
    shutil.copytree(home / "inbox" / "S91", home / "inbox" / "S01")
    ended = run("ingest", code, "--home", home)
    require_one_error(ended, 2, about="site")
    assert "张三" not in ended.err
    assert is_untouched(home)


def test_one_unknown_site_stops_the_command_before_anything_is_done(
    home: Path, whole_export: Path
) -> None:
    cut_export(whole_export, home / "inbox", series=1)
    require_one_error(run("ingest", "S91", "S77", "--home", home), 2, about="this site has no file")
    assert is_untouched(home)


def test_the_demo_key_is_refused_for_a_registered_site(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    create_demo_key_file(settings.master_key_file, 1)
    assert require_key(settings, SiteCode("S91")).is_demo
    with pytest.raises(BadInputError, match="demo's key"):
        require_key(settings, SiteCode("S01"))


def test_a_missing_inbox_is_bad_input(home: Path) -> None:
    (home / "inbox").rmdir()
    require_one_error(run("ingest", "S91", "--home", home), 2, about="no inbox")


def test_the_demo_does_not_mix_with_other_data(home: Path) -> None:
    ended = run("demo", "--home", home)
    require_one_error(ended, 2, about="not empty")


# --- the delivery ----------------------------------------------------------------------------


def test_an_empty_export_is_refused_and_nothing_is_written(home: Path) -> None:
    empty = home / "inbox" / "S91" / "zhangsan_7654321"
    empty.mkdir(parents=True)
    empty.with_name(f"{empty.name}.READY").touch()
    ended = run("ingest", "S91", "--home", home, "--json")
    assert ended.code == 1
    (night,) = ended.json()["nights"]
    assert night["batches"] == []
    assert len(night["refused"]) == 1
    assert "is empty" in night["refused"][0]
    assert "zhangsan" not in ended.out + ended.err + log_text(home)
    assert is_untouched(home)


def test_an_export_that_is_not_ready_waits(home: Path, whole_export: Path) -> None:
    export = cut_export(whole_export, home / "inbox", series=1)
    (export / "READY").unlink()
    (export / "linkage.csv").touch()
    ended = run("ingest", "S91", "--home", home)
    assert (ended.code, ended.out) == (0, "nothing new: S91\n")
    assert status(home)["waiting_exports"]["S91"] == 1


def spoil_files(export: Path) -> dict[str, int]:
    """Spoil an export in every way a file can be; return how often each reason is due."""
    whole = dicom_files(export)[0]
    data = whole.read_bytes()
    beside = whole.parent
    (beside / "lisi_truncated.dcm").write_bytes(data[: len(data) * 2 // 3])
    (beside / "lisi_header.dcm").write_bytes(data[:300])
    (beside / "lisi_text.dcm").write_text("李四 came for an MR\n", encoding="utf-8")
    (beside / "lisi_empty.dcm").write_bytes(b"")
    (beside / "lisi_link.dcm").symlink_to(whole)
    with zipfile.ZipFile(export / "dicom" / "lisi.zip", "w") as archive:
        archive.writestr("../../../lisi_outside.dcm", data)
        archive.writestr("/lisi_absolute.dcm", data)
        archive.writestr("..\\lisi_backslash.dcm", data)
    (export / "dicom" / "lisi_broken.zip").write_bytes(b"PK\x03\x04 and then nothing")
    (export / "clinical" / "lisi_unknown.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    return {
        "TRUNCATED": 1,
        "NOT_DICOM": 1,
        "EMPTY_FILE": 1,
        "UNSAFE_PATH": 4,
        "ARCHIVE_UNREADABLE": 1,
        "UNKNOWN_FORM": 1,
    }


def test_every_broken_file_is_set_aside_with_its_reason_and_stops_nothing(
    home: Path, whole_export: Path, tmp_path: Path
) -> None:
    export = cut_export(whole_export, home / "inbox", series=1)
    n_whole = len(dicom_files(export))
    names = identifying_values(export)
    due = spoil_files(export)
    before = {path.name for path in tmp_path.iterdir()}
    ended = run("ingest", "S91", "--home", home)
    assert ended.code == 0, ended.out + ended.err
    reasons = states_by_reason(home)
    half = reasons.pop("UNPARSABLE", 0) + reasons.pop("TRUNCATED") - due.pop("TRUNCATED")
    assert (half, reasons) == (1, due)
    facts = status(home)
    assert facts["adds_up"] is True
    assert facts["states"]["accepted"] == n_whole
    assert {path.name for path in tmp_path.iterdir()} == before
    assert not list(tmp_path.rglob("lisi_outside.dcm"))
    told = ended.out + ended.err + log_text(home)
    assert [value for value in {*names, "lisi", "李四"} if value in told] == []


def test_the_bytes_of_a_broken_file_are_kept(home: Path, whole_export: Path) -> None:
    export = cut_export(whole_export, home / "inbox", series=1)
    broken = dicom_files(export)[0]
    broken.write_bytes(broken.read_bytes()[:5000])
    assert run("ingest", "S91", "--home", home).code == 0
    kept = file_bytes(home / "restricted" / "quarantine", "S91/*/*")
    assert broken.read_bytes() in kept.values()


def test_a_broken_linkage_holds_all_images_and_files_nobody(home: Path, whole_export: Path) -> None:
    export = cut_export(whole_export, home / "inbox", series=1)
    images = len(dicom_files(export))
    first = (export / "linkage.csv").read_text(encoding="utf-8").splitlines()[1].split(",")
    # One PatientID for two subjects: nobody can tell which is right.
    text = f"study_subject_no,patient_id\n{first[0]},{first[1]}\n999,{first[1]}\n"
    (export / "linkage.csv").write_text(text, encoding="utf-8")
    ended = run("ingest", "S91", "--home", home)
    assert ended.code == 0, ended.out + ended.err
    reasons = states_by_reason(home)
    assert (reasons["BAD_LINKAGE"], reasons["NO_LINKAGE"]) == (1, images)
    assert not file_bytes(home, "warehouse/dicom/**/*.dcm")
    assert first[1] not in ended.out + ended.err + log_text(home)
    vault = Vault(Zones(home).vault_file, KeyRing(KEY))
    assert vault.assignments(SiteCode("S91")) == {}


def change_one_pixel(path: Path) -> None:
    dataset = pydicom.dcmread(path)
    pixels = bytearray(dataset.PixelData)
    pixels[len(pixels) // 2] ^= 1
    dataset.PixelData = bytes(pixels)
    dataset.save_as(path)


def released_rows(home: Path, table: str) -> list[dict[str, Any]]:
    return [
        row
        for path in (home / "releases" / "latest" / "tables" / table).glob("*.parquet")
        for row in pq.read_table(path).to_pylist()
    ]


def test_other_pixels_under_a_known_uid_hold_both_and_no_release_shows_the_volume(
    night: Path, whole_export: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(night, home)
    again = cut_export(whole_export, tmp_path / "again", series=2)
    # The first series is a localizer of single slices; the second is one volume.
    changed = dicom_files(again)[-1]
    n_images, n_slices = len(dicom_files(again)), len(list(changed.parent.glob("IM*.dcm")))
    change_one_pixel(changed)
    shutil.move(again, home / "inbox" / "S91" / "2026-11-21")
    ended = run("ingest", "S91", "--home", home, "--json")
    assert ended.code == 0, ended.out + ended.err
    (batch,) = ended.json()["nights"][0]["batches"]
    assert batch["reasons"] == {"UID_REUSED": 1}
    assert (batch["counts"]["duplicate"], batch["counts"]["accepted"]) == (n_images - 1, 0)
    folder = home / "warehouse" / "batches" / "S91" / batch["batch_id"]
    (hold,) = pq.read_table(folder / "hold.parquet").to_pylist()
    assert hold["reason"] == "UID_REUSED"
    # What came first stays where it is: nothing in the warehouse is ever taken back.
    (image,) = (home / "warehouse" / "dicom").rglob(f"{hold['sop_uid']}.dcm")
    ended = run("release", "--home", home)
    assert ended.code == 0, ended.out + ended.err
    series_uid = image.parent.name
    volumes = [r for r in released_rows(home, "nifti_volume") if r["series_uid"] == series_uid]
    stacks = [r for r in released_rows(home, "series") if r["series_uid"] == series_uid]
    assert volumes == []
    assert [row["n_instances"] for row in stacks] == [n_slices - 1]


# --- keys and vaults -------------------------------------------------------------------------


def test_a_wrong_key_for_a_vault_is_refused_and_harms_nothing(
    night: Path, whole_export: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(night, home)
    new = cut_export(whole_export, tmp_path / "new", series=3)
    shutil.move(new, home / "inbox" / "S91" / "2026-11-21")
    write_key(home / "restricted" / "key", OTHER_KEY)
    before = file_bytes(home, *COMMITTED, "restricted/vault.sqlite")
    ended = run("ingest", "S91", "--home", home, "--json")
    require_one_error(ended, 3, about="this key")
    assert file_bytes(home, *COMMITTED, "restricted/vault.sqlite") == before
    # A vault that is lost would take any key: the committed batches know theirs.
    (home / "restricted" / "vault.sqlite").rename(tmp_path / "vault.sqlite")
    require_one_error(run("ingest", "S91", "--home", home), 3, about="this key")
    assert not (home / "restricted" / "vault.sqlite").exists()
    (tmp_path / "vault.sqlite").rename(home / "restricted" / "vault.sqlite")
    write_key(home / "restricted" / "key")
    ended = run("ingest", "S91", "--home", home, "--json")
    assert ended.code == 0, ended.out + ended.err
    assert ended.json()["nights"][0]["batches"][0]["counts"]["accepted"] > 0


def test_a_release_of_nothing_is_blocked(home: Path) -> None:
    ended = run("release", "--home", home)
    require_one_error(ended, 1)
    assert is_untouched(home)
