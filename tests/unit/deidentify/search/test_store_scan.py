"""Every kind of file that we write is searched, decoded where it is compressed."""

from __future__ import annotations

import gzip
import json
import os
import re
import sqlite3
import struct
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    RLELossless,
)

from schemas.dicom.elements import inflate_file
from tasks.deidentify.identifiers import Identifier, SubjectIdentifiers
from tasks.deidentify.identifiers import IdentifierKind as K
from tasks.deidentify.search import store_scan
from tasks.deidentify.search.hits import ScanHit
from tasks.deidentify.search.residual_scan import Dictionary
from tasks.deidentify.search.store_scan import scan_paths
from tests.builders import make_instance, to_bytes

_SCAN_IN_WORKER = store_scan._scan_in_worker
ME, OTHER = "S91-AAAAAAAA", "S91-BBBBBBBB"
NAME, MRN = "张伟明", "88123456"
DICTIONARY = Dictionary(
    [
        SubjectIdentifiers(
            ME,
            None,
            frozenset(
                {
                    Identifier(K.NAME, NAME),
                    Identifier(K.PATIENT_ID, MRN),
                    Identifier(K.DATE, "20250306"),
                    Identifier(K.HOSPITAL, "幸福路中心医院"),
                }
            ),
        ),
        SubjectIdentifiers(OTHER, None, frozenset()),
    ]
)


def write_json(path: Path, text: str) -> None:
    path.write_text(json.dumps({"a": [text]}), encoding="ascii")


def write_html(path: Path, text: str) -> None:
    path.write_text(f"<p>{text}</p>", encoding="utf-8")


def write_log(path: Path, text: str) -> None:
    path.write_text(f"12:00 file {text} failed\n", encoding="gb18030")


def write_parquet(path: Path, text: str) -> None:
    table = pa.table({"n": list(range(1000)), "words": [["x"]] * 999 + [["y", text]]})
    pq.write_table(table, path, compression="zstd")


def write_parquet_metadata(path: Path, text: str) -> None:
    table = pa.table({"n": [1]}).replace_schema_metadata({"made by": text.encode()})
    pq.write_table(table, path)


def write_duckdb(path: Path, text: str) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t AS SELECT i, 'row ' || i AS s FROM range(5000) r(i)")
        connection.execute("INSERT INTO t VALUES (1, ?)", [text])


def write_duckdb_comment(path: Path, text: str) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t (i INTEGER)")
        connection.execute(f"COMMENT ON COLUMN t.i IS '{text}'")


