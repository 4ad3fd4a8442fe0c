"""Every fault alone: simulated at the smallest size, taken in, held against the answer key.

    python benchmarks/simulate/each_fault.py [FAULT ...]

One line per fault: exit of `ingest`, how many files ended as the answer key states, what differs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from against_answer_key import file_outcomes

from schemas.vault.keys import create_demo_key_file, read_key_file
from tasks.simulate.faults.apply import ALL_FAULTS, TWO_NIGHT_FAULTS
from tasks.simulate.store import simulate

_SITE = "S91"
_SEED = 7
_OF_TWO_PERSONS = frozenset({"wrong_patient_series"})


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faults", nargs="*", default=list(ALL_FAULTS))
    print("| fault | ingest | s | files as stated | deviations |\n|---|---|---|---|---|")
    for name in parser.parse_args().faults:
        print(_line(name), flush=True)


def _line(name: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        create_demo_key_file(home / "restricted" / "key", _SEED)
        simulate(
            home / "inbox",
            sites=1,
            subjects=2 if name in _OF_TWO_PERSONS else 1,
            nights=2 if name in TWO_NIGHT_FAULTS else 1,
            seed=_SEED,
            faults=(name,),
        )
        start = time.perf_counter()
        command = [sys.executable, "-m", "flows.cli", "ingest", _SITE, "--home", str(home)]
        ended = subprocess.run(command, check=False, capture_output=True, text=True)
        seconds = time.perf_counter() - start
        outcomes = file_outcomes(home, read_key_file(home / "restricted" / "key"))
    counts = Counter(verdict for verdict, _ in outcomes)
    right = counts.pop("as stated", 0)
    said = "ok" if ended.returncode == 0 else f"exit {ended.returncode}"
    differs = "; ".join(f"{n} x {verdict}" for verdict, n in sorted(counts.items()))
    return f"| {name} | {said} | {seconds:.0f} | {right} of {len(outcomes)} | {differs or '-'} |"


if __name__ == "__main__":
    main()
