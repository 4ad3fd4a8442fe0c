"""Play the attacker on shared counts of made cohorts: how many small cells can be told.

    PYTHONPATH=. python benchmarks/publish/attack.py [--rounds 20] [--sites 28]

Each round makes a flow like the cohort's (sites x leaves, many of them small), shares it, lets
the cohort grow, shares it again, and attacks both by linear programming with everything shown,
apart from the code that decides. Primary suppression alone is attacked beside it.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_array

from tasks.publish.disclosure import SHARED_PER_SITE, THRESHOLD, Count, flow_counts, protect

TREE = {
    "screened": None,
    "not_enrolled": "screened",
    "enrolled": "screened",
    "consent_withdrawn": "enrolled",
    "consent_unknown": "enrolled",
    "assessed": "enrolled",
    "excluded": "assessed",
    **{f"excluded_{name}": "excluded" for name in ("I1", "I2", "I3", "I4", "I5", "E1", "E2", "E3")},
    "undetermined": "assessed",
    **{f"undetermined_{n}": "undetermined" for n in range(8)},
    "window_truncated": "assessed",
    "eligible": "assessed",
    "reference_malignant": "eligible",
    "reference_benign": "eligible",
    "reference_pending": "eligible",
}
LEAVES = sorted(set(TREE) - {parent for parent in TREE.values() if parent})
People = dict[tuple[str, str], int]


def flow(people: People, sites: Sequence[str]) -> list[dict[str, object]]:
    """Return rows of `stard_flow` for people by site and leaf."""
    rows: list[dict[str, object]] = []
    for code in ("all", *sites):
        totals = dict.fromkeys(TREE, 0)
        for (site, leaf), n in people.items():
            node: str | None = leaf if code in ("all", site) else None
            while node:
                totals[node] += n
                node = TREE[node]
        rows += [
            {"reading": "literal", "site_code": code, "node_id": node, "parent_id": up}
            | {"n": totals[node]}
            for node, up in TREE.items()
        ]
    return rows


def told(counts: Sequence[Count], older: Sequence[Count]) -> int:
    """Return how many small counts every solution puts below the threshold or on one number."""
    size = 1 + max(atom for count in counts for atom in count.atoms)
    known = [(c, 0) for c in counts if c.shown] + [(c, size) for c in older if c.shown]
    at = [(row, shift + atom) for row, (c, shift) in enumerate(known) for atom in c.atoms]
    rows, columns = (list(part) for part in zip(*at, strict=True))
    equal = csr_array((np.ones(len(at)), (rows, columns)), shape=(len(known), 2 * size))
    totals = [c.n for c, _ in known]
    found = 0
    for count in counts:
        if not 0 < count.n < THRESHOLD:
            continue
        aim = np.zeros(2 * size)
        aim[sorted(count.atoms)] = 1
        low = linprog(aim, A_eq=equal, b_eq=totals, bounds=(0, None))
        high = linprog(-aim, A_eq=equal, b_eq=totals, bounds=(0, None))
        least = low.fun if low.status == 0 else 0.0
        most = -high.fun if high.status == 0 else float("inf")
        found += most < THRESHOLD - 1e-6 or most - least < 1 - 1e-6
    return found


def main() -> int:
    """Print how many small counts were told; 1 when any was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--sites", type=int, default=28)
    parser.add_argument("--seed", type=int, default=9)
    given = parser.parse_args()
    numbers = random.Random(given.seed)
    sites = [f"S{n + 1:02d}" for n in range(given.sites)]
    small = naive = ours = later = shown = whole = 0
    seconds = 0.0
    for _ in range(given.rounds):
        people = {(s, leaf): int(numbers.expovariate(1.5)) for s in sites for leaf in LEAVES}
        people |= {
            (s, "reference_benign"): numbers.randrange(0, 40) * (numbers.random() < 0.6)
            for s in sites
        }
        counts = flow_counts(flow(people, sites), SHARED_PER_SITE, "literal")
        primary = [Count(c.key, c.n, c.atoms, not 0 < c.n < THRESHOLD) for c in counts]
        started = time.process_time()
        held = protect(counts)
        seconds += time.process_time() - started
        grown = {
            key: n + (numbers.random() < 0.1) * numbers.randrange(9) for key, n in people.items()
        }
        after = protect(
            flow_counts(flow(grown, sites), SHARED_PER_SITE, "literal"),
            {c.key: c.n for c in held if c.shown},
        )
        small += sum(0 < c.n < THRESHOLD for c in counts)
        naive += told(primary, [])
        ours += told(held, [])
        later += told(after, held)
        shown += sum(c.shown for c in held)
        whole += len(counts)
    print(f"{given.rounds} rounds, {given.sites} sites, {whole} counts, {small} of them small")
    print(f"told with the small ones alone left out   {naive}")
    print(f"told from one release                     {ours}   ({shown} counts shown)")
    print(f"told from two releases                    {later}")
    print(f"CPU to decide one release                 {seconds / given.rounds:.2f} s")
    return 1 if ours or later else 0


if __name__ == "__main__":
    sys.exit(main())
