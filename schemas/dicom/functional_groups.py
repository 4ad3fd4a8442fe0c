"""What each frame of a multi-frame object or of a UIH grid says of itself.

Enhanced CT and MR objects keep geometry and physics in functional groups, shared or per
frame (DICOM PS3.3 C.7.6.16); UIH scanners store all slices of a volume as tiles of one image
with one private sequence item per slice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

#: More frames than any scanner writes in one object; a header that claims more is not read.
MAX_FRAMES = 16384

_Path = tuple[str, str]
_POSITION: _Path = ("PlanePositionSequence", "ImagePositionPatient")
_ORIENTATION: _Path = ("PlaneOrientationSequence", "ImageOrientationPatient")
_SPACING: _Path = ("PixelMeasuresSequence", "PixelSpacing")
_FRAME_TYPES: tuple[_Path, ...] = (
    ("MRImageFrameTypeSequence", "FrameType"),
    ("CTImageFrameTypeSequence", "FrameType"),
)
_THICKNESS: _Path = ("PixelMeasuresSequence", "SliceThickness")
_ECHO_TRAIN: _Path = ("MRTimingAndRelatedParametersSequence", "RFEchoTrainLength")
_ECHO_TIME: _Path = ("MREchoSequence", "EffectiveEchoTime")
_B_VALUE: _Path = ("MRDiffusionSequence", "DiffusionBValue")
_TRIGGER: _Path = ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime")
_TIME: _Path = ("FrameContentSequence", "FrameAcquisitionDateTime")
_TEMPORAL: _Path = ("FrameContentSequence", "TemporalPositionIndex")
_ACQUISITION: _Path = ("FrameContentSequence", "FrameAcquisitionNumber")
_KERNEL: _Path = ("CTReconstructionSequence", "ConvolutionKernel")
_SCALARS: dict[str, _Path] = {
    "spacing_between_slices_mm": ("PixelMeasuresSequence", "SpacingBetweenSlices"),
    "repetition_time_ms": ("MRTimingAndRelatedParametersSequence", "RepetitionTime"),
    "flip_angle_deg": ("MRTimingAndRelatedParametersSequence", "FlipAngle"),
    "echo_time_ms": _ECHO_TIME,
    "kvp": ("CTXRayDetailsSequence", "KVP"),
}
_UIH_GROUP, _UIH_CREATOR = 0x0065, "Image Private Header"
_UIH_FRAME_COUNT, _UIH_FRAMES = 0x50, 0x51


class FunctionalGroups:
    """The functional groups of one object: a frame's own value goes before the shared one."""

    def __init__(self, header: Dataset) -> None:
        shared = header.get("SharedFunctionalGroupsSequence")
        self._shared: Dataset | None = shared[0] if shared else None
        self.frames: Sequence[Dataset] = header.get("PerFrameFunctionalGroupsSequence") or []

    def value(self, frame: int, path: _Path) -> Any:
        """Return an attribute of a frame (from 0), None when neither group has it."""
        macro, keyword = path
        for group in (self.frames[frame], self._shared):
            items = None if group is None else group.get(macro)
            found = items[0].get(keyword) if items else None
            if found is not None:
                return found
        return None


def read_frame_values(header: Dataset) -> dict[str, Any]:
    """Return frame attributes of `InstanceFeatures` by field; empty when frames say nothing.

    Hostile or half-written groups give nothing rather than an error: such an object is then
    one whose geometry is unknown, and conversion says so.
    """
    try:
        return _read_groups(header) or _read_uih_grid(header)
    except Exception:
        # pydicom raises many kinds on broken sequences; a record of optional values has none.
        return {}


