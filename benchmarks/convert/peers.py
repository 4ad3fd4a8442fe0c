"""Other converters, run as their manuals say, and whether what they left is right."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dcm2niix
import nibabel

REQUIREMENTS = Path(__file__).with_name("peers.txt")
TIMEOUT_S = 120
#: Spacing that is wrong by so much over the whole stack is wrong.
DRIFT_MM = 0.1
HEURISTIC = """
def infotodict(seqinfo):
    key = ("run-{item:03d}", ("nii.gz",), None)
    return {key: [s.series_id for s in seqinfo]}
"""
BIDS_CONFIG = {
    "descriptions": [{"datatype": "anat", "suffix": "T1w", "criteria": {"SeriesNumber": "*"}}]
}
Image = tuple[int, float]
"""Planes over all volumes, and slice spacing in mm."""


@dataclass(frozen=True)
class PeerResult:
    """What one peer left of a series."""

    exit_code: int | None
    images: tuple[Image, ...]
    resampled: int

    def verdict(self, right: Sequence[Image]) -> str:
        """Return whether it is right, refused, or silently wrong (exit 0, wrong images)."""
        count = f"{len(self.images)} img" + (
            f"+{self.resampled} resampled" if self.resampled else ""
        )
        if self.exit_code is None:
            return "timeout"
        if right and not self.resampled and same_images(self.images, right):
            return f"{self.exit_code}: right"
        if not right and not self.images and self.exit_code:
            return f"{self.exit_code}: refused"
        if self.exit_code == 0:
            return f"0: SILENT, {count}" if self.images else "0: SILENT, lost"
        return f"{self.exit_code}: {count}" if self.images else f"{self.exit_code}: all lost"


def same_images(found: Sequence[Image], right: Sequence[Image]) -> bool:
    """Return whether the images have the planes and, over the stack, the spacing of the right."""
    if Counter(planes for planes, _ in found) != Counter(planes for planes, _ in right):
        return False
    pairs = zip(sorted(found), sorted(right), strict=True)
    return all(abs(a - b) * planes <= DRIFT_MM for (planes, a), (_, b) in pairs)


def peers_bin(folder: Path) -> Path:
    """Return the bin folder of the peers' environment, made in `folder` if it is not there."""
    programs = folder.resolve() / "bin"
    if not (programs / "heudiconv").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(programs / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "-r", str(REQUIREMENTS)], check=True)
    return programs


def peer_scripts(peers: Path | None, work: Path) -> dict[str, str]:
    """Return a shell script by peer; $1 is the source, $2 the destination.

    Parameters
    ----------
    peers : Path or None
        The folder of the environment of dcm2bids and heudiconv; plain dcm2niix always runs.
    work : Path
        Takes their configurations.
    """
    scripts = {"dcm2niix": f'mkdir -p "$2" && {dcm2niix.bin} -z i -f %s_%j -o "$2" "$1"'}
    if peers is None:
        return scripts
    config, heuristic = work / "config.json", work / "heuristic.py"
    config.write_text(json.dumps(BIDS_CONFIG))
    heuristic.write_text(HEURISTIC)
    path = f'export PATH="{peers_bin(peers)}:$PATH" && mkdir -p "$2"'
    return scripts | {
        "dcm2bids": f'{path} && dcm2bids -d "$1" -p 1 -c {config} -o "$2"',
        "heudiconv": f'{path} && heudiconv --files "$1" -s 1 -f {heuristic} -c dcm2niix -o "$2" '
        "--grouping all --overwrite",
    }


def run_peer(script: str, source: Path, target: Path) -> PeerResult:
    """Run one peer over one series."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(target)}
    arguments = ["sh", "-c", script, "sh", str(source), str(target)]
    try:
        code = subprocess.run(
            arguments, capture_output=True, timeout=TIMEOUT_S, env=environment, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        return PeerResult(None, (), 0)
    images, resampled = [], 0
    for path in sorted(target.rglob("*.nii*")):
        if "_Eq" in path.name or "_Tilt" in path.name:
            resampled += 1
            continue
        header = nibabel.load(path).header  # type: ignore[attr-defined]  # nibabel's base class
        planes = 1
        for n in header.get_data_shape()[2:]:
            planes *= int(n)
        zooms = header.get_zooms()
        images.append((planes, float(zooms[2]) if len(zooms) > 2 else 0.0))
    return PeerResult(code, tuple(images), resampled)
