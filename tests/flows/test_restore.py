"""A backup as docs/operations.md describes it, a machine that is lost, and work that goes on."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.flows.conftest import require_one_error, run
from tests.flows.exports import cut_export

pytestmark = pytest.mark.slow

_VAULT = ("restricted/vault.sqlite", "restricted/look_up_head.sealed")
_DAILY = ("restricted", "warehouse", "operations", "releases")


def archive(home: Path, backup: Path) -> None:
    """Write the archives of one day: the key apart, the vault, and the rest."""
    backup.mkdir()
    vault = [name for name in _VAULT if (home / name).exists()]
    parts = {
        "key.tar": ["restricted/key"],
        "vault.tar": vault,
        "restricted.tar": [
            *(f"--exclude={name}" for name in ("restricted/key", *vault)), "restricted",
        ],
        **{f"{name}.tar": [name] for name in _DAILY[1:]},
    }  # fmt: skip
    for name, what in parts.items():
        subprocess.run(["tar", "-C", home, "-cf", backup / name, *what], check=True)


def restore(backup: Path, home: Path, *without: str) -> Path:
    home.mkdir()
    for path in sorted(backup.glob("*.tar")):
        if path.name not in without:
            subprocess.run(["tar", "-C", home, "-xpf", path], check=True)
    (home / "inbox").mkdir()
    return home


def subjects(home: Path) -> dict[str, str]:
    """Return batch → its own record's counts, as the warehouse tells them."""
    return {p.parent.name: p.read_text() for p in home.glob("warehouse/batches/*/*/batch.json")}


@pytest.fixture
def backup(released: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "backup"
    archive(released, folder)
    return folder


def test_a_restored_home_is_whole_knows_what_it_had_and_goes_on_with_the_same_persons(
    backup: Path, released: Path, whole_export: Path, tmp_path: Path
) -> None:
    home = restore(backup, tmp_path / "restored")
    assert (home / "restricted").stat().st_mode & 0o777 == 0o700
    environment = {"LIVERCOHORT_MIN_FREE_GIB": "0"}
    doctor = run("doctor", "--home", home, "--json", "--min-free-gib", "0").json()
    assert [one for one in doctor if one["name"] in ("key", "vault") and not one["ok"]] == []
    status = run("status", "--home", home, "--json", **environment)
    assert status.code == 0, status.out
    verified = run("verify", "latest", "--home", home)
    assert verified.code == 0, verified.out + verified.err
    assert subjects(home) == subjects(released)
    # The site delivers again what is known, and one series more of the same person.
    same = cut_export(whole_export, home / "inbox", series=2, planted=True)
    more = cut_export(whole_export, tmp_path / "more", series=3)
    more.rename(same.with_name("later"))
    ended = run("ingest", "S91", "--home", home, "--json")
    assert ended.code == 0, ended.out + ended.err
    (batch,) = json.loads(ended.out)["nights"][0]["batches"]
    assert batch["counts"]["duplicate"] > 0
    assert batch["counts"]["accepted"] > 0
    assert persons(home) == persons(released)


def persons(home: Path) -> set[str]:
    """Return the pseudonyms that the objects of the warehouse bear."""
    import pydicom

    return {
        str(pydicom.dcmread(path, stop_before_pixels=True).PatientID)
        for path in (home / "warehouse" / "dicom").rglob("*.dcm")
    }


def test_without_the_vault_or_with_another_key_a_restored_home_refuses_to_go_on(
    backup: Path, whole_export: Path, tmp_path: Path
) -> None:
    home = restore(backup, tmp_path / "no-vault", "vault.tar")
    cut_export(whole_export, home / "inbox", series=3)
    require_one_error(run("ingest", "S91", "--home", home), 3, about="vault")
    other = restore(backup, tmp_path / "no-key", "key.tar")
    shutil.copytree(home / "inbox", other / "inbox", dirs_exist_ok=True)
    made = run("key", "create", "--home", other)
    refused = run("ingest", "S91", "--home", other)
    assert made.code != 0 or refused.code != 0
    assert "key" in made.err + refused.err
