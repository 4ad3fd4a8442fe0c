"""Releases and warehouse on a store named by URL: a local folder or an S3-compatible one.

A tree is published in three steps: a claim, put only where there is none, binds its name to
its content; then every file; then the mark (`SHA256SUMS` of a release, `batch.json` of a
batch). Readers know a tree by its mark, so a kill leaves no torn one, and the same content
takes its own claim up again. A mark of which a server kept a part only, because its writer was
killed, is not the one that was claimed and counts as none.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyarrow as pa
from pyarrow import fs

from schemas.errors import BadInputError, BusyError, EnvironmentProblemError
from schemas.run.atomic_files import (
    directory_published_as,
    sha256_of_bytes,
    sync_directory,
    write_bytes,
)
from schemas.run.settings import read_s3_credentials
from schemas.run.zones import Zones
from tasks.publish.diff.differences import parse_version
from tasks.publish.manifest import SUMS
from tasks.publish.s3_signature import S3Credentials, S3Place, create_headers
from tasks.publish.store_manifest import read_sums

LATEST = "latest"
BATCH_MARK = "batch.json"
_CLAIM = ".claim"
_PRECONDITION_FAILED = (409, 412)


@dataclass(frozen=True)
class Store:
    """A place for trees of files, by URL."""

    url: str
    files: fs.FileSystem
    root: str
    s3: S3Place | None

    def path(self, name: str) -> str:
        """Return where a name lies, as the file system writes it."""
        return f"{self.root}/{name}"

    def exists(self, name: str) -> bool:
        """Return whether a file has the name."""
        return self.size(name) is not None

    def size(self, name: str) -> int | None:
        """Return the bytes of a file; None when no file has the name."""
        found = self.files.get_file_info(self.path(name))
        return int(found.size) if found.type == fs.FileType.File else None

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        with self.reading(name) as stream:
            return bytes(stream.read())

    def reading(self, name: str) -> pa.NativeFile:
        """Open a file; pyarrow would unpack what is called `.gz` by itself."""
        return self.files.open_input_stream(self.path(name), compression=None)

    def write(self, name: str, source: Path) -> None:
        """Copy a local file to the store, whole or not at all."""
        target = self.path(name)
        if self.s3 is None:
            place = Path(target)
            place.parent.mkdir(parents=True, exist_ok=True)
            beside = place.with_name(f".{place.name}.part")
            shutil.copyfile(source, beside)
            beside.replace(place)
            return
        with (
            source.open("rb") as stream,
            self.files.open_output_stream(target, compression=None) as out,
        ):
            shutil.copyfileobj(stream, out, 1 << 22)

    def delete(self, name: str) -> None:
        """Remove a file, if it is there."""
        if self.exists(name):
            self.files.delete_file(self.path(name))

    def create(self, name: str, data: bytes) -> bool:
        """Write a small file only if there is none; return whether it is ours."""
        if self.s3 is not None:
            return _create_object(self.s3, name, data, _credentials())
        place = Path(self.path(name))
        beside = place.with_name(f".{place.name}.{uuid.uuid4().hex[:8]}.part")
        write_bytes(beside, data)
        try:
            # A link is refused where a name is, and is there whole or not at all.
            os.link(beside, place)
        except FileExistsError:
            return False
        except OSError:
            return _create_without_links(place, data)
        finally:
            beside.unlink()
        sync_directory(place.parent)
        return True

    def names(self, below: str) -> Iterator[str]:
        """Yield the files below a folder, relative to it, sorted."""
        selector = fs.FileSelector(self.path(below), recursive=True, allow_not_found=True)
        start = len(self.path(below)) + 1
        found = self.files.get_file_info(selector)
        yield from sorted(one.path[start:] for one in found if one.type == fs.FileType.File)


def open_store(url: str) -> Store:
    """Return the store a URL names.

    Parameters
    ----------
    url : str
        A local path, `file:///...`, or
        `s3://bucket/prefix?region=...&endpoint_override=host:port&scheme=http`.

    Raises
    ------
    BadInputError
        If the URL is of another kind.
    """
    parts = urlsplit(url)
    if parts.scheme in ("", "file"):
        return Store(url, fs.LocalFileSystem(), str(Path(parts.path).absolute()), None)
    if parts.scheme != "s3" or not parts.netloc:
        raise BadInputError("not a place to store in", expected="a path, file:// or s3://bucket")
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    region = asked.get("region", "us-east-1")
    host = asked.get("endpoint_override", f"s3.{region}.amazonaws.com")
    scheme = asked.get("scheme", "https")
    prefix = parts.path.strip("/")
    found = _credentials()
    files = fs.S3FileSystem(
        access_key=found.access_key,
        secret_key=found.secret_key,
        session_token=found.session_token or None,
        region=region,
        endpoint_override=host,
        scheme=scheme,
    )
    root = f"{parts.netloc}/{prefix}" if prefix else parts.netloc
    return Store(url, files, root, S3Place(f"{scheme}://{host}", region, parts.netloc, prefix))


def publish_tree(store: Store, name: str, local: Path, mark: str) -> bool:
    """Publish a local folder under a name; return False when it is there already.

    Raises
    ------
    BusyError
        If the name belongs to other content: nothing published is ever overwritten.
    """
    wanted = (local / mark).read_bytes()
    content = f"{sha256_of_bytes(wanted)} {len(wanted)}".encode()
    if is_whole(store, name, mark):
        if store.read(f"{name}/{mark}") != wanted:
            raise _taken(name)
        return False
    claim = f"{name}/{_CLAIM}"
    if not store.create(claim, content) and store.read(claim) != content:
        raise _taken(name)
    for path in sorted(p for p in local.rglob("*") if p.is_file() and p.name != mark):
        store.write(f"{name}/{path.relative_to(local).as_posix()}", path)
    store.write(f"{name}/{mark}", local / mark)
    return True


def is_whole(store: Store, name: str, mark: str) -> bool:
    """Return whether readers may take a tree: its mark is there, and as long as was claimed.

    Without a claim, as in a folder that somebody copied by hand, or a claim that states no
    length, any mark will do.
    """
    size = store.size(f"{name}/{mark}")
    if size is None or not store.exists(f"{name}/{_CLAIM}"):
        return size is not None
    _, _, claimed = store.read(f"{name}/{_CLAIM}").partition(b" ")
    return claimed in (b"", str(size).encode())


def replace_tree(store: Store, name: str, local: Path, mark: str) -> bool:
    """Put a folder in the place of one from which a subject was erased; the one exception.

    The mark goes first, so that nobody reads a mixture; killed, the tree stays invisible until
    the next call ends the work. Returns False when the store has the same content already, or
    never had the name.
    """
    wanted = (local / mark).read_bytes()
    there = set(store.names(name))
    if not there or (mark in there and store.read(f"{name}/{mark}") == wanted):
        return False
    store.delete(f"{name}/{mark}")
    store.delete(f"{name}/{_CLAIM}")
    paths = {p.relative_to(local).as_posix() for p in local.rglob("*") if p.is_file()}
    for path in sorted(there - paths - {_CLAIM}):
        store.delete(f"{name}/{path}")
    return publish_tree(store, name, local, mark)


def erase_at_releases(url: str, releases: list[Path]) -> list[str]:
    """Bring releases at the URL in line with the local ones after an erasure; return versions."""
    store = open_store(url)
    return [r.name for r in releases if replace_tree(store, r.name, r, SUMS)]


def erase_series(url: str, site: str, series: Iterable[str]) -> None:
    """Remove the images and volumes of series from the warehouse at the URL."""
    store = open_store(url)
    for uid in sorted(series):
        for kind in ("dicom", "nifti"):
            for path in store.names(f"{kind}/{site}/{uid}"):
                store.delete(f"{kind}/{site}/{uid}/{path}")


def erase_at_batches(url: str, zones: Zones, site: str) -> list[str]:
    """Bring the batches of a site at the URL in line with the local ones after an erasure."""
    store = open_store(url)
    marks = sorted((zones.warehouse / "batches" / site).glob(f"[!.]*/{BATCH_MARK}"))
    folders = [mark.parent for mark in marks]
    names = [folder.relative_to(zones.warehouse).as_posix() for folder in folders]
    pairs = zip(names, folders, strict=True)
    return [name for name, folder in pairs if replace_tree(store, name, folder, BATCH_MARK)]


def push_release(url: str, release: Path) -> bool:
    """Publish a release folder at the URL, then point `latest` to the newest version there."""
    store = open_store(url)
    fresh = publish_tree(store, release.name, release, SUMS)
    newest = max(remote_versions(store), key=parse_version)
    pointer = release.parent / f".{LATEST}.pointer"
    pointer.write_text(newest, encoding="ascii")
    store.write(LATEST, pointer)
    pointer.unlink()
    return fresh


def remote_versions(store: Store) -> list[str]:
    """Return the versions that are whole at the store, oldest first."""
    selector = fs.FileSelector(store.root, recursive=False, allow_not_found=True)
    folders = [one.base_name for one in store.files.get_file_info(selector)]
    versions = []
    for name in folders:
        try:
            parse_version(name)
        except BadInputError:
            continue
        if is_whole(store, name, SUMS):
            versions.append(name)
    return sorted(versions, key=parse_version)


def fetch_release(url: str, version: str, into: Path) -> Path:
    """Copy a release, or what `latest` names, from the URL to a local folder and return it.

    Raises
    ------
    BadInputError
        If there is no such release, or it is not whole.
    """
    store = open_store(url)
    name = _newest(store) if version == LATEST else version
    if not is_whole(store, name, SUMS):
        raise BadInputError(f"there is no whole release {name}", where="the store")
    into.mkdir(parents=True, exist_ok=True)
    with directory_published_as(into / name) as staging:
        (staging / SUMS).write_bytes(store.read(f"{name}/{SUMS}"))
        for path in read_sums(staging):
            (staging / path).parent.mkdir(parents=True, exist_ok=True)
            with (staging / path).open("wb") as out, store.reading(f"{name}/{path}") as stream:
                shutil.copyfileobj(stream, out, 1 << 22)
    return into / name


def _newest(store: Store) -> str:
    """Return what `latest` names; the newest whole version where it names none."""
    pointed = store.read(LATEST).decode("ascii", "replace") if store.exists(LATEST) else ""
    versions = remote_versions(store)
    return pointed if pointed in versions or not versions else versions[-1]


def push_warehouse(url: str, zones: Zones) -> int:
    """Copy committed batches and their images to the URL; return how many batches were new.

    Images go first: a batch counts there, as here, when its `batch.json` is in place.
    """
    store = open_store(url)
    for kind in ("dicom", "nifti"):
        there = set(store.names(kind))
        for path in sorted(p for p in (zones.warehouse / kind).rglob("*") if p.is_file()):
            name = path.relative_to(zones.warehouse / kind).as_posix()
            if name not in there:
                store.write(f"{kind}/{name}", path)
    batches = sorted((zones.warehouse / "batches").glob(f"[!.]*/[!.]*/{BATCH_MARK}"))
    fresh = 0
    for mark in batches:
        name = mark.parent.relative_to(zones.warehouse).as_posix()
        fresh += publish_tree(store, name, mark.parent, BATCH_MARK)
    return fresh


def _create_without_links(place: Path, data: bytes) -> bool:
    """Write a file only if there is none, on a share that has no hard links."""
    try:
        with place.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except FileExistsError:
        return False
    return True


def _create_object(place: S3Place, name: str, data: bytes, who: S3Credentials) -> bool:
    now = dt.datetime.now(dt.UTC)
    headers = create_headers(place, name, data, who, now)
    # Without a type urllib says "form", and some servers then take the body apart.
    headers["content-type"] = "application/octet-stream"
    request = urllib.request.Request(  # noqa: S310  # the scheme is that of the store's own URL
        place.url(name), data=data, method="PUT", headers=headers
    )
    try:
        with urllib.request.urlopen(request, timeout=60):  # noqa: S310  # as above
            return True
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in _PRECONDITION_FAILED:
            return False
        raise EnvironmentProblemError(
            f"the store answered {error.code} to a conditional write",
            hint="It must know If-None-Match on PUT; check rights and credentials too.",
        ) from None


def _credentials() -> S3Credentials:
    return S3Credentials(*read_s3_credentials())


def _taken(name: str) -> BusyError:
    return BusyError(
        f"{name} at the store belongs to other content",
        where="the store",
        hint="Nothing published is overwritten. Compare with `livercohort diff`.",
    )
