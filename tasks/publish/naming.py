"""Names of released volumes: BIDS in style, declared where BIDS has no word.

BIDS knows neither CT nor liver contrast phases; `ct/`, the `phase-` entity and the suffix `ct`
are ours. The `acq-` entity carries the sub-stack digest, so a name depends on its own volume
only and never on what else a subject has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

NIFTI_SUFFIX = ".nii.gz"
SIDECAR_SUFFIXES = (".json", ".bval", ".bvec")

_SESSIONS = {
    "baseline_ct": "baseline",
    "dce_mri": "baseline",
    "eob_mri": "baseline",
    "followup": "followup",
}
_PHASES = {
    "pre": "native",
    "art": "arterial",
    "pvp": "portalvenous",
    "del": "delayed",
    "trans": "transitional",
    "hbp": "hepatobiliary",
    "post": "postcontrast",
    "multi": "multiphase",
}
_SUFFIXES = {"T1": "T1w", "T2": "T2w", "DWI": "dwi", "ADC": "adc", "CT": "ct"}
_WITHOUT_AGENT = {"none", "unknown"}
_NOT_ALPHANUMERIC = re.compile(r"[^0-9A-Za-z]")


@dataclass(frozen=True, kw_only=True)
class VolumeFacts:
    """What the name of a volume says."""

    subject_id: str
    sub_stack_digest: str
    modality: str | None
    role: str
    label: str
    weighting: str
    contrast_phase: str | None
    contrast_agent_class: str


def nifti_path(facts: VolumeFacts) -> str:
    """Return the path of a volume inside a release folder, always with forward slashes.

    Examples
    --------
    `nifti/sub-S917K3QF2ZN/ses-baseline/mr/`
    `sub-S917K3QF2ZN_ses-baseline_acq-0123456789abcdef_ce-gadoxetate_phase-arterial_T1w.nii.gz`
    """
    subject = f"sub-{_NOT_ALPHANUMERIC.sub('', facts.subject_id)}"
    session = f"ses-{_SESSIONS.get(facts.role, 'other')}"
    entities = [subject, session, f"acq-{facts.sub_stack_digest}"]
    phase = _PHASES.get(facts.contrast_phase or "")
    if phase not in (None, "native") and facts.contrast_agent_class not in _WITHOUT_AGENT:
        entities.append(f"ce-{facts.contrast_agent_class}")
    if phase:
        entities.append(f"phase-{phase}")
    suffix = _SUFFIXES.get(facts.weighting)
    if suffix is None or facts.label == "UNCLASSIFIED":
        suffix = _NOT_ALPHANUMERIC.sub("", facts.label).lower()
    folder = "mr" if facts.modality == "MR" else "ct" if facts.modality == "CT" else "other"
    return f"nifti/{subject}/{session}/{folder}/{'_'.join([*entities, suffix])}{NIFTI_SUFFIX}"


def sidecar_path(path: str, suffix: str) -> str:
    """Return the path of the file that stands beside a volume, e.g. its `.bval`."""
    return path.removesuffix(NIFTI_SUFFIX) + suffix
