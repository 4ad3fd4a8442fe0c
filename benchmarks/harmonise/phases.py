"""Exam-level contrast phases on adversarial simulated exams of all vendors.

    python benchmarks/harmonise/phases.py [--exams 600] [--first-seed 1] [--show wrong|abstained]

Weights were set on seeds below 100 000; `--first-seed 500000` is held out. An answer that
names no phase (UNCLASSIFIED, post-contrast, container) for an enhanced image is an abstention.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

from exams import make_exam

from tasks.harmonise.exam import label_instances

ABSTAINED = "abstained"
_UNSURE = frozenset({"UNCLASSIFIED", "MR_T1_POST", "CT_CE", "MR_T1_DYN", "CT_MULTI"})
_LATE = ("CT_DEL", "MR_T1_DEL", "MR_T1_TRANS")


def main() -> None:
    """Print the confusion matrix, F1 by label, and the shares of wrong and abstained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exams", type=int, default=600)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--show", choices=["wrong", "abstained"])
    options = parser.parse_args()
    confusion: Counter[tuple[str, str]] = Counter()
    troubles: dict[str, Counter[str]] = {}
    tiers: Counter[tuple[str, bool]] = Counter()
    seconds, n_series = 0.0, 0
    for seed in range(options.first_seed, options.first_seed + options.exams):
        exam = make_exam(seed)
        n_series += len({m.series_uid for m in exam.instances})
        start = time.process_time()
        rows = label_instances(exam.instances).series
        seconds += time.process_time() - start
        said = {row.sub_stack_digest: row for row in rows}
        for digest, truth in exam.truth.items():
            row = said.get(digest)
            answer = row.label if row is not None else "UNCLASSIFIED"
            unsure = answer in _UNSURE and not (
                answer in ("MR_T1_POST", "CT_CE") and _is_pre(truth)
            )
            answer = ABSTAINED if unsure else answer
            confusion[truth, answer] += 1
            outcome = "right" if answer == truth else ABSTAINED if unsure else "wrong"
            if row is not None and not unsure:
                tiers[row.label_tier, answer == truth] += 1
            for trouble in sorted(exam.troubles) or ["none"]:
                troubles.setdefault(trouble, Counter())[outcome] += 1
            if outcome == options.show:
                evidence = row.label_evidence if row is not None else ()
                print(exam.name, sorted(exam.troubles), truth, "->", answer, *evidence, sep=" | ")
    _print(confusion, troubles, tiers)
    print(f"{n_series / seconds:,.0f} series/s of processor time")


def _is_pre(label: str) -> bool:
    return label in ("MR_T1_PRE", "CT_NC")


def _print(
    confusion: Counter[tuple[str, str]],
    troubles: dict[str, Counter[str]],
    tiers: Counter[tuple[str, bool]],
) -> None:
    truths = sorted({t for t, _ in confusion})
    answers = [*truths, *sorted({a for _, a in confusion} - set(truths))]
    print(f"{'truth':<12}" + "".join(f"{a.removeprefix('MR_T1_'):>11}" for a in answers))
    for t in truths:
        print(f"{t:<12}" + "".join(f"{confusion[t, a]:>11}" for a in answers))
    f1 = {t: _f1(confusion, (t,)) for t in truths}
    print("F1: " + ", ".join(f"{t} {value:.3f}" for t, value in f1.items()))
    total = sum(confusion.values())
    wrong = sum(n for (t, a), n in confusion.items() if a not in (t, ABSTAINED))
    unsure = sum(n for (_, a), n in confusion.items() if a == ABSTAINED)
    print(f"macro-F1 {sum(f1.values()) / len(f1):.3f}, delayed F1 {_f1(confusion, _LATE):.3f}")
    print(f"{total} parts: wrong {wrong / total:.2%}, abstained {unsure / total:.2%}")
    for tier in sorted({t for t, _ in tiers}):
        right, bad = tiers[tier, True], tiers[tier, False]
        print(f"tier {tier}: {right + bad} named, precision {right / (right + bad):.4f}")
    for trouble, found in sorted(troubles.items()):
        n = sum(found.values())
        print(f"  {trouble:<20}{n:>6}  wrong {found['wrong']:>4}  abstained {found[ABSTAINED]:>5}")


def _f1(confusion: Counter[tuple[str, str]], labels: tuple[str, ...]) -> float:
    """Return the F1 of a label; of several, their parts pooled, each still to be exact."""
    hit = sum(confusion[label, label] for label in labels)
    truth = sum(n for (t, _), n in confusion.items() if t in labels)
    said = sum(n for (_, a), n in confusion.items() if a in labels)
    return 2 * hit / (truth + said) if truth + said else 0.0


if __name__ == "__main__":
    main()
