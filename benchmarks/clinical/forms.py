"""3 000 subjects x 60 fields: forms taken in as CSV, Excel and ODM-XML; seconds and memory.

    PYTHONPATH=. python benchmarks/clinical/forms.py [--subjects 3000] [--format csv|xlsx|xml|all]

Each format runs in a process of its own, so that the peak memory is its own. The seven forms
have 60 and more columns together; every subject has one row in each and two ratings.
"""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import subprocess
import sys

from schemas.identifiers import SiteCode
from schemas.run.atomic_files import sha256_of_bytes
from tasks.clinical.form_contracts import read_form_contracts
from tasks.clinical.intake import read_form
from tasks.simulate.people.form_habits import AsOf, FormFormat, FormHabits
from tasks.simulate.people.forms import FORMS, FormRow, form_path, write_form

_AS_OF = dt.date(2026, 11, 20)
_DAY = dt.date(2025, 3, 6)


def main() -> None:
    """Print one line for each format."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=3000)
    parser.add_argument("--format", default="all", choices=["all", *FormFormat])
    options = parser.parse_args()
    if options.format != "all":
        _measure(FormFormat(options.format), options.subjects)
        return
    n_fields = sum(len(read_form_contracts()[form].fields) for form in FORMS)
    print(f"{options.subjects} subjects x {n_fields} fields in {len(FORMS)} forms\n")
    print("| format | MB | rows | fields | findings | CPU s | peak MB |\n" + "|---" * 7 + "|")
    for name in FormFormat:
        command = [sys.executable, __file__, "--format", name, "--subjects", str(options.subjects)]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout, end="")


def _measure(form_format: FormFormat, n_subjects: int) -> None:
    habits = FormHabits(format=form_format, as_of=AsOf.COLUMN)
    files = {
        form_path(habits, form, _AS_OF): write_form(habits, form, _rows(form, n_subjects), _AS_OF)
        for form in FORMS
    }
    written_mb = _peak_mb()
    before = _cpu_seconds()
    forms = [
        read_form(
            path.rpartition("/")[2],
            data,
            site=SiteCode("S91"),
            file_no=number,
            source_sha256=sha256_of_bytes(data),
        )
        for number, (path, data) in enumerate(files.items())
    ]
    seconds = _cpu_seconds() - before
    rows = [row for form in forms for row in form.rows]
    print(
        f"| {form_format.value} | {sum(map(len, files.values())) / 1e6:.1f} | {len(rows)} "
        f"| {sum(len(row.values) for row in rows)} | {sum(len(f.findings) for f in forms)} "
        f"| {seconds:.1f} | {_peak_mb():.0f} ({written_mb:.0f} before reading) |"
    )


def _rows(form: str, n_subjects: int) -> list[FormRow]:
    contract = read_form_contracts()[form]
    return [
        {
            column.name: _value(column.type, column.name, column.codes, n)
            for column in contract.fields
        }
        for n in range(1, n_subjects + 1)
    ]


def _value(kind: str, name: str, codes: tuple[object, ...], n: int) -> str | dt.date | None:
    plain: dict[str, str | dt.date | None] = {
        "subject_no": f"LC91-{n:04}",
        "screening_no": f"SCR-{n:05}",
        "date": _DAY + dt.timedelta(days=n % 90),
        "integer": "1",
        "decimal": "23.5",
        "token": "R01",
        "text": "术后病理描述",
    }
    if kind != "code":
        return plain[kind]
    code = codes[n % len(codes)]
    return "yes" if name == "enrolled" else str(getattr(code, "code", ""))


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
