"""What ordinary computers add, rename or pack is told apart; one spoilt member is one file."""

from __future__ import annotations

import io
import random
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest

from schemas.identifiers import SiteCode
from schemas.records import Delivery, FileKind
from schemas.run.sites import read_site
from schemas.run.zones import Zones
from schemas.states import ReasonCode
from schemas.vault.keys import KeyRing
from tasks.receive.store import list_exports, take_in

SITE = SiteCode("S91")
#: The sender's computer is not always one of today: nothing may be compared with the clock.
APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(60)
IMAGES = {f"dicom/S1/IM{number}": bytes([number]) * 3000 for number in range(8)}
CONTENT = {
    "linkage.csv": b"study_subject_no,patient_id\n1,PID1\n",
    "clinical/demographics.csv": b"x",
    "clinical/随访.csv": b"y",
    **IMAGES,
}
RING = KeyRing(bytes(range(32)))


@pytest.fixture
def zones(tmp_path: Path) -> Zones:
    zones = Zones(tmp_path / "home")
    zones.create()
    (zones.inbox / SITE).mkdir()
    return zones


def take_only(zones: Zones) -> Delivery:
    (export,) = list_exports(zones, read_site(SITE), now_ns=10**19)
    return take_in(export, zones, SITE, RING)


def reasons(delivery: Delivery) -> dict[str, ReasonCode | None]:
    return {file.relative_path: file.reason for file in delivery.files}


def kinds(delivery: Delivery) -> dict[str, FileKind]:
    return {file.relative_path: file.kind for file in delivery.files}


def put_zip(zones: Zones, content: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> Path:
    path = zones.inbox / SITE / "a.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def put_folder(zones: Zones, content: dict[str, bytes]) -> Path:
    root = zones.inbox / SITE / "a"
    for name, data in content.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def test_a_zip_of_the_finder_is_the_same_batch_and_its_own_files_are_counted_apart(
    zones: Zones,
) -> None:
    finder = {f"2026-11-20/{name}": data for name, data in CONTENT.items()}
    for name in CONTENT:
        folder, _, last = name.rpartition("/")
        beside = f"__MACOSX/2026-11-20/{folder}{'/' if folder else ''}._{last}"
        finder[beside] = APPLE_DOUBLE
    put_zip(
        zones, {**finder, "2026-11-20/.DS_Store": b"\0\0\0\1Bud1", "__MACOSX/._x": APPLE_DOUBLE}
    )
    delivery = take_only(zones)
    assert {f.relative_path for f in delivery.files if f.reason is None} == set(CONTENT)
    aside = [f for f in delivery.files if f.reason is not None]
    assert {f.reason for f in aside} == {ReasonCode.SYSTEM_FILE}
    assert len(aside) == len(CONTENT) + 2


@pytest.mark.parametrize("name", ["dicom/Thumbs.db", "Desktop.ini", "clinical/~$demographics.xlsx"])
def test_files_that_windows_and_office_leave_behind_are_no_forms_and_no_images(
    zones: Zones, name: str
) -> None:
    put_folder(zones, {**CONTENT, name: b"\xd0\xcf\x11\xe0"})
    assert reasons(take_only(zones))[name] is ReasonCode.SYSTEM_FILE


def test_an_image_whose_name_begins_like_a_system_file_is_an_image(zones: Zones) -> None:
    put_folder(zones, {"dicom/._IM1": bytes(128) + b"DICM" + bytes(9)})
    assert kinds(take_only(zones)) == {"dicom/._IM1": FileKind.IMAGE}


@pytest.mark.parametrize("marked", [False, True], ids=["unmarked", "marked as UTF-8"])
def test_a_chinese_windows_zip_keeps_the_names_of_its_forms(zones: Zones, marked: bool) -> None:
    content = {**CONTENT, "clinical/病理.csv": b"z"}
    path = put_zip(zones, content)
    raw = path.read_bytes()
    for name in ("clinical/随访.csv", "clinical/病理.csv"):
        utf8, gbk = name.encode(), name.encode("gbk")
        # As Windows writes it: GBK bytes, and the mark of UTF-8 unset, or wrongly left set.
        raw = raw.replace(utf8, gbk + b"v" * (len(utf8) - len(gbk)))
    if not marked:
        raw = _with_mark(raw, 0)
    path.write_bytes(raw)
    found = kinds(take_only(zones))
    assert sorted(found) == sorted(
        [
            *(name for name in CONTENT if name.isascii()),
            "clinical/随访.csvvv",
            "clinical/病理.csvvv",
        ]
    )
    assert found["clinical/随访.csvvv"] is FileKind.CLINICAL


def _with_mark(raw: bytes, mark: int) -> bytes:
    data = bytearray(raw)
    for signature, place in ((b"PK\x01\x02", 9), (b"PK\x03\x04", 7)):
        at = raw.find(signature)
        while at >= 0:
            data[at + place] = mark
            at = raw.find(signature, at + 1)
    return bytes(data)


def test_names_that_the_finder_writes_as_unmarked_utf8_are_read_as_utf8(zones: Zones) -> None:
    path = put_zip(zones, CONTENT)
    path.write_bytes(_with_mark(path.read_bytes(), 0))
    assert set(kinds(take_only(zones))) == set(CONTENT)


def test_a_name_in_the_unicode_path_field_is_that_name(zones: Zones) -> None:
    path = zones.inbox / SITE / "a.zip"
    told = "clinical/随访.csv".encode()
    info = zipfile.ZipInfo("clinical/follow.csv")
    checksum = struct.pack("<L", zlib.crc32(b"clinical/follow.csv"))
    info.extra = struct.pack("<HHB", 0x7075, 5 + len(told), 1) + checksum + told
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, b"x")
    assert set(kinds(take_only(zones))) == {"clinical/随访.csv"}


