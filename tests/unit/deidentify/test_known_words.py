"""Words of a closed list stay, unless they are a day, a number of a person, or the own name."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread

from tasks.deidentify.rules.word_shapes import tells_a_day_or_number
from tests.builders import make_instance, to_bytes
from tests.unit.deidentify.helpers import (
    RING,
    assignment,
    deidentify_files,
    deliver,
    linkage,
    written,
)

DAYS = (
    *("2024.03.15", "15.03.2024", "03.15.2024", "2024.15.03", "03_15_2024", "1984-3-15"),
    *("V2024.03.15", "1984.0315", "0315.1984", "1503.1984", "1984.03", "03.1984"),
)
NUMBERS = ("138.0013.8000", "8765.4321", "13800138000", "T138.A0013.B8000")
#: What vendors write into SoftwareVersions: real objects, and conformance statements.
RELEASES = (
    *("27", "DV26.0_R01_1725.a", "DV27.0_R02_1914.a", "MR29.1_EA_2039.g", "14.0_M5A_0828.b"),
    *("LightSpeedApps303.1_H3M4", "5.3.0.3", "11.1.4.5", "VA30A", "V4.51SP0004", "2012B", "XA30"),
)


@pytest.mark.parametrize("word", [*DAYS, *NUMBERS])
def test_a_day_or_a_long_number_is_no_release(word: str) -> None:
    assert tells_a_day_or_number(word)
    assert not written(make_instance(SoftwareVersions=word)).SoftwareVersions


@pytest.mark.parametrize("word", RELEASES)
def test_a_release_of_a_vendor_is_neither(word: str) -> None:
    assert not tells_a_day_or_number(word)


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        (["5.3.0", "5.3.0.3"], ["5.3.0", "5.3.0.3"]),
        (["27", "LX", "release:DV26.0_R01_1725.a"], ["27", "LX", "release:DV26.0_R01_1725.a"]),
        (["138", "0013", "8000"], "138"),
        (["2024", "03", "15"], "2024"),
        (["138.001", "38.000"], "138.001"),
    ],
)
def test_a_number_in_pieces_is_one_over_all_values(
    values: list[str], kept: list[str] | str
) -> None:
    after = written(make_instance(SoftwareVersions=values)).SoftwareVersions
    assert after == kept


def test_a_maker_is_named_by_makers_and_products_called_like_people_by_their_family() -> None:
    both = written(make_instance(Manufacturer="Victor Hero", ManufacturerModelName="Victor Hero"))
    assert not both.Manufacturer
    assert not both.ManufacturerModelName
    model = written(make_instance(ManufacturerModelName="SIGNA Hero")).ManufacturerModelName
    assert model == "SIGNA Hero"


def test_no_word_stays_that_is_part_of_the_persons_name() -> None:
    after = written(
        make_instance(
            PatientName="Vida^Body=王", OtherPatientNames="Skyra", Manufacturer="SIEMENS",
            ManufacturerModelName="MAGNETOM Vida", SoftwareVersions="SKYRA XA30",
            ReceiveCoilName="Body", modality="MR",
        )
    )  # fmt: skip
    assert (after.ManufacturerModelName, after.SoftwareVersions) == ("MAGNETOM", "XA30")
    assert after.Manufacturer == "SIEMENS"
    assert after.ReceiveCoilName != "Body"


def test_no_technique_word_stays_that_is_part_of_the_persons_name() -> None:
    after = written(
        make_instance(
            PatientName="Bravo^Maria Elena=上官^平扫", SpecificCharacterSet="ISO_IR 192",
            SeriesDescription="Ax BRAVO3D T1", ProtocolName="Maria bravo liver",
            StudyDescription="上腹部常规平扫",
        )
    )  # fmt: skip
    assert after.SeriesDescription == "ax 3d t1"
    assert after.ProtocolName == "liver"
    assert after.StudyDescription == "上腹部 常规"
    other = written(make_instance(PatientName="Wei^Li", SeriesDescription="Ax BRAVO T1"))
    assert other.SeriesDescription == "ax bravo t1"


def test_a_technique_word_that_is_also_a_given_name_stays_unless_the_whole_name_is_there() -> None:
    after = written(
        make_instance(
            PatientName="Dixon^Fa", SeriesDescription="DTI FA map", ProtocolName="Fa Dixon liver"
        )
    )
    assert "anisotropy" in after.SeriesDescription
    assert after.ProtocolName == "liver"


def test_no_private_word_stays_that_is_part_of_the_persons_name() -> None:
    def pulse_sequence(name: str) -> str | None:
        data = make_instance(PatientName=name, Manufacturer="GE MEDICAL SYSTEMS", modality="MR")
        data.private_block(0x0019, "GEMS_ACQU_01", create=True).add_new(0x9C, "LO", "BRAVO")
        after = written(data)
        found = after.get((0x0019, 0x109C))
        return None if found is None else str(found.value)

    assert pulse_sequence("Wei^Li") == "BRAVO"
    assert pulse_sequence("Bravo^Maria") is None


def test_a_file_of_a_series_that_names_the_person_anew_is_decided_by_itself(
    tmp_path: Path,
) -> None:
    model = "MAGNETOM Vida"
    named = [
        make_instance(instance=n, OtherPatientNames=name, ManufacturerModelName=model)
        for n, name in enumerate(("Lisa^Wei", "Lisa^Wei", "Vida^Wei"), start=1)
    ]
    paths = [tmp_path / f"{n}.dcm" for n, _ in enumerate(named)]
    for path, data in zip(paths, named, strict=True):
        path.write_bytes(to_bytes(data))
    links = linkage(assignment("PID000001", "PID000001"))
    deidentify_files(deliver(paths), links, RING, tmp_path / "out", 1)
    written_models = [dcmread(p).ManufacturerModelName for p in (tmp_path / "out").rglob("*.dcm")]
    assert sorted(written_models) == ["MAGNETOM", model, model]


def test_the_whole_name_of_a_maker_stays_for_a_person_called_like_a_part_of_it() -> None:
    whole = written(make_instance(PatientName="Ge^Wei", Manufacturer="GE MEDICAL SYSTEMS"))
    assert whole.Manufacturer == "GE MEDICAL SYSTEMS"
    assert not written(make_instance(PatientName="Ge^Wei", Manufacturer="Ge Wei")).Manufacturer
