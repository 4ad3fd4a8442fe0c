"""Stages outside a flow run are plain functions, and nothing of Prefect is loaded for them."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from schemas.errors import GateBlockedError
from schemas.run.shown_runs import (
    PLAIN_LOGGER,
    create_markdown_artifact,
    create_table_artifact,
    get_run_logger,
    progress_shown,
    shown_to_the_end,
    task,
    work_is_over,
)
from tests.flows.conftest import clean_environment


def test_a_plain_night_loads_no_prefect_and_a_named_server_makes_its_flow_one() -> None:
    program = (
        "import sys; from flows.ingest_site import ingest_site; import flows.release_cohort;"
        "print('prefect' in sys.modules, type(ingest_site).__module__, ingest_site.fn.__name__)"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", program],
            env=clean_environment() | given,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for given in ({}, {"PREFECT_API_URL": "http://127.0.0.1:9/api"})
    ]
    assert said == [
        "False schemas.run.shown_runs ingest_site\n",
        "True prefect.flows ingest_site\n",
    ]


def test_a_stage_that_fails_is_tried_again_as_often_as_it_says() -> None:
    tries: list[str] = []

    @task(name="push", retries=2)
    def push(version: str) -> None:
        tries.append(version)
        raise OSError(version)

    with pytest.raises(OSError, match="v1"):
        push("v1")
    assert tries == ["v1"] * 3
    tries.clear()
    with pytest.raises(OSError, match="v2"):
        push.fn("v2")
    assert tries == ["v2"]


def test_outside_a_run_nothing_is_shown_and_the_terminal_stays_quiet(
    capfd: pytest.CaptureFixture[str],
) -> None:
    create_table_artifact(key="t", table=[{"a": 1}], description="rows")
    create_markdown_artifact(key="m", markdown="text")
    progress_shown("p", "stages")(50.0)
    get_run_logger().error("batch %s", "x")
    assert capfd.readouterr() == ("", "")
    assert not logging.getLogger(PLAIN_LOGGER).propagate


def test_what_fails_after_the_work_is_over_takes_nothing_of_it_away() -> None:
    def over_and_then(error: Exception) -> str:
        work_is_over("release", "1.0.0")
        raise error

    def never_over() -> str:
        raise ConnectionError

    assert shown_to_the_end("release", lambda: over_and_then(ConnectionError())) == "1.0.0"
    with pytest.raises(ConnectionError):
        shown_to_the_end("release", never_over)
    with pytest.raises(GateBlockedError):
        shown_to_the_end("release", lambda: over_and_then(GateBlockedError("held")))
