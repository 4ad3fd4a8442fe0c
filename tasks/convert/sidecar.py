"""The JSON beside a NIfTI: only keys of a closed list, each of the kind the list says."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from schemas.dicom.features import InstanceFeatures
from schemas.errors import ContractError
from schemas.package_data import data_contracts_dir
from schemas.rule_tables import Cells, TableShape, read_table

# Coded strings, one or several joined by a backslash as DICOM has them.
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_ ;+\\-]{0,63}")
_KINDS = ("number", "numbers", "code", "codes")
_MAX_ITEMS = 4096
_COLUMNS = ("key", "kind", "reason", "source")
_SHAPE = TableShape(_COLUMNS, key=("key",), stated=_COLUMNS)


@dataclass(frozen=True)
class SidecarKey:
    """One row of the table: a key, the kind of its value, why it stays."""

    key: str
    kind: str


def read_sidecar_keys(path: Path | None = None) -> dict[str, SidecarKey]:
    """Read the table of keys that may stay.

    Raises
    ------
    ContractError
        If a row lacks a reason or source, repeats a key or names an unknown kind.
    """
    if path is None:
        return dict(_shipped_keys())
    return {row.key: row for row in read_table(path, _SHAPE, _sidecar_key)}


@lru_cache(maxsize=1)
def _shipped_keys() -> dict[str, SidecarKey]:
    return read_sidecar_keys(data_contracts_dir() / "conversion" / "sidecar_keys.csv")


def _sidecar_key(row: Cells) -> SidecarKey:
    if row["kind"] not in _KINDS:
        raise ContractError("an unknown kind", expected=", ".join(_KINDS))
    return SidecarKey(row["key"], row["kind"])


def clean_sidecar(
    written: bytes, features: InstanceFeatures, keys: Mapping[str, SidecarKey]
) -> dict[str, object]:
    """Return what may stay of the converter's sidecar; rebuilt from DICOM if it is no JSON.

    Parameters
    ----------
    written : bytes
        The converter's file; it may be invalid (a Siemens kernel name with a backslash).
    features : InstanceFeatures
        Of the first member of the sub-stack.
    keys : mapping
        From `read_sidecar_keys`.
    """
    try:
        found = json.loads(written.decode("utf-8"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        found = _rebuilt(features)
    return {key: found[key] for key in sorted(keys) if key in found and _is(keys[key], found[key])}


def _is(key: SidecarKey, value: object) -> bool:
    if key.kind in ("numbers", "codes"):
        # dcm2niix writes a list of one as a bare value.
        values = value if isinstance(value, list) else [value]
        one = SidecarKey(key.key, key.kind[:-1])
        return len(values) <= _MAX_ITEMS and all(_is(one, item) for item in values)
    if key.kind == "number":
        return (
            isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        )
    return isinstance(value, str) and _CODE.fullmatch(value) is not None


def _rebuilt(m: InstanceFeatures) -> dict[str, object]:
    def seconds(value_ms: float | None) -> float | None:
        return None if value_ms is None else value_ms / 1000.0

    values: dict[str, object | None] = {
        "Modality": m.modality,
        "Manufacturer": m.manufacturer,
        "MagneticFieldStrength": m.field_strength_raw,
        "MRAcquisitionType": m.mr_acquisition_type,
        "ImageType": list(m.image_type) or None,
        "SliceThickness": m.slice_thickness_mm,
        "SpacingBetweenSlices": m.spacing_between_slices_mm,
        "EchoTime": seconds(m.echo_time_ms),
        "RepetitionTime": seconds(m.repetition_time_ms),
        "InversionTime": seconds(m.inversion_time_ms),
        "FlipAngle": m.flip_angle_deg,
        "EchoTrainLength": m.echo_train_length,
        "GantryDetectorTilt": m.gantry_tilt_deg,
    }
    return {key: value for key, value in values.items() if value is not None}
