"""What a machine without a network gets: all that is needed to run, by the lock, and no more."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bundle() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bundle", ROOT / ".ci" / "bundle.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_needed_to_run_is_in_and_what_only_developers_need_is_not(
    bundle: ModuleType,
) -> None:
    needed = bundle.needed(ROOT / "pyproject.toml", [])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    stated = {canonicalize_name(Requirement(one).name) for one in project["dependencies"]}
    assert stated <= needed
    assert {"sqlalchemy", "asyncpg", "uvicorn"} <= needed, "what Prefect's server needs"
    assert not {"pytest", "ruff", "mypy", "playwright", "livercohort"} & needed


def test_the_lock_gives_each_with_its_hashes(bundle: ModuleType) -> None:
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    part = bundle.part_of_lock(lock, {"duckdb", "pydicom"})
    names = [line.split("==")[0] for line in part.splitlines() if "==" in line]
    assert names == ["duckdb", "pydicom"]
    assert part.count("--hash=sha256:") >= 2
    with pytest.raises(SystemExit, match="no-such-thing"):
        bundle.part_of_lock(lock, {"duckdb", "no-such-thing"})


def test_what_is_overridden_lacks_on_purpose_and_nothing_else_may(bundle: ModuleType) -> None:
    without = bundle.overridden(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8")))
    on_purpose = "rapidocr-onnxruntime 1.4.4 requires opencv-python, which is not installed."
    wrong = [
        "pandas 3.1.0 requires numpy, which is not installed.",
        "pandas 3.1.0 has requirement numpy>=2, but you have numpy 1.26.",
    ]
    assert bundle.lacking_lines("\n".join([on_purpose, *wrong]), without) == wrong
