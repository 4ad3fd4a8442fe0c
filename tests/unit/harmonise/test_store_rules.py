"""Versions of the tables: a bad one is refused and the one before stays in force."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.errors import ContractError
from schemas.package_data import data_contracts_dir
from schemas.run.zones import Zones
from tasks.harmonise import store_rules
from tasks.harmonise.store_rules import (
    difference_of_versions,
    require_tables,
    use_rules,
    with_tables,
)
from tests.unit.harmonise.exams import series

ARTERIAL = "    words: [art, arterial,"


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """Return a copy of the tables that does not know the word `arterial`."""
    root = copy_of_tables(tmp_path / "changed")
    path = root / "sequence_labels" / "rules" / "20_contrast_phase.yaml"
    text = path.read_text(encoding="utf-8").replace("[AX T1 LAVA arterial, ", "[")
    path.write_text(text.replace(ARTERIAL, "    words: [art,"), encoding="utf-8")
    return root


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a copy that stands in for the package's tables."""
    root = copy_of_tables(tmp_path / "package")
    monkeypatch.setattr(store_rules, "data_contracts_dir", lambda: root)
    monkeypatch.setattr("schemas.package_data.data_contracts_dir", lambda: root)
    yield root
    monkeypatch.undo()
    store_rules._switch(None)


def copy_of_tables(root: Path) -> Path:
    source = data_contracts_dir()
    shutil.copytree(source / "sequence_labels", root / "sequence_labels")
    (root / "deidentification").mkdir()
    name = "deidentification/descriptor_vocabulary.txt"
    shutil.copyfile(source / name, root / name)
    return root


def test_a_table_with_an_error_leaves_the_version_before_in_force(
    tmp_path: Path, package: Path
) -> None:
    zones = Zones(tmp_path / "home")
    good = use_rules(zones)
    path = package / "sequence_labels" / "rules" / "10_family.yaml"
    lines = path.read_text(encoding="utf-8").replace("vote: adc", "vote: adk", 1)
    path.write_text(lines, encoding="utf-8")
    held = use_rules(zones)
    assert held.mapping_version == good.mapping_version == held.kept_version
    assert "rules/10_family.yaml:3" in (held.refused or "")


def test_a_table_with_an_error_and_no_version_before_is_refused(
    tmp_path: Path, package: Path
) -> None:
    (package / "sequence_labels" / "time_zero.csv").write_text("rung\n", encoding="utf-8")
    with pytest.raises(ContractError, match=r"time_zero\.csv"):
        use_rules(Zones(tmp_path / "home"))


def test_the_difference_names_rules_strings_and_series(tmp_path: Path, changed: Path) -> None:
    strings = tmp_path / "s.csv"
    strings.write_text("description,modality\nArterial,CT\nVenous,CT\n", encoding="utf-8")
    exam = series(1, "t1_vibe_fs_tra_arterial", at_s=None, AcquisitionTime=None)
    rows = difference_of_versions(changed, strings, exam, Zones(tmp_path))
    found = [(r["kind"], r["what"], r["change"]) for r in rows]
    assert found[:2] == [
        ("rule", "PHASE-ART", "changed"),
        ("string", "line 2", "now labelled"),
    ]
    assert [kind for kind, *_ in found[2:]] == ["series"]


def test_after_a_comparison_the_package_is_in_force_again(changed: Path) -> None:
    before = require_tables()
    other = with_tables(changed, require_tables)
    assert other != before == require_tables()


def test_rules_are_read_anew_in_less_than_a_second() -> None:
    start = time.process_time()
    with_tables(None, require_tables)
    assert time.process_time() - start < 1.0
