"""A server of the S3 protocol, and a release."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.publish.cohort import make_cohort
from tests.unit.publish.test_release import release


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A server of the S3 protocol on this machine."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, "the server does not start"
                time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a release, built once; who changes it has a copy: `made`."""
    home = tmp_path_factory.mktemp("published")
    release(home, make_cohort())
    return home


@pytest.fixture
def made(published: Path, tmp_path: Path) -> Path:
    """A release of one's own, in the home `tmp_path`."""
    shutil.copytree(published, tmp_path, symlinks=True, dirs_exist_ok=True)
    return tmp_path / "releases" / "1.0.0"
