"""Every defect of the specification, made from clean series: what is said, and by whom.

    python benchmarks/convert/defects.py DICOM_FOLDER [--peers BIN] [--show-runs]

Each defect is made from 40 slices of the real CT `ge_ct_chest_abdomen_pelvis` and from one T1
series of a simulated MR exam. Its folder also holds a clean series, which must come out
proven. Right means: a code that fits the defect, the instances at fault named and no other,
nothing published of the defective sub-stack, the clean series unharmed. `--peers` names the
bin folder of an environment with dcm2bids and heudiconv; plain dcm2niix runs always. For a
peer the table gives its exit code and the number of images it wrote of the defective series.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import dcm2niix
import nibabel
import numpy as np
import pydicom
from pydicom.dataset import Dataset

from schemas.features import read_features
from schemas.records import VolumeRecord
from tasks.convert.store import convert_many
from tasks.convert.store_folder import convert_folder
from tasks.convert.store_series import SeriesJob
from tasks.simulate.store import simulate

N_CT_SLICES = 40
Slices = list[Dataset]


@dataclass
class Case:
    """A defective series: its slices, files to spoil (place -> change), what must be said."""

    slices: Slices
    codes: tuple[str, ...]
    at_fault: set[str] | None = None
    spoil: dict[int, Callable[[bytes], bytes]] = field(default_factory=dict)
    manifest: int | None = None
    published: int = 0
    verdict: str = "QUARANTINE"


def uid(data: Dataset) -> str:
    """Return the SOPInstanceUID."""
    return str(data.SOPInstanceUID)


def normal_of(data: Dataset) -> np.ndarray:
    """Return the slice normal, DICOM LPS."""
    axes = np.reshape([float(v) for v in data.ImageOrientationPatient], (2, 3))
    return np.cross(*axes)


def moved(data: Dataset, by_mm: np.ndarray) -> None:
    """Move a slice, mm, DICOM LPS."""
    position = np.asarray([float(v) for v in data.ImagePositionPatient]) + by_mm
    data.ImagePositionPatient = [f"{v:.6f}" for v in position]


def twin(data: Dataset, number: int = 1) -> Dataset:
    """Return the same slice under another SOPInstanceUID, with other pixels."""
    other = copy.deepcopy(data)
    other.SOPInstanceUID = f"{uid(data)[:56]}.{number}"
    other.file_meta.MediaStorageSOPInstanceUID = other.SOPInstanceUID
    pixels = np.frombuffer(data.PixelData, dtype="<u2")
    other.PixelData = np.roll(pixels, 7 * number).tobytes()
    return other


def phase(slices: Slices, number: int) -> Slices:
    """Return the slices as another contrast phase of the same series."""
    found = [twin(data, number) for data in slices]
    for place, data in enumerate(found):
        data.AcquisitionNumber = number + 1
        data.AcquisitionTime = f"{110000 + 100 * number:06d}"
        data.InstanceNumber = 1000 * number + place + 1
    return found


def missing_slice(s: Slices) -> Case:
    """One slice is not there."""
    return Case(s[:4] + s[5:], ("MISSING_SLICE",), {uid(s[3]), uid(s[5])})


def empty_file(s: Slices) -> Case:
    """One file has no bytes."""
    return Case(s, ("UNREADABLE",), {uid(s[4])}, spoil={4: lambda _: b""})


def no_pixel_data(s: Slices) -> Case:
    """One file has no PixelData."""
    del s[4].PixelData
    return Case(s, ("NO_PIXEL_DATA",), {uid(s[4])})


def first_slice_missing(s: Slices) -> Case:
    """Leave out the first slice; only the manifest knows."""
    return Case(s[1:], ("COUNT_VS_MANIFEST",), set(), manifest=len(s))


def truncated_file(s: Slices) -> Case:
    """One file ends in the middle of its pixels."""
    return Case(s, ("TRUNCATED",), {uid(s[4])}, spoil={4: lambda raw: raw[: len(raw) * 3 // 4]})


def duplicated_position(s: Slices) -> Case:
    """Two instances lie at one position."""
    double = twin(s[4])
    return Case([*s, double], ("DUPLICATE_POSITION",), {uid(s[4]), uid(double)})


def short_phase(s: Slices) -> Case:
    """Two phases, the second five slices short."""
    second = phase(s[:-5], 1)
    ends = {uid(second[0]), uid(second[-1])}
    return Case([*s, *second], ("UNEQUAL_PHASES",), ends, published=1)


def two_phases(s: Slices) -> Case:
    """Two complete phases: two volumes, none lost."""
    return Case([*s, *phase(s, 1)], (), set(), published=2, verdict="OK")


def z_jitter(s: Slices) -> Case:
    """Move the second slice of either end by 0.04 mm: the spacing must stay the stack's."""
    for data in (s[1], s[-2]):
        moved(data, 0.04 * normal_of(data))
    return Case(s, ("AFFINE_REFITTED", ""), set(), published=1, verdict="REPAIRABLE")