def write_sqlite(path: Path, text: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (a TEXT, b BLOB)")
    connection.execute("INSERT INTO t VALUES ('x', ?)", [text.encode("gb18030")])
    connection.commit()
    connection.close()


def nifti(voxels: bytes, *, comment: str = "", description: str = "") -> bytes:
    """Return a little-endian NIfTI-1 file: header, one comment extension, voxels."""
    extension = comment.encode().ljust(-(-len(comment.encode()) // 16) * 16 + 8, b"\0")
    begin = 352 + len(extension) + 8
    header = bytearray(348)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<3h", header, 40, 2, 1, len(voxels))
    struct.pack_into("<h", header, 72, 8)
    struct.pack_into("<f", header, 108, float(begin))
    header[148 : 148 + len(description.encode())] = description.encode()
    header[344:348] = b"n+1\0"
    head = struct.pack("<ii", len(extension) + 8, 6)
    return bytes(header) + b"\1\0\0\0" + head + extension + voxels


def write_nifti(path: Path, text: str) -> None:
    write_maybe_gzip(path, nifti(bytes(64), comment=text))


def write_nifti_description(path: Path, text: str) -> None:
    write_maybe_gzip(path, nifti(bytes(64), description=text))


def write_maybe_gzip(path: Path, data: bytes) -> None:
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def write_gzip(path: Path, text: str) -> None:
    path.write_bytes(gzip.compress(b"x" * 500 + text.encode(), mtime=0))


def write_zip(path: Path, text: str) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/b.txt", "x" * 500 + text)


def write_dicom(path: Path, text: str) -> None:
    path.write_bytes(to_bytes(make_instance(ImageComments=text)))


WRITERS: dict[str, Callable[[Path, str], None]] = {
    "sidecar.json": write_json,
    "index.html": write_html,
    "run.log": write_log,
    "table.parquet": write_parquet,
    "metadata.parquet": write_parquet_metadata,
    "cohort.duckdb": write_duckdb,
    "comment.duckdb": write_duckdb_comment,
    "prefect.db": write_sqlite,
    "volume.nii": write_nifti,
    "volume.nii.gz": write_nifti,
    "described.nii.gz": write_nifti_description,
    "any.gz": write_gzip,
    "any.zip": write_zip,
    "object.dcm": write_dicom,
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_name_is_found_in_every_kind_of_file(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name, NAME)
    hits = scan_paths([tmp_path], DICTIONARY)
    assert hits == [ScanHit(tmp_path / name, K.NAME, ME)]
    assert NAME not in repr(hits)


@pytest.mark.parametrize("name", WRITERS)
def test_an_innocent_file_gives_no_hit(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name, "liver")
    assert scan_paths([tmp_path], DICTIONARY) == []


def test_names_of_files_and_folders_are_searched(tmp_path: Path) -> None:
    path = tmp_path / NAME / "x.txt"
    path.parent.mkdir()
    path.write_text("")
    assert [h.kind for h in scan_paths([tmp_path], DICTIONARY)] == [K.NAME]


def test_pixels_and_voxels_are_not_text(tmp_path: Path) -> None:
    data = make_instance()
    text = NAME.encode() + MRN.encode()
    data.PixelData = text + data.PixelData[len(text) :]
    (tmp_path / "a.dcm").write_bytes(to_bytes(data))
    write_maybe_gzip(tmp_path / "a.nii.gz", nifti(text.ljust(64, b"\0")))
    assert scan_paths([tmp_path], DICTIONARY) == []


@pytest.mark.parametrize("behind", [b"%s", b"\xfc\xff\xfc\xffOB\0\0\x0a\0\0\0%s", bytes(5) + b"%s"])
def test_what_stands_behind_the_pixels_of_a_series_known_by_now_is_searched(
    tmp_path: Path, behind: bytes
) -> None:
    for number in range(1, 4):
        (tmp_path / f"{number}.dcm").write_bytes(to_bytes(make_instance(instance=number)))
    plain = to_bytes(make_instance(instance=4))
    (tmp_path / "4.dcm").write_bytes(plain + behind % NAME.encode().ljust(10, b"\0"))
    assert scan_paths([tmp_path], DICTIONARY) == [ScanHit(tmp_path / "4.dcm", K.NAME, ME)]


@pytest.mark.parametrize(
    ("syntax", "fragment"),
    [
        (JPEGLosslessSV1, b"\xff\xd8\xff\xfe\0\x0c%s\xff\xd9"),
        (JPEG2000Lossless, b"\xff\x4f\xff\x64\0\x0e\0\1%s\xff\xd9"),
        (RLELossless, b"\1\0\0\0\x40" + bytes(59) + b"%s"),
    ],
    ids=["jpeg", "jpeg-2000", "rle"],
)
def test_a_name_beside_a_compressed_image_is_found(
    tmp_path: Path, syntax: UID, fragment: bytes
) -> None:
    for number in range(1, 4):
        (tmp_path / f"{number}.dcm").write_bytes(to_bytes(make_instance(instance=number)))
    data = make_instance(instance=4)
    data.file_meta.TransferSyntaxUID = syntax
    data.PixelData = encapsulate([fragment % NAME.encode().ljust(10)])
    data["PixelData"].is_undefined_length = True
    (tmp_path / "4.dcm").write_bytes(to_bytes(data))
    assert scan_paths([tmp_path], DICTIONARY) == [ScanHit(tmp_path / "4.dcm", K.NAME, ME)]


def deflated(instance: Dataset) -> bytes:
    instance.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    return to_bytes(instance)


def test_a_name_in_a_deflated_data_set_is_found(tmp_path: Path) -> None:
    data = deflated(make_instance(SpecificCharacterSet="ISO_IR 192", ImageComments=NAME))
    assert NAME.encode() not in data
    (tmp_path / "a.dcm").write_bytes(data)
    assert [h.kind for h in scan_paths([tmp_path], DICTIONARY)] == [K.NAME]


def test_a_name_behind_a_deflated_data_set_or_in_its_file_meta_is_found(tmp_path: Path) -> None:
    instance = make_instance()
    (tmp_path / "a.dcm").write_bytes(deflated(instance) + NAME.encode())
    instance.file_meta.SourceApplicationEntityTitle = MRN
    (tmp_path / "b.dcm").write_bytes(deflated(instance))
    assert [h.kind for h in scan_paths([tmp_path], DICTIONARY)] == [K.NAME, K.PATIENT_ID]


def test_pixels_in_a_deflated_data_set_are_not_text(tmp_path: Path) -> None:
    instance = make_instance()
    text = NAME.encode() + MRN.encode()
    instance.PixelData = text + instance.PixelData[len(text) :]
    (tmp_path / "a.dcm").write_bytes(deflated(instance))
    assert scan_paths([tmp_path], DICTIONARY) == []


def test_chance_bytes_of_the_deflated_stream_are_no_name(tmp_path: Path) -> None:
    data, letters = object_with_letters_in_its_stream()
    (tmp_path / "a.dcm").write_bytes(data)
    names = frozenset({Identifier(K.NAME, "^".join(letters))})
    dictionary = Dictionary([SubjectIdentifiers(ME, None, names)])
    assert dictionary.search(data, ME)
    assert scan_paths([tmp_path], dictionary) == []


def object_with_letters_in_its_stream() -> tuple[bytes, str]:
    """Return an object, and initials that stand in its deflated bytes by chance alone."""
    for number in range(100):
        data = deflated(make_instance(instance=number, PatientID=ME))
        inflated = inflate_file(data)
        stream = data[len(inflated.before) :]
        for found in re.finditer(rb"(?<![A-Za-z])[A-Z]{3}(?![A-Za-z])", stream):
            if found.group() not in inflated.plain:
                return data, found.group().decode()
    raise AssertionError("no such object")


def test_a_date_in_a_table_counts_in_the_persons_own_rows_only(tmp_path: Path) -> None:
    def write(owner: str) -> None:
        table = pa.table({"subject_id": [owner], "day": ["2025-03-06"]})
        pq.write_table(table, tmp_path / "t.parquet")

    write(OTHER)
    assert scan_paths([tmp_path], DICTIONARY) == []
    write(ME)
    assert [h.kind for h in scan_paths([tmp_path], DICTIONARY)] == [K.DATE]


def test_a_date_in_dicom_counts_when_the_object_is_the_persons_own(tmp_path: Path) -> None:
    for owner in (ME, OTHER):
        (tmp_path / f"{owner[4]}.dcm").write_bytes(to_bytes(make_instance(PatientID=owner)))
    hits = scan_paths([tmp_path], DICTIONARY)
    assert hits == [ScanHit(tmp_path / "A.dcm", K.DATE, ME, ME)]


def test_hospital_names_may_stand_where_they_are_allowed(tmp_path: Path) -> None:
    for name in ("site.json", "other.json"):
        write_json(tmp_path / name, "幸福路中心医院")
    hits = scan_paths([tmp_path], DICTIONARY, hospitals_allowed_in=["site.*"])
    assert hits == [ScanHit(tmp_path / "other.json", K.HOSPITAL, ME)]


def test_a_file_that_cannot_be_decoded_is_an_error_not_clean(tmp_path: Path) -> None:
    (tmp_path / "cut.gz").write_bytes(gzip.compress(NAME.encode() * 50)[:-12])
    with pytest.raises(OSError, match="not searched"):
        scan_paths([tmp_path], DICTIONARY)


@pytest.mark.parametrize("threads", [0, 1])
def test_workers_find_what_one_process_finds(tmp_path: Path, threads: int) -> None:
    for number in range(240):
        path = tmp_path / str(number // 20) / f"{number}.json"
        path.parent.mkdir(exist_ok=True)
        write_json(path, NAME if number % 50 == 7 else "clean")
    end = threading.Event()
    for _ in range(threads):  # with one, a server forks the workers
        threading.Thread(target=end.wait).start()
    try:
        hits = scan_paths([tmp_path], DICTIONARY, workers=2)
    finally:
        end.set()
    assert hits == scan_paths([tmp_path], DICTIONARY)
    assert len(hits) == 5


def test_a_file_over_which_a_worker_dies_is_not_taken_for_clean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(240):
        write_json(tmp_path / f"{number}.json", "clean")
    monkeypatch.setattr(store_scan, "_scan_in_worker", die_over_one)
    with pytest.raises(OSError, match="not searched"):
        scan_paths([tmp_path], DICTIONARY, workers=2)


def die_over_one(named: store_scan._Named) -> store_scan._Found:
    if named.path.endswith("/77.json"):
        os._exit(1)
    return _SCAN_IN_WORKER(named)
