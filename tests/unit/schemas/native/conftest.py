"""The compiled part, made from this tree's source: an older library in it is never tested."""

from __future__ import annotations

import importlib.util
import platform
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[4]
SOURCE = ROOT / "schemas" / "native" / "sha256_lanes.c"


def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture(scope="session")
def compiled_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if platform.machine() != "x86_64" or shutil.which("cc") is None:
        pytest.skip("compiled on x86-64 with a C compiler only")
    root = tmp_path_factory.mktemp("tree")
    (root / "schemas" / "native").mkdir(parents=True)
    shutil.copy(SOURCE, root / "schemas" / "native")
    assert hook().compiled(root) == ""
    return root / "schemas" / "native" / "sha256_lanes.so"
