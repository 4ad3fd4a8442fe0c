"""Whether measured metrics agree with ratings: area under the ROC curve per metric, with n.

    python benchmarks/analyst/metric_auc.py RELEASE

Of each subject and exam the newest rating by a reviewer counts; `inadequate` and `limited` are
the bad ones. Every volume of the exam's modality takes the rating of its exam, so volumes of one
exam are not independent: n counts exams, and the worst volume of an exam stands for it.
A metric may raise no more than information until this was done on real ratings.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

from tasks.measure.catalogue import load_catalogue
from tasks.measure.outliers import auc

#: Fewer exams of either kind than these give no estimate worth a threshold.
LEAST = 10
_RATED = """
WITH newest AS (
  SELECT subject_id, exam, arg_max(rating, rating_no) AS rating
  FROM image_quality WHERE rater_role = 'reviewer' AND rating IS NOT NULL GROUP BY ALL
)
SELECT m.metric, m.subject_id, n.exam, n.rating <> 'adequate' AS is_bad,
  list(m.value ORDER BY m.value) AS vals
FROM image_metric m
JOIN series s ON s.series_uid = m.series_uid AND s.sub_stack_digest = m.sub_stack_digest
JOIN newest n ON n.subject_id = m.subject_id
  AND n.exam = CASE s.modality WHEN 'CT' THEN 'ct' ELSE 'mri' END
WHERE m.value IS NOT NULL AND s.required_for_protocol
GROUP BY ALL ORDER BY ALL
"""


def main() -> None:
    database = Path(sys.argv[1]) / "cohort.duckdb"
    with duckdb.connect(str(database), read_only=True) as connection:
        rows = connection.execute(_RATED).fetchall()
    print(f"{'metric':24} {'adequate':>9} {'not':>5} {'AUC':>6}")
    for metric in load_catalogue().metrics:
        own = [row for row in rows if row[0] == metric.name]
        worst = [row[4][0] if metric.worse == "low" else row[4][-1] for row in own]
        bad = [bool(row[3]) for row in own]
        found = auc(worst, bad, metric.worse)
        n_bad = sum(bad)
        told = "-" if found is None else f"{found:.2f}"
        few = "" if min(n_bad, len(bad) - n_bad) >= LEAST else "  too few to say"
        print(f"{metric.name:24} {len(bad) - n_bad:9} {n_bad:5} {told:>6}{few}")


if __name__ == "__main__":
    main()
