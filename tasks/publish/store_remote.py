"""Releases and warehouse on a store named by URL: a local folder or an S3-compatible one.

A tree is published in three steps: a claim, put only where there is none, binds its name to
its content; then every file; then the mark (`SHA256SUMS` of a release, `batch.json` of a
batch). Readers know a tree by its mark, so a kill leaves no torn one, and the same content
takes its own claim up again. A mark of which a server kept a part only, because its writer was
killed, is not the one that was claimed and counts as none.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from schemas.errors import BadInputError, BusyError, StorageError
from schemas.lesion_masks import MASKS
from schemas.run.atomic_files import directory_published_as, sha256_of_bytes
from schemas.run.settings import Settings
from schemas.run.zones import Zones
from tasks.publish.diff.differences import parse_version
from tasks.publish.manifest import SUMS
from tasks.publish.signature import SIGNATURE
from tasks.publish.store_manifest import read_sums
from tasks.publish.store_places import Store, open_store

LATEST = "latest"
BATCH_MARK = "batch.json"
_CLAIM = ".claim"


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
    if size is None or store.size(f"{name}/{_CLAIM}") is None:
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
        for kind in ("dicom", "nifti", MASKS):
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
    versions = []
    for name in store.folders():
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
        signed = () if store.size(f"{name}/{SIGNATURE}") is None else (SIGNATURE,)
        for path in (*read_sums(staging), *signed):
            (staging / path).parent.mkdir(parents=True, exist_ok=True)
            store.fetch(f"{name}/{path}", staging / path)
    return into / name


def _newest(store: Store) -> str:
    """Return what `latest` names; the newest whole version where it names none."""
    there = store.size(LATEST) is not None
    pointed = store.read(LATEST).decode("ascii", "replace") if there else ""
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


def _taken(name: str) -> BusyError:
    return BusyError(
        f"{name} at the store belongs to other content",
        where="the store",
        hint="Nothing published is overwritten. Compare with `livercohort diff`.",
    )


def push_where_set(settings: Settings, version: str) -> bool:
    """Copy the warehouse and a release to the stores that the settings name.

    Returns
    -------
    bool
        Whether the release was new at its store.

    Raises
    ------
    StorageError
        If a store cannot be written; the release stands here all the same.
    """
    try:
        if settings.warehouse_url:
            push_warehouse(settings.warehouse_url, settings.zones)
        is_new = bool(settings.releases_url) and push_release(
            str(settings.releases_url), settings.zones.releases / version
        )
    except (OSError, StorageError) as error:
        raise _not_copied(version, error) from None
    return is_new


def _not_copied(version: str, error: OSError | StorageError) -> StorageError:
    """Say that the release stands, which store could not be written, and what to do."""
    told, hint = "it does not answer as asked", ""
    if isinstance(error, StorageError):
        told, hint = error.found, f"{error.hint} "
    elif error.strerror:
        told = error.strerror
    return StorageError(
        f"release {version} is published here, but a store cannot be written: {told}",
        where="LIVERCOHORT_RELEASES_URL or LIVERCOHORT_WAREHOUSE_URL",
        hint=f"{hint}Then run `livercohort release` again: it copies what is missing.",
    )
