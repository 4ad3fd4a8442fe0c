"""A place for trees of files, by URL: a folder, or a bucket of the S3 protocol.

A bucket is spoken to by obstore. A folder is not: obstore flushes nothing to disk, and its
create-only put asks for hard links, which some shares do not have.
"""

from __future__ import annotations

import configparser
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from urllib.parse import parse_qs, urlsplit

import obstore
from obstore import exceptions

from schemas.errors import BadInputError, StorageError
from schemas.run.atomic_files import sync_directory, write_bytes
from schemas.run.settings import read_s3_environment

if TYPE_CHECKING:
    from obstore.store import S3Store

_CHUNK_BYTES = 1 << 22
#: A store that is away for a moment is asked again; one that refuses is told within seconds.
_RETRIES = 3
_RETRY_SECONDS = 30
_TIMEOUT_SECONDS = 60


class Store(Protocol):
    """A place for trees of files; names are relative, with `/` between their parts."""

    def size(self, name: str) -> int | None:
        """Return the bytes of a file; None when no file has the name."""

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""

    def fetch(self, name: str, to: Path) -> None:
        """Copy a file from the store to a new local file."""

    def write(self, name: str, source: Path) -> None:
        """Copy a local file to the store, whole or not at all."""

    def create(self, name: str, data: bytes) -> bool:
        """Write a small file only if there is none; return whether it is ours."""

    def delete(self, name: str) -> None:
        """Remove a file, if it is there."""

    def names(self, below: str) -> Iterator[str]:
        """Yield the files below a folder, relative to it, sorted."""

    def folders(self) -> list[str]:
        """Return the names of the topmost folders."""


@dataclass(frozen=True)
class FolderStore:
    """A folder, of this machine or of a share."""

    root: Path

    def size(self, name: str) -> int | None:
        """Return the bytes of a file; None when no file has the name."""
        path = self.root / name
        return path.stat().st_size if path.is_file() else None

    def read(self, name: str) -> bytes:
        """Return the bytes of a file."""
        return (self.root / name).read_bytes()

    def fetch(self, name: str, to: Path) -> None:
        """Copy a file from the store to a new local file."""
        shutil.copyfile(self.root / name, to)

    def write(self, name: str, source: Path) -> None:
        """Copy a local file to the store, whole or not at all."""
        place = self.root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place.with_name(f".{place.name}.part")
        shutil.copyfile(source, beside)
        beside.replace(place)

    def create(self, name: str, data: bytes) -> bool:
        """Write a small file only if there is none; return whether it is ours."""
        place = self.root / name
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

    def delete(self, name: str) -> None:
        """Remove a file, if it is there."""
        (self.root / name).unlink(missing_ok=True)

    def names(self, below: str) -> Iterator[str]:
        """Yield the files below a folder, relative to it, sorted."""
        start = self.root / below
        yield from sorted(p.relative_to(start).as_posix() for p in start.rglob("*") if p.is_file())

    def folders(self) -> list[str]:
        """Return the names of the topmost folders."""
        return [p.name for p in self.root.iterdir() if p.is_dir()] if self.root.is_dir() else []


