"""What a DICOM validator said of one object of a series, as delivered and as written."""

from __future__ import annotations

from dataclasses import dataclass

CONFORMITY_TABLE = "conformity"


@dataclass(frozen=True)
class ConformityRow:
    """One object of one series; of a value neither validator nor row says anything.

    Parameters
    ----------
    sop_uid, series_uid : str
        The object that stands for the series: mapped UIDs.
    validator : str
        Program and version; empty where none was there.
    not_checked : str
        Why nothing can be said; empty where both objects were read.
    delivered_errors, delivered_warnings, released_errors, released_warnings : int
        Lines of the validator.
    new_errors, new_warnings : int
        Lines about the object written that the delivered one does not have.
    new_lines : tuple of str
        Their kinds: severity, attribute and message, in order.
    """

    sop_uid: str
    series_uid: str
    validator: str
    not_checked: str = ""
    delivered_errors: int = 0
    delivered_warnings: int = 0
    released_errors: int = 0
    released_warnings: int = 0
    new_errors: int = 0
    new_warnings: int = 0
    new_lines: tuple[str, ...] = ()
