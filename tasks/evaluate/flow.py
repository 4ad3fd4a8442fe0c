"""The STARD flow continued: eligible, index test, its result, the reference behind it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tasks.evaluate.cohort import Cohort, Subject
from tasks.evaluate.patients import Result
from tasks.evaluate.rows import Row

ALL_SITES = "all"
_GOAL = "eligible"
#: Nodes below `eligible`: id, parent, labels.
_TESTED = (
    ("index_done", _GOAL, "Index test done", "指标试验已完成"),
    ("index_failed", _GOAL, "Index test failed", "指标试验失败"),
    ("index_rejected", _GOAL, "Input rejected by the index test", "输入被指标试验拒绝"),
    ("index_not_run", _GOAL, "Index test not run", "未进行指标试验"),
)
_CALLS = (
    ("index_positive", "Index test positive", "指标试验阳性"),
    ("index_negative", "Index test negative", "指标试验阴性"),
    ("index_indeterminate", "Index test indeterminate", "指标试验不确定"),
    ("index_no_result", "Index test without result", "指标试验无结果"),
)
_REFERENCES = (
    ("malignant", "Reference standard: malignant", "参考标准：恶性"),
    ("benign", "Reference standard: benign", "参考标准：良性"),
    ("partially_verified", "Reference standard: partially verified", "参考标准：部分验证"),
    ("none", "Reference standard: none", "参考标准：无"),
)
_FAILED = {"failed": "index_failed", "rejected_input": "index_rejected"}


def flow_rows(cohort: Cohort, results: Sequence[Result]) -> Iterator[Row]:
    """Yield the rows of `evaluation_flow`: those of the release to `eligible`, then ours.

    Parameters
    ----------
    cohort : Cohort
        The release with its flow.
    results : sequence of Result
        One for each row of the run.
    """
    by_subject = {one.subject.subject_id: one for one in results}
    groups: dict[tuple[str, str], list[Mapping[str, object]]] = {}
    for row in cohort.flow:
        groups.setdefault((str(row["reading"]), str(row["site_code"])), []).append(row)
    for (reading, site), rows in sorted(groups.items()):
        ordered = sorted(rows, key=lambda row: int(str(row["node_order"])))
        kept = [row for row in ordered if row["parent_id"] != _GOAL]
        eligible = [
            subject
            for subject in cohort.subjects.values()
            if subject.is_eligible(reading) and site in (ALL_SITES, subject.site)
        ]
        counts = _counts(eligible, by_subject)
        more = [_node(reading, site, *node, counts) for node in flow_nodes()]
        for order, row in enumerate([*kept, *more], start=1):
            yield {**row, "node_order": order}


def flow_nodes() -> list[tuple[str, str, str, str]]:
    """Return the nodes below `eligible` in drawing order: id, parent, labels."""
    nodes = [_TESTED[0]]
    for call, en, zh in _CALLS:
        nodes.append((call, "index_done", en, zh))
        nodes += [
            (f"{call}_{name}", call, f"{en}; {label.lower()}", f"{zh}；{chinese}")
            for name, label, chinese in _REFERENCES
        ]
    return [*nodes, *_TESTED[1:]]


def _node(
    reading: str, site: str, node: str, parent: str, en: str, zh: str, counts: Counter[str]
) -> Row:
    return {
        "reading": reading,
        "site_code": site,
        "node_id": node,
        "parent_id": parent,
        "label_en": en,
        "label_zh": zh,
        "n": counts[node],
    }


def _counts(eligible: Sequence[Subject], results: Mapping[str, Result]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for subject in eligible:
        result = results.get(subject.subject_id)
        if result is None:
            counts["index_not_run"] += 1
        elif result.outcome in _FAILED:
            counts[_FAILED[result.outcome]] += 1
        else:
            call = f"index_{result.outcome}"
            counts.update(("index_done", call, f"{call}_{_reference(subject)}"))
    return counts


def _reference(subject: Subject) -> str:
    if subject.partially_verified:
        return "partially_verified"
    return {True: "malignant", False: "benign", None: "none"}[subject.proven]
