"""Why bytes cannot be scanned as elements."""

from __future__ import annotations


class ScanError(Exception):
    """The bytes do not scan as DICOM; carries no value from the file."""


class TruncatedError(ScanError):
    """The bytes end before the element does."""


class ContradictionError(ScanError):
    """An element stands twice with two values: nobody knows which is meant."""

    def __init__(self, tag: int) -> None:
        super().__init__("an element stands twice with two values")
        self.tag = tag


class NotDicomError(ScanError):
    """The bytes are not a DICOM file at all."""
