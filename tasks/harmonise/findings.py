"""What labelling finds besides labels: decisions about parts that are gone, refused rules."""

from __future__ import annotations

from collections.abc import Mapping

from schemas.finding_texts import make_finding
from schemas.records import CohortLabels, Finding
from tasks.harmonise.overrides import Key, Override, stale_overrides

_FOLDER = "sequence_labels"


def label_findings(
    labels: CohortLabels, overrides: Mapping[Key, Override], kept_version: str | None = None
) -> list[Finding]:
    """Return the findings of labelling the whole cohort.

    `kept_version` is the version that stays in force when the newest was refused. A decision
    about a series of which nothing is left, as after a withdrawal, concerns no site and is
    left out.
    """
    site_of = {s.series_uid: (s.subject_id or "").partition("-")[0] for s in labels.series}
    present = {(s.series_uid, s.sub_stack_digest) for s in labels.series}
    findings = [
        make_finding(
            _FOLDER,
            "LABEL_OVERRIDE_STALE",
            site_of[stale.series_uid],
            object_type="series",
            object_id=f"{stale.series_uid}/{stale.sub_stack_digest}",
            column="label",
            observed=stale.label,
        )
        for stale in stale_overrides(overrides, present, all_series=False)
    ]
    findings += [
        make_finding(
            _FOLDER,
            note.rule_id,
            (note.subject_id or "").partition("-")[0],
            object_type="imaging_study",
            object_id=note.study_uid,
            observed=note.observed,
        )
        for note in labels.notes
    ]
    if kept_version is not None:
        findings += [
            make_finding(
                _FOLDER,
                "LABEL_RULES_REFUSED",
                site,
                object_type="table",
                object_id="sequence_labels",
                observed=kept_version,
            )
            for site in sorted(set(filter(None, site_of.values())))
        ]
    return findings
