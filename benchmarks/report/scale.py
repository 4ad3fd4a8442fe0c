"""Build time and size of the report at 3 000 subjects and 28 sites, and of the next night's.

Run: PYTHONPATH=. python benchmarks/report/scale.py [--subjects-per-site 107]

Simulated tables, one phantom's pictures for every volume. CPU seconds are user and system
time of this process, so that a busy machine does not change them.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import resource
import tempfile
import time
from pathlib import Path

from tasks.report.model import ReportInput
from tasks.report.store import WrittenReport, write_report
from tasks.report.store_pictures import PictureStore
from tests.unit.report.drawn import with_pictures
from tests.unit.report.synthetic import make_report


def cpu_seconds() -> float:
    """Return CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def build(report: ReportInput, reports: Path, store: PictureStore, what: str) -> WrittenReport:
    """Build one report and print what it cost."""
    cpu, wall = cpu_seconds(), time.monotonic()
    written = write_report(report, reports, store)
    cpu, wall = cpu_seconds() - cpu, time.monotonic() - wall
    print(f"{what:<34}{cpu:>8.1f}{wall:>8.1f}{written.n_files:>9}{written.n_bytes / 1e6:>9.1f}")
    return written


def size_with_data(page: Path) -> int:
    """Return the bytes of a page with every script, style sheet and part it loads at once."""
    text = page.read_text(encoding="utf-8")
    loaded = re.findall(r'<(?:script src|link rel="stylesheet" href)="([^"]+)"', text)
    return page.stat().st_size + sum(int((page.parent / one).stat().st_size) for one in loaded)


def print_pages(folder: Path) -> None:
    """Print the largest page of each kind."""
    print(f"\n{'page':<40}{'kB with data':>14}")
    kinds: dict[str, tuple[int, str]] = {}
    for page in folder.rglob("*.html"):
        name = page.relative_to(folder).as_posix()
        kind = name.split("/")[0] if "/" in name else name
        kinds[kind] = max(kinds.get(kind, (0, "")), (size_with_data(page), name))
    for size, name in sorted(kinds.values(), reverse=True):
        print(f"{name:<40}{size / 1000:>14.0f}")
    parts = [path.stat().st_size for path in (folder / "data").rglob("*_[0-9]*.js")]
    print(f"{'largest part of a long table':<40}{max(parts) / 1000:>14.0f}")


def main() -> None:
    """Build, build again, build the next night."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects-per-site", type=int, default=107)
    parser.add_argument("--out", type=Path, help="Keep the report here.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home = given.out or Path(scratch)
        per_site = given.subjects_per_site
        report = make_report(subjects_per_site=per_site, findings_per_site=4 * per_site)
        report, store = with_pictures(report, home / "drawn")
        n = report.tables["subject"].num_rows
        print(f"{n} subjects, {len(report.findings)} findings, 28 sites\n")
        print(f"{'':<34}{'CPU s':>8}{'wall s':>8}{'files':>9}{'MB':>9}")
        first = build(report, home / "reports", store, "first build")
        build(report, home / "reports", store, "the same again (writes nothing)")
        later = dataclasses.replace(report, run="release-1.3.0", findings=report.findings[:-50])
        build(later, home / "reports", store, "next night, 50 findings mended")
        print_pages(first.index.parent)


if __name__ == "__main__":
    main()
