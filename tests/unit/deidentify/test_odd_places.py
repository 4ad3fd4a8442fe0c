"""Identifiers where nobody looks: each in an object of its own, accepted or held, never let out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.sequence import Sequence

from tasks.deidentify.store_folder import deidentify_folder
from tests.builders import make_instance, to_bytes
from tests.unit.deidentify.helpers import RING, SITE

HAN, LATIN, NUMBER = "瞿黟龸", "Quxyabcwei", "13901277001"
SECRETS = (HAN, LATIN, NUMBER)


def name_groups(data: Dataset) -> None:
    data.PatientName = f"{LATIN}^A={HAN}={NUMBER}"
    data.OperatorsName = f"=={HAN}"


def uid_parts(data: Dataset) -> None:
    data.SOPInstanceUID = f"1.2.840.113619.{NUMBER}.1"
    data.FrameOfReferenceUID = f"1.2.840.{NUMBER}"
    data.IrradiationEventUID = f"1.2.3.{NUMBER}"


def device(data: Dataset) -> None:
    data.Manufacturer, data.SoftwareVersions = f"SIEMENS {LATIN}", f"VE11 {HAN}"
    data.ManufacturerModelName, data.StationName = f"MR {NUMBER}", LATIN


def technique(data: Dataset) -> None:
    data.ImageType = ["ORIGINAL", "PRIMARY", LATIN.upper()]
    data.ConvolutionKernel = data.FilterType = data.ScanOptions = LATIN.upper()
    data.ContrastBolusAgent, data.BodyPartExamined = f"Gd {HAN}", LATIN.upper()
    data.WindowCenterWidthExplanation, data.ProtocolName = LATIN, f"t1 {HAN} {NUMBER}"


def private_sequence(data: Dataset) -> None:
    inner = Dataset()
    inner.PatientName = LATIN
    inner.private_block(0x0029, HAN, create=True).add_new(1, "OB", HAN.encode("gb18030"))
    block = data.private_block(0x0099, LATIN, create=True)
    block.add_new(1, "SQ", Sequence([inner]))
    data.private_block(0x0019, "SIEMENS MR HEADER", create=True).add_new(0x0D, "CS", LATIN.upper())


def overlay(data: Dataset) -> None:
    bits = (HAN + NUMBER).encode("gb18030")
    data.add_new(0x60000010, "US", 8)
    data.add_new(0x60000011, "US", len(bits))
    data.add_new(0x60000100, "US", 1)
    data.add_new(0x60000102, "US", 0)
    data.add_new(0x60003000, "OW", bits + b"\0" * (len(bits) % 2))
    data.add_new(0x60000022, "LO", HAN)
    data.add_new(0x60004000, "LT", LATIN)


def curve(data: Dataset) -> None:
    data.add_new(0x50002500, "LO", LATIN)
    data.add_new(0x50003000, "OW", NUMBER.encode() + b" ")


def profile_and_padding(data: Dataset) -> None:
    data.add_new(0x00282000, "OB", LATIN.encode())
    data.add_new(0xFFFCFFFC, "OB", NUMBER.encode() + b"\0")


def history(data: Dataset) -> None:
    before, change, code = Dataset(), Dataset(), Dataset()
    before.PatientID = NUMBER
    change.ModifyingSystem, change.ModifiedAttributesSequence = LATIN, Sequence([before])
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = NUMBER, "99X", HAN
    data.OriginalAttributesSequence = Sequence([change])
    data.RequestAttributesSequence = data.ProcedureCodeSequence = Sequence([code])


def tables(data: Dataset) -> None:
    table = Dataset()
    table.add_new(0x00283002, "US", [2, 0, 16])
    table.LUTExplanation = HAN
    table.add_new(0x00283006, "OW", b"\0\1\0\2")
    data.VOILUTSequence = Sequence([table])


PLANTS: tuple[Callable[[Dataset], None], ...] = (
    *(name_groups, uid_parts, device, technique, private_sequence),
    *(overlay, curve, profile_and_padding, history, tables),
)


def forms(secret: str) -> set[bytes]:
    codecs = ("utf-8", "gb18030", "utf-16-le", "utf-16-be")
    return {text.encode(c) for text in (secret, secret.lower(), secret.upper()) for c in codecs}


def require_nothing_of_them_in(folder: Path) -> None:
    for path in folder.rglob("*"):
        written = str(path.relative_to(folder)).encode() + (
            path.read_bytes() if path.is_file() else b""
        )
        assert not [s for s in SECRETS if any(form in written for form in forms(s))], path.name


@pytest.mark.parametrize("plant", PLANTS)
def test_what_is_planted_in_an_odd_place_does_not_come_out(
    plant: Callable[[Dataset], None], tmp_path: Path
) -> None:
    data = make_instance()
    plant(data)
    source = tmp_path / "src" / HAN
    source.mkdir(parents=True)
    (source / f"{LATIN}.dcm").write_bytes(to_bytes(data))
    summary = deidentify_folder(
        tmp_path / "src", tmp_path / "dst", SITE, RING, subject_from="patient_id"
    )
    assert summary.files == 1
    require_nothing_of_them_in(tmp_path / "dst")


@pytest.mark.parametrize("place", ["preamble", "behind"])
def test_bytes_around_the_object_do_not_come_out(place: str, tmp_path: Path) -> None:
    whole = to_bytes(make_instance())
    tail = LATIN.encode() + NUMBER.encode()
    planted = tail.ljust(128, b"\0") + whole[128:] if place == "preamble" else whole + tail
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "1.dcm").write_bytes(planted)
    deidentify_folder(tmp_path / "src", tmp_path / "dst", SITE, RING, subject_from="patient_id")
    require_nothing_of_them_in(tmp_path / "dst")
