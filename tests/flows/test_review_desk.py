"""A night, a page decided by keyboard, an import, the next night, a release."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pydicom
import pytest
from nibabel.nifti1 import Nifti1Image
from playwright.sync_api import Browser, Page, expect

from schemas.run.zones import Zones
from tests.chromium import Watch
from tests.flows.conftest import Ended, run, status
from tests.flows.exports import cut_export, dicom_files, file_bytes, new_home

#: Where the letters are drawn: rows, columns.
ROWS, COLUMNS = slice(4, 12), slice(6, 46)
LETTERS = 3000
WRITTEN = ("warehouse/**/*", "releases/**/*", "restricted/**/*")


def write_name(path: Path) -> None:
    """Draw bars like letters into the corner and have the header say so."""
    data = pydicom.dcmread(path)
    pixels = data.pixel_array.copy()
    for column in range(COLUMNS.start, COLUMNS.stop, 5):
        pixels[ROWS, column : column + 3] = LETTERS
    data.PixelData = pixels.tobytes()
    data["PixelData"].VR = "OW"
    data["PixelData"].is_undefined_length = False
    data.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    data.BurnedInAnnotation = "YES"
    data.save_as(path)


@pytest.fixture(scope="module")
def delivered(whole_export: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with an export of two series: one says that text is burned into it."""
    home = new_home(tmp_path_factory.mktemp("desk"))
    export = cut_export(whole_export, home / "inbox", series=2)
    first = dicom_files(export)[0].parent
    for path in dicom_files(export):
        if path.parent == first:
            write_name(path)
    return home


@pytest.fixture
def watched(browser: Browser) -> Iterator[Page]:
    watch = Watch()
    context = browser.new_context(viewport={"width": 1366, "height": 768}, locale="zh-CN")
    watch.follow(context)
    yield context.new_page()
    context.close()
    assert (watch.outside, watch.errors) == ([], [])


def held(home: Path, *arguments: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = run(
        "quarantine", "list", *arguments, "--home", home, "--json"
    ).json()
    return rows


def ingest(home: Path) -> Ended:
    ended = run("ingest", "S91", "--home", home)
    assert ended.code == 0, ended.out + ended.err
    return ended


def mask_by_keyboard(page: Page, index: Path, into: Path) -> Path:
    """Go to the case, move the rectangle over the letters, decide, download."""
    page.goto(index.as_uri())
    while page.locator("[data-reason]").inner_text() != "BURNED_IN_ANNOTATION":
        page.keyboard.press("n")
    page.keyboard.press("3")
    page.locator("[data-boxes] input").first.focus()
    for value in ("4", "2", "46", "12"):
        page.keyboard.press("Control+a")
        page.keyboard.type(value)
        page.keyboard.press("Tab")
    page.locator("[data-canvas]").focus()
    page.keyboard.press("Enter")
    page.locator("[data-reviewer]").fill("QC01")
    page.locator("[data-reviewer]").blur()
    expect(page.locator("[data-progress]")).to_contain_text("已决定1")
    with page.expect_download() as handed:
        page.keyboard.press("s")
    path = into / handed.value.suggested_filename
    handed.value.save_as(path)
    return path


@pytest.mark.browser
@pytest.mark.slow
def test_a_held_series_is_masked_on_the_page_taken_in_and_released(
    delivered: Path, watched: Page, tmp_path: Path
) -> None:
    home, zones = delivered, Zones(delivered)
    ingest(home)
    (case,) = (row for row in held(home) if row["reason_code"] == "BURNED_IN_ANNOTATION")
    before = status(home)
    assert before["adds_up"]

    words = ("--reviewer", "QC01", "--reason", "phone 13800138000")
    refused = run("quarantine", "reject", case["hold_id"], *words, "--home", home)
    assert (refused.code, "13800138000" in refused.err) == (2, False)
    assert "identifies somebody" in refused.err

    built = run("quarantine", "page", "--home", home, "--json").json()
    saved = mask_by_keyboard(watched, Path(built["page"]), tmp_path)
    taken = run("quarantine", "import", saved, "--home", home, "--json").json()
    assert [(row["hold_id"], row["outcome"]) for row in taken] == [(case["hold_id"], "mask")]
    again = run("quarantine", "import", saved, "--home", home, "--json").json()
    assert [row["new"] for row in again] == [False]

    ingest(home)
    facts = status(home)
    assert facts["adds_up"]
    assert facts["n_files"] == before["n_files"] + case["files"]
    assert facts["states"]["accepted"] == before["states"]["accepted"] + case["files"]
    states = {row["hold_id"]: row["state"] for row in held(home, "--all")}
    assert states[case["hold_id"]] == "taken_in"
    left = file_bytes(home, *WRITTEN)
    assert "nothing new: S91" in ingest(home).out
    assert file_bytes(home, *WRITTEN) == left

    masked = [path for path in zones.warehouse.rglob("*.dcm") if is_masked(path)]
    assert len(masked) == case["files"]
    for path in masked:
        pixels = pydicom.dcmread(path).pixel_array
        assert not pixels[ROWS, COLUMNS].any()
    assert audited(zones) == case["files"]
    ended = run("release", "--home", home)
    assert ended.code == 0, ended.out + ended.err
    series = {str(pydicom.dcmread(path).SeriesInstanceUID) for path in masked}
    volumes = pq.read_table(next(zones.releases.glob("*/tables/nifti_volume/S91.parquet")))
    released = [row for row in volumes.to_pylist() if row["series_uid"] in series]
    assert released
    for row in released:
        assert row["round_trip_ok"]
        assert not has_letters(
            Nifti1Image.from_filename(zones.releases / "latest" / row["rel_path"])
        )
    assert run("verify", "latest", "--home", home).code == 0
    assert a_changed_chain_is_told(home, tmp_path / "changed")


def is_masked(path: Path) -> bool:
    """Whether an object says that its pixels were cleaned."""
    data = pydicom.dcmread(path, stop_before_pixels=True)
    codes = {item.CodeValue for item in data.DeidentificationMethodCodeSequence}
    return "113101" in codes and data.BurnedInAnnotation == "NO"


def audited(zones: Zones) -> int:
    """How many rows of the audits say that an object was masked, and by which decision."""
    rows = [
        row
        for path in zones.restricted.rglob("audit.parquet")
        for row in pq.read_table(path).to_pylist()
    ]
    return sum(
        "pixels" in row["options"] and any("7FE00010:masked:" in a for a in row["actions"])
        for row in rows
    )


def has_letters(image: Nifti1Image) -> bool:
    """Whether a voxel has the value that the letters were drawn with, above all anatomy."""
    return bool((np.asarray(image.dataobj) == LETTERS).any())


def a_changed_chain_is_told(home: Path, into: Path) -> bool:
    """Whether the doctor names a copy of this home in which a decision reads otherwise."""
    shutil.copytree(home, into, symlinks=True)
    log = into / "restricted" / "pixel_decisions.jsonl"
    log.write_text(log.read_text(encoding="utf-8").replace('"mask"', '"accept"'), encoding="utf-8")
    checks = {c["name"]: c for c in json.loads(run("doctor", "--home", into, "--json").out)}
    return not checks["decisions"]["ok"] and "changed" in checks["decisions"]["found"]