def localizer_inside(s: Slices) -> Case:
    """Put a localizer into the series."""
    scout = twin(s[0])
    axes = [float(v) for v in s[0].ImageOrientationPatient]
    scout.ImageOrientationPatient = [*axes[:3], *(-normal_of(s[0])).tolist()]
    return Case([*s, scout], ("SINGLE_SLICE",), {uid(scout)}, published=2, verdict="OK")


def alternating_orientation(s: Slices) -> Case:
    """Every other slice is turned by one degree."""
    for data in s[::2]:
        axes = np.reshape([float(v) for v in data.ImageOrientationPatient], (2, 3))
        turned = math.cos(math.radians(1)) * axes[1] + math.sin(math.radians(1)) * normal_of(data)
        data.ImageOrientationPatient = [*axes[0].tolist(), *(f"{v:.9f}" for v in turned)]
    return Case(s, ("MIXED_ORIENTATION",), {uid(data) for data in s})


def no_position(s: Slices) -> Case:
    """No slice has an ImagePositionPatient."""
    for data in s:
        del data.ImagePositionPatient
    return Case(s, ("NO_GEOMETRY",), {uid(data) for data in s})


def no_orientation(s: Slices) -> Case:
    """No slice has an ImageOrientationPatient."""
    for data in s:
        del data.ImageOrientationPatient
    return Case(s, ("NO_GEOMETRY",), {uid(data) for data in s})


def uid_per_slice(s: Slices) -> Case:
    """Every slice has a SeriesInstanceUID of its own."""
    for number, data in enumerate(s):
        data.SeriesInstanceUID = f"{str(data.SeriesInstanceUID)[:56]}.{number + 1}"
    everyone = {uid(data) for data in s}
    return Case(s, ("UID_PER_SLICE",), everyone, published=1, verdict="REPAIRABLE")


def gantry_tilt(s: Slices) -> Case:
    """Slices are sheared against their normal by 18.5 degrees."""
    along = np.asarray([float(v) for v in s[0].ImageOrientationPatient][3:])
    start = np.asarray([float(v) for v in s[0].ImagePositionPatient])
    for data in s:
        here = np.asarray([float(v) for v in data.ImagePositionPatient])
        height = float((here - start) @ normal_of(data))
        moved(data, along * height * math.tan(math.radians(18.5)))
    return Case(s, ("GANTRY_TILT",), {uid(data) for data in s})


def variable_spacing(s: Slices) -> Case:
    """From the middle on slices lie 1.37 times as far apart."""
    middle = len(s) // 2
    start = np.asarray([float(v) for v in s[middle].ImagePositionPatient])
    for data in s[middle:]:
        here = np.asarray([float(v) for v in data.ImagePositionPatient])
        moved(data, 0.37 * (here - start))
    return Case(s, ("UNEVEN_SPACING",))


def shifted_slice(s: Slices) -> Case:
    """One slice is shifted by 3 mm in its plane."""
    moved(s[4], 3.0 * np.asarray([float(v) for v in s[4].ImageOrientationPatient][:3]))
    return Case(s, ("SHIFTED_SLICE",), {uid(s[4])})


def unknown_syntax(s: Slices) -> Case:
    """One file says a transfer syntax that nothing can decode."""
    s[4].file_meta.TransferSyntaxUID = pydicom.uid.HTJ2KLossless
    s[4].PixelData = pydicom.encaps.encapsulate([s[4].PixelData])
    s[4]["PixelData"].is_undefined_length = True
    return Case(s, ("UNSUPPORTED_TRANSFER_SYNTAX",), {uid(s[4])})