@pytest.mark.parametrize(
    "names",
    [
        {"linkage.csv": "Linkage.CSV", "READY": "Ready"},
        {"linkage.csv": "LINKAGE .csv", "READY": "READY.txt"},
        {"linkage.csv": "linkage.csv", "READY": "ready "},
    ],
)
def test_control_files_are_known_whatever_case_and_spaces_their_names_have(
    zones: Zones, names: dict[str, str]
) -> None:
    content = {**{names.get(name, name): data for name, data in CONTENT.items()}}
    put_folder(zones, {**content, names["READY"]: b""})
    (export,) = list_exports(zones, read_site(SITE), now_ns=0)
    assert export.ready
    found = kinds(take_in(export, zones, SITE, RING))
    assert found[names["linkage.csv"]] is found[names["READY"]] is FileKind.CONTROL


def test_archives_that_are_no_zip_are_set_aside_as_archives(zones: Zones) -> None:
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("IM1"), io.BytesIO())
    packed = {
        "dicom/all.7z": b"7z\xbc\xaf\x27\x1c" + bytes(90),
        "dicom/all.rar": b"Rar!\x1a\x07\x01\x00" + bytes(90),
        "dicom/more.tar": tar.getvalue(),
        "dicom/IM2.gz": b"\x1f\x8b\x08" + bytes(90),
        "dicom/noname": b"PK\x03\x04" + bytes(90),
        "dicom/disc": bytes(0x8001) + b"CD001" + bytes(90),
        "dicom/cut.zip": b"\x00" * 90,
    }
    put_folder(zones, {**CONTENT, **packed})
    told = reasons(take_only(zones))
    assert {name: told[name] for name in packed} == dict.fromkeys(
        packed, ReasonCode.ARCHIVE_UNREADABLE
    )
    assert sum(reason is None for reason in told.values()) == len(CONTENT)


def test_a_whole_export_in_another_archive_is_one_file_set_aside_and_not_passed_over(
    zones: Zones,
) -> None:
    (zones.inbox / SITE / "2026-11-20.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(90))
    (reason,) = reasons(take_only(zones)).values()
    assert reason is ReasonCode.ARCHIVE_UNREADABLE


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_one_spoilt_member_is_one_file_set_aside(zones: Zones, method: int) -> None:
    noise = random.Random(1)
    content = {name: noise.randbytes(3000) for name in IMAGES}
    path = put_zip(zones, content, method)
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("dicom/S1/IM4").header_offset
    raw = bytearray(path.read_bytes())
    raw[start + 80 : start + 140] = b"\xff" * 60
    path.write_bytes(raw)
    told = reasons(take_only(zones))
    assert {n for n, reason in told.items() if reason is not None} == {"dicom/S1/IM4"}
    assert told["dicom/S1/IM4"] is ReasonCode.ARCHIVE_UNREADABLE


@pytest.mark.parametrize("method", [0, 8, 12, 14])
def test_no_spoilt_bytes_of_a_zip_stop_the_take_in(zones: Zones, method: int) -> None:
    whole = put_zip(zones, CONTENT, method).read_bytes()
    noise = random.Random(method)
    for _ in range(60):
        raw = bytearray(whole)
        for _ in range(noise.randint(1, 8)):
            raw[noise.randrange(len(raw))] = noise.randrange(256)
        (zones.inbox / SITE / "a.zip").write_bytes(raw[: noise.choice([len(raw), len(raw) - 9])])
        assert take_only(zones).files


def test_a_full_disk_sets_nothing_aside(zones: Zones, monkeypatch: pytest.MonkeyPatch) -> None:
    """The archive is whole: what failed is ours, and the night must say so."""
    put_zip(zones, CONTENT)
    (export,) = list_exports(zones, read_site(SITE), now_ns=10**19)
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    monkeypatch.setattr("tasks.receive.store_archives.MAX_DISK_SHARE", 1.0)
    into = zones.work / f"{SITE}-received-{export.stat_digest[:16]}"
    original = Path.open

    def opened(path: Path, mode: str = "r", *rest: object) -> object:
        target = full if path.parent == into and "x" in mode else path
        return original(target, mode.replace("x", "w"), *rest)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(OSError, match="No space left"):
        take_in(export, zones, SITE, RING)


def test_empty_rows_under_a_linkage_are_no_rows(zones: Zones) -> None:
    from tasks.receive.control_files import read_linkage

    data = b"study_subject_no,patient_id,resident_id\r\nA01,P1,\r\n,,\r\n , ,\r\n"
    assert [row.patient_id for row in read_linkage(data)] == ["P1"]
