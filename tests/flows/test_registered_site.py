"""A registered hospital is released under a signed ethics reference; other rules look again.

The product is copied and the copy gets a site file: the reference stands in this test only, and
no file that ships lets a hospital in.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.flows.conftest import Ended, clean_environment
from tests.flows.exports import cut_export, new_home

ROOT = Path(__file__).parents[2]
PARTS = ("flows", "tasks", "schemas", "expectations", "data_contracts")
SITE_FILE = """\
code: S01
fictitious: false
name_en: {name_en}
name_zh: 上海交通大学医学院附属瑞金医院
province_en: Shanghai
province_zh: 上海市
level_zh: 三甲
ethics_ref: 2026-KY-001
ethics_date: 2026-03-01
ethics_reason: a reference of this test, signed by nobody
patient_id_is_subject_no: false
quiet_minutes: 30
ae_title: LC_S01
schedule:
  cron: "15 1 * * *"
  timezone: Asia/Shanghai
"""
NAME = '"Ruijin Hospital, Shanghai Jiaotong University School of Medicine"'


@pytest.fixture
def product(tmp_path: Path) -> Path:
    """A copy of the product in which S01 may deliver."""
    copy = tmp_path / "product"
    for part in PARTS:
        # Compiled as it lies there: times are copied with the files, so that is valid.
        shutil.copytree(ROOT / part, copy / part)
    site = copy / "data_contracts" / "sites" / "S01.yaml"
    site.write_text(SITE_FILE.format(name_en=NAME), encoding="utf-8")
    return copy


def run_copy(product: Path, *arguments: str | Path) -> Ended:
    environment = {**clean_environment(), "PYTHONPATH": str(product)}
    ended = subprocess.run(
        [sys.executable, "-m", "flows.cli", *map(str, arguments)],
        cwd=product,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def manifest(home: Path) -> dict[str, Any]:
    text = (home / "releases" / "latest" / "manifest.json").read_text(encoding="utf-8")
    facts: dict[str, Any] = json.loads(text)
    return facts


@pytest.mark.slow
def test_a_registered_hospital_is_released_once_all_its_series_were_inspected(
    product: Path, whole_export: Path, tmp_path: Path
) -> None:
    home = new_home(tmp_path / "h")
    export = cut_export(whole_export, home / "inbox", series=2)
    shutil.move(export.parent, home / "inbox" / "S01")
    ended = run_copy(product, "ingest", "S01", "--home", home)
    assert ended.code == 0, ended.err
    ended = run_copy(product, "release", "--home", home)
    assert ended.code == 0, ended.err
    inspection = manifest(home)["inspection"]
    assert inspection["series_inspected"] == 2
    assert inspection["series_not_inspected"] == 0
    assert set(inspection["models"]) == {"detection", "recognition"}

    rules = product / "data_contracts" / "inspection" / "thresholds.csv"
    text = rules.read_text(encoding="utf-8")
    rules.write_text(text.replace("confidence,0.80", "confidence,0.79"), encoding="utf-8")
    ended = run_copy(product, "release", "--home", home)
    assert ended.code == 1, ended.out + ended.err
    assert "not inspected by the rules in force" in ended.err
    assert "(S01)" in ended.err

    ended = run_copy(product, "ingest", "S01", "--home", home)
    assert ended.code == 0, ended.err
    ended = run_copy(product, "release", "--home", home)
    assert ended.code == 0, ended.err
    again = manifest(home)["inspection"]
    assert again["rules_id"] != inspection["rules_id"]
    assert again["series_not_inspected"] == 0
