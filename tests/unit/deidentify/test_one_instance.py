"""One instance: what stays as it was, what changes, and what is written anew."""

from __future__ import annotations

import hashlib
import re
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGLosslessSV1,
)

from schemas.dicom.features import InstanceFeatures, read_features
from tasks.deidentify.plan.stand_ins import OTHER_METHOD
from tests.builders import make_instance
from tests.unit.deidentify import codestreams
from tests.unit.deidentify.helpers import (
    RING,
    SHIFT_DAYS,
    accepted,
    pseudonym,
    written,
    written_at,
)
from tests.unit.deidentify.multi_frame import make_enhanced

PHYSICS = ("Rows", "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "KVP")


def as_recorded(data: Dataset) -> InstanceFeatures:
    return read_features(data, just_written=True)


def codes(data: Dataset) -> set[str]:
    return {item.CodeValue for item in data.DeidentificationMethodCodeSequence}


def test_physics_and_geometry_stay_exactly_as_they_were() -> None:
    before = make_instance()
    after = written(before)
    assert all(after[k].value == before[k].value for k in PHYSICS)


def test_the_person_is_named_by_the_pseudonym_alone() -> None:
    after = written(make_instance(subject=1))
    assert after.PatientID == after.PatientName.family_name == pseudonym("PID000001")
    empty = ("PatientBirthDate", "AccessionNumber", "ReferringPhysicianName")
    assert [k for k in empty if after[k].value] == []


def test_dates_move_back_by_the_persons_shift_and_times_of_day_stay() -> None:
    after = written(make_instance(AcquisitionDateTime="20250306102000.5+0800"))
    moved = f"{date(2025, 3, 6) - timedelta(days=SHIFT_DAYS):%Y%m%d}"
    assert after.StudyDate == after.SeriesDate == after.ContentDate == moved
    assert after.AcquisitionDateTime == moved + "102000.5"
    assert after.StudyTime == "101500"


def test_uids_are_mapped_by_the_key_and_uids_of_dicom_itself_stay() -> None:
    before = make_instance()
    after = written(before)
    assert after.SOPInstanceUID == RING.uid(before.SOPInstanceUID)
    assert after.file_meta.MediaStorageSOPInstanceUID == after.SOPInstanceUID
    assert after.SOPClassUID == before.SOPClassUID
    atlas = make_instance(FrameOfReferenceUID="1.2.840.10008.1.4.1.1")
    assert written(atlas).FrameOfReferenceUID == "1.2.840.10008.1.4.1.1"


@pytest.mark.parametrize(
    ("stated", "kept"),
    [("060Y", "060Y"), ("089Y", "089Y"), ("090Y", "090Y"), ("103Y", "090Y"), ("018M", "018M")],
)
def test_an_age_over_89_years_becomes_90(stated: str, kept: str) -> None:
    assert written(make_instance(PatientAge=stated)).PatientAge == kept


def test_an_age_that_is_not_stated_is_computed_before_the_birth_date_goes() -> None:
    after = written(make_instance(PatientAge=None, PatientBirthDate="19650307"))
    assert after.PatientAge == "059Y"


def test_neither_age_nor_birth_date_leaves_no_age() -> None:
    assert "PatientAge" not in written(make_instance(PatientAge=None, PatientBirthDate=""))


def test_the_file_starts_with_a_zero_preamble_and_new_file_meta() -> None:
    before = make_instance()
    before.preamble = b"Zhang Weiming".ljust(128, b"\0")
    before.file_meta.SourceApplicationEntityTitle = "HOSPITALPACS"
    output = accepted(before).output
    assert output[:128] == bytes(128)
    assert b"HOSPITALPACS" not in output


def test_marks_say_what_ran_on_this_object_and_nothing_else() -> None:
    after = written(make_instance())
    assert after.PatientIdentityRemoved == "YES"
    assert after.LongitudinalTemporalInformationModified == "MODIFIED"
    assert codes(after) == {"113100", "113105", "113107", "113108", "113109"}
    bare = make_instance(
        PatientSex=None,
        PatientAge=None,
        PatientBirthDate=None,
        SeriesDescription=None,
        Manufacturer=None,
        ManufacturerModelName=None,
    )
    assert codes(written(bare)) == {"113100", "113107"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, ["livercohort allow-list"]),
        ("Some Other Tool by Li Wei", [OTHER_METHOD, "livercohort allow-list"]),
        (
            ["Per DICOM PS 3.15 AnnexE. Details in 0012,0064", "Dr Zhang", "Clean Graphics Option"],
            [
                "Per DICOM PS 3.15 AnnexE. Details in 0012,0064",
                OTHER_METHOD,
                "Clean Graphics Option",
                "livercohort allow-list",
            ],
        ),
        # What we wrote comes again: the method stands once.
        ([OTHER_METHOD, "livercohort allow-list"], [OTHER_METHOD, "livercohort allow-list"]),
    ],
)
def test_the_method_follows_those_that_stood_and_no_unknown_word_of_them_stays(
    before: str | list[str] | None, after: list[str]
) -> None:
    stated: dict[str, Any] = {} if before is None else {"DeidentificationMethod": before}
    methods = written(make_instance(**stated)).DeidentificationMethod
    assert ([methods] if isinstance(methods, str) else list(methods)) == after
    assert all(len(method) <= 64 for method in after)


