"""Releases and warehouse on a store by URL, against a real server of the S3 protocol."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from pyarrow import fs

from schemas.errors import BadInputError, BusyError
from schemas.run.zones import Zones
from tasks.publish.erase.store_erase import erase_from_releases, publish_without
from tasks.publish.store import release_folders
from tasks.publish.store_places import BucketStore, FolderStore, Store, open_store
from tasks.publish.store_remote import (
    erase_at_batches,
    erase_at_releases,
    erase_series,
    fetch_release,
    publish_tree,
    push_release,
    push_warehouse,
    remote_versions,
)
from tasks.publish.store_verify import verify_release
from tests.unit.publish.cohort import make_cohort
from tests.unit.publish.test_release import files_below, release

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("s3")]


@pytest.fixture(params=["s3", "folder"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty store of either kind."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    if request.param == "folder":
        return (tmp_path / "store").as_uri()
    server = request.getfixturevalue("server")
    bucket = f"b{abs(hash(tmp_path.as_posix())) % 10**9}"
    files = fs.S3FileSystem(
        access_key="testing",
        secret_key="testing",
        endpoint_override=server,
        scheme="http",
        region="us-east-1",
        allow_bucket_creation=True,
    )
    files.create_dir(bucket)
    return f"s3://{bucket}/cohort/releases?endpoint_override={server}&scheme=http"


def test_a_release_comes_back_from_the_store_as_it_went(
    url: str, made: Path, tmp_path: Path
) -> None:
    assert push_release(url, made)
    assert not push_release(url, made)
    assert remote_versions(open_store(url)) == ["1.0.0"]
    back = fetch_release(url, "latest", tmp_path / "back")
    assert files_below(back) == files_below(made)
    assert verify_release(back) == []


def test_a_version_with_other_content_is_never_overwritten(
    url: str, made: Path, tmp_path: Path
) -> None:
    push_release(url, made)
    other = release(tmp_path / "other", make_cohort(age=61.0)).path
    assert other is not None
    with pytest.raises(BusyError, match="belongs to other content"):
        push_release(url, other)
    assert files_below(fetch_release(url, "1.0.0", tmp_path / "back")) == files_below(made)


def test_a_publish_that_dies_is_invisible_and_its_next_run_ends_it(
    url: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = BucketStore if url.startswith("s3:") else FolderStore
    write, written = kind.write, 0

    def dies(self: Store, name: str, source: Path) -> None:
        nonlocal written
        written += 1
        if written == 20:
            raise ConnectionResetError
        write(self, name, source)  # type: ignore[arg-type]  # the store is of this kind

    monkeypatch.setattr(kind, "write", dies)
    with pytest.raises(ConnectionResetError):
        push_release(url, made)
    monkeypatch.setattr(kind, "write", write)
    assert remote_versions(open_store(url)) == []
    with pytest.raises(BadInputError, match="no whole release"):
        fetch_release(url, "1.0.0", tmp_path / "back")
    other = release(tmp_path / "other", make_cohort(age=61.0)).path
    assert other is not None
    with pytest.raises(BusyError, match="belongs to other content"):
        push_release(url, other)
    assert push_release(url, made)
    assert files_below(fetch_release(url, "1.0.0", tmp_path / "back")) == files_below(made)


def test_a_mark_of_which_the_server_kept_a_part_counts_as_none(
    url: str, made: Path, tmp_path: Path
) -> None:
    push_release(url, made)
    store = open_store(url)
    for name in ("1.0.0/SHA256SUMS", "latest"):
        part = tmp_path / "part"
        part.write_bytes(store.read(name)[:4])
        store.write(name, part)
    assert remote_versions(store) == []
    with pytest.raises(BadInputError, match="no whole release"):
        fetch_release(url, "latest", tmp_path / "back")
    assert push_release(url, made)
    store.write("latest", part)
    assert files_below(fetch_release(url, "latest", tmp_path / "back")) == files_below(made)


def test_a_claim_in_a_folder_is_there_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store((tmp_path / "store").as_uri())

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    for call in ("fsync", "link"):
        with monkeypatch.context() as patched:
            patched.setattr(os, call, dies)
            with pytest.raises(KeyboardInterrupt):
                store.create("1.0.0/.claim", b"content")
        assert store.size("1.0.0/.claim") is None
    assert store.create("1.0.0/.claim", b"content")
    assert not store.create("1.0.0/.claim", b"other")
    assert store.read("1.0.0/.claim") == b"content"
    assert [path.name for path in (tmp_path / "store" / "1.0.0").iterdir()] == [".claim"]


def test_a_share_without_hard_links_takes_one_writer_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuses)
    store = open_store((tmp_path / "store").as_uri())
    assert store.create(".claim", b"one")
    assert not store.create(".claim", b"other")
    assert store.read(".claim") == b"one"


def test_of_many_writers_at_once_one_gets_the_name(url: str, tmp_path: Path) -> None:
    store = open_store(url)
    won: list[int] = []

    def claim(number: int) -> None:
        if store.create("1.0.0/.claim", str(number).encode()):
            won.append(number)

    threads = [threading.Thread(target=claim, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert store.read("1.0.0/.claim") == str(won[0]).encode()


def test_a_batch_counts_at_the_store_when_its_record_is_there(url: str, tmp_path: Path) -> None:
    zones = Zones(home=tmp_path / "home")
    batch = zones.warehouse / "batches" / "S91" / "b1"
    volume = zones.warehouse / "nifti" / "S91" / "2.25.1" / "a.nii.gz"
    for path, data in (
        (batch / "file.parquet", b"rows"),
        (batch / "batch.json", b"{}"),
        (volume, b"v"),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (zones.warehouse / "batches" / "S91" / ".b2.part").mkdir()
    assert push_warehouse(url, zones) == 1
    assert push_warehouse(url, zones) == 0
    store = open_store(url)
    assert store.read("nifti/S91/2.25.1/a.nii.gz") == b"v"
    assert set(store.names("batches")) == {
        "S91/b1/.claim",
        "S91/b1/batch.json",
        "S91/b1/file.parquet",
    }


def test_a_place_of_another_kind_is_refused() -> None:
    with pytest.raises(BadInputError, match="not a place"):
        open_store("ftp://somewhere/x")


def test_only_the_same_content_takes_a_claim_up(url: str, tmp_path: Path) -> None:
    store = open_store(url)
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "mark").write_text("one")
    assert store.create("x/.claim", b"someone else")
    with pytest.raises(BusyError):
        publish_tree(store, "x", tree, "mark")


def test_an_erasure_reaches_the_store(made: Path, url: str, tmp_path: Path) -> None:
    push_release(url, made)
    publish_without(tmp_path / "releases", "S91-AAAA2222")
    erase_from_releases(tmp_path / "releases", "S91-AAAA2222")
    with pytest.raises(BusyError):
        push_release(url, made)
    folders = release_folders(tmp_path / "releases")
    assert erase_at_releases(url, folders) == ["1.0.0"]
    assert erase_at_releases(url, folders) == []
    back = fetch_release(url, "1.0.0", tmp_path / "back")
    assert files_below(back) == files_below(made)
    names = list(open_store(url).names("1.0.0"))
    assert not [name for name in names if "AAAA2222" in name]


def test_series_and_rows_of_an_erased_subject_leave_the_warehouse_at_the_store(
    url: str, tmp_path: Path
) -> None:
    zones = Zones(home=tmp_path / "home")
    batch = zones.warehouse / "batches" / "S91" / "b1"
    volume = zones.warehouse / "nifti" / "S91" / "2.25.1" / "a.nii.gz"
    for path, data in ((batch / "instance.parquet", b"two"), (batch / "batch.json", b"{}")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    volume.parent.mkdir(parents=True)
    volume.write_bytes(b"v")
    push_warehouse(url, zones)
    erase_series(url, "S91", ["2.25.1"])
    (batch / "instance.parquet").write_bytes(b"one")
    (batch / "batch.json").write_bytes(b"{1}")
    assert erase_at_batches(url, zones, "S91") == ["batches/S91/b1"]
    store = open_store(url)
    assert list(store.names("nifti")) == []
    assert store.read("batches/S91/b1/instance.parquet") == b"one"


def test_names_of_every_kind_come_back_as_they_went(url: str, tmp_path: Path) -> None:
    store, source = open_store(url), tmp_path / "source"
    source.write_bytes(b"x" * (6 << 20))  # more than one part of an upload
    names = ["a/肝 #1%~.txt", "a/b c/+.gz", "ab/c"]
    for name in names:
        store.write(name, source)
    assert list(store.names("a")) == sorted(name.removeprefix("a/") for name in names[:2])
    assert sorted(store.folders()) == ["a", "ab"]
    for number, name in enumerate(names):
        store.fetch(name, tmp_path / str(number))
        assert (tmp_path / str(number)).read_bytes() == source.read_bytes()
        store.delete(name)
        store.delete(name)
        assert store.size(name) is None
