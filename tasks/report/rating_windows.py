"""The windows a reader may choose from on the rating page, as shares of what a sheet holds."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.report.pictures import CT_SHEET_HU, CT_WINDOW_HU

#: Windows of CT in HU, the first is the one a page opens with.
_CT_HU = (
    ("liver", CT_WINDOW_HU),
    ("narrow", (20.0, 170.0)),
    ("abdomen", (-160.0, 240.0)),
    ("wide", CT_SHEET_HU),
)
#: MR has no units: shares of the grey scale that the phases of an exam have in common.
_MR_SHARES = (("full", (0.0, 1.0)), ("bright", (0.0, 0.6)), ("contrast", (0.2, 0.8)))


@dataclass(frozen=True)
class RatingWindow:
    """One window: shares of the sheet shown as black and white, and its limits where it has any."""

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
