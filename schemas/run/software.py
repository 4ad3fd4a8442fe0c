"""Which software made something: the version that stands in every batch and release."""

from __future__ import annotations

from importlib.metadata import version


def software_version() -> str:
    """Return the installed version of livercohort."""
    return version("livercohort")
