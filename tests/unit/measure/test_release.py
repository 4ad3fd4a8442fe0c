"""What a release says of measurements: groups by scanner, outliers, variants, opinions."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.errors import ContractError
from schemas.measurements import Measurement
from schemas.package_data import data_contracts_dir
from schemas.rule_tables import TableError
from schemas.tables.contracts import conform, read_table_contracts
from tasks.measure.catalogue import FILES, load_catalogue, read_catalogue
from tasks.measure.phase_order import Opinion
from tasks.measure.release import MeasuredSeries, metric_rows, opinions
from tasks.measure.variants import AcquiredSeries, variant_rows

CATALOGUE = load_catalogue()
PULSE = (4.0, 1.3, 12.0)


def measured(
    number: int,
    label: str = "CT_PVP",
    phase: str | None = "pvp",
    *,
    modality: str = "CT",
    model: str = "Force",
    study: str | None = None,
    z: tuple[float, int] = (0.0, 40),
    pulse: tuple[float | None, ...] = PULSE,
    frame: str | None = "3.1",
    device: str | None = None,
    **values: float,
) -> MeasuredSeries:
    """Return one volume with measurements by metric."""
    uid, study = f"1.{number}", study or f"2.{number}"
    affine = [1.0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, 5.0, z[0], 0, 0, 0, 1.0]
    ids = {"series_uid": uid, "sub_stack_digest": f"d{number}", "study_uid": study}
    ids |= {"subject_id": "S91-AAAAAAAA"}
    return MeasuredSeries(
        volume={**ids, "volume_id": f"d{number}", "batch_id": "b1", "affine_ras": affine,
                "dim_z": z[1]},
        series={**ids, "label": label, "contrast_phase": phase, "modality": modality,
                "orientation": "axial", "frame_of_reference_uid": frame, "device_id": device,
                "coil_id": None},
        study={"subject_id": "S91-AAAAAAAA", "manufacturer": "Siemens", "model": model,
               "field_strength_t": None, "modality": modality},
        values={
            name: Measurement(
                subject_id=None, study_uid=study, series_uid=uid, sub_stack_digest=f"d{number}",
                metric=name, metric_version=2 if name.endswith("_level") else 1, value=value,
            )
            for name, value in values.items()
        },
        pulse=pulse,
    )  # fmt: skip


def rows_of(cohort: list[MeasuredSeries], metric: str) -> list[dict[str, Any]]:
    return [row for row in metric_rows(cohort, CATALOGUE) if row["metric"] == metric]


def test_a_value_far_from_those_of_its_scanner_and_label_is_an_outlier() -> None:
    cohort = [measured(n, ct_noise=12.0 + 0.2 * (n % 5)) for n in range(12)]
    cohort.append(measured(99, ct_noise=30.0))
    found = {row["volume_id"]: row["is_outlier"] for row in rows_of(cohort, "ct_noise")}
    assert found.pop("d99") is True
    assert set(found.values()) == {False}


def test_another_scanner_has_a_distribution_of_its_own() -> None:
    cohort = [measured(n, ct_noise=12.0 + 0.2 * (n % 5)) for n in range(12)]
    other = [measured(50 + n, model="Ingenuity", ct_noise=30.0 + 0.2 * (n % 5)) for n in range(12)]
    assert not any(row["is_outlier"] for row in rows_of([*cohort, *other], "ct_noise"))


def test_two_scanners_of_one_model_are_told_apart_by_their_codes() -> None:
    one = [measured(n, device="BCDF", ct_noise=12.0 + 0.2 * (n % 5)) for n in range(12)]
    other = [measured(50 + n, device="GHJK", ct_noise=30.0 + 0.2 * (n % 5)) for n in range(12)]
    rows = rows_of([*one, *other], "ct_noise")
    assert {row["scanner_group"] for row in rows} == {
        "S91 / Siemens / Force / BCDF",
        "S91 / Siemens / Force / GHJK",
    }
    assert not any(row["is_outlier"] for row in rows)


def test_fewer_than_ten_make_no_distribution_and_less_noise_is_no_fault() -> None:
    few = [measured(n, ct_noise=12.0) for n in range(8)] + [measured(99, ct_noise=60.0)]
    assert {row["is_outlier"] for row in rows_of(few, "ct_noise")} == {None}
    many = [measured(n, ct_noise=12.0) for n in range(12)] + [measured(99, ct_noise=2.0)]
    assert not any(row["is_outlier"] for row in rows_of(many, "ct_noise"))


def test_one_repeated_slice_stands_out_where_nobody_has_any() -> None:
    cohort = [measured(n, repeated_slices=0.0) for n in range(12)]
    cohort.append(measured(99, repeated_slices=1.0))
    assert [r["volume_id"] for r in rows_of(cohort, "repeated_slices") if r["is_outlier"]] == [
        "d99"
    ]


def test_what_was_not_measured_or_cannot_be_is_said_and_not_guessed() -> None:
    rows = {r["metric"]: r for r in metric_rows([measured(1)], CATALOGUE)}
    assert rows["ct_noise"]["value"] is None
    assert rows["ct_noise"]["reason"] == "not_measured"
    assert rows["liver_lower_margin"]["reason"] == "needs_mask"
    assert "ghost_ratio" not in rows


def test_the_rows_are_what_the_contract_says() -> None:
    rows = metric_rows([measured(1, ct_noise=12.0)], CATALOGUE)
    assert conform(read_table_contracts()["image_metric"], rows).num_rows == len(rows)


def test_a_phase_that_ends_early_misses_height_that_the_others_show() -> None:
    exam = [
        measured(1, "CT_NC", "pre", study="2.1"),
        measured(2, "CT_ART", "art", study="2.1"),
        measured(3, "CT_PVP", "pvp", study="2.1", z=(50.0, 30)),
    ]
    found = {row["volume_id"]: row["value"] for row in rows_of(exam, "z_shortfall")}
    assert found == {"d1": 0.0, "d2": 0.0, "d3": 50.0}


def test_heights_of_two_frames_of_reference_are_not_compared() -> None:
    exam = [
        measured(1, "CT_NC", "pre", study="2.1"),
        measured(2, "CT_ART", "art", study="2.1"),
        measured(3, "CT_PVP", "pvp", study="2.1", z=(50.0, 30), frame="3.2"),
        measured(4, "CT_DEL", "del", study="2.1", z=(50.0, 30), frame=None),
        measured(5, "CT_DEL", "del", study="2.1", z=(50.0, 30), frame=None),
    ]
    found = {row["volume_id"]: row["reason"] for row in rows_of(exam, "z_shortfall")}
    assert found == {"d1": None, "d2": None, **dict.fromkeys(("d3", "d4", "d5"), "no_partner")}


def _exam(
    *, pulse_of_hbp: tuple[float, ...] = PULSE, swapped: bool = False
) -> list[MeasuredSeries]:
    levels = {"pre": (150, 300), "art": (900, 340), "pvp": (500, 450), "trans": (380, 450),
              "hbp": (200, 520)}  # fmt: skip
    labels = {phase: phase for phase in levels}
    if swapped:
        labels |= {"art": "pvp", "pvp": "art"}
    return [
        measured(
            n, f"MR_T1_{labels[phase].upper()}", labels[phase], modality="MR", study="2.1",
            pulse=pulse_of_hbp if phase == "hbp" else PULSE,
            aorta_level=aorta, liver_level=liver,
        )
        for n, (phase, (aorta, liver)) in enumerate(levels.items())
    ]  # fmt: skip


def test_pixels_agree_with_right_labels_and_contradict_swapped_ones() -> None:
    (right, passes), *_ = opinions(_exam(), CATALOGUE).values()
    (wrong, _), *_ = opinions(_exam(swapped=True), CATALOGUE).values()
    assert right.opinion is Opinion.AGREES
    assert len(passes) == 5
    assert wrong.opinion is Opinion.DISAGREES
    assert "art>pvp" in wrong.contradicted


def test_a_pass_of_another_pulse_is_not_compared() -> None:
    (_, passes), *_ = opinions(_exam(pulse_of_hbp=(4.0, 1.3, 25.0)), CATALOGUE).values()
    assert [one.phase for one in passes] == ["pre", "art", "pvp", "trans"]


def test_timing_and_uptake_come_from_the_levels() -> None:
    share = rows_of(_exam(), "arterial_liver_share")[0]["value"]
    ratio = rows_of(_exam(), "hbp_liver_vessel_ratio")[0]["value"]
    assert share == pytest.approx(40 / 750, abs=1e-4)
    assert ratio == pytest.approx(520 / 200)


def acquired(number: int, **parameters: object) -> AcquiredSeries:
    one = measured(number)
    series = {**one.series, "batch_id": "b1", "slice_thickness_mm": 2.5, "field_strength_t": None}
    usual = {"kvp": 120.0, "kernel": "Br40", "rows": 512.0, "pixel_spacing_mm": 0.75}
    study = {**one.study, "contrast_agent_class": "iodinated"}
    return AcquiredSeries(series, study, {**usual, **parameters})


def variants_of(cohort: list[AcquiredSeries]) -> dict[str, dict[str, Any]]:
    rows = variant_rows(cohort, CATALOGUE.parameters, {"b1": 1})
    assert conform(read_table_contracts()["protocol_variant"], rows).num_rows == len(rows)
    return {str(row["sub_stack_digest"]): row for row in rows}


def test_the_dominant_protocol_is_that_of_most_series_and_departures_are_named() -> None:
    usual = [acquired(n, pixel_spacing_mm=0.70 + 0.01 * (n % 5)) for n in range(24)]
    found = variants_of([acquired(99, kvp=80.0, kernel="Br64"), *usual])
    assert all(found[f"d{n}"]["is_dominant"] for n in range(24))
    assert found["d99"]["variant_no"] == 2
    assert found["d99"]["differs_in"] == ["kernel", "kvp"]
    assert found["d99"]["is_outlier"] is True


def test_the_order_of_series_changes_no_variant() -> None:
    cohort = [acquired(n, kvp=100.0 if n % 2 else 120.0) for n in range(10)]
    assert variants_of(cohort) == variants_of(cohort[::-1])
    assert {row["is_outlier"] for row in variants_of(cohort).values()} == {None}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("metrics.csv", ",high,0.5,", ",worst,0.5,"),
        ("metrics.csv", ",high,0.5,", ",high,0,"),
        ("parameters.csv", "kvp,CT,1,absolute", "kvp,CT,,absolute"),
        ("phase_order.csv", "pre,art,1,0,0", "pre,art,0,0,0"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_by_its_line(
    tmp_path: Any, file: str, old: str, new: str
) -> None:
    for name in FILES:
        text = (data_contracts_dir() / "measure" / name).read_text(encoding="utf-8")
        assert name != file or old in text
        text = text.replace(old, new, 1) if name == file else text
        (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises((TableError, ContractError), match=rf"{file}:\d+"):
        read_catalogue(tmp_path)
