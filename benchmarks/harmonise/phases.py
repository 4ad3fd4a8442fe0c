"""Exam-level contrast phases on adversarial simulated exams of all vendors.

    python benchmarks/harmonise/phases.py [--exams 600] [--first-seed 1] [--show wrong|abstained]

Weights were set on seeds below 100 000; `--first-seed 500000` is held out. An answer that
names no phase (UNCLASSIFIED, post-contrast, container) for an enhanced image is an abstention.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from dataclasses import dataclass, field

from exams import make_exam

from tasks.harmonise.exam import label_instances

ABSTAINED = "abstained"
_UNSURE = frozenset({"UNCLASSIFIED", "MR_T1_POST", "CT_CE", "MR_T1_DYN", "CT_MULTI"})
_LATE = ("CT_DEL", "MR_T1_DEL", "MR_T1_TRANS")


@dataclass
class Measured:
    """What was counted: (truth, answer), outcomes by trouble, rightness by tier, speed.

    Parts of exams that tell nothing of contrast are counted apart: `silent` by whether named.
    """

    confusion: Counter[tuple[str, str]] = field(default_factory=Counter)
    troubles: dict[str, Counter[str]] = field(default_factory=dict)
    tiers: Counter[tuple[str, bool]] = field(default_factory=Counter)
    silent: Counter[bool] = field(default_factory=Counter)
    seconds: float = 0.0
    n_series: int = 0

    @property
    def truths(self) -> list[str]:
        """The true labels, in order."""
        return sorted({truth for truth, _ in self.confusion})

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the true labels."""
        return sum(self.f1(truth) for truth in self.truths) / len(self.truths)

    @property
    def delayed_f1(self) -> float:
        """F1 of the delayed and transitional labels pooled, each still to be exact."""
        return self.f1(*_LATE)

    @property
    def wrong(self) -> float:
        """Share of parts with a wrong phase rather than none."""
        wrong = sum(n for (t, a), n in self.confusion.items() if a not in (t, ABSTAINED))
        return wrong / self.confusion.total()

    @property
    def abstained(self) -> float:
        """Share of parts without a phase."""
        unsure = sum(n for (_, a), n in self.confusion.items() if a == ABSTAINED)
        return unsure / self.confusion.total()

    def f1(self, *labels: str) -> float:
        """Return the F1 of a label; of several, their parts pooled."""
        hit = sum(self.confusion[label, label] for label in labels)
        truth = sum(n for (t, _), n in self.confusion.items() if t in labels)
        said = sum(n for (_, a), n in self.confusion.items() if a in labels)
        return 2 * hit / (truth + said) if truth + said else 0.0


def main() -> None:
    """Print the confusion matrix, F1 by label, and the shares of wrong and abstained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exams", type=int, default=600)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--show", choices=["wrong", "abstained"])
    options = parser.parse_args()
    _print(measure(options.first_seed, options.exams, options.show))


def measure(first_seed: int, n_exams: int, show: str | None = None) -> Measured:
    """Label the exams of consecutive seeds and count; print those with the outcome `show`."""
    found = Measured()
    for seed in range(first_seed, first_seed + n_exams):
        exam = make_exam(seed)
        found.n_series += len({m.series_uid for m in exam.instances})
        start = time.process_time()
        rows = label_instances(exam.instances).series
        found.seconds += time.process_time() - start
        said = {row.sub_stack_digest: row for row in rows}
        for digest, truth in exam.truth.items():
            row = said.get(digest)
            answer = row.label if row is not None else "UNCLASSIFIED"
            unsure = answer in _UNSURE and not (
                answer in ("MR_T1_POST", "CT_CE") and _is_pre(truth)
            )
            answer = ABSTAINED if unsure else answer
            if not exam.tells_of_contrast:
                found.silent[not unsure and not _is_pre(truth)] += 1
                continue
            found.confusion[truth, answer] += 1
            outcome = "right" if answer == truth else ABSTAINED if unsure else "wrong"
            if row is not None and not unsure:
                found.tiers[row.label_tier, answer == truth] += 1
            for trouble in sorted(exam.troubles) or ["none"]:
                found.troubles.setdefault(trouble, Counter())[outcome] += 1
            if outcome == show:
                evidence = row.label_evidence if row is not None else ()
                print(exam.name, sorted(exam.troubles), truth, "->", answer, *evidence, sep=" | ")
    return found


def _is_pre(label: str) -> bool:
    return label in ("MR_T1_PRE", "CT_NC")


def _print(found: Measured) -> None:
    truths = found.truths
    answers = [*truths, *sorted({a for _, a in found.confusion} - set(truths))]
    print(f"{'truth':<12}" + "".join(f"{a.removeprefix('MR_T1_'):>11}" for a in answers))
    for t in truths:
        print(f"{t:<12}" + "".join(f"{found.confusion[t, a]:>11}" for a in answers))
    print("F1: " + ", ".join(f"{t} {found.f1(t):.3f}" for t in truths))
    print(f"macro-F1 {found.macro_f1:.3f}, delayed F1 {found.delayed_f1:.3f}")
    n_parts = found.confusion.total()
    print(f"{n_parts} parts: wrong {found.wrong:.2%}, abstained {found.abstained:.2%}")
    for tier in sorted({t for t, _ in found.tiers}):
        right, bad = found.tiers[tier, True], found.tiers[tier, False]
        print(f"tier {tier}: {right + bad} named, precision {right / (right + bad):.4f}")
    print(
        f"exams that tell nothing of contrast: {found.silent[True]} of "
        f"{found.silent.total()} parts named"
    )
    for trouble, outcomes in sorted(found.troubles.items()):
        wrong, unsure = outcomes["wrong"], outcomes[ABSTAINED]
        n = outcomes.total()
        print(f"  {trouble:<20}{n:>6}  wrong {wrong:>4}  abstained {unsure:>5}")
    print(f"{found.n_series / found.seconds:,.0f} series/s of processor time")


if __name__ == "__main__":
    main()
