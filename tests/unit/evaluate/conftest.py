"""A home with a release, made once; who changes it has a copy."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.evaluate.made import Made, make_home


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_home(tmp_path_factory.mktemp("template") / "home", 48)


@pytest.fixture
def made(template: Made, tmp_path: Path) -> Made:
    """A home of one's own: a copy, for a release takes its time to build."""
    home = tmp_path / "home"
    shutil.copytree(template.settings.home, home, symlinks=True)
    release = home / "releases" / template.release.name
    return replace(template, settings=replace(template.settings, home=home), release=release)
