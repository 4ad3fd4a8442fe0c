"""A store that is away, or whose credentials are missing or wrong, says so."""

from __future__ import annotations

import socket
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.errors import StorageError
from tasks.publish.store_places import open_store
from tasks.publish.store_remote import (
    fetch_release,
    push_release,
)

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("s3")]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Credentials of the environment, and no file of anybody's."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


@pytest.mark.usefixtures("keys")
def test_a_server_that_is_not_there_is_told_within_seconds(made: Path) -> None:
    url = f"s3://bucket/x?endpoint_override=127.0.0.1:{free_port()}&scheme=http"
    started = time.monotonic()
    with pytest.raises(StorageError, match="cannot be reached") as caught:
        push_release(url, made)
    assert "endpoint_override" in caught.value.hint
    assert time.monotonic() - started < 30


@pytest.mark.usefixtures("keys")
def test_a_bucket_that_is_not_there_is_told(server: str, made: Path, tmp_path: Path) -> None:
    url = f"s3://no-such-bucket/x?endpoint_override={server}&scheme=http"
    with pytest.raises(StorageError, match="no such bucket"):
        push_release(url, made)
    with pytest.raises(StorageError, match="no such bucket"):
        fetch_release(url, "latest", tmp_path / "back")


def test_credentials_that_the_server_does_not_know_are_told(
    server: str, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOFSOMEBODYELSE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret of somebody else")
    url = f"s3://bucket/x?endpoint_override={server}&scheme=http"
    ask_for_credentials(server, after_requests=0)
    try:
        for act in (
            lambda: push_release(url, made),
            lambda: fetch_release(url, "latest", tmp_path / "back"),
            lambda: open_store(url).create("x", b""),
            lambda: list(open_store(url).names("x")),
        ):
            with pytest.raises(StorageError, match="refuses these credentials") as caught:
                act()
            assert "somebody" not in caught.value.message.lower()
    finally:
        ask_for_credentials(server, after_requests=10**9)


def ask_for_credentials(server: str, *, after_requests: int) -> None:
    """Make the test server look at who asks, from so many requests on."""
    request = urllib.request.Request(
        f"http://{server}/moto-api/reset-auth",
        data=str(after_requests).encode(),
        headers={"content-type": "text/plain"},
        method="POST",
    )
    urllib.request.urlopen(request, timeout=10).close()


def test_without_credentials_nobody_is_asked_for_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cloud machine's metadata service would give some: a hospital's network has none."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    with socket.create_server(("127.0.0.1", 0)) as metadata:
        metadata.settimeout(1)
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", f"http://127.0.0.1:{metadata.getsockname()[1]}")
        with pytest.raises(StorageError, match="no credentials") as caught:
            open_store("s3://bucket/x").size("y")
        assert "AWS_PROFILE" in caught.value.hint
        with pytest.raises(TimeoutError):
            metadata.accept()


def test_a_profile_of_the_shared_file_signs_the_request(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    monkeypatch.setenv("AWS_PROFILE", "trial")
    file.write_text(
        "[default]\naws_access_key_id = OTHER\naws_secret_access_key = other\n"
        "[trial]\naws_access_key_id = KEYOFTRIAL\naws_secret_access_key = a%b\n"
        "aws_session_token = token of trial\n"
    )
    seen = heads_of_one_request(lambda host: open_store(host).size("y"))
    assert "Credential=KEYOFTRIAL/" in seen["authorization"]
    assert seen["x-amz-security-token"] == "token of trial"
    file.write_text("no section\n")
    with pytest.raises(StorageError, match="cannot be read"):
        open_store(f"s3://bucket/x?endpoint_override={server}&scheme=http")


def heads_of_one_request(ask: Callable[[str], object]) -> dict[str, str]:
    """Return the headers that a server of one answer is sent."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        url = f"s3://bucket/x?endpoint_override=127.0.0.1:{port}&scheme=http"
        asking = threading.Thread(target=ask, args=(url,))
        asking.start()
        connection, _ = listening.accept()
        with connection:
            sent = connection.recv(1 << 16).decode()
            connection.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
        asking.join()
    lines = sent.split("\r\n\r\n")[0].split("\r\n")[1:]
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
