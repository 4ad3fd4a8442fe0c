"""Why a sub-stack was set aside, mended or remarked on: one code, one meaning."""

from __future__ import annotations

from enum import StrEnum


class ConversionVerdict(StrEnum):
    """What conversion decides on one sub-stack.

    OK is published as dcm2niix wrote it. REPAIRABLE is published after the mending its code
    names, proven like the others. QUARANTINE is not published.
    """

    OK = "OK"
    REPAIRABLE = "REPAIRABLE"
    QUARANTINE = "QUARANTINE"


class Code(StrEnum):
    """Defects and remarks; `MEANINGS` says each in words."""

    # known from headers, before converting
    MISSING_SLICE = "MISSING_SLICE"
    DUPLICATE_POSITION = "DUPLICATE_POSITION"
    UNEVEN_SPACING = "UNEVEN_SPACING"
    SHIFTED_SLICE = "SHIFTED_SLICE"
    GANTRY_TILT = "GANTRY_TILT"
    MIXED_ORIENTATION = "MIXED_ORIENTATION"
    NO_GEOMETRY = "NO_GEOMETRY"
    TRUNCATED = "TRUNCATED"
    NO_PIXEL_DATA = "NO_PIXEL_DATA"
    UNREADABLE = "UNREADABLE"
    UNDECODABLE = "UNDECODABLE"
    UNSUPPORTED_TRANSFER_SYNTAX = "UNSUPPORTED_TRANSFER_SYNTAX"
    UNSUPPORTED_PIXEL_FORMAT = "UNSUPPORTED_PIXEL_FORMAT"
    MIXED_PIXEL_FORMAT = "MIXED_PIXEL_FORMAT"
    MULTI_FRAME = "MULTI_FRAME"
    MOSAIC_WITHOUT_LAYOUT = "MOSAIC_WITHOUT_LAYOUT"
    UNEQUAL_PHASES = "UNEQUAL_PHASES"
    PHASES_NOT_TOLD_APART = "PHASES_NOT_TOLD_APART"
    FRAMES_OF_REFERENCE_DIFFER = "FRAMES_OF_REFERENCE_DIFFER"
    RESCALE_NOT_STATED = "RESCALE_NOT_STATED"
    DELIVERED_DIFFERS = "DELIVERED_DIFFERS"
    COUNT_VS_MANIFEST = "COUNT_VS_MANIFEST"
    COUNT_VS_HEADER = "COUNT_VS_HEADER"
    UID_PER_SLICE = "UID_PER_SLICE"
    # known after converting
    CONVERTER_FAILED = "CONVERTER_FAILED"
    CONVERTER_CRASHED = "CONVERTER_CRASHED"
    CONVERTER_TIMEOUT = "CONVERTER_TIMEOUT"
    CONVERTER_SPLIT = "CONVERTER_SPLIT"
    PLANES_DIFFER = "PLANES_DIFFER"
    PIXELS_DIFFER = "PIXELS_DIFFER"
    SCALING_DIFFERS = "SCALING_DIFFERS"
    GEOMETRY_DIFFERS = "GEOMETRY_DIFFERS"
    VOLUMES_MIXED = "VOLUMES_MIXED"
    B_VALUES_DIFFER = "B_VALUES_DIFFER"
    DIRECTIONS_DIFFER = "DIRECTIONS_DIFFER"
    WORKER_DIED = "WORKER_DIED"
    WORKER_TIMEOUT = "WORKER_TIMEOUT"
    WORKER_FAILED = "WORKER_FAILED"
    # mended; so is UID_PER_SLICE
    AFFINE_REFITTED = "AFFINE_REFITTED"
    INSTANCES_RENUMBERED = "INSTANCES_RENUMBERED"
    # remarks
    SINGLE_SLICE = "SINGLE_SLICE"
    INSTANCE_NUMBERS_INCOMPLETE = "INSTANCE_NUMBERS_INCOMPLETE"
    FILES_ABSENT_BESIDE = "FILES_ABSENT_BESIDE"
    ENDS_BEFORE_SIBLINGS = "ENDS_BEFORE_SIBLINGS"