def test_a_study_has_one_keyed_number_that_names_nobody() -> None:
    first, second = (written(make_instance(instance=n, StudyID="88123456")) for n in (1, 2))
    other = written(make_instance(StudyInstanceUID="1.2.3.4", StudyID="88123456"))
    assert first.StudyID == second.StudyID != other.StudyID
    assert re.fullmatch("[B-DF-HJ-NP-TV-Z]{16}", first.StudyID)


def test_scanners_and_coils_are_told_apart_by_codes_unless_every_word_is_known() -> None:
    after = written(
        make_instance(modality="MR", DeviceSerialNumber="67093", ReceiveCoilName="Zhang 8ch")
    )
    same = written(make_instance(modality="MR", instance=2, DeviceSerialNumber="67093"))
    assert re.fullmatch("[B-DF-HJ-NP-TV-Z]{16}", after.DeviceSerialNumber)
    assert after.DeviceSerialNumber == same.DeviceSerialNumber
    assert re.fullmatch("[B-DF-HJ-NP-TV-Z]{16}", after.ReceiveCoilName)
    known = written(make_instance(modality="MR", ReceiveCoilName="32Ch Head"))
    assert known.ReceiveCoilName == "32Ch Head"


def test_codes_of_a_scanner_and_a_coil_do_not_link_two_sites() -> None:
    headers: dict[str, Any] = {
        "modality": "MR",
        "DeviceSerialNumber": "67093",
        "ReceiveCoilName": "Zhang 8ch",
    }
    raw = make_instance(**headers)
    here, there = (as_recorded(written_at(site, raw)) for site in ("S91", "S92"))
    assert None not in (here.device_id, here.coil_id)
    assert {here.device_id, here.coil_id} & {there.device_id, there.coil_id} == set()
    assert here.device_id == as_recorded(written(raw)).device_id


def test_no_record_holds_a_serial_number_or_a_coil_as_delivered() -> None:
    raw = make_instance(
        modality="MR", DeviceSerialNumber="BCDFGHJKLMNPQRST", ReceiveCoilName="ZHANG"
    )
    assert (read_features(raw).device_id, read_features(raw).coil_id) == (None, None)


def test_no_object_is_believed_that_says_it_was_deidentified_by_us() -> None:
    claimed = written(make_instance(modality="MR", DeviceSerialNumber="67093"))
    claimed.PatientID, claimed.ReceiveCoilName = "PID000001", "ZHANG WEI"
    found = read_features(claimed)
    assert (found.device_id, found.coil_id) == (None, None)
    (done,) = [accepted(claimed)]
    assert re.fullmatch("[B-DF-HJ-NP-TV-Z]{16}", done.features.record.coil_id or "")
    assert done.features.record.device_id not in (None, claimed.DeviceSerialNumber)


