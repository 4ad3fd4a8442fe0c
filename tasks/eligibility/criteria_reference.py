"""I5 and E3: the reference standard, by pathology or by follow-up."""

from __future__ import annotations

from schemas.partial_dates import (
    PartialDate,
    days_between,
    is_at_or_after_months,
    is_between,
)
from schemas.states import Verdict
from tasks.eligibility.facts import Facts
from tasks.eligibility.protocol import read_protocol
from tasks.eligibility.verdicts import (
    Part,
    any_of,
    days_text,
    decided,
    met,
    not_met,
    undetermined,
)


def reference_standard(facts: Facts) -> Part:
    """I5: a specimen within 30 days after the baseline MRI, or three months of follow-up."""
    parts = [
        _unless_truncated(_pathology(facts), facts, "pathology"),
        _unless_truncated(_follow_up(facts), facts, "follow_up"),
    ]
    part = any_of(parts)
    if part.verdict is Verdict.NOT_MET:
        return not_met("NO_REFERENCE_EVIDENCE", part.observed)
    return part


def diagnosis_not_established(facts: Facts) -> Part:
    """E3: the diagnosis is indeterminate, or reached by a route that is not accepted."""
    diagnosis, route = facts.code("dx"), facts.code("route")
    if diagnosis is None:
        return undetermined("dx")
    if diagnosis == "indeterminate":
        return met("DIAGNOSIS_INDETERMINATE", diagnosis)
    if route is None:
        return undetermined("route", observed=diagnosis)
    seen = f"{diagnosis}/{route}"
    if route not in read_protocol().accepted_routes[diagnosis]:
        return met("ROUTE_NOT_ACCEPTED", seen)
    by_pathology = (diagnosis, route) == ("benign", "pathology")
    return not_met("BENIGN_BY_PATHOLOGY" if by_pathology else "NOT_EXCLUDED", seen)


def _pathology(facts: Facts) -> Part:
    mri, specimen = facts.date("mri"), facts.date("path_specimen")
    report = facts.date("path_report")
    if facts.is_none("path"):
        if specimen or report:
            return undetermined("path", reason="EVIDENCE_CONFLICT")
        return not_met("NO_REFERENCE_EVIDENCE", "no pathology")
    if specimen is None and report is None:
        return undetermined(*([] if mri else ["mri"]), "path_specimen")
    if mri is None:
        return undetermined("mri")
    if specimen is None:
        return _bounded_by_report(mri, report)
    return _specimen_in_window(facts, mri, specimen, report)


def _specimen_in_window(
    facts: Facts, mri: PartialDate, specimen: PartialDate, report: PartialDate | None
) -> Part:
    low, high = days_between(mri, specimen)
    if report is not None:
        if specimen.earliest > report.latest:
            return undetermined("path_specimen", "path_report", reason="EVIDENCE_CONFLICT")
        high = min(high, (report.latest - mri.earliest).days)
    window = int(read_protocol().limit("pathology_window_days"))
    verdict = is_between(low, high, at_least=0, at_most=window)
    seen = days_text("specimen - MRI", (low, high))
    part = decided(verdict, facts, ("path_specimen", "mri"), "NO_REFERENCE_EVIDENCE", seen)
    return met("PATHOLOGY_IN_WINDOW", seen) if verdict is Verdict.MET else part


def _bounded_by_report(mri: PartialDate, report: PartialDate | None) -> Part:
    """Decide from the report alone: the tissue was taken on its day or any time before."""
    if report is not None and report.latest < mri.earliest:
        return not_met("NO_REFERENCE_EVIDENCE", "report before MRI")
    return undetermined("path_specimen", reason="SPECIMEN_DATE_UNKNOWN")


def _follow_up(facts: Facts) -> Part:
    mri, image, closed = facts.date("mri"), facts.date("fu"), facts.flag("fu_closed")
    if facts.is_none("fu") or (image is None and closed):
        return not_met("NO_REFERENCE_EVIDENCE", "no follow-up image")
    if image is None or mri is None:
        return undetermined(*[key for key in ("fu", "mri") if facts.date(key) is None])
    months = int(read_protocol().limit("follow_up_months"))
    verdict = is_at_or_after_months(mri, image, months)
    seen = days_text("follow-up - MRI", days_between(mri, image))
    if verdict is Verdict.NOT_MET and not closed:
        return undetermined("fu", reason="FOLLOW_UP_OPEN", observed=seen)
    if verdict is Verdict.MET and facts.flag("fu_treated"):
        return undetermined("fu", reason="TREATED_BEFORE_FOLLOW_UP", observed=seen)
    part = decided(verdict, facts, ("fu", "mri"), "NO_REFERENCE_EVIDENCE", seen)
    return met("FOLLOW_UP_LONG_ENOUGH", seen) if verdict is Verdict.MET else part


def _unless_truncated(part: Part, facts: Facts, window: str) -> Part:
    """Keep a window open that the end of the study cuts short: it cannot be failed (D21)."""
    mri = facts.date("mri")
    if part.verdict is Verdict.MET or mri is None:
        return part
    study = read_protocol().study
    last = {
        "follow_up": study.last_baseline_mri_for_follow_up,
        "pathology": study.last_baseline_mri_for_pathology,
    }[window]
    if mri.earliest <= last:
        return part
    fact = "fu" if window == "follow_up" else "path_specimen"
    return undetermined(fact, reason="WINDOW_TRUNCATED", observed=part.observed)
