"""Every defect of the specification, made from clean series: what is said, and by whom.

    python benchmarks/convert/defects.py DICOM_FOLDER [--peers PEERS]

Each defect is made from 40 slices of the real CT `ge_ct_chest_abdomen_pelvis` and from one T1
series of a simulated MR exam. Its folder also holds a clean series, which must come out
proven. Right means: a code that fits the defect, the instances at fault named and no other,
nothing published of the defective sub-stack, the clean series unharmed. `--peers` names the
folder of an environment with dcm2bids and heudiconv, made if it is not there; plain dcm2niix
runs always. For a
peer the table gives its exit code and whether its images of the defective series are those
that a right conversion gives; `SILENT` is exit 0 with anything else.
"""

from __future__ import annotations

import argparse
import copy
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pydicom
from defect_cases import DEFECTS, Case, Slices, height, twin, uid
from peers import Image, peer_scripts, run_peer

from schemas.dicom.features import read_features
from schemas.records import VolumeRecord
from tasks.convert.counts import StatedCounts
from tasks.convert.store import convert_many
from tasks.convert.store_folder import convert_folder
from tasks.convert.store_series import SeriesJob
from tasks.simulate.store import simulate

N_CT_SLICES = 40


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
        jobs.append(SeriesJob(own, features, out, StatedCounts(n_instances=expected)))
    return [r for records in convert_many(jobs, out / "scratch", workers=2) for r in records]


def read_volumes(out: Path) -> list[VolumeRecord]:
    """Return the records of a folder that `convert_folder` filled."""
    import pyarrow.parquet as pq

    from schemas.tables.record_tables import records_from_table

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
    # An excerpt is numbered anew: it stands for a whole series.
    for place, data in enumerate(ct[:N_CT_SLICES], start=1):
        data.InstanceNumber = place
    return {"CT": (ct[:N_CT_SLICES], other_series(ct[40:60])), "MR": (mr, other_series(mr))}


def read_stack(folder: Path) -> Slices:
    """Return the slices of one series in order along their normal."""
    found = [pydicom.dcmread(p) for p in sorted(folder.rglob("*")) if p.is_file()]
    return sorted(found, key=height)


def other_series(slices: Slices) -> Slices:
    """Return the slices under a series and instance UIDs of their own."""
    found = [twin(data, 9) for data in slices]
    for data in found:
        data.SeriesInstanceUID = f"{str(data.SeriesInstanceUID)[:58]}.77"
        data.SeriesNumber = 977
    return found


def images_of(records: list[VolumeRecord], clean_uid: str) -> list[Image]:
    """Return what a right conversion of the defective series gives: ours, which is proven."""
    return [
        ((r.dim_z or 0) * (r.n_volumes or 0), r.voxel_z_mm or 0.0)
        for r in records
        if r.file_name and r.series_uid != clean_uid
    ]


def main() -> None:
    """Print the table and how many defects were named rightly; exit 1 if not all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--peers", type=Path)
    options = parser.parse_args()
    counts: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        scripts = peer_scripts(options.peers, work)
        titles = "".join(f"{name:>30}" for name in scripts)
        print(f"{'':2}  {'defect':25}{'said':30}{'right':7}{titles}")
        for modality, (slices, bystander) in sources(options.folder, work).items():
            for defect in DEFECTS:
                case = defect(copy.deepcopy(slices))
                place = work / "case"
                said, wrong, right = run_case(case, bystander, place)
                told = {
                    name: run_peer(script, place / "in" / "defect", place / "peer").verdict(right)
                    for name, script in scripts.items()
                }
                shutil.rmtree(place)
                counts.setdefault("ours", Counter())["NO" if wrong else "right"] += 1
                for name, text in told.items():
                    silent = "SILENT" in text
                    right_or_not = "right" if text.endswith(("right", "refused")) else "lost"
                    counts.setdefault(name, Counter())["SILENT" if silent else right_or_not] += 1
                row = "".join(f"{text:>30}" for text in told.values())
                print(
                    f"{modality}  {defect.__name__:25}{said:30}{'NO' if wrong else 'yes':7}{row}"
                    + (f"  wrong: {', '.join(wrong)}" if wrong else ""),
                    flush=True,
                )
    for name, count in counts.items():
        print(f"{name}: {dict(sorted(count.items()))}")
    raise SystemExit(bool(counts["ours"]["NO"]))


def run_case(case: Case, bystander: Slices, place: Path) -> tuple[str, list[str], list[Image]]:
    """Return what was said of one defect, what is wrong about it, and the right images."""
    paths = write_case(case, bystander, place / "in")
    records = convert(case, bystander, paths, place / "out")
    clean_uid = str(bystander[0].SeriesInstanceUID)
    said, wrong = judge(case, records, clean_uid)
    return said, wrong, images_of(records, clean_uid)


if __name__ == "__main__":
    main()