def _read_groups(header: Dataset) -> dict[str, Any]:
    if "PerFrameFunctionalGroupsSequence" not in header:
        return {}
    groups = FunctionalGroups(header)
    n = len(groups.frames)
    if not 0 < n <= MAX_FRAMES or n != int(header.get("NumberOfFrames") or 0):
        return {}

    def column(path: _Path, read: Callable[[Any], Any]) -> tuple[Any, ...]:
        found = []
        for i in range(n):
            one = read(groups.value(i, path))
            if one is None:  # most objects lack most columns: their first frame tells
                return ()
            found.append(one)
        return tuple(found)

    b_values = [_number(groups.value(i, _B_VALUE)) for i in range(n)]
    spacings = column(_SPACING, _numbers(2))
    values: dict[str, Any] = {
        "frame_positions_lps": _flat(column(_POSITION, _numbers(3))),
        "frame_orientations_lps": _flat(column(_ORIENTATION, _numbers(6))),
        "frame_pixel_spacings_mm": _flat(spacings),
        "frame_types": column(_FRAME_TYPES[0], _type) or column(_FRAME_TYPES[1], _type),
        "frame_echo_times_ms": column(_ECHO_TIME, _number),
        # A frame without diffusion weighting may leave its b-value out; an object of such
        # frames alone is the b = 0 volume of a series that has other objects.
        "frame_b_values": tuple(b or 0.0 for b in b_values) if set(b_values) != {None} else (),
        "frame_trigger_times_ms": column(_TRIGGER, _number),
        "frame_times_s": column(_TIME, _seconds),
        "frame_temporal_positions": column(_TEMPORAL, _whole),
        "frame_acquisition_numbers": column(_ACQUISITION, _whole),
        **{name: _number(groups.value(0, path)) for name, path in _SCALARS.items()},
        "echo_train_length": _whole(groups.value(0, _ECHO_TRAIN)),
        # One thickness for all frames, or none that could be judged.
        "slice_thickness_mm": _only({_number(groups.value(i, _THICKNESS)) for i in range(n)}),
        "pixel_spacing_mm": _flat(spacings[:1]),
        "scanning_sequence": _sequence_codes(header),
        "convolution_kernel": _codes(groups.value(0, _KERNEL)),
        "acquisition_date": min(filter(None, column(_TIME, _day)), default=None),
    }
    return {name: value for name, value in values.items() if value not in (None, ())}


def _read_uih_grid(header: Dataset) -> dict[str, Any]:
    if not str(header.get("Manufacturer", "")).upper().startswith(("UIH", "UNITED IMAGING")):
        return {}
    block = header.private_block(_UIH_GROUP, _UIH_CREATOR)
    n, items = int(block[_UIH_FRAME_COUNT].value), block[_UIH_FRAMES].value
    if not 1 < n <= MAX_FRAMES or len(items) != n:
        return {}
    read_position, read_orientation = _numbers(3), _numbers(6)
    positions: list[tuple[float, ...]] = []
    orientations: list[tuple[float, ...]] = []
    for item in items:
        position = read_position(item.get("ImagePositionPatient"))
        axes = item.get("ImageOrientationPatient") or header.get("ImageOrientationPatient")
        orientation = read_orientation(axes)
        if position is None or orientation is None:
            return {}
        positions.append(position)
        orientations.append(orientation)
    return {
        "grid_across": math.ceil(math.sqrt(n)),
        "frame_positions_lps": _flat(positions),
        "frame_orientations_lps": _flat(orientations),
    }


def _sequence_codes(header: Dataset) -> tuple[str, ...]:
    """Return ScanningSequence codes that say the same as the enhanced attributes."""
    pulse = str(header.get("EchoPulseSequence", "")).upper()
    codes = {"SPIN": ("SE",), "GRADIENT": ("GR",), "BOTH": ("SE", "GR")}.get(pulse, ())
    planar = str(header.get("EchoPlanarPulseSequence", "")).upper() == "YES"
    inverted = str(header.get("InversionRecovery", "")).upper() == "YES"
    return (*(("EP",) if planar else ()), *codes, *(("IR",) if inverted else ()))


def _only(values: set[float | None]) -> float | None:
    return next(iter(values)) if len(values) == 1 else None


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None or number != int(number) else int(number)


def _numbers(count: int) -> Callable[[Any], tuple[float, ...] | None]:
    def read(value: Any) -> tuple[float, ...] | None:
        numbers = [_number(v) for v in value] if value is not None else []
        whole = tuple(n for n in numbers if n is not None)
        return whole if len(whole) == len(numbers) == count else None

    return read


def _type(value: Any) -> str | None:
    parts = [value] if isinstance(value, str) else list(value or ())
    return "\\".join(str(part).strip().upper() for part in parts) or None


def _codes(value: Any) -> tuple[str, ...]:
    parts = [value] if isinstance(value, str) else list(value or ())
    return tuple(text for part in parts if (text := str(part).strip().upper()))


def _day(value: Any) -> str | None:
    text = str(value or "")[:8]
    return text if len(text) == 8 and text.isdigit() else None


def _seconds(value: Any) -> float | None:
    text = str(value or "")[8:]
    if len(text) < 6 or not text[:6].isdigit():
        return None
    fraction = _number("0" + text[6:].partition("+")[0].partition("-")[0] or "0") or 0.0
    return int(text[:2]) * 3600 + int(text[2:4]) * 60 + int(text[4:6]) + fraction


def _flat(rows: Sequence[Sequence[float]]) -> tuple[float, ...]:
    return tuple(value for row in rows for value in row)
