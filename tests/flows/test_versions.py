"""`doctor` tells libraries with which nights do not start, and pyproject keeps them out."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from flows.commands.checks import BREAKING_VERSIONS, check_versions

ROOT = Path(__file__).parents[2]


def test_what_is_installed_is_what_was_tried_together() -> None:
    assert check_versions().ok, check_versions().found


@pytest.mark.parametrize(
    ("name", "version"), [("sqlalchemy", "2.1.9"), ("fastapi", "0.155.1"), ("sqlalchemy", "3.0")]
)
def test_a_version_that_breaks_the_scheduler_is_told(name: str, version: str) -> None:
    found = check_versions(lambda asked: version if asked == name else "0.1")
    assert not found.ok
    assert f"{name} {version}" in found.found


@pytest.mark.parametrize("version", ["2.0.58", "2.0.30"])
def test_a_version_below_the_bound_is_not(version: str) -> None:
    assert check_versions(lambda asked: version if asked == "sqlalchemy" else "0.1").ok


def test_pyproject_keeps_out_what_doctor_tells() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = {line.split("=")[0].split(">")[0]: line for line in project["dependencies"]}
    for name, (bound, _) in BREAKING_VERSIONS.items():
        if "==" not in pins[name]:
            assert pins[name].endswith(f"<{'.'.join(map(str, bound))}")
