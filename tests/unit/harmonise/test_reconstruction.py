"""What a CT shows of the spectrum, told by its name, its header and what stands beside it."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.records import SeriesLabel
from tests.unit.harmonise.exams import rows_of, series


def portal(name: str, kvp: float = 120.0, number: int = 1, **elements: Any) -> SeriesLabel:
    [row] = rows_of(series(number, name, at_s=70.0, modality="CT", KVP=kvp, **elements))
    return row


@pytest.mark.parametrize(
    "name",
    [
        "PV 50 keV", "PV 50keV", "MonoE 65 PV", "PV MonoPlus 55", "PV Mono+ 40", "PV VMI 40",
        "PV Monochromatic 60", "keV 55 PV", "门脉期 单能量 50", "门脉期 最佳单能量", "PV 70 KeV",
    ],
)  # fmt: skip
def test_an_image_of_one_energy_that_only_its_name_tells_fills_no_slot(name: str) -> None:
    row = portal(name)
    assert (row.energy, row.is_diagnostic, row.required_for_protocol) == (
        "monoenergetic", False, False,
    )  # fmt: skip
    assert row.label in ("CT_PVP", "UNCLASSIFIED")


@pytest.mark.parametrize("flavor", ["VMI", "MONO", "GSI MONO", "MONOENERGETIC"])
def test_so_does_its_image_type(flavor: str) -> None:
    row = portal("PV 5.0", ImageType=["DERIVED", "PRIMARY", "AXIAL", flavor])
    assert (row.energy, row.is_diagnostic) == ("monoenergetic", False)


@pytest.mark.parametrize(
    "name",
    [
        "PV Eff-Z", "VENOUS Z Effective", "DE_pv Rho/Z", "VENOUS Electron Density", "PV iodine",
        "PV VNC", "门脉期 有效原子序数", "门脉期 电子密度图", "门脉期 碘图", "PV Calcium(Water)",
    ],
)  # fmt: skip
def test_a_quantity_computed_from_two_energies_is_no_phase_and_fills_no_slot(name: str) -> None:
    row = portal(name)
    assert (row.label, row.energy, row.is_diagnostic) == ("UNCLASSIFIED", "material", False)


@pytest.mark.parametrize(("name", "kvp"), [("PV 100kV 5.0", 100), ("PV 80 kVp", 80), ("PV", 80)])
def test_a_low_voltage_of_name_and_header_is_that_of_a_slim_patient(name: str, kvp: float) -> None:
    row = portal(name, kvp)
    assert (row.label, row.energy, row.is_diagnostic) == ("CT_PVP", "polyenergetic", True)


@pytest.mark.parametrize(
    ("name", "kvp", "energy"),
    [
        ("PV A_80kV", 80, "low_kv"), ("PV Sn150kV", 150, "high_kv"), ("PV 80kV", 120, "low_kv"),
        ("DECT PV 140kVp", 140, "high_kv"), ("PV dual energy 80 kV", 80, "low_kv"),
    ],
)  # fmt: skip
def test_the_half_of_a_dual_energy_scan_fills_no_slot(name: str, kvp: float, energy: str) -> None:
    row = portal(name, kvp)
    assert (row.label, row.energy, row.is_diagnostic) == ("CT_PVP", energy, False)


def test_two_voltages_in_one_acquisition_are_two_spectra_whatever_their_names() -> None:
    low = series(1, "PV 5.0", at_s=70.0, modality="CT", KVP=80.0)
    high = series(2, "PV 5.0", at_s=70.0, modality="CT", KVP=140.0)
    assert [row.energy for row in rows_of(low, high)] == ["low_kv", "high_kv"]
