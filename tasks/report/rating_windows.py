"""The windows of the rating page, as shares of what a sheet holds, and of reduced volumes."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.report.pictures import CT_SHEET_HU, CT_WINDOW_HU
from tasks.report.reduced_volumes import PERCENTILES

#: Windows of CT in HU, the first is the one a page opens with.
_CT_HU = (
    ("liver", CT_WINDOW_HU),
    ("narrow", (20.0, 170.0)),
    ("abdomen", (-160.0, 240.0)),
    ("wide", CT_SHEET_HU),
)
#: MR has no units: shares of the grey scale that the phases of an exam have in common.
_MR_SHARES = (("full", (0.0, 1.0)), ("bright", (0.0, 0.6)), ("contrast", (0.2, 0.8)))
#: Windows of a reduced volume: HU of CT (the widest covers lung and bone), percentiles of MR.
_VOLUME_HU = (
    ("liver", CT_WINDOW_HU),
    ("soft", (-160.0, 240.0)),
    ("bone", (-450.0, 1050.0)),
    ("wide", (-1000.0, 1000.0)),
)
_VOLUME_PERCENTILES = (
    ("full", (PERCENTILES[0], PERCENTILES[3])),
    ("bright", (PERCENTILES[0], PERCENTILES[2])),
    ("upper", (PERCENTILES[1], PERCENTILES[4])),
)


@dataclass(frozen=True)
class RatingWindow:
    """One window: what is shown as black and as white, and its limits where it has any."""

    name: str
    low: float
    high: float
    limits: str


def rating_windows(exam: str) -> tuple[RatingWindow, ...]:
    """Return the windows of an exam, `ct` or `mri`."""
    if exam != "ct":
        return tuple(RatingWindow(name, *shares, "") for name, shares in _MR_SHARES)
    first, last = CT_SHEET_HU
    return tuple(
        RatingWindow(
            name=name,
            low=round((low - first) / (last - first), 4),
            high=round((high - first) / (last - first), 4),
            limits=f"{low:g} – {high:g} HU",
        )
        for name, (low, high) in _CT_HU
    )


def volume_windows(*, is_ct: bool) -> tuple[RatingWindow, ...]:
    """Return the windows of reduced volumes: limits in HU for CT, in percentiles for MR."""
    return tuple(
        RatingWindow(name, low, high, f"{low:g} – {high:g} {'HU' if is_ct else '%'}")
        for name, (low, high) in (_VOLUME_HU if is_ct else _VOLUME_PERCENTILES)
    )
