"""The two windows of the reference standard (I5), as the decisions in force count them."""

from __future__ import annotations

from schemas.partial_dates import PartialDate, days_between, is_at_or_after_months, is_between
from schemas.protocol import Choices, read_protocol
from schemas.states import Verdict


def is_long_enough(mri: PartialDate, image: PartialDate, choices: Choices) -> Verdict:
    """Return whether a follow-up image lies three months or more after the MRI (D12).

    Parameters
    ----------
    mri, image : PartialDate
        Real dates.
    choices : mapping of decision id to option
        Those of one reading.
    """
    protocol, unit = read_protocol(), choices["D12"]
    if unit == "calendar_months":
        return is_at_or_after_months(mri, image, int(protocol.limit("follow_up_months")))
    days = int(protocol.limit(f"follow_up_{unit}"))
    low, high = days_between(mri, image)
    return is_between(low, high, at_least=days, at_most=max(high, days))


def pathology_days(choices: Choices) -> tuple[int, int]:
    """Return the first and last day of the window of pathology, from the baseline MRI (D09)."""
    days = int(read_protocol().limit("pathology_window_days"))
    return (-days if choices["D09"] == "either_way" else 0), days
