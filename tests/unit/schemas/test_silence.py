"""Errors and log lines that leave a stage carry no values."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from schemas.errors import BadInputError
from schemas.run.log_redaction import RedactingFilter
from schemas.run.stage_errors import StageFailedError, redacted_errors
from schemas.run.zones import Zones

SECRET = "Zhang^San 13800138000"


def record_of(message: str, *, error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("x", logging.ERROR, "f.py", 1, message, (), info)


def printed(record: logging.LogRecord) -> str:
    assert RedactingFilter().filter(record)
    return logging.Formatter("%(message)s").format(record)


def test_an_unforeseen_error_becomes_one_that_only_names_its_class(tmp_path: Path) -> None:
    with pytest.raises(StageFailedError) as caught, redacted_errors("deidentify", Zones(tmp_path)):
        raise ValueError(SECRET)
    assert SECRET not in str(caught.value)
    assert "ValueError" in str(caught.value)
    assert caught.value.__suppress_context__


def test_its_trace_is_kept_in_the_restricted_zone_for_the_owner_only(tmp_path: Path) -> None:
    with pytest.raises(StageFailedError), redacted_errors("deidentify", Zones(tmp_path)):
        raise ValueError(SECRET)
    (trace,) = (tmp_path / "restricted" / "errors").iterdir()
    assert SECRET in trace.read_text()
    assert trace.stat().st_mode & 0o077 == 0


def test_our_own_errors_pass_as_they_are(tmp_path: Path) -> None:
    with (
        pytest.raises(BadInputError, match="line 3"),
        redacted_errors("receive", Zones(tmp_path)),
    ):
        raise BadInputError("line 3 has no subject number")


def test_a_trace_in_a_log_record_is_cut_to_its_class() -> None:
    with pytest.raises(KeyError) as caught:
        dict[str, str]()[SECRET]
    text = printed(record_of("failed", error=caught.value))
    assert SECRET not in text
    assert "Traceback" not in text
    assert "KeyError" in text


@pytest.mark.parametrize("number", ["13800138000", "11010519491231002X", "91513030"])
def test_numbers_long_enough_to_name_a_person_are_blanked(number: str) -> None:
    assert number not in printed(record_of(f"value {number} refused"))


def test_counts_times_and_batch_ids_stay_readable() -> None:
    told = "batch f404bfce576b59bc: 731 accepted at 08:59:41.836, 100000 files"
    assert printed(record_of(told)) == told
