"""An export is a folder or a zip; what it holds decides its batch id, not how it came."""

from __future__ import annotations

import hashlib
import os
import time
import zipfile
from pathlib import Path

import pytest

from schemas.errors import BadInputError
from schemas.identifiers import SiteCode
from schemas.records import Delivery, FileKind
from schemas.run.sites import read_site
from schemas.run.zones import Zones
from schemas.states import ReasonCode
from schemas.vault.keys import KeyRing
from tasks.receive.inventory import batch_id_of, manifest_digest_of
from tasks.receive.store import Export, list_exports, take_in

SITE = SiteCode("S91")
RING = KeyRing(bytes(range(32)))
CONTENT = {
    "READY": b"",
    "linkage.csv": b"study_subject_no,patient_id\n1,PID1\n",
    "clinical/demographics.csv": b"x",
    "dicom/a/IM1": b"first",
    "dicom/b/IM2": b"second",
}


@pytest.fixture
def zones(tmp_path: Path) -> Zones:
    zones = Zones(tmp_path / "home")
    zones.create()
    return zones


def put_folder(zones: Zones, name: str, content: dict[str, bytes]) -> Path:
    root = zones.inbox / SITE / name
    root.mkdir(parents=True)
    for relative, data in content.items():
        (root / relative).parent.mkdir(parents=True, exist_ok=True)
        (root / relative).write_bytes(data)
    return root


