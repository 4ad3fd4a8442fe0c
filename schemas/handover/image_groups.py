"""Images of a release, some thousand at a time: how they are labelled and made into rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from schemas.dicom.features import InstanceFeatures
from schemas.records import CohortLabels


class ImageGroup(Protocol):
    """Images that belong together: those of a site, or of sites that share an exam or a person.

    `digest` is over all that was committed of them; None where that cannot be told.
    `subjects`, `studies`, `series` are whatever one of them names.
    """

    @property
    def digest(self) -> str | None:
        """Over all that was committed of them."""

    @property
    def subjects(self) -> frozenset[str]:
        """Pseudonyms."""

    @property
    def studies(self) -> frozenset[str]:
        """StudyInstanceUIDs."""

    @property
    def series(self) -> frozenset[str]:
        """SeriesInstanceUIDs."""


#: Labels images that hang together; no exam and no person is in two calls.
LabelImages = Callable[[Sequence[InstanceFeatures]], CohortLabels]
#: Makes the rows of a group, and returns its labels: (group, digest of what is stated, label).
MakeRows = Callable[[ImageGroup, str, LabelImages], CohortLabels]
