"""3 000 subjects decided under every reading: seconds, memory, and whether the flow closes.

    PYTHONPATH=. python benchmarks/eligibility/cohort.py [--subjects 3000]

The subjects are those of a simulated site of 150, copied under other pseudonyms.
"""

from __future__ import annotations

import argparse
import resource
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pyarrow as pa

from schemas.clinical_rows import ClinicalRow
from schemas.identifiers import SiteCode, SubjectId
from schemas.records import CohortLabels
from schemas.vault.keys import KeyRing
from tasks.clinical.merge import merge_batches
from tasks.eligibility.assemble import assemble_cohort
from tasks.publish.checks import check_flow
from tasks.reference.judge import judge_subject
from tasks.simulate.nights import Request, plan_nights
from tests.unit.eligibility.simulated import batch_of_forms, planned_forms, true_labels

_SITE, _OWN = SiteCode("S91"), 150


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=3000)
    options = parser.parse_args()
    ring = KeyRing(bytes(range(32)))
    request = Request(sites=1, subjects=_OWN, nights=2, seed=3, faults=())
    exports = [night.export for night in plan_nights(request)]
    rows = merge_batches(
        [batch_of_forms(_SITE, str(e.night), planned_forms(e)) for e in exports], ring
    ).rows
    labels = true_labels([row for export in exports for row in export.labels], ring)
    copies = range(options.subjects // _OWN)
    all_rows = [_row(row, n) for n in copies for row in rows]
    all_labels = _labels(labels, copies)
    before, peak = _cpu_seconds(), _peak_mb()
    tables = assemble_cohort(all_rows, all_labels, judge_subject).tables
    seconds = _cpu_seconds() - before
    broken = check_flow(pa.Table.from_pylist(tables["stard_flow"]))
    subjects = {str(row["subject_id"]) for row in tables["eligibility"]}
    print(
        f"{len(subjects)} subjects, {len(all_rows)} form rows, {len(all_labels.series)} series: "
        f"{len(tables['criterion_result'])} verdicts, {len(tables['stard_flow'])} flow nodes, "
        f"{len(broken)} that do not close; {seconds:.1f} CPU s, peak {_peak_mb():.0f} MB "
        f"({peak:.0f} before)\n"
    )
    print("| reading | eligible | ineligible | undetermined |\n|---|---|---|---|")
    counts = Counter((str(r["reading"]), str(r["status"])) for r in tables["eligibility"])
    for reading in dict.fromkeys(str(row["reading"]) for row in tables["eligibility"]):
        n = [counts[reading, status] for status in ("eligible", "ineligible", "undetermined")]
        print(f"| {reading} | {n[0]} | {n[1]} | {n[2]} |")


def _row(row: ClinicalRow, copy: int) -> ClinicalRow:
    return replace(row, subject_id=SubjectId(f"{row.subject_id}{copy:03}"))


def _labels(labels: CohortLabels, copies: Iterable[int]) -> CohortLabels:
    series, studies = [], []
    for n in copies:
        for label in labels.series:
            uid = f"{label.study_uid}.{n}"
            subject = f"{label.subject_id}{n:03}"
            series.append(replace(label, subject_id=subject, study_uid=uid))
        for study in labels.studies:
            uid, subject = f"{study.study_uid}.{n}", f"{study.subject_id}{n:03}"
            studies.append(replace(study, subject_id=subject, study_uid=uid))
    return CohortLabels(series=tuple(series), studies=tuple(studies))


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
