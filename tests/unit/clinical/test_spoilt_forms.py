"""Whatever bytes a form has, it is read or refused; no spoilt form raises anything else."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from schemas.identifiers import SiteCode
from schemas.records import DeliveredFile, FileKind
from schemas.run.atomic_files import sha256_of_bytes
from schemas.states import FileState, ReasonCode
from tasks.clinical import intake, store
from tasks.clinical.raw_form import FormRefusedError
from tests.unit.clinical.forms import form_row, read_bytes
from tests.unit.clinical.test_odm import document, group, subject
from tests.unit.clinical.test_workbook import sheet_rows, workbook_bytes

FORM = "pathology"


def spoilt(data: bytes, noise: random.Random) -> bytes:
    """Return bytes with some changed, cut out or cut off."""
    raw = bytearray(data)
    for _ in range(noise.randint(1, 30)):
        raw[noise.randrange(len(raw))] = noise.randrange(256)
    if noise.random() < 0.3:
        start = noise.randrange(len(raw))
        del raw[start : start + noise.randint(1, 200)]
    return bytes(raw[: noise.randint(1, len(raw))] if noise.random() < 0.2 else raw)


def as_csv() -> bytes:
    rows = sheet_rows(FORM, form_row(FORM))
    return "\n".join(",".join("" if c is None else str(c) for c in row) for row in rows).encode()


def as_workbook() -> bytes:
    return workbook_bytes(sheet_rows(FORM, *[form_row(FORM)] * 40))


def as_odm() -> bytes:
    return document(subject(FORM, group(FORM, form_row(FORM)))).encode()


@pytest.mark.parametrize(
    ("suffix", "whole", "times"),
    [("csv", as_csv, 300), ("xlsx", as_workbook, 150), ("xml", as_odm, 300)],
)
def test_a_spoilt_form_is_read_or_refused(
    suffix: str, whole: Callable[[], bytes], times: int
) -> None:
    data, noise = whole(), random.Random(suffix)
    read_bytes(f"{FORM}.{suffix}", data)
    refused = 0
    for _ in range(times):
        try:
            read_bytes(f"{FORM}.{suffix}", spoilt(data, noise))
        except FormRefusedError:
            refused += 1
    assert refused > times / 10


def test_an_error_that_no_rule_foresees_sets_one_form_aside(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("forms")
    files = []
    for number, name in enumerate((f"{FORM}.csv", "treatment.csv"), start=1):
        path = folder / name
        path.write_bytes(as_csv())
        sha256 = sha256_of_bytes(path.read_bytes())
        files.append(
            DeliveredFile(
                number,
                f"clinical/{name}",
                str(path),
                path.stat().st_size,
                sha256,
                FileKind.CLINICAL,
            )
        )
    reading = intake.read_form

    def fails_once(name: str, *rest: bytes, **more: object) -> object:
        if name.startswith("treatment"):
            raise ZeroDivisionError("Ouyang")
        return reading(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "read_form", fails_once)
    taken = store.read_forms(files, site=SiteCode("S91"))
    assert [(o.state, o.reason) for o in taken.outcomes] == [
        (FileState.CLINICAL, None),
        (FileState.QUARANTINED, ReasonCode.STAGE_FAILED),
    ]
    assert "Ouyang" not in str(taken.findings)
