"""How fast a PACS can send, and whether a confirmed object survives kills of the receiver.

    PYTHONPATH=. python benchmarks/operation/receive.py [--objects 2000] [--kills 100]

Four `storescu` (DCMTK) send CT slices of 512 x 512 each; the clock runs from the first connection
to the last release. Then the receiver is killed again and again while four senders send objects
that are new each time; what the senders' logs say was confirmed must be on disk, whole.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from tests.builders import make_series, write_files

_SENDERS = 4


def start(home: Path) -> tuple[subprocess.Popen[str], int]:
    """Start a receiver and wait until it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-m", "flows.cli", "receive", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--home", str(home)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process, port


def send(port: int, paths: list[Path]) -> list[subprocess.Popen[str]]:
    """Start the senders."""
    command = ["storescu", "-v", "-aec", "LC_S91", "127.0.0.1", str(port)]
    return [
        subprocess.Popen(
            [*command, *map(str, paths[one::_SENDERS])],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for one in range(_SENDERS)
    ]


def confirmed(log: str) -> set[str]:
    """Return the files that were answered with success."""
    found, current = set(), ""
    for line in log.splitlines():
        if "Sending file:" in line:
            current = line.partition("Sending file:")[2].strip()
        elif "Received Store Response (Success)" in line:
            found.add(current)
    return found


def slices(folder: Path, series: int, number: int, side: int) -> list[Path]:
    """Write slices of noise, so that no two are the same."""
    noise = np.random.default_rng(series)
    made = make_series(n_slices=number, series=series)
    for one in made:
        one.Rows = one.Columns = side
        one.PixelData = noise.integers(0, 4000, side * side, dtype=np.uint16).tobytes()
    return write_files(folder, made)


def kept(home: Path) -> set[str]:
    """Return the UIDs of whole objects, by the end of their files: pixels are all different."""
    paths = home.glob("inbox/S91/.receiving/dicom/*/*.dcm")
    whole = [p for p in paths if hashlib.sha256(p.read_bytes()).hexdigest() == p.stem]
    return {hashlib.sha256(p.read_bytes()[-4000:]).hexdigest() for p in whole}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=100)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "home").mkdir()
        paths = slices(root / "sent", 1, options.objects, 512)
        receiver, port = start(root / "home")
        begun = time.monotonic()
        logs = [sender.communicate()[0] for sender in send(port, paths)]
        seconds = time.monotonic() - begun
        receiver.terminate()
        used = os.wait4(receiver.pid, 0)[2]
        number = sum(len(confirmed(log)) for log in logs)
        print(f"{number} confirmed in {seconds:.1f} s: {number / seconds:.0f} files/s, 512 x 512")
        cost = 1e3 * (used.ru_utime + used.ru_stime) / number
        print(f"receiver: {cost:.1f} ms of processor for each, start included")
        chance, lost, told = random.Random(1), 0, 0
        for kill in range(options.kills):
            home = root / f"kill{kill}"
            home.mkdir()
            paths = slices(root / f"sent{kill}", kill + 2, 160, 64)
            receiver, port = start(home)
            senders = send(port, paths)
            while not list(home.glob("inbox/S91/.receiving/dicom/*/*.dcm")):
                time.sleep(0.002)
            time.sleep(chance.uniform(0, 0.6))
            os.killpg(receiver.pid, signal.SIGKILL)
            receiver.wait()
            names = set().union(*(confirmed(sender.communicate()[0]) for sender in senders))
            tails = {hashlib.sha256(Path(n).read_bytes()[-4000:]).hexdigest() for n in names}
            told += len(tails)
            lost += len(tails - kept(home))
        print(f"{options.kills} kills: {told} confirmed, {lost} lost")


if __name__ == "__main__":
    main()
