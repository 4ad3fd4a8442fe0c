"""Write a proven volume, compressed, with sidecar and provenance; keep an unchanged one."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np

from schemas.dicom.features import InstanceFeatures
from schemas.dicom.frames import member_key
from schemas.dicom.sub_stacks import SubStack
from schemas.records import VolumeRecord
from schemas.run.atomic_files import canonical_json, sha256_of_file, write_bytes
from tasks.convert.nifti_header import orientation_code
from tasks.convert.proof import Converted, Proof
from tasks.convert.sidecar import clean_sidecar, read_sidecar_keys
from tasks.convert.store_compress import compress
from tasks.convert.store_converter import Run, data_offset, mend_header

#: Files of one volume, and the provenance that stands for them.
IMAGE, PROVENANCE = ".nii.gz", ".provenance.json"
VOLUME_SUFFIXES = (IMAGE, ".json", ".bval", ".bvec")


def describe(record: VolumeRecord, converted: Converted, proof: Proof) -> VolumeRecord:
    """Return the record with shape, voxel size, affine and b-values of a proven volume."""
    x, y, z, volumes = converted.data.shape
    size = np.linalg.norm(proof.affine_ras[:3, :3], axis=0)
    return replace(
        record,
        dim_x=x,
        dim_y=y,
        dim_z=z,
        n_volumes=volumes,
        voxel_x_mm=float(size[0]),
        voxel_y_mm=float(size[1]),
        voxel_z_mm=float(size[2]),
        dtype=converted.data.dtype.name,
        orientation_code=orientation_code(proof.affine_ras),
        affine_ras=tuple(float(value) for value in proof.affine_ras.ravel()),
        b_values=proof.b_values,
        round_trip_ok=True,
    )


def publish_volume(
    record: VolumeRecord,
    stack: SubStack,
    proof: Proof,
    run: Run,
    out_dir: Path,
    *,
    key: str,
    scaling: dict[str, object],
) -> VolumeRecord:
    """Write all files of one proven volume; the provenance last, so it stands for the rest."""
    if run.nifti is None:
        raise ValueError("nothing was converted")
    out_dir.mkdir(parents=True, exist_ok=True)
    stem = out_dir / stack.digest
    mend_header(run.nifti, proof.affine_ras)
    image = _with_suffix(stem, IMAGE)
    digests = compress(run.nifti, image, voxels_at=data_offset(run.nifti))
    record = replace(
        record,
        file_name=image.name,
        sha256=str(digests.file),
        pixel_sha256=str(digests.voxels),
    )
    if len(proof.b_values) > 1:
        text = " ".join(f"{value:g}" for value in proof.b_values) + "\n"
        write_bytes(_with_suffix(stem, ".bval"), text.encode())
        _publish_directions(proof, stem)
    _publish_sidecar(run.nifti.with_suffix(".json"), stem, stack.members[0])
    provenance = {
        "cache_key": key,
        "files": {
            suffix: str(sha256_of_file(path))
            for suffix in VOLUME_SUFFIXES
            if suffix != IMAGE and (path := _with_suffix(stem, suffix)).exists()
        }
        | {IMAGE: str(digests.file)},
        "record": asdict(record),
        "planes": proof.planes,
        "volumes": _volume_times(stack, proof),
        "scaling": scaling,
        # An image the converter interpolated is never published, so none has a parent.
        "resampled": False,
        "argv": ["dcm2niix", *shlex.split(run.flags), "-o", "out", "in"],
        "exit_code": run.exit_code,
        "converter_warnings": run.n_warnings,
    }
    write_bytes(_with_suffix(stem, PROVENANCE), canonical_json(provenance))
    return record


def has_provenance(out_dir: Path, stack: SubStack) -> bool:
    """Return whether an earlier run published this sub-stack here."""
    return _with_suffix(out_dir / stack.digest, PROVENANCE).exists()


def read_unchanged(out_dir: Path, stack: SubStack, key: str) -> VolumeRecord | None:
    """Return the record of a volume that these inputs, converter and flags already gave."""
    stem = out_dir / stack.digest
    try:
        found = json.loads(_with_suffix(stem, PROVENANCE).read_bytes())
        record = _read_record(found["record"])
        unchanged = found["cache_key"] == key and all(
            sha256_of_file(_with_suffix(stem, suffix)) == digest
            for suffix, digest in found["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    if not unchanged:
        return None
    first = stack.members[0]
    return replace(
        record,
        subject_id=first.subject_id,
        study_uid=first.study_uid,
        split_by=stack.split_by,
    )


def _read_record(values: dict[str, object]) -> VolumeRecord:
    known = {field.name for field in fields(VolumeRecord)}
    if set(values) != known:
        raise ValueError("a record of another version")
    plain = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    # The keys were just checked; the values are those a run of ours wrote.
    return VolumeRecord(**plain)  # type: ignore[arg-type]  # checked just above


def _with_suffix(stem: Path, suffix: str) -> Path:
    return stem.with_name(stem.name + suffix)


def _publish_directions(proof: Proof, stem: Path) -> None:
    if proof.directions is not None:
        rows = (" ".join(f"{value + 0.0:g}" for value in row) for row in proof.directions)
        write_bytes(_with_suffix(stem, ".bvec"), ("\n".join(rows) + "\n").encode())


def _publish_sidecar(written: Path, stem: Path, first: InstanceFeatures) -> None:
    raw = written.read_bytes() if written.exists() else b""
    sidecar = clean_sidecar(raw, first, read_sidecar_keys())
    write_bytes(_with_suffix(stem, ".json"), canonical_json(sidecar))


def _volume_times(stack: SubStack, proof: Proof) -> list[dict[str, object]]:
    """Return for each volume what its first plane says of its time."""
    by_uid = {member_key(m): m for m in stack.members}
    times: list[dict[str, object]] = []
    for uids in proof.planes:
        first = by_uid[uids[0]]
        times.append(
            {
                "temporal_position": first.temporal_position,
                "trigger_time_ms": first.trigger_time_ms,
                "acquisition_time_s": first.acquisition_time_s,
                "instance_number": first.instance_number,
            }
        )
    return times
