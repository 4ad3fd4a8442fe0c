"""`livercohort export` as an analyst calls it: what it says, and how it ends."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from flows.withdrawals import WITHDRAWALS
from schemas.run.zones import Zones
from schemas.vault.keys import KeyRing
from tasks.publish.signature import Signer
from tasks.publish.store import build_release
from tasks.receive.store_lease import lease
from tests.flows.conftest import require_one_error, run
from tests.unit.publish.cohort import make_cohort, make_facts, make_sources


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one release and no key, as an analyst has a copy of it."""
    home = tmp_path_factory.mktemp("home")
    tables = make_cohort()
    build_release(
        tables,
        releases_dir=home / "releases",
        nifti_sources=make_sources(home / "warehouse", tables),
        facts=make_facts(),
        bump="auto",
        signer=Signer.of(KeyRing(bytes(range(32)))),
    )
    return home


def test_an_export_says_how_many_and_why_others_are_not_in_it(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    ended = run(
        "export", "latest", out, "--home", home, "--cohort", "eligible", "--accept-unassigned",
        "--json",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    told = ended.json()
    assert told["training"] + told["test"] + sum(told["left_out"].values()) == 2
    assert told["files"] == len(list(out.rglob("*.nii.gz"))) == 2


def test_a_selection_is_needed_and_only_one(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    neither = run("export", "latest", out, "--home", home)
    require_one_error(neither, 2, about="hbp_eligible")
    both = run("export", "latest", out, "--home", home, "--cohort", "eligible", "--sql", "SELECT 1")
    require_one_error(both, 2, about="one selection")
    assert not out.exists()


def test_a_report_waits_for_a_withdrawal_and_one_of_no_release_writes_nothing(
    home: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "home"
    shutil.copytree(home, copy, symlinks=True)
    before = sorted(copy.rglob("*"))
    require_one_error(run("report", "9.9.9", "--home", copy), 2, about="no release 9.9.9")
    assert sorted(copy.rglob("*")) == before
    with lease(Zones(copy), WITHDRAWALS):
        require_one_error(run("report", "1.0.0", "--home", copy), 3, about=WITHDRAWALS)
    assert not (copy / "reports").exists()


def test_who_is_on_the_list_of_withdrawals_cannot_be_told_without_the_key(
    home: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "home"
    shutil.copytree(home, copy, symlinks=True)
    (copy / "restricted").mkdir()
    (copy / "restricted" / "withdrawn.jsonl").write_text("{}\n")
    out = tmp_path / "out"
    ended = run("export", "latest", out, "--home", copy, "--cohort", "eligible")
    require_one_error(ended, 3, about="without the key")
    assert not out.exists()
