"""dcm2niix on the source and on the de-identified series: what conversion makes must be equal.

    python benchmarks/deidentify/conversion.py FOLDER

FOLDER holds one series per folder of files, at any depth. Compared: voxels, affine, header
fields of the NIfTI, bval, bvec, and the keys of the sidecar that say how and when slices were
acquired. Series of which a file was held are counted and not compared. Exit 1 on a difference.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from pathlib import Path

import dcm2niix
import nibabel as nib
import numpy as np
from pydicom import dcmread
from pydicom.uid import UID

from schemas.identifiers import SiteCode
from schemas.vault.keys import KeyRing
from tasks.deidentify.store_folder import deidentify_folder

RING = KeyRing(bytes(range(32)))
SIDECAR_KEYS = [
    "SliceTiming",
    "PhaseEncodingDirection",
    "PhaseEncodingAxis",
    "PhaseEncodingPolarityGE",
    "EchoTime",
    "RepetitionTime",
    "FlipAngle",
    "InversionTime",
    "EffectiveEchoSpacing",
    "TotalReadoutTime",
    "DwellTime",
    "MagneticFieldStrength",
    "ImageOrientationPatientDICOM",
    "SpacingBetweenSlices",
    "SliceThickness",
    "AcquisitionTime",
    "PhilipsRescaleSlope",
    "PhilipsScaleSlope",
    "PhilipsRescaleIntercept",
    "Modality",
    "MultibandAccelerationFactor",
    "ParallelReductionFactorInPlane",
    "BandwidthPerPixelPhaseEncode",
]
#: Where dcm2niix reads the Siemens protocol text, which is dropped as a whole.
FROM_PROTOCOL_TEXT = frozenset({"ParallelReductionFactorInPlane"})
HEADER_KEYS = ("dim", "pixdim", "qform_code", "sform_code", "slice_code", "slice_duration")


#: How the text of a difference begins.
WHAT = ("files", "voxels", "affine", "header field", ".bval", ".bvec", "sidecar")
COLUMNS = ("series", "volumes", "with bval", *WHAT, "equal", "held")

Counts = dict[str, Counter[str]]


def main() -> None:
    """Print what differs, series by series, and a table by vendor and kind of object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    counts: Counts = defaultdict(Counter)
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch, "out")
        deidentify_folder(
            options.folder, out, SiteCode("S91"), RING, subject_from="patient_id", workers=2
        )
        for number, source in enumerate(_series_folders(options.folder)):
            _count(source, out, Path(scratch, str(number)), counts[_kind(source)])
    _print(counts)
    sys.exit(1 if any(c["series"] != c["equal"] + c["held"] for c in counts.values()) else 0)


def _count(source: Path, out: Path, work: Path, counts: Counter[str]) -> None:
    counts["series"] += 1
    target = _target(source, out)
    if target is None:
        counts["held"] += 1
        return
    before, after = _convert(source, work / "a"), _convert(target, work / "b")
    problems = _compare(before, after)
    counts["volumes"] += sum(name.endswith(".nii") for name in before)
    counts["with bval"] += sum(name.endswith(".bval") for name in before)
    counts["equal"] += not problems
    counts.update({what for what in WHAT for p in problems if p.startswith(what)})
    for problem in problems:
        print(f"{work.name}: {problem}")


def _kind(source: Path) -> str:
    for path in sorted(source.iterdir()):
        if path.is_file() and _is_dicom(path):
            header = dcmread(path, stop_before_pixels=True, force=True)
            vendor = str(header.get("Manufacturer", "none")).split(" ")[0].upper()
            name = UID(header.get("SOPClassUID", "")).name.removesuffix(" Image Storage")
            return f"{vendor}, {name}, {header.file_meta.get('TransferSyntaxUID', UID('')).name}"
    return "none"


def _print(counts: Counts) -> None:
    total: Counter[str] = Counter()
    print("| vendor, object, transfer syntax | " + " | ".join(COLUMNS) + " |")
    print("|---" * (len(COLUMNS) + 1) + "|")
    for kind, found in sorted(counts.items()):
        total.update(found)
        print(f"| {kind} | " + " | ".join(str(found[c]) for c in COLUMNS) + " |")
    print("| all | " + " | ".join(str(total[c]) for c in COLUMNS) + " |")


def _series_folders(folder: Path) -> list[Path]:
    return sorted({p.parent for p in folder.rglob("*") if p.is_file() and _is_dicom(p)})


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(132)[128:] == b"DICM"


def _target(source: Path, out: Path) -> Path | None:
    files = [p for p in source.iterdir() if p.is_file()]
    try:
        headers = [dcmread(p, stop_before_pixels=True) for p in files]
        series = {str(h.SeriesInstanceUID) for h in headers}
    except Exception:
        return None
    target = out / RING.uid(series.pop())
    whole = not series and target.is_dir() and len(list(target.iterdir())) == len(files)
    return target if whole else None


def _convert(source: Path, out: Path) -> dict[str, Path]:
    out.mkdir(parents=True)
    command = [dcm2niix.bin, "-b", "y", "-ba", "n", "-z", "n", "-f", "%s", "-o", str(out)]
    subprocess.run([*command, str(source)], check=False, capture_output=True)
    # Overlays are dropped on purpose; dcm2niix writes them as regions of interest.
    return {p.name: p for p in out.iterdir() if "_ROI" not in p.name}


def _compare(before: dict[str, Path], after: dict[str, Path]) -> list[str]:
    if set(before) != set(after):
        return [f"files {sorted(before)} became {sorted(after)}"]
    problems = []
    for name, path in sorted(before.items()):
        if name.endswith(".nii"):
            problems += _compare_images(path, after[name])
        elif name.endswith(".json"):
            problems += _compare_sidecars(path, after[name])
        elif path.read_bytes() != after[name].read_bytes():
            problems.append(f"{path.suffix} differs")
    return problems


def _compare_images(one: Path, two: Path) -> list[str]:
    a, b = nib.load(one), nib.load(two)
    problems = []
    if not np.array_equal(np.asanyarray(a.dataobj), np.asanyarray(b.dataobj)):
        problems.append("voxels differ")
    if not np.array_equal(a.affine, b.affine):
        problems.append("affine differs")
    changed = [k for k in HEADER_KEYS if not np.array_equal(a.header[k], b.header[k])]
    return problems + [f"header field {key} differs" for key in changed]


def _sidecar(path: Path) -> dict[str, str]:
    """Read the keys compared; names in other character sets can make a sidecar invalid JSON."""
    text = path.read_text(encoding="latin-1")
    found = re.findall(r'^\t"(\w+)": (\[[^\]]*\]|.*?),?$', text, re.MULTILINE)
    return {key: "".join(value.split()) for key, value in found}


def _compare_sidecars(one: Path, two: Path) -> list[str]:
    a, b = (_sidecar(path) for path in (one, two))
    keys = [k for k in SIDECAR_KEYS if a.get(k) != b.get(k)]
    allowed = FROM_PROTOCOL_TEXT if a.get("Manufacturer") == '"Siemens"' else frozenset()
    return [
        f"sidecar {key}: {a.get(key)} became {b.get(key)}" for key in keys if key not in allowed
    ]


if __name__ == "__main__":
    main()
