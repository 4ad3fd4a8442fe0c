"""What the delivered header said of values and geometry, for the proof to compare with.

Harvested from the file as it came, before anything of it was rewritten, and carried beside
the de-identified object: so that no stage can prove against its own mistake. Numbers only;
the UID is the de-identified one, by which the proof finds the row.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Beside `audit.parquet` where de-identification runs alone; among the tables of a batch.
DELIVERED_FACTS_TABLE = "delivered_facts"


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveredFacts:
    """Deciding numbers of one delivered object, as written there and read as numbers.

    Absent values are empty or None, never a default. Lengths are in mm, DICOM LPS. The
    `frame_` columns are of a multi-frame object or of a grid: one value per frame (three,
    two or six a frame, flat), a frame's own value before the shared one; empty when one
    frame has none. `b_value` is that of the public attribute, else of the vendor's private
    one (1e9 that GE adds taken off), in s/mm2; `gradient` as the attribute has it: DICOM LPS
    of the public one and of Siemens, the vendor's own frame for GE, Philips and UIH.
    `real_world` is slope and intercept of the one real-world mapping; `scale_slope` and
    `scale_intercept` are Philips's (2005,100E) and (2005,100D); `tiles` is the number of
    slices of a Siemens mosaic or a UIH grid.
    """

    sop_uid: str
    rows: int | None = None
    columns: int | None = None
    number_of_frames: int | None = None
    bits_allocated: int | None = None
    bits_stored: int | None = None
    high_bit: int | None = None
    pixel_representation: int | None = None
    rescale_slope: float | None = None
    rescale_intercept: float | None = None
    has_modality_lut: bool = False
    real_world: tuple[float, ...] = ()
    scale_slope: float | None = None
    scale_intercept: float | None = None
    pixel_spacing_mm: tuple[float, ...] = ()
    position_lps: tuple[float, ...] = ()
    orientation_lps: tuple[float, ...] = ()
    slice_thickness_mm: float | None = None
    spacing_between_slices_mm: float | None = None
    echo_time_ms: float | None = None
    trigger_time_ms: float | None = None
    temporal_position: int | None = None
    acquisition_number: int | None = None
    instance_number: int | None = None
    b_value: float | None = None
    gradient: tuple[float, ...] = ()
    tiles: int | None = None
    frame_positions_lps: tuple[float, ...] = ()
    frame_orientations_lps: tuple[float, ...] = ()
    frame_pixel_spacings_mm: tuple[float, ...] = ()
    frame_slopes: tuple[float, ...] = ()
    frame_intercepts: tuple[float, ...] = ()
    frame_b_values: tuple[float, ...] = ()
    frame_gradients_lps: tuple[float, ...] = ()
    frame_echo_times_ms: tuple[float, ...] = ()
