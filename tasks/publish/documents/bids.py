"""The description of `nifti/` as BIDS asks for it, and where our names leave BIDS. Pure."""

from __future__ import annotations

from schemas.run.atomic_files import canonical_json
from tasks.publish.facts import ReleaseFacts

#: The version whose words the names use, as far as it has words.
BIDS_VERSION = "1.10.0"
_README = """\
# Volumes of release {version}

The names follow BIDS {bids} in style. The folder is no valid BIDS dataset, because BIDS has no
word for what a liver cohort needs:

- `ct/` and the suffix `ct`: BIDS has no computed tomography;
- `mr/` stands where BIDS has `anat/` and `dwi/`; `localizer` and `adc` are suffixes of ours;
- `phase-` names the contrast phase: native, arterial, portalvenous, transitional, delayed,
  hepatobiliary, postcontrast, multiphase;
- `acq-` is the digest of the sub-stack, the key that `series` and `nifti_volume` share;
- `ses-` is the part of the protocol that an exam fills: baseline, followup, other.

Read the paths from `nifti_volume.rel_path`; labels, times and verdicts stand in the tables.
"""


def bids_files(version: str, facts: ReleaseFacts) -> dict[str, bytes]:
    """Return `nifti/dataset_description.json` and the README beside it, by path."""
    description = {
        "Name": f"Liver imaging cohort, release {version}",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "raw",
        "License": "Access as the protocol and the consent of the subjects allow.",
        "GeneratedBy": [{"Name": "livercohort", "Version": facts.software_version}],
        "HowToAcknowledge": f"Cite livercohort:{version} and the content hash in manifest.json.",
    }
    return {
        "nifti/dataset_description.json": canonical_json(description),
        "nifti/README.md": _README.format(version=version, bids=BIDS_VERSION).encode(),
    }
