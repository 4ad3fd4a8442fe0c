"""Stored numbers become values by a slope and an intercept that count, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as SqItems
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from tasks.convert.facts_harvest import SeriesFacts
from tasks.convert.store_source import read_facts_with_pydicom
from tests.builders import make_series, write_files
from tests.oracle.compare import all_differences
from tests.unit.convert.conftest import Convert
from tests.unit.convert.enhanced import enhanced


def changed(modality: str, which: slice, **values: object) -> list[Dataset]:
    slices = make_series(n_slices=8, modality=modality)
    for data in slices[which]:
        for keyword, value in values.items():
            if value is None:
                delattr(data, keyword)
            else:
                setattr(data, keyword, value)
    return slices


def lut_of(first: int) -> SqItems:
    item = Dataset()
    item.LUTDescriptor = [4096, 0, 16]
    item.ModalityLUTType = "HU"
    item.add_new("LUTData", "OW", np.arange(first, first + 4096, dtype="<u2").tobytes())
    return SqItems([item])


def mapping(slope: float) -> SqItems:
    item = Dataset()
    item.RealWorldValueSlope, item.RealWorldValueIntercept = slope, 0.0
    item.LUTLabel = "x"
    return SqItems([item])


ALL, SOME = slice(None), slice(1, 8, 2)


@pytest.mark.parametrize("which", [ALL, SOME])
@pytest.mark.parametrize(
    "values",
    [
        {"RescaleSlope": None, "RescaleIntercept": None},
        {"RescaleIntercept": None},
        {"RescaleSlope": None},
        {"RescaleSlope": "0"},
        {"RescaleSlope": ""},
        {"ModalityLUTSequence": lut_of(0)},
        {"ModalityLUTSequence": lut_of(0), "RescaleSlope": None, "RescaleIntercept": None},
    ],
)
def test_a_ct_without_a_rescale_that_counts_is_held(
    convert: Convert, which: slice, values: dict[str, object]
) -> None:
    slices = changed("CT", which, **values)
    (record,) = convert(slices)
    assert (record.verdict, record.codes) == ("QUARANTINE", ("RESCALE_NOT_STATED",))
    assert set(record.instances_at_fault) == {str(d.SOPInstanceUID) for d in slices[which]}


@pytest.mark.parametrize(
    ("which", "values"),
    [
        (SOME, {"RescaleSlope": "2", "RescaleIntercept": "0"}),
        (ALL, {"RescaleSlope": "0", "RescaleIntercept": "0"}),
        (ALL, {"ModalityLUTSequence": lut_of(100)}),
        (ALL, {"RealWorldValueMappingSequence": mapping(5.988)}),
    ],
)
def test_an_mr_whose_values_nobody_states_is_held(
    convert: Convert, which: slice, values: dict[str, object]
) -> None:
    (record,) = convert(changed("MR", which, **values))
    assert record.verdict == "QUARANTINE"
    assert "RESCALE_NOT_STATED" in record.codes


@pytest.mark.parametrize(
    "values", [{}, {"RescaleSlope": "1.5", "RescaleIntercept": "-7", "RescaleType": "US"}]
)
def test_an_mr_with_or_without_rescale_is_published(
    convert: Convert, tmp_path: Path, values: dict[str, object]
) -> None:
    (record,) = convert(changed("MR", ALL, **values))
    assert record.verdict == "OK"
    assert all_differences(tmp_path / "dicom", tmp_path / "nifti") == []


def test_an_enhanced_ct_without_rescale_is_held(convert: Convert) -> None:
    data = enhanced(make_series(n_slices=6))
    for groups in data.PerFrameFunctionalGroupsSequence:
        del groups.PixelValueTransformationSequence
    (record,) = convert([data])
    assert record.codes == ("RESCALE_NOT_STATED",)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("slope", [None, "", "0", "1", "1.5"])
def test_the_scanner_judges_as_the_full_parser(
    tmp_path: Path, syntax: UID, slope: str | None
) -> None:
    for data in changed("CT", ALL, RescaleSlope=slope)[:1]:
        data.file_meta.TransferSyntaxUID = syntax
        (path,) = write_files(tmp_path, [data])
        facts = read_facts_with_pydicom(path)
        assert SeriesFacts().read(path.read_bytes(), size_bytes=path.stat().st_size) == facts
