"""What a stranger finds: a licence, types, every make target told, and hooks that fetch nothing."""

from __future__ import annotations

import re
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = re.findall(r"^([A-Za-z0-9_-]+):(?!=)", MAKEFILE, re.MULTILINE)
PACKAGES = ("flows", "tasks", "schemas", "expectations", "data_contracts", "livercohort")


@pytest.fixture(scope="module")
def in_wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return the names of all files of the wheel that is built from this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_carries_the_types_of_every_package(in_wheel: set[str]) -> None:
    assert {f"{package}/py.typed" for package in PACKAGES} <= in_wheel


def test_the_wheel_carries_the_licence_that_is_declared(in_wheel: set[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["license"] == "Apache-2.0"
    assert [name for name in in_wheel if name.endswith(".dist-info/licenses/LICENSE")]
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_wheel_carries_every_signed_table_and_suite(in_wheel: set[str]) -> None:
    tables = {
        str(path.relative_to(ROOT))
        for package in ("data_contracts", "expectations")
        for path in (ROOT / package).rglob("*")
        if path.suffix in (".csv", ".yaml", ".txt")
    }
    assert tables <= in_wheel
    assert len(tables) > len(PACKAGES)


def test_make_help_tells_every_target() -> None:
    told = subprocess.run(
        ["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    lines = dict(line.split(maxsplit=1) for line in told.splitlines())
    assert sorted(lines) == sorted(TARGETS)
    assert all(lines.values())
    (phony,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert sorted(phony.split()) == sorted(TARGETS)


def test_hooks_before_a_commit_are_local_and_know_every_check() -> None:
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    repos = yaml.safe_load(text)["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
    hooks = {hook["id"]: hook for hook in repos[0]["hooks"]}
    assert set(hooks) == {"format", "lint", "types", "imports", "tables"}
    assert {hook["language"] for hook in hooks.values()} == {"system"}
    assert "://" not in text
