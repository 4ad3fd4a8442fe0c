"""Sites for load tests: 28 of them, with site files of their own, small images, many files."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from schemas.errors import BadInputError
from schemas.run.sites import is_fictitious, read_site, read_sites
from tasks.simulate.load_sites import LOAD_HOSPITALS
from tasks.simulate.store import simulate
from tests.unit.simulate.test_store import bytes_below


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("load")
    simulate(out, sites=2, subjects=1, nights=1, faults=(), scale=True)
    return out


def test_there_are_as_many_load_sites_as_registered_ones() -> None:
    codes = [str(hospital.code) for hospital in LOAD_HOSPITALS]
    assert codes == [f"X{number:03d}" for number in range(1, 29)]
    assert all(is_fictitious(code) for code in codes)


def test_load_images_are_small(load: Path) -> None:
    images = [pydicom.dcmread(BytesIO(p.read_bytes())) for p in _images(load)[::25]]
    assert images
    assert max(int(image.Rows) for image in images) <= 32


def _images(load: Path) -> list[Path]:
    return [p for p in sorted((load / "X001").rglob("dicom/**/*")) if p.is_file()]


def test_a_load_site_delivers_only_where_its_folder_is_set(
    load: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LIVERCOHORT_LOAD_SITES", raising=False)
    with pytest.raises(BadInputError, match="no file"):
        read_site("X001")
    monkeypatch.setenv("LIVERCOHORT_LOAD_SITES", str(load / "site_files"))
    assert read_site("X001").fictitious
    assert [site.code for site in read_sites()][-2:] == ["X001", "X002"]


def test_no_hospital_gets_in_by_a_folder_of_load_sites(
    load: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (load / "site_files" / "X001.yaml").read_text("utf-8")
    (tmp_path / "S05.yaml").write_text(text.replace("X001", "S05"), encoding="utf-8")
    monkeypatch.setenv("LIVERCOHORT_LOAD_SITES", str(tmp_path))
    with pytest.raises(BadInputError, match="no file"):
        read_site("S05")
    assert "S05" not in {site.code for site in read_sites()}


def test_the_number_of_processes_changes_no_byte(load: Path, tmp_path: Path) -> None:
    simulate(tmp_path, sites=2, subjects=1, nights=1, faults=(), scale=True, workers=2)
    assert bytes_below(tmp_path) == bytes_below(load)
