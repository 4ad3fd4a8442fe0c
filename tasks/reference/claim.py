"""What the diagnosis form says of a lesion, before anybody held it against the record."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.clinical_rows import ClinicalRow
from schemas.protocol import read_protocol

MALIGNANT, BENIGN, INDETERMINATE = "malignant", "benign", "indeterminate"
PATHOLOGY, FOLLOW_UP, ADJUDICATION = "pathology", "followup", "adjudication"


@dataclass(frozen=True)
class Claim:
    """Label and route that the site entered; None each while it entered none."""

    label: str | None
    route: str | None

    @classmethod
    def of(cls, lesion: ClinicalRow) -> Claim:
        """Return the claim of a row of the diagnosis form."""
        route = lesion.text("reference_route")
        label = label_of(lesion.text("reference_class"))
        return cls(label, None if route == "none" else route)

    @property
    def accepted_routes(self) -> tuple[str, ...]:
        """Routes that section 5 of the protocol accepts for this label."""
        return read_protocol().accepted_routes.get(self.label or "", ())

    @property
    def names_other_route(self) -> bool:
        """Whether a route was entered that is not accepted for this label."""
        return self.route is not None and self.route not in self.accepted_routes


def label_of(code: str | None) -> str | None:
    """Return malignant, benign, indeterminate, or None for a pending or absent diagnosis."""
    protocol = read_protocol()
    if code in protocol.malignant_classes:
        return MALIGNANT
    if code in protocol.benign_classes:
        return BENIGN
    return INDETERMINATE if code == INDETERMINATE else None