def clean(s: Slices) -> Case:
    """Nothing is wrong."""
    return Case(s, (), set(), published=1, verdict="OK")


DEFECTS = (
    missing_slice, empty_file, no_pixel_data, first_slice_missing, truncated_file,
    duplicated_position, short_phase, two_phases, z_jitter, localizer_inside,
    alternating_orientation, no_position, no_orientation, uid_per_slice, gantry_tilt,
    variable_spacing, shifted_slice, unknown_syntax, clean,
)  # fmt: skip


def write_case(case: Case, bystander: Slices, folder: Path) -> dict[str, Path]:
    """Write the defective series to `defect/` and the clean one to `clean/`."""
    paths = {}
    for name, slices in (("defect", case.slices), ("clean", bystander)):
        (folder / name).mkdir(parents=True)
        for place, data in enumerate(slices):
            path = folder / name / f"IM{place:05d}"
            data.save_as(path, enforce_file_format=True)
            if name == "defect" and place in case.spoil:
                path.write_bytes(case.spoil[place](path.read_bytes()))
            paths[uid(data)] = path
    return paths


def convert(case: Case, bystander: Slices, paths: dict[str, Path], out: Path) -> list[VolumeRecord]:
    """Convert as the pipeline does: features harvested before a file was spoilt on disk.

    A file without a readable header has no series, so only a stage that knows what was
    delivered can name it; the same goes for the manifest's count.
    """
    jobs = []
    if len({d.SeriesInstanceUID for d in case.slices}) > 1:
        convert_folder(next(iter(paths.values())).parents[1], out, workers=2)
        return read_volumes(out)
    for slices, expected in ((case.slices, case.manifest), (bystander, None)):
        features = tuple(read_features(data) for data in slices)
        own = {uid(data): paths[uid(data)] for data in slices}
        jobs.append(SeriesJob(own, features, out, expected))
    return [r for records in convert_many(jobs, out / "scratch", workers=2) for r in records]


def read_volumes(out: Path) -> list[VolumeRecord]:
    """Return the records of a folder that `convert_folder` filled."""
    import pyarrow.parquet as pq

    from schemas.record_tables import records_from_table

    return records_from_table(pq.read_table(out / "volumes.parquet"), VolumeRecord)


def judge(case: Case, records: list[VolumeRecord], clean_uid: str) -> tuple[str, list[str]]:
    """Return what was said of the defective series and what is wrong about it."""
    own = [r for r in records if r.series_uid != clean_uid]
    others = [r for r in records if r.series_uid == clean_uid]
    said = sorted({code for r in own for code in r.codes})
    named = {u for r in own for u in r.instances_at_fault}
    wrong = []
    if not set(said) <= set(case.codes) or (case.codes and "" not in case.codes and not said):
        wrong.append("code")
    if case.at_fault is not None and case.codes != () and named != case.at_fault:
        wrong.append("instances")
    if case.at_fault is None and not named:
        wrong.append("no instance named")
    published = [r for r in own if r.file_name]
    if len(published) != case.published or not all(r.round_trip_ok for r in published):
        wrong.append("published")
    if [(r.verdict, r.round_trip_ok) for r in others] != [("OK", True)]:
        wrong.append("clean series harmed")
    return "+".join(said) or "OK", wrong


def peer_commands(peers: Path | None, work: Path) -> dict[str, list[str]]:
    """Return shell scripts by name; $1 is the source, $2 the destination."""
    found = {"dcm2niix": [f'{dcm2niix.bin} -z n -b n -f %s_%j -o "$2" "$1"']}
    if peers is not None:
        config, heuristic = work / "config.json", work / "heuristic.py"
        criteria = {"SeriesNumber": "*"}
        config.write_text(
            json.dumps(
                {"descriptions": [{"datatype": "anat", "suffix": "T1w", "criteria": criteria}]}
            )
        )
        heuristic.write_text(
            "def infotodict(seqinfo):\n"
            "    key = ('run-{item:03d}', ('nii.gz',), None)\n"
            "    return {key: [s.series_id for s in seqinfo]}\n"
        )
        path = f'PATH="{peers}:$PATH"'
        found["dcm2bids"] = [f'{path} dcm2bids -d "$1" -p 1 -c {config} -o "$2"']
        found["heudiconv"] = [
            f'{path} heudiconv --files "$1" -s 1 -f {heuristic} -c dcm2niix -o "$2" '
            "--grouping all --overwrite"
        ]
    return found


