"""What a PACS sends stands in a file as any reader of DICOM files expects it."""

from __future__ import annotations

import io

import pydicom
import pytest
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info

from schemas.errors import BadInputError, ContractError
from schemas.run.sites import read_site
from tasks.receive.pacs import file_head, read_expected, sites_by_title, told_class
from tests.builders import make_instance

CT, JPEG_LS, WRITER = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.4.80", "1.2.826.0.1"


@pytest.mark.parametrize("uid", ["2.25.1", "2.25.12", "1." + "2" * 62])
def test_the_head_is_what_pydicom_writes_and_reads(uid: str) -> None:
    head = file_head(CT, uid, JPEG_LS, writer=WRITER)
    meta = pydicom.dcmread(io.BytesIO(head)).file_meta
    assert (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID) == (CT, uid)
    assert (meta.TransferSyntaxUID, meta.ImplementationClassUID) == (JPEG_LS, WRITER)
    again = DicomBytesIO()
    again.is_little_endian, again.is_implicit_VR = True, False
    write_file_meta_info(again, meta, enforce_standard=False)
    assert again.getvalue() == head[132:]


@pytest.mark.parametrize("chosen", ["1.2.156.13800138000", "Zhang.Wei", "", "1.2.840.10008.1.2"])
def test_a_receipt_names_no_class_that_a_sender_made_up(chosen: str) -> None:
    assert told_class(chosen) == "other"
    assert told_class(CT) == CT
    assert told_class("1.2.840.10008.5.1.4.1.1.7") == "1.2.840.10008.5.1.4.1.1.7"


def test_head_and_data_set_are_the_object() -> None:
    data = make_instance()
    stream = DicomBytesIO()
    data.save_as(stream, enforce_file_format=True)
    whole = pydicom.dcmread(io.BytesIO(stream.getvalue()))
    meta = whole.file_meta
    start = 132 + 12 + meta.FileMetaInformationGroupLength
    head = file_head(
        str(meta.MediaStorageSOPClassUID),
        str(meta.MediaStorageSOPInstanceUID),
        str(meta.TransferSyntaxUID),
        writer=WRITER,
    )
    assert pydicom.dcmread(io.BytesIO(head + stream.getvalue()[start:])) == whole


def test_two_sites_of_one_title_are_refused() -> None:
    one = read_site("S91")
    other = one.model_copy(update={"code": "S92"})
    with pytest.raises(ContractError, match="same ae_title"):
        sites_by_title([one, other])
    silent = one.model_copy(update={"ae_title": None})
    assert sites_by_title([one, silent]) == {"LC_S91": "S91"}


@pytest.mark.parametrize("data", [b"", b"uid\n1.2\n", b"sop_instance_uid\n\n", b"\xff\xfe"])
def test_a_list_of_what_was_sent_without_any_is_refused(data: bytes) -> None:
    with pytest.raises(BadInputError, match="sop_instance_uid"):
        read_expected(data)
    assert read_expected(b"\xef\xbb\xbfsop_instance_uid,x\n1.2,\n1.3,\n") == {"1.2", "1.3"}
