"""Facts taken over from a file before are those that the whole header gives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydicom.dataset import Dataset

from schemas.dicom.header_scan import ScannedHeader
from schemas.dicom.header_view import FeatureHarvest
from tasks.convert.codes import Code
from tasks.convert.facts_harvest import FactsHarvest, SeriesFacts
from tasks.convert.source import PixelFacts, facts_of_scan
from tests.builders import make_series, to_bytes


def facts_of(files: list[bytes], cut_by: int = 0) -> list[PixelFacts | None]:
    harvest, facts = FeatureHarvest(), FactsHarvest()
    found = []
    for raw in files:
        read = harvest.read(raw)
        assert read is not None
        found.append(facts.read(read[0], len(raw) - cut_by))
    return found


def changed(change: Callable[[Dataset, int], None], modality: str = "CT") -> list[bytes]:
    slices = make_series(modality=modality)
    for number, data in enumerate(slices):
        change(data, number)
    return [to_bytes(data) for data in slices]


def same(_data: Dataset, _number: int) -> None:
    """All slices alike."""


def slope(data: Dataset, number: int) -> None:
    # Only from the third on: the first two have taught what is known of the series by then.
    data.RescaleSlope = "2" if number >= 2 else "1"


def bits(data: Dataset, number: int) -> None:
    data.BitsStored, data.HighBit = (16, 15) if number % 3 == 2 else (12, 11)


def comment(data: Dataset, number: int) -> None:
    data.ImageComments = "x" * (number + 1)


def gradient(data: Dataset, number: int) -> None:
    data.DiffusionGradientOrientation = [0.0, 0.0, 1.0 if number < 3 else -1.0]


@pytest.mark.parametrize(
    ("change", "modality"),
    [(same, "CT"), (slope, "CT"), (bits, "CT"), (comment, "MR"), (gradient, "MR")],
)
def test_facts_are_those_of_the_whole_header_whatever_changes_on_the_way(
    change: Callable[[Dataset, int], None], modality: str
) -> None:
    files = changed(change, modality)
    expected = [SeriesFacts().read(raw, size_bytes=len(raw)) for raw in files]
    assert facts_of(files) == expected
    series = SeriesFacts()
    assert [series.read(raw, len(raw)) for raw in files] == expected
    assert None not in expected


def test_a_file_that_ends_before_its_pixels_do_is_truncated_though_its_series_is_known() -> None:
    files = changed(same)
    series = SeriesFacts()
    found = [*facts_of(files, cut_by=1), *(series.read(raw, len(raw) - 1) for raw in files)]
    assert {fact and fact.problem for fact in found} == {Code.TRUNCATED}


def test_a_header_is_read_again_only_where_something_the_facts_need_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[ScannedHeader] = []

    def counted(header: ScannedHeader, size_bytes: int) -> PixelFacts | None:
        asked.append(header)
        return facts_of_scan(header, size_bytes)

    monkeypatch.setattr("tasks.convert.facts_harvest.facts_of_scan", counted)
    facts_of(changed(comment))
    assert len(asked) == 2  # the first, and the first that was found to be like it
    asked.clear()
    files = changed(slope)
    facts_of(files)
    assert len(asked) == len(files)