def run_peer(script: str, source: Path, target: Path) -> str:
    """Return exit code, images and their shapes of one peer over the defective series."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    arguments = ["sh", "-c", script, "sh", str(source), str(target)]
    environment = {"PATH": os.environ["PATH"], "HOME": str(target)}
    try:
        code = subprocess.run(
            arguments, capture_output=True, timeout=120, env=environment, check=False
        ).returncode
    except subprocess.TimeoutExpired:
        return "timeout"
    shapes = []
    for image in sorted(target.rglob("*.nii*")):
        shape = nibabel.load(image).shape
        mark = next((m for m in ("_Eq", "_Tilt") if m in image.name), "")
        shapes.append("x".join(map(str, shape[2:] or (1,))) + mark)
    if len(shapes) > 6:
        return f"{code}: {len(shapes)} images"
    return f"{code}: {','.join(shapes) or 'none'}"


def sources(folder: Path, work: Path) -> dict[str, tuple[Slices, Slices]]:
    """Return by modality the slices to spoil and a clean series of another UID."""
    ct = read_stack(folder / "ge_ct_chest_abdomen_pelvis")
    simulate(work / "simulated", sites=1, subjects=1, nights=1, seed=3, faults=())
    stacks: dict[str, Slices] = {}
    for path in sorted(p for p in (work / "simulated").rglob("*") if p.is_file()):
        try:
            data = pydicom.dcmread(path)
        except pydicom.errors.InvalidDicomError:
            continue
        if "t1_vibe_fs_tra_bh_pre" in str(data.get("SeriesDescription", "")):
            stacks.setdefault(str(data.SeriesInstanceUID), []).append(data)
    mr = sorted(max(stacks.values(), key=len), key=height)
    return {"CT": (ct[:N_CT_SLICES], other_series(ct[40:60])), "MR": (mr, other_series(mr))}


def read_stack(folder: Path) -> Slices:
    """Return the slices of one series in order along their normal."""
    found = [pydicom.dcmread(p) for p in sorted(folder.rglob("*")) if p.is_file()]
    return sorted(found, key=height)


def height(data: Dataset) -> float:
    """Return where a slice lies along its normal, mm."""
    return float(normal_of(data) @ [float(v) for v in data.ImagePositionPatient])


def other_series(slices: Slices) -> Slices:
    """Return the slices under a series and instance UIDs of their own."""
    found = [twin(data, 9) for data in slices]
    for data in found:
        data.SeriesInstanceUID = f"{str(data.SeriesInstanceUID)[:58]}.77"
        data.SeriesNumber = 977
    return found


def main() -> None:
    """Print the table and how many defects were named rightly; exit 1 if not all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--peers", type=Path)
    options = parser.parse_args()
    n_right = n_all = 0
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        scripts = peer_commands(options.peers and options.peers.resolve(), work)
        titles = "".join(f"{name:>26}" for name in scripts)
        print(f"{'':2}  {'defect':25}{'said':30}{'right':7}{titles}")
        for modality, (slices, bystander) in sources(options.folder, work).items():
            for number, defect in enumerate(DEFECTS):
                case = defect(copy.deepcopy(slices))
                place = work / f"{modality}{number}"
                paths = write_case(case, bystander, place / "in")
                records = convert(case, bystander, paths, place / "out")
                said, wrong = judge(case, records, str(bystander[0].SeriesInstanceUID))
                peers = [
                    run_peer(script[0], place / "in" / "defect", place / "peer")
                    for script in scripts.values()
                ]
                n_all, n_right = n_all + 1, n_right + (not wrong)
                right = "NO" if wrong else "yes"
                told = "".join(f"{text:>26}" for text in peers)
                print(
                    f"{modality}  {defect.__name__:25}{said:30}{right:7}{told}"
                    + (f"  wrong: {', '.join(wrong)}" if wrong else ""),
                    flush=True,
                )
                shutil.rmtree(place)
    print(f"named rightly: {n_right} of {n_all}")
    raise SystemExit(n_right != n_all)


if __name__ == "__main__":
    main()