#: Codes that do not keep a volume back.
MENDED = frozenset({Code.AFFINE_REFITTED, Code.INSTANCES_RENUMBERED, Code.UID_PER_SLICE})
REMARKS = frozenset(
    {
        Code.SINGLE_SLICE,
        Code.INSTANCE_NUMBERS_INCOMPLETE,
        Code.FILES_ABSENT_BESIDE,
        Code.ENDS_BEFORE_SIBLINGS,
    }
)
#: Not a fault of the series alone: another run may end otherwise.
LOST_WORKER = frozenset(
    {Code.WORKER_DIED, Code.WORKER_TIMEOUT, Code.WORKER_FAILED, Code.CONVERTER_TIMEOUT}
)

MEANINGS: dict[Code, str] = {
    Code.MISSING_SLICE: "a gap between two slices is a multiple of the spacing",
    Code.DUPLICATE_POSITION: "two instances lie at one position and nothing tells phases apart",
    Code.UNEVEN_SPACING: "slices do not lie on an even grid",
    Code.SHIFTED_SLICE: "a slice is shifted within its plane against the others",
    Code.GANTRY_TILT: "slices are not stacked along their normal: a tilted gantry",
    Code.MIXED_ORIENTATION: "slices of slightly different orientation interleave",
    Code.NO_GEOMETRY: "position or orientation of a slice is absent or not valid",
    Code.TRUNCATED: "the pixel data is shorter than rows x columns",
    Code.NO_PIXEL_DATA: "the object has no pixel data",
    Code.UNREADABLE: "the file cannot be read as the instance it should be",
    Code.UNDECODABLE: "the compressed pixel data cannot be decoded",
    Code.UNSUPPORTED_TRANSFER_SYNTAX: "no decoder here can prove this transfer syntax",
    Code.UNSUPPORTED_PIXEL_FORMAT: "colour, bit-packed or unusually laid out pixels",
    Code.MIXED_PIXEL_FORMAT: "slices of one stack differ in their pixel format",
    Code.MULTI_FRAME: "a multi-frame object that does not say where its frames lie",
    Code.MOSAIC_WITHOUT_LAYOUT: "a mosaic without the number, normal or spacing of its tiles",
    Code.UNEQUAL_PHASES: "a phase or volume covers fewer positions than its siblings",
    Code.PHASES_NOT_TOLD_APART: "which slices of the same positions are one volume is not said",
    Code.FRAMES_OF_REFERENCE_DIFFER: "slices that lie among each other are of two spaces",
    Code.RESCALE_NOT_STATED: "stored numbers are not values by a slope and intercept that count",
    Code.DELIVERED_DIFFERS: "a deciding value is not the one that was delivered",
    Code.COUNT_VS_MANIFEST: "the number of instances differs from the manifest",
    Code.COUNT_VS_HEADER: "fewer instances than their own headers state",
    Code.UID_PER_SLICE: "each slice carried a series UID of its own; they were joined",
    Code.CONVERTER_FAILED: "dcm2niix gave an error or no image",
    Code.CONVERTER_CRASHED: "dcm2niix was ended by a signal",
    Code.CONVERTER_TIMEOUT: "dcm2niix ran longer than allowed",
    Code.CONVERTER_SPLIT: "dcm2niix made several images of one sub-stack",
    Code.PLANES_DIFFER: "frames and NIfTI planes are not one to one",
    Code.PIXELS_DIFFER: "a NIfTI plane differs from its source",
    Code.SCALING_DIFFERS: "slope or intercept differ from the source",
    Code.GEOMETRY_DIFFERS: "a corner of a source slice is not where the NIfTI says",
    Code.VOLUMES_MIXED: "planes of one NIfTI volume come from different source volumes",
    Code.B_VALUES_DIFFER: "b-values differ from the vendor's",
    Code.DIRECTIONS_DIFFER: "diffusion directions differ from the vendor's",
    Code.WORKER_DIED: "the worker process died on this series",
    Code.WORKER_TIMEOUT: "the worker process ran longer than allowed",
    Code.WORKER_FAILED: "the worker process met an unexpected error on this series",
    Code.AFFINE_REFITTED: "the affine was fitted anew over all slices",
    Code.INSTANCES_RENUMBERED: "instance numbers were empty or alike; positions gave the order",
    Code.SINGLE_SLICE: "one slice only: its spacing cannot be proven",
    Code.INSTANCE_NUMBERS_INCOMPLETE: "instance numbers do not begin at 1 or leave some out",
    Code.FILES_ABSENT_BESIDE: "files of a folder shared with other series did not arrive",
    Code.ENDS_BEFORE_SIBLINGS: "slices at an end are missing that its sibling phases have",
}
