"""Other senders than a plain `storescu`: over TLS with certificates, and Orthanc, a real PACS."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.uid import UID, SecondaryCaptureImageStorage

from tests.certificates import Certificates, make_certificates
from tests.flows.exports import new_home
from tests.flows.test_receive import STORESCU, free_port, images, kept, receipts, receiver, send

__all__ = ["images"]

ORTHANC = shutil.which("Orthanc")
_REQUIRED = bool(os.environ.get("LIVERCOHORT_REQUIRE_DCMTK"))
pytestmark = pytest.mark.slow
needs_dcmtk = pytest.mark.skipif(STORESCU is None and not _REQUIRED, reason="no DCMTK installed")
needs_orthanc = pytest.mark.skipif(ORTHANC is None and not _REQUIRED, reason="no Orthanc installed")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def sent_over_tls(port: int, paths: list[Path], made: Certificates) -> int:
    tls = ("+tls", str(made.key), str(made.certificate), "+cf", str(made.authority))
    return send(port, *paths, options=tls)


@needs_dcmtk
def test_over_tls_only_who_shows_a_certificate_of_the_authority_may_send(
    images: list[Path], certificates: Certificates, tmp_path: Path
) -> None:
    home, port = new_home(tmp_path), free_port()
    stranger = make_certificates(tmp_path / "stranger")
    trusting = Certificates(certificates.authority, stranger.certificate, stranger.key)
    options = (
        "--tls-certificate", str(certificates.certificate), "--tls-key", str(certificates.key),
        "--tls-authority", str(certificates.authority),
    )  # fmt: skip
    with receiver(home, port, *options):
        assert send(port, *images) != 0, "sent in plain"
        assert sent_over_tls(port, images, trusting) != 0, "sent with another authority's"
        anonymous = ("+tla", "+cf", str(certificates.authority))
        assert send(port, *images, options=anonymous) != 0, "sent without a certificate"
        assert kept(home) == {}
        assert sent_over_tls(port, images, certificates) == 0
    sent = {str(pydicom.dcmread(p).SOPInstanceUID): pydicom.dcmread(p) for p in images}
    assert kept(home) == sent
    (receipt,) = (one for one in receipts(home) if one["stored"])
    assert (receipt["stored"], receipt["how"]) == (len(images), "released")


@contextmanager
def orthanc(folder: Path, receiver_port: int) -> Iterator[str]:
    """Run an Orthanc that knows the receiver as a modality; yield where it answers."""
    http_port = free_port()
    configuration = {
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": http_port,
        "DicomPort": free_port(),
        "DicomAet": "A_PACS",
        "DicomModalities": {"cohort": ["LC_S91", "127.0.0.1", receiver_port]},
        "RegisteredUsers": {"test": "test"},
        "AuthenticationEnabled": True,
        "Plugins": [],
    }
    (folder / "storage").mkdir(parents=True)
    (folder / "orthanc.json").write_text(json.dumps(configuration), encoding="utf-8")
    process = subprocess.Popen(
        [str(ORTHANC), str(folder / "orthanc.json")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{http_port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                asked(f"{url}/system")
                break
            except OSError:
                assert process.poll() is None, "Orthanc ended"
                assert time.monotonic() < deadline, "Orthanc does not answer"
                time.sleep(0.2)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def asked(url: str, body: bytes | None = None) -> Any:
    token = base64.b64encode(b"test:test").decode()
    request = urllib.request.Request(url, body, {"Authorization": f"Basic {token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@needs_orthanc
def test_orthanc_sends_a_study_and_every_value_of_it_arrives(
    images: list[Path], tmp_path: Path
) -> None:
    home, port = new_home(tmp_path), free_port()
    capture = pydicom.dcmread(images[0])
    capture.SOPClassUID = capture.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    capture.SOPInstanceUID = capture.file_meta.MediaStorageSOPInstanceUID = UID("2.25.42")
    capture.save_as(tmp_path / "capture", enforce_file_format=True)
    with receiver(home, port), orthanc(tmp_path / "orthanc", port) as url:
        given = [asked(f"{url}/instances", path.read_bytes())["ID"] for path in images]
        told = asked(f"{url}/modalities/cohort/store", json.dumps(given).encode())
        assert (told["InstancesCount"], told["FailedInstancesCount"]) == (len(images), 0)
        also = asked(f"{url}/instances", (tmp_path / "capture").read_bytes())["ID"]
        body = json.dumps({"Resources": [also, given[0]], "Permissive": True}).encode()
        asked(f"{url}/modalities/cohort/store", body)
    sent = {str(pydicom.dcmread(p).SOPInstanceUID): pydicom.dcmread(p) for p in images}
    assert kept(home) == sent
    stored = [one["stored"] for one in receipts(home)]
    assert sum(n for n in stored if isinstance(n, int)) == len(images)
    # It offers all that it knows; each class is counted once for each association.
    refused = [one["refused_classes"] for one in receipts(home)]
    assert any(
        isinstance(found, dict) and found.get(str(SecondaryCaptureImageStorage)) == 1
        for found in refused
    )