def test_the_coil_of_an_enhanced_object_is_found_in_its_functional_groups() -> None:
    found = as_recorded(written(make_enhanced()))
    assert re.fullmatch("[B-DF-HJ-NP-TV-Z]{16}", found.coil_id or "")


@pytest.mark.parametrize(
    "coil", ["138 001 380 00", "12/03/24", "A12/345/678", "B12 C34 S56", "１２ch", "TıM"]
)
def test_a_coil_name_that_could_be_a_number_of_a_person_or_is_not_ascii_has_a_code(
    coil: str,
) -> None:
    after = written(
        make_instance(modality="MR", SpecificCharacterSet="ISO_IR 192", ReceiveCoilName=coil)
    )
    assert re.fullmatch("[B-DF-HJ-NP-TV-Z]{16}", after.ReceiveCoilName)


def test_a_number_in_pieces_does_not_stay_among_the_words_of_a_maker() -> None:
    after = written(
        make_instance(
            Manufacturer="GE 1380 0138 000",
            ManufacturerModelName="uMR 770",
            SoftwareVersions=["2024 03 15", "24 LX MR Software release"],
        )
    )
    assert after.Manufacturer == "GE"
    assert after.ManufacturerModelName == "uMR 770"
    assert after.SoftwareVersions == ["2024", "LX MR Software release"]


@pytest.mark.parametrize("meaning", ["Liver", "肝 Zhang Wei"])
def test_a_known_code_stays_with_the_meaning_of_the_standard(meaning: str) -> None:
    region, unknown = Dataset(), Dataset()
    region.CodeValue, region.CodingSchemeDesignator = "T-62000", "SNM3"
    unknown.CodeValue, unknown.CodingSchemeDesignator = "88123456", "99SITE"
    region.CodeMeaning = unknown.CodeMeaning = meaning
    after = written(
        make_instance(SpecificCharacterSet="ISO_IR 192", AnatomicRegionSequence=[region, unknown])
    )
    [kept] = after.AnatomicRegionSequence
    assert (kept.CodeValue, kept.CodingSchemeDesignator) == ("T-62000", "SRT")
    assert kept.CodeMeaning == "Liver"


@pytest.mark.parametrize(
    "syntax",
    [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
    ids=lambda uid: UID(uid).name,
)
def test_the_transfer_syntax_and_the_pixel_bytes_stay(syntax: UID) -> None:
    before = make_instance(modality="MR")
    before.file_meta.TransferSyntaxUID = syntax
    before["PixelData"].VR = "OW"
    if syntax == ExplicitVRBigEndian:
        before.PixelData = np.frombuffer(before.PixelData, "<u2").byteswap().tobytes()
    done = accepted(before)
    after = written(before)
    assert after.file_meta.TransferSyntaxUID == syntax
    assert after.PixelData == before.PixelData
    assert after.Rows == before.Rows
    assert done.pixel_sha256 == hashlib.sha256(before.PixelData).hexdigest()


def test_compressed_pixels_stay_in_their_fragments() -> None:
    before = make_instance()
    before.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    before.PixelData = encapsulate([codestreams.jpeg()])
    before["PixelData"].VR = "OB"
    before["PixelData"].is_undefined_length = True
    after = written(before)
    assert after.PixelData == before.PixelData


def test_the_same_object_gives_the_same_bytes_twice() -> None:
    assert accepted(make_instance()).output == accepted(make_instance()).output


def test_features_carry_the_new_identity_and_no_old_one() -> None:
    before = make_instance()
    features = accepted(before).features.record
    assert features.subject_id == pseudonym("PID000001")
    assert features.series_uid == RING.uid(before.SeriesInstanceUID)
    assert features.study_date == "20240131"
