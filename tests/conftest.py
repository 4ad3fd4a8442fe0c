"""Shared fixtures. Real DICOM is used in place and never committed."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from playwright.sync_api import Browser
from pydantic import SecretStr

from schemas.vault.keys import KeyRing
from tests.chromium import find_chromium, started_chromium
from tests.postgres import postgres_programs, running_postgres

# The machine is shared: a slow example says nothing about the law it tries.
settings.register_profile("livercohort", deadline=None)
settings.load_profile("livercohort")

# A validator takes milliseconds an object: nights that are not about it go without one.
os.environ.setdefault("LIVERCOHORT_VALIDATOR", "")
# Commands that tests start find their code compiled, as installed ones do; hundreds are started.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


# Before pytest-xdist writes the groups into the names of tests.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let one worker run all tests of a file: what they share in it is then made once."""
    for item in items if config.getoption("loadgroup", default=False) else ():
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


_REAL_DICOM_DEFAULT = Path(__file__).parents[2] / "shared" / "data" / "dicom"


@pytest.fixture(scope="session")
def real_dicom() -> Path:
    """The folder of real DICOM, from LIVERCOHORT_REAL_DICOM or beside the project."""
    folder = Path(os.environ.get("LIVERCOHORT_REAL_DICOM", _REAL_DICOM_DEFAULT))
    if not folder.is_dir():
        pytest.skip("no real DICOM here: set LIVERCOHORT_REAL_DICOM to a folder that has it")
    return folder


@pytest.fixture
def ring() -> KeyRing:
    """A key that is the same in every test."""
    return KeyRing(bytes(range(32)))


# One for the whole session: Playwright refuses a second start in the same process.
@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium; without one the tests are skipped, or fail where one is required."""
    executable = find_chromium()
    if executable is None:
        reason = "no Chromium here: install it or set LIVERCOHORT_CHROMIUM to its path"
        if os.environ.get("LIVERCOHORT_REQUIRE_BROWSER") == "1":
            pytest.fail(f"{reason} (LIVERCOHORT_REQUIRE_BROWSER=1 forbids the skip)")
        pytest.skip(reason)
    with started_chromium(executable) as chromium:
        yield chromium


@pytest.fixture(scope="session")
def postgres() -> Iterator[Path]:
    """The socket folder of a running PostgreSQL of our own."""
    programs = postgres_programs()
    if programs is None:
        message = "no PostgreSQL here: apt-get install postgresql"
        if os.environ.get("LIVERCOHORT_REQUIRE_POSTGRES"):
            pytest.fail(message)
        pytest.skip(message)
    with running_postgres(programs) as folder:
        yield folder


@pytest.fixture
def postgres_url(postgres: Path) -> SecretStr:
    """The address of an empty database."""
    name = f"vault_{uuid.uuid4().hex[:12]}"
    server = f"host={postgres} user=vault dbname=postgres"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return SecretStr(f"postgresql://vault@/{name}?host={postgres}")
