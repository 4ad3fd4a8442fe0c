"""Settings come from the environment, or say what is wrong with it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from schemas.errors import BadInputError
from schemas.run.settings import Settings, read_settings


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("LIVERCOHORT_"):
            monkeypatch.delenv(name)


def test_without_an_environment_the_defaults_hold() -> None:
    assert read_settings() == Settings(home=Path("var"), workers=2)


def test_each_variable_decides_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"HOME": "h", "KEY_FILE": "k", "INBOX": "i", "LOAD_SITES": "l", "WORKERS": "5"}
    for name, value in values.items():
        monkeypatch.setenv(f"LIVERCOHORT_{name}", value)
    monkeypatch.setenv("LIVERCOHORT_VAULT_URL", "postgresql://vault@/v")
    monkeypatch.setenv("LIVERCOHORT_RELEASES_URL", "s3://releases")
    monkeypatch.setenv("LIVERCOHORT_WAREHOUSE_URL", "s3://warehouse")
    expected = Settings(
        home=Path("h"),
        key_file=Path("k"),
        inbox=Path("i"),
        load_sites=Path("l"),
        vault_url=SecretStr("postgresql://vault@/v"),
        releases_url="s3://releases",
        warehouse_url="s3://warehouse",
        workers=5,
    )
    assert read_settings() == expected
    assert "vault@" not in repr(expected)


@pytest.mark.parametrize("text", ["0", "257", "-1", "two", "", "2.5"])
def test_a_number_of_workers_that_is_none_is_bad_input(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIVERCOHORT_WORKERS", text)
    with pytest.raises(BadInputError, match="LIVERCOHORT_WORKERS"):
        read_settings()