@dataclass(frozen=True)
class BucketStore:
    """A bucket, or what lies below a prefix of it."""

    bucket: S3Store = field(repr=False)  # it would print its keys

    def size(self, name: str) -> int | None:
        """Return the bytes of an object; None when none has the name."""
        try:
            with _told():
                return int(obstore.head(self.bucket, name)["size"])
        except FileNotFoundError:
            return None

    def read(self, name: str) -> bytes:
        """Return the bytes of an object."""
        with _told():
            return bytes(obstore.get(self.bucket, name).bytes())

    def fetch(self, name: str, to: Path) -> None:
        """Copy an object to a new local file."""
        with _told(), to.open("wb") as out:
            for chunk in obstore.get(self.bucket, name).stream(min_chunk_size=_CHUNK_BYTES):
                out.write(chunk)

    def write(self, name: str, source: Path) -> None:
        """Copy a local file to the bucket; an object is there whole or not at all."""
        with _told():
            obstore.put(self.bucket, name, source)

    def create(self, name: str, data: bytes) -> bool:
        """Write a small object only if there is none; return whether it is ours."""
        try:
            with _told():
                obstore.put(self.bucket, name, data, mode="create")
        except FileExistsError:
            return False
        return True

    def delete(self, name: str) -> None:
        """Remove an object, if it is there."""
        with _told():
            obstore.delete(self.bucket, name)

    def names(self, below: str) -> Iterator[str]:
        """Yield the objects below a prefix, relative to it, sorted."""
        with _told():
            found = [item["path"] for some in obstore.list(self.bucket, below) for item in some]
        yield from sorted(path.removeprefix(f"{below}/") for path in found)

    def folders(self) -> list[str]:
        """Return the names of the topmost folders."""
        with _told():
            return list(obstore.list_with_delimiter(self.bucket)["common_prefixes"])


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
    StorageError
        If nothing says with which credentials the bucket is asked.
    """
    parts = urlsplit(url)
    if parts.scheme in ("", "file"):
        return FolderStore(Path(parts.path).absolute())
    if parts.scheme != "s3" or not parts.netloc:
        raise BadInputError("not a place to store in", expected="a path, file:// or s3://bucket")
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return BucketStore(_open_bucket(parts.netloc, parts.path.strip("/"), asked))


def _open_bucket(bucket: str, prefix: str, asked: dict[str, str]) -> S3Store:
    from obstore.store import S3Store  # here: folders need none of it

    said = read_s3_environment()
    keys = {"aws_access_key_id": said.access_key, "aws_secret_access_key": said.secret_key}
    if not all(keys.values()):
        keys = _keys_of_profile(said.credentials_file, said.profile)
        token = keys.get("aws_session_token", "")
    else:
        token = said.session_token
    scheme, host = asked.get("scheme", "https"), asked.get("endpoint_override")
    # Always given: without keys obstore would ask the metadata service of a cloud machine.
    config = {
        "access_key_id": keys["aws_access_key_id"],
        "secret_access_key": keys["aws_secret_access_key"],
        "region": asked.get("region") or said.region,
    }
    if token:
        config["session_token"] = token
    if host:
        config["endpoint"] = f"{scheme}://{host}"
    return S3Store(
        bucket,
        prefix=prefix or None,
        config=config,  # type: ignore[arg-type]  # a TypedDict of the same names
        skip_signature=False,
        virtual_hosted_style_request=False,
        client_options={
            "allow_http": scheme == "http",
            "timeout": timedelta(seconds=_TIMEOUT_SECONDS),
        },
        retry_config={
            "max_retries": _RETRIES,
            "retry_timeout": timedelta(seconds=_RETRY_SECONDS),
        },
    )


def _keys_of_profile(file: Path, profile: str) -> dict[str, str]:
    """Return the keys that a profile of the shared credentials file holds."""
    found = configparser.RawConfigParser()
    try:
        found.read(file, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        raise StorageError(
            "the shared credentials file cannot be read",
            where=str(file),
            hint="Mend it, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        ) from None
    keys = dict(found[profile]) if profile in found else {}
    if not (keys.get("aws_access_key_id") and keys.get("aws_secret_access_key")):
        raise StorageError(
            "there are no credentials for the store",
            expected=f"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or profile {profile} "
            "with both in the shared credentials file",
            where=str(file),
            hint="Set them; AWS_PROFILE names another profile. No other place is asked.",
        )
    return keys


@contextmanager
def _told() -> Iterator[None]:
    """Say what a bucket refused; its own words name objects and are long.

    Nothing under a name is FileNotFoundError, something under one FileExistsError.
    """
    try:
        yield
    except exceptions.AlreadyExistsError:
        raise FileExistsError from None
    except (exceptions.BaseError, FileNotFoundError, PermissionError) as error:
        text = str(error)
        if isinstance(error, FileNotFoundError) and "NoSuchBucket" not in text:
            raise FileNotFoundError from None
        raise _storage_error(text, refused=_is_refusal(error, text)) from None


def _is_refusal(error: Exception, text: str) -> bool:
    kinds = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError)
    return isinstance(error, kinds) or " 403 " in text or " 401 " in text


def _storage_error(text: str, *, refused: bool) -> StorageError:
    if "NoSuchBucket" in text:
        return StorageError(
            "the store has no such bucket", hint="Make the bucket, or mend its name in the URL."
        )
    if refused:
        return StorageError(
            "the store refuses these credentials",
            hint="Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or the profile, and its rights.",
        )
    if "error sending request" in text or "HTTP error" in text:
        return StorageError(
            "the store cannot be reached",
            hint="Check endpoint_override and scheme in the URL, and that the server runs.",
        )
    return StorageError(
        "the store does not answer as asked",
        hint="It must speak the S3 protocol and know If-None-Match on PUT; see its own log.",
    )


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
