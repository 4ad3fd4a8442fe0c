"""What is measured of a volume at night, and with which parameters it was acquired.

Neither says anything of labels: those are decided anew at every release, and a measurement
made once stays what it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

#: Among the tables of a batch.
MEASUREMENT_TABLE, ACQUISITION_TABLE = "measurement", "acquisition"


class NoValue(StrEnum):
    """Why a measurement has no value: nothing is guessed."""

    NEEDS_MASK = "needs_mask"
    TOO_FEW_SLICES = "too_few_slices"
    NO_TISSUE = "no_tissue"
    NO_AIR = "no_air"
    BACKGROUND_MASKED = "background_masked"
    ENCODING_UNKNOWN = "encoding_unknown"
    NOT_AXIAL = "not_axial"
    NO_PARTNER = "no_partner"
    GRIDS_DIFFER = "grids_differ"
    NOT_ALIGNED = "not_aligned"
    NO_VESSEL = "no_vessel"
    NO_LIVER = "no_liver"
    NOT_MEASURED = "not_measured"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One value of one volume, or why there is none. The metric's unit is in its definition."""

    subject_id: str | None
    study_uid: str | None
    series_uid: str
    sub_stack_digest: str
    metric: str
    metric_version: int
    value: float | None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Acquisition:
    """How one sub-stack was acquired: the parameters that protocols fix, as the header has them.

    Lengths in mm, times in ms. A parameter of which the slices disagree is None, as an absent
    one is. `kernel` joins the values of ConvolutionKernel with a backslash. Scanner and receive
    coil are codes of the site, see `schemas.dicom.device_identity`.
    """

    subject_id: str | None
    study_uid: str | None
    series_uid: str
    sub_stack_digest: str
    kvp: float | None = None
    kernel: str | None = None
    repetition_time_ms: float | None = None
    echo_time_ms: float | None = None
    inversion_time_ms: float | None = None
    flip_angle_deg: float | None = None
    echo_train_length: float | None = None
    b_value: float | None = None
    mr_acquisition_type: str | None = None
    slice_thickness_mm: float | None = None
    pixel_spacing_mm: float | None = None
    rows: float | None = None
    columns: float | None = None
    device_id: str | None = None
    coil_id: str | None = None
