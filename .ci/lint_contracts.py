"""Lint every contract with datacontract-cli, in one process; end with 1 when one is not valid."""

from __future__ import annotations

import sys
from pathlib import Path

from datacontract.data_contract import DataContract

FOLDER = Path(__file__).parents[1] / "data_contracts"


def main() -> int:
    """Print what is not valid, and how many were linted."""
    files = sorted(
        path for part in ("cohort", "operations") for path in (FOLDER / part).glob("*.yaml")
    )
    bad = 0
    for path in files:
        run = DataContract(data_contract_file=str(path)).lint()
        if not run.has_passed():
            bad += 1
            print(path.name, *(check.reason for check in run.checks), sep="\n  ")  # noqa: T201 - a check's output
    print(f"{len(files)} contracts linted, {bad} not valid")  # noqa: T201 - a check's output
    return 1 if bad or not files else 0


if __name__ == "__main__":
    sys.exit(main())
