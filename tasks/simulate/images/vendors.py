"""What vendors are called, and the frames of a series in the order they number them."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.simulate.people.hospitals import Vendor
from tasks.simulate.people.protocols import SeriesPlan

MANUFACTURERS = {
    Vendor.SIEMENS: "SIEMENS",
    Vendor.GE: "GE MEDICAL SYSTEMS",
    Vendor.PHILIPS: "Philips Medical Systems",
    Vendor.UIH: "UIH",
    Vendor.CANON: "TOSHIBA",
    Vendor.NEUSOFT: "Neusoft Medical Systems",
}
SOFTWARE = {
    Vendor.SIEMENS: "syngo MR E11",
    Vendor.GE: "27\\LX\\MR Software release:DV26.0_R03",
    Vendor.PHILIPS: "5.6.1\\5.6.1.0",
    Vendor.UIH: "uMR V10",
    Vendor.CANON: "V3.50*R546",
    Vendor.NEUSOFT: "NMS 2.1",
}
PHILIPS_SCALE_SLOPE = 0.0125
PHILIPS_RESCALE_SLOPE = 1.25


@dataclass(frozen=True)
class Frame:
    """One image of a series: which slice, which pass, which echo, which b-value."""

    instance_number: int
    slice_index: int
    phase_index: int
    echo_index: int
    b_value: float | None


def frames_of(plan: SeriesPlan) -> list[Frame]:
    """Return the frames by InstanceNumber: passes, then echoes or b-values, then slices.

    An image with tiles holds all slices of a volume; it counts as one frame.
    """
    frames: list[Frame] = []
    for phase in range(len(plan.phases)):
        for echo in range(len(plan.physics.echo_times_ms)):
            for b_value in plan.b_values or (None,):
                before = len(frames)
                frames.extend(
                    Frame(before + index + 1, index, phase, echo, b_value)
                    for index in range(1 if plan.tiles else plan.n_slices)
                )
    return frames
