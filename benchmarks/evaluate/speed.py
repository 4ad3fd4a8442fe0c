"""What an evaluation costs: a run over 3 000 subjects and 6 000 lesions, 2 000 bootstrap draws.

Run: PYTHONPATH=. python benchmarks/evaluate/speed.py [--subjects 3000]

The release is made first, by a process of its own, and is not counted.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
from pathlib import Path

from flows.evaluations import evaluate
from schemas.run.settings import Settings
from tests.unit.evaluate.made import RUN, make_home


def prepare(home: Path, subjects: int) -> None:
    """Make the release, the run and the places of lesions."""
    made = make_home(home, subjects * 8 // 7, lesions=3)  # every eighth is not scored
    made.write_run(home / "runs" / RUN)


def main() -> None:
    """Print CPU seconds and peak memory of one evaluation."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, default=3000)
    subjects = parser.parse_args().subjects
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        maker = multiprocessing.get_context("spawn").Process(target=prepare, args=(home, subjects))
        maker.start()
        maker.join()
        before = resource.getrusage(resource.RUSAGE_SELF)
        sealed = evaluate(Settings(home=home), home / "runs" / RUN, home / "runs" / "reference")
        used = resource.getrusage(resource.RUSAGE_SELF)
        cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
        lesions = next(
            row["denominator"]
            for row in sealed.estimates
            if row["measure"] == "detection_rate" and row["subset_by"] == "all"
        )
        print(f"{subjects} subjects, {lesions:g} lesions, {len(sealed.estimates)} estimates")
        print(f"{cpu:.1f} CPU s, {used.ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
