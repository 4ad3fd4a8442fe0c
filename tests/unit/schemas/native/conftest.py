"""The compiled part, made from this tree's source: an older library in it is never tested."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[4]
NATIVE = ROOT / "schemas" / "native"
SOURCE = NATIVE / "sha256_lanes.c"
HAS_INSTRUCTIONS_FOR = ("x86_64", "aarch64")


def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def sources_in(root: Path) -> Path:
    """Copy what is compiled into another tree; return where it lies there."""
    native = root / "schemas" / "native"
    native.mkdir(parents=True)
    for path in (*NATIVE.glob("*.c"), *NATIVE.glob("*.h")):
        shutil.copy(path, native)
    return native


def skip_without_compiler() -> None:
    if platform.machine() not in HAS_INSTRUCTIONS_FOR:
        pytest.skip(f"{platform.machine()} has no compiled part")
    if shutil.which("cc") is None:
        if os.environ.get("LIVERCOHORT_REQUIRE_COMPILERS"):
            pytest.fail("no C compiler (LIVERCOHORT_REQUIRE_COMPILERS forbids the skip)")
        pytest.skip("no C compiler")


@pytest.fixture(scope="session")
def compiled_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    skip_without_compiler()
    root = tmp_path_factory.mktemp("tree")
    native = sources_in(root)
    assert hook().in_place(root) == ""
    return native / "sha256_lanes.so"