def put_zip(path: Path, content: dict[str, bytes], *, wrapped_in: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for relative, data in content.items():
            archive.writestr(f"{wrapped_in}/{relative}" if wrapped_in else relative, data)
    return path


def exports(zones: Zones, *, minutes_later: float = 0) -> list[Export]:
    now_ns = time.time_ns() + int(minutes_later * 60e9)
    return list_exports(zones, read_site(SITE), now_ns=now_ns)


def take_only(zones: Zones) -> Delivery:
    (export,) = exports(zones)
    return take_in(export, zones, SITE, RING)


def test_folder_and_zip_of_the_same_files_are_the_same_batch(zones: Zones) -> None:
    put_folder(zones, "a", CONTENT)
    put_zip(zones.inbox / SITE / "b.zip", CONTENT)
    put_zip(zones.inbox / SITE / "c.zip", CONTENT, wrapped_in="export of today")
    batches = {take_in(export, zones, SITE, RING).batch_id for export in exports(zones)}
    assert len(batches) == 1


def test_the_id_of_a_batch_cannot_be_made_without_the_key(zones: Zones) -> None:
    put_folder(zones, "a", {"READY": b"", "linkage.csv": b"study_subject_no,patient_id\nN1,1\n"})
    delivery = take_only(zones)
    lines = [f"{f.sha256} {f.relative_path}\n" for f in delivery.files if f.path.name != "READY"]
    guessed = hashlib.sha256("".join(lines).encode()).hexdigest()
    assert delivery.manifest_sha256 != guessed
    assert not guessed.startswith(delivery.batch_id)
    other = take_in(exports(zones)[0], zones, SITE, KeyRing(bytes(32)))
    assert other.batch_id != delivery.batch_id


def test_a_batch_that_the_version_before_committed_keeps_its_name(zones: Zones) -> None:
    put_folder(zones, "a", CONTENT)
    old = batch_id_of(manifest_digest_of(take_only(zones).files))
    zones.batch(SITE, old).mkdir(parents=True)
    (zones.batch(SITE, old) / "batch.json").write_text("{}")
    assert take_only(zones).batch_id == old


def test_one_changed_byte_is_another_batch(zones: Zones) -> None:
    put_folder(zones, "a", CONTENT)
    put_folder(zones, "b", {**CONTENT, "dicom/a/IM1": b"fIrst"})
    first, second = (take_in(export, zones, SITE, RING).batch_id for export in exports(zones))
    assert first != second


def test_a_ready_mark_added_later_does_not_make_a_new_batch(zones: Zones) -> None:
    root = put_folder(zones, "a", {k: v for k, v in CONTENT.items() if k != "READY"})
    before = take_in(exports(zones, minutes_later=60)[0], zones, SITE, RING)
    (root / "READY").touch()
    assert take_only(zones).batch_id == before.batch_id


def test_every_file_gets_the_kind_of_its_place(zones: Zones) -> None:
    put_folder(zones, "a", CONTENT)
    kinds = {file.relative_path: file.kind for file in take_only(zones).files}
    assert kinds == {
        "READY": FileKind.CONTROL,
        "linkage.csv": FileKind.CONTROL,
        "clinical/demographics.csv": FileKind.CLINICAL,
        "dicom/a/IM1": FileKind.IMAGE,
        "dicom/b/IM2": FileKind.IMAGE,
    }


def test_an_export_without_ready_waits_for_the_quiet_period(zones: Zones) -> None:
    put_folder(zones, "a", {"dicom/IM1": b"x"})
    assert [export.ready for export in exports(zones)] == [False]
    quiet = read_site(SITE).quiet_minutes
    assert [export.ready for export in exports(zones, minutes_later=quiet + 1)] == [True]


def test_a_zip_still_being_written_waits(zones: Zones) -> None:
    whole = put_zip(zones.inbox / SITE / "a.zip", CONTENT)
    whole.write_bytes(whole.read_bytes()[:-30])
    assert [export.ready for export in exports(zones)] == [False]


def test_a_zip_that_stays_damaged_is_one_file_set_aside(zones: Zones) -> None:
    whole = put_zip(zones.inbox / SITE / "a.zip", CONTENT)
    whole.write_bytes(whole.read_bytes()[:-30])
    (export,) = exports(zones, minutes_later=60)
    (file,) = take_in(export, zones, SITE, RING).files
    assert (file.kind, file.reason) == (FileKind.REFUSED, ReasonCode.ARCHIVE_UNREADABLE)


def test_a_member_that_points_outside_is_set_aside_and_lands_nowhere_else(zones: Zones) -> None:
    put_zip(zones.inbox / SITE / "a.zip", {**CONTENT, "../../escape.dcm": b"evil"})
    delivery = take_only(zones)
    refused = [f for f in delivery.files if f.reason is ReasonCode.UNSAFE_PATH]
    assert len(refused) == 1
    assert refused[0].path.read_bytes() == b"evil"
    assert zones.work in refused[0].path.parents
    assert not list(zones.home.rglob("escape.dcm"))


def test_members_of_an_archive_inside_an_export_are_counted_not_the_archive(zones: Zones) -> None:
    root = put_folder(zones, "a", {"READY": b""})
    put_zip(root / "dicom" / "part.zip", {"IM1": b"1", "IM2": b"2"})
    paths = [file.relative_path for file in take_only(zones).files]
    assert paths == ["READY", "dicom/part/IM1", "dicom/part/IM2"]


def test_archives_nested_without_end_are_set_aside(zones: Zones) -> None:
    inner = put_zip(zones.home / "0.zip", {"IM1": b"1"}).read_bytes()
    for level in range(1, 5):
        inner = put_zip(zones.home / f"{level}.zip", {"inner.zip": inner}).read_bytes()
    put_folder(zones, "a", {"READY": b"", "dicom/deep.zip": inner})
    reasons = [file.reason for file in take_only(zones).files if file.reason]
    assert reasons == [ReasonCode.ARCHIVE_TOO_LARGE]


def test_a_damaged_member_is_set_aside_and_the_others_stay(zones: Zones) -> None:
    path = put_zip(zones.inbox / SITE / "a.zip", {"READY": b"", "dicom/IM1": b"A" * 99})
    path.write_bytes(path.read_bytes().replace(b"A" * 99, b"B" + b"A" * 98))
    reasons = {file.relative_path: file.reason for file in take_only(zones).files}
    assert reasons == {"READY": None, "dicom/IM1": ReasonCode.ARCHIVE_UNREADABLE}


def test_two_members_of_one_name_are_two_files(zones: Zones) -> None:
    path = zones.inbox / SITE / "a.zip"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("READY", b"")
        archive.writestr("dicom/IM1", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("dicom/IM1", b"2")
    assert len(take_only(zones).files) == 3


def test_links_in_the_inbox_are_not_followed(zones: Zones) -> None:
    root = put_folder(zones, "a", {"READY": b"", "dicom/IM1": b"1"})
    (root / "dicom" / "passwd").symlink_to("/etc/passwd")
    (root / "dicom" / "etc").symlink_to("/etc")
    reasons = [file.reason for file in take_only(zones).files if file.reason]
    assert reasons == [ReasonCode.UNSAFE_PATH, ReasonCode.UNSAFE_PATH]


def test_an_export_without_any_file_is_refused_by_number(zones: Zones) -> None:
    (zones.inbox / SITE / "secret name").mkdir(parents=True)
    (export,) = exports(zones, minutes_later=60)
    with pytest.raises(BadInputError, match="export 1 of S91 is empty") as caught:
        take_in(export, zones, SITE, RING)
    assert "secret" not in str(caught.value)


def test_a_file_that_differs_from_the_manifest_is_set_aside(zones: Zones) -> None:
    manifest = "path,sha256,bytes\ndicom/a/IM1," + "0" * 64 + ",5\n"
    put_folder(zones, "a", {**CONTENT, "manifest.csv": manifest.encode()})
    reasons = {f.relative_path: f.reason for f in take_only(zones).files if f.reason}
    assert reasons == {"dicom/a/IM1": ReasonCode.MANIFEST_MISMATCH}


def test_a_touched_file_changes_the_cheap_digest(zones: Zones) -> None:
    root = put_folder(zones, "a", CONTENT)
    before = exports(zones)[0].stat_digest
    os.utime(root / "dicom/a/IM1", ns=(1, 1))
    assert exports(zones)[0].stat_digest != before


def test_a_pipe_in_the_inbox_does_not_hang_the_night(zones: Zones) -> None:
    root = put_folder(zones, "a", {"READY": b""})
    os.mkfifo(root / "pipe")
    assert [f.reason for f in take_only(zones).files if f.reason] == [ReasonCode.UNSAFE_PATH]


def test_what_the_manifest_lists_and_is_not_there_is_kept_as_absent(zones: Zones) -> None:
    manifest = "path,sha256,bytes\n" + f"dicom/a/IM1,{'0' * 64},5\ndicom/a/IM9,{'1' * 64},5\n"
    put_folder(zones, "a", {**CONTENT, "manifest.csv": manifest.encode()})
    assert take_only(zones).absent_paths == ("dicom/a/IM9",)


def test_a_folder_that_cannot_be_listed_is_a_state_of_its_own(
    zones: Zones, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = put_folder(zones, "a", CONTENT)
    before = exports(zones)[0].stat_digest
    listed = os.scandir

    def refuse(path: str | Path) -> object:
        if str(path).endswith("/dicom/b"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuse)
    (export,) = exports(zones)
    files = {f.relative_path: f.reason for f in take_in(export, zones, SITE, RING).files}
    assert files["dicom/b"] is ReasonCode.FOLDER_UNREADABLE
    assert "dicom/b/IM2" not in files
    assert files["dicom/a/IM1"] is None
    # Once it can be listed, it is another export.
    assert export.stat_digest != before
    monkeypatch.undo()
    assert exports(zones)[0].stat_digest == before
    assert root.is_dir()


def test_a_small_zip_that_grows_without_end_is_set_aside_and_leaves_no_scratch(
    zones: Zones,
) -> None:
    path = zones.inbox / SITE / "a.zip"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("READY", b"")
        for number in range(3):
            archive.writestr(f"dicom/{number}", bytes(80 << 20))
    assert path.stat().st_size < 1 << 20
    (file,) = take_in(exports(zones, minutes_later=60)[0], zones, SITE, RING).files
    assert file.reason is ReasonCode.ARCHIVE_TOO_LARGE
    assert sum(p.stat().st_size for p in zones.work.rglob("*") if p.is_file()) == 0
