"""A PACS sends: DCMTK's `storescu` is the sender, bytes are compared, kills lose nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from tasks.deidentify.plan.admission import ADMITTED_CLASSES
from tasks.receive.pacs import STORED_CLASSES
from tests.builders import make_series, write_files
from tests.flows.conftest import LIVERCOHORT, clean_environment, require_one_error, run
from tests.flows.exports import new_home

STORESCU, ECHOSCU = shutil.which("storescu"), shutil.which("echoscu")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        STORESCU is None and not os.environ.get("LIVERCOHORT_REQUIRE_DCMTK"),
        reason="DCMTK is not installed",
    ),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def receiver(home: Path, port: int, *options: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [LIVERCOHORT, "receive", "--port", str(port), "--home", str(home), *options],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening on"), "no listener"
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=30)


def send(port: int, *paths: Path, title: str = "LC_S91", options: tuple[str, ...] = ()) -> int:
    command = [str(STORESCU), "-aec", title, *options, "127.0.0.1", str(port), *map(str, paths)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False).returncode


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("images")
    paths = []
    for number, dataset in enumerate(make_series(n_slices=12)):
        path = folder / f"IM{number:03d}"
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def kept(home: Path) -> dict[str, Dataset]:
    found = [pydicom.dcmread(p) for p in home.glob("inbox/S91/*/dicom/*/*.dcm")] + [
        pydicom.dcmread(p) for p in home.glob("inbox/S91/.receiving/dicom/*/*.dcm")
    ]
    return {str(dataset.SOPInstanceUID): dataset for dataset in found}


def receipts(home: Path) -> list[dict[str, object]]:
    paths = sorted(home.glob("operations/receipts/S91/*.json"))
    return [json.loads(path.read_bytes()) for path in paths]


def test_only_what_would_be_admitted_is_taken_from_the_network() -> None:
    assert set(STORED_CLASSES) == ADMITTED_CLASSES


def test_what_a_pacs_sends_becomes_an_export_when_the_site_says_that_it_is_all(
    images: list[Path], tmp_path: Path
) -> None:
    home, port = new_home(tmp_path), free_port()
    with receiver(home, port):
        assert subprocess.run([str(ECHOSCU), "127.0.0.1", str(port)], check=False).returncode != 0
        echo = [str(ECHOSCU), "-aec", "LC_S91", "127.0.0.1", str(port)]
        assert subprocess.run(echo, capture_output=True, check=False).returncode == 0
        assert send(port, *images) == 0
        assert send(port, images[0]) == 0
    sent = {str(pydicom.dcmread(p).SOPInstanceUID): pydicom.dcmread(p) for p in images}
    assert kept(home) == sent
    first, again = (one for one in receipts(home) if one["stored_classes"])
    assert (first["stored"], first["how"]) == (12, "released")
    assert (again["stored"], again["repeated"]) == (0, 1)
    assert (
        "LOOK S91  12 objects of a PACS wait for `receive close`"
        in run("status", "--home", home).out
    )
    linkage = tmp_path / "linkage.csv"
    linkage.write_text("study_subject_no,patient_id\nA01,P1\n", encoding="utf-8")
    closed = run("receive", "close", "S91", "--home", home, "--linkage", linkage, "--json").json()
    assert (closed["files"], closed["unfinished"]) == (12, 0)
    export = home / "inbox" / "S91" / closed["name"]
    assert (export / "READY").is_file()
    assert (export / "linkage.csv").read_bytes() == linkage.read_bytes()
    require_one_error(
        run("receive", "close", "S91", "--home", home), 2, about="nothing was received"
    )


def test_bytes_are_written_as_they_come_also_compressed_ones(tmp_path: Path) -> None:
    """The value of every element is what was sent; nothing is decoded on the way."""
    home, port = new_home(tmp_path), free_port()
    (dataset,) = make_series(n_slices=1)
    dataset.add_new(0x00091001, "UN", b"\x00\x01\x02\xff")
    path = tmp_path / "odd"
    dataset.save_as(path, enforce_file_format=True)
    with receiver(home, port):
        assert send(port, path) == 0
    (arrived,) = kept(home).values()
    assert arrived == pydicom.dcmread(path)
    (file,) = home.glob("inbox/S91/.receiving/dicom/*/*.dcm")
    assert file.read_bytes().endswith(path.read_bytes()[-500:])


def test_an_unknown_title_is_turned_away_and_a_refused_class_is_counted(
    images: list[Path], tmp_path: Path
) -> None:
    home, port = new_home(tmp_path), free_port()
    capture = pydicom.dcmread(images[0])
    capture.SOPClassUID = SecondaryCaptureImageStorage
    capture.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    capture.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    capture.save_as(tmp_path / "capture", enforce_file_format=True)
    with receiver(home, port):
        assert send(port, images[0], title="LC_S01") != 0
        assert send(port, tmp_path / "capture", options=("-R",)) != 0
    assert kept(home) == {}
    (receipt,) = receipts(home)
    assert receipt["refused_classes"] == {str(SecondaryCaptureImageStorage): 1}


def test_a_manifest_that_is_not_complete_closes_nothing(images: list[Path], tmp_path: Path) -> None:
    home, port = new_home(tmp_path), free_port()
    uids = [str(pydicom.dcmread(path).SOPInstanceUID) for path in images]
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("sop_instance_uid\n" + "\n".join(uids) + "\n", encoding="utf-8")
    with receiver(home, port):
        assert send(port, *images[:-2]) == 0
        arguments = ("receive", "close", "S91", "--home", home, "--manifest", manifest)
        require_one_error(run(*arguments), 1, about="2 of 12 objects of the manifest")
        assert send(port, *images[-2:]) == 0
    assert run(*arguments).code == 0


def test_nothing_that_was_confirmed_is_lost_when_the_receiver_is_killed(tmp_path: Path) -> None:
    """Four senders, five kills, new images each time; senders know what was confirmed to them."""
    home = new_home(tmp_path)
    confirmed: set[str] = set()
    uids: dict[str, str] = {}
    for kill in range(1, 6):
        port, folder = free_port(), tmp_path / f"kill{kill}"
        paths = write_files(folder, make_series(n_slices=200, series=kill))
        uids |= {str(p): str(pydicom.dcmread(p).SOPInstanceUID) for p in paths}
        before = len(kept(home))
        with receiver(home, port) as process:
            command = [str(STORESCU), "-v", "-aec", "LC_S91", "127.0.0.1", str(port)]
            senders = [
                subprocess.Popen(
                    [*command, *map(str, paths[one::4])],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
                for one in range(4)
            ]
            deadline = time.monotonic() + 60
            while len(arrived(home)) < before + 7 * kill and time.monotonic() < deadline:
                time.sleep(0.002)
            os.killpg(process.pid, signal.SIGKILL)
            for sender in senders:
                confirmed |= _confirmed(sender.communicate(timeout=60)[0])
    assert 5 <= len(confirmed) < len(uids), "every kill came before or after all objects"
    closed = run("receive", "close", "S91", "--home", home, "--json").json()
    whole = kept(home)
    assert {uids[name] for name in confirmed} <= set(whole)
    assert closed["files"] == len(whole)


def arrived(home: Path) -> list[Path]:
    return list(home.glob("inbox/S91/.receiving/dicom/*/*.dcm"))


def _confirmed(log: str) -> set[str]:
    """Return the files whose store was answered with success."""
    found, current = set(), ""
    for line in log.splitlines():
        if "Sending file:" in line:
            current = line.partition("Sending file:")[2].strip()
        elif "Received Store Response (Success)" in line:
            found.add(current)
    return found


@pytest.mark.parametrize("option", ["--tls-key", "--tls-certificate"])
def test_half_of_what_tls_needs_is_refused(tmp_path: Path, option: str) -> None:
    ended = run("receive", "--home", tmp_path, option, tmp_path / "x.pem")
    require_one_error(ended, 2, about="TLS needs")
